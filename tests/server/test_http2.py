"""Bodies over HTTP/2 that are reset, cut or of no known length, on Granian as `serve` runs it."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import sys
import time

import pytest

from .process import PATIENCE_S, until

h2_connection = pytest.importorskip("h2.connection")
h2_events = pytest.importorskip("h2.events")

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

NO_ERROR, CANCEL = 0, 8
LENGTH = 200

APP = """
import asyncio, gc, os, threading
from hipflask import Flask, request
from hipflask.streams import streams_body

app = Flask(__name__)
whole, counts = [], {"begun": 0, "ended": 0}

@app.before_request
def begin():
    counts["begun"] += 1

@app.teardown_request
def end(error):
    counts["ended"] += 1

@app.post("/plain")
def plain():
    whole.append(len(request.get_data()))
    return str(whole[-1])

@app.post("/async")
async def later():
    whole.append(len(request.get_data()))
    return str(whole[-1])

@app.post("/streamed")
@streams_body
async def streamed():
    size = 0
    async for chunk in request.body_stream:
        size += len(chunk)
    whole.append(size)
    return str(size)

@app.get("/seen")
async def seen():
    found, whole[:] = list(whole), []
    return found

@app.get("/inside")
async def inside():
    gc.collect()
    return {
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
        "files": len(os.listdir("/proc/self/fd")),
        "open": counts["begun"] - counts["ended"],
    }
"""


@pytest.fixture
def folder(folder):
    (folder / "app.py").write_text(APP)
    return folder


@pytest.fixture(params=["rsgi", "asgi"])
def server(served, request):
    # One thread, as a second one would be started when it is first needed.
    return served(interface=request.param, threads=1, queue=100)


class Client:
    """One HTTP/2 connection with prior knowledge."""

    def __init__(self, server):
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S)
        self._h2 = h2_connection.H2Connection()
        self._h2.initiate_connection()
        self.statuses, self.bodies, self.ended = {}, {}, set()
        self._flush()
        # So that the server's settings, its limit of streams among them, are known.
        self._until(lambda: self._settled)

    _settled = False

    def _flush(self):
        self._socket.sendall(self._h2.data_to_send())

    def _until(self, condition):
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "no answer"
            data = self._socket.recv(65536)
            assert data, "the server closed the connection"
            for event in self._h2.receive_data(data):
                self._take(event)
            self._flush()

    def _take(self, event):
        if isinstance(event, h2_events.RemoteSettingsChanged):
            self._settled = True
        elif isinstance(event, h2_events.ResponseReceived):
            self.statuses[event.stream_id] = int(dict(event.headers)[b":status"])
        elif isinstance(event, h2_events.DataReceived):
            self.bodies[event.stream_id] = self.bodies.get(event.stream_id, b"") + event.data
        elif isinstance(event, (h2_events.StreamEnded, h2_events.StreamReset)):
            self.ended.add(event.stream_id)

    def begin(self, path, sent=0, *, length=LENGTH, ends=False):
        """Send the head and `sent` bytes of a body; returns the stream's number."""
        number = self._h2.get_next_available_stream_id()
        fields = [(":method", "POST"), (":path", path), (":authority", "x"), (":scheme", "http")]
        if length is not None:
            fields.append(("content-length", str(length)))
        self._h2.send_headers(number, fields)
        if sent or ends:
            self._h2.send_data(number, b"x" * sent, end_stream=ends)
        self._flush()
        return number

    def reset(self, number, code):
        self._h2.reset_stream(number, code)
        self._flush()

    def answers(self, *numbers):
        """Wait for the end of these streams; returns status and body of each."""
        self._until(lambda: self.ended.issuperset(numbers))
        return [(self.statuses.get(one, 0), self.bodies.get(one, b"")) for one in numbers]

    def close(self):
        self._socket.close()


@contextlib.contextmanager
def connected(server):
    with contextlib.closing(Client(server)) as client:
        yield client


def inside(server):
    return json.loads(server.body("/inside"))


def seen(server):
    return json.loads(server.body("/seen"))


@contextlib.contextmanager
def leaving_nothing(server):
    """What is alive in the worker before is all that is alive afterwards."""
    with connected(server) as client:
        # The thread of the pool, and whatever is made on first use.
        streams = [client.begin(path, LENGTH, ends=True) for path in PATHS * 4]
        assert set(client.answers(*streams)) == {(200, b"200")}
    assert set(seen(server)) == {LENGTH}
    until(lambda: inside(server)["open"] == 1, "the end of the first requests")
    before = until(lambda: (found := inside(server)) == inside(server) and found, "calm")
    yield
    until(lambda: all(inside(server)[key] <= before[key] for key in before), "nothing to be left")


PATHS = ["/plain", "/async", "/streamed"]


def test_a_stream_that_is_reset_midway_reaches_no_view_with_a_short_body(server):
    with leaving_nothing(server):
        for code in (NO_ERROR, CANCEL):
            for path in PATHS:
                for length in (LENGTH, None):
                    for sent in (0, 1, LENGTH - 1):
                        with connected(server) as client:
                            client.reset(client.begin(path, sent, length=length), code)
                            # The connection goes on, and this one is behind the others.
                            (answer,) = client.answers(client.begin("/async", LENGTH, ends=True))
                            assert answer == (200, b"200")
    assert set(seen(server)) == {LENGTH}


def test_a_connection_closed_in_the_middle_of_a_body_reaches_no_view(server):
    with leaving_nothing(server):
        for path in PATHS:
            for length in (LENGTH, None):
                with connected(server) as client:
                    for sent in (0, 1, LENGTH // 2, LENGTH - 1):
                        client.begin(path, sent, length=length)
    assert seen(server) == []


def test_a_body_that_ends_before_its_length_reaches_no_view(server):
    with leaving_nothing(server):
        for path in PATHS:
            for sent in (1, LENGTH - 1):
                with connected(server) as client, contextlib.suppress(AssertionError):
                    (answer,) = client.answers(client.begin(path, sent, ends=True))
                    assert answer[0] in (0, 400)
    assert seen(server) == []


def test_a_body_of_no_known_length_is_411_except_for_a_view_that_streams(server):
    with leaving_nothing(server), connected(server) as client:
        streams = [client.begin(path, LENGTH, length=None, ends=True) for path in PATHS]
        statuses = [status for status, body in client.answers(*streams)]
        assert statuses == [411, 411, 200]
    assert seen(server) == [LENGTH]


def test_100_streams_at_once_are_answered_each_and_leave_nothing(server):
    with leaving_nothing(server), connected(server) as client:
        streams = [client.begin(PATHS[number % 3], LENGTH // 2) for number in range(100)]
        for number in streams:
            client._h2.send_data(number, b"y" * (LENGTH // 2), end_stream=True)
        client._flush()
        assert client.answers(*streams) == [(200, b"200")] * 100
    assert seen(server) == [LENGTH] * 100


@pytest.mark.parametrize("code", [NO_ERROR, CANCEL])
def test_100_streams_that_are_reset_leave_nothing_and_reach_no_view(server, code):
    with leaving_nothing(server):
        for _ in range(3):
            # So many resets at once look like an attack, and may end the connection.
            with connected(server) as client, contextlib.suppress(OSError):
                streams = [client.begin(PATHS[number % 3], LENGTH // 2) for number in range(100)]
                for number in streams:
                    client.reset(number, code)
        with connected(server) as client:
            assert client.answers(client.begin("/async", LENGTH, ends=True)) == [(200, b"200")]
    assert seen(server) == [LENGTH]
    assert server.stop() == 0
    assert not re.search("Traceback|ERROR", server.said)
