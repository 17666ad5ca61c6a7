"""The RSGI door, driven with Granian's scope and protocol made by hand."""

from __future__ import annotations

import asyncio
import socket
from types import SimpleNamespace

import pytest

from hipflask import Flask, request, send_file
from hipflask.front import sending
from hipflask.front.rsgi import rsgi_app
from hipflask.front.sending import Pace, connection_of


class Fields(dict):
    """What Granian's headers can do."""

    def get_all(self, name):
        return [self[name]] if name in self else []


class Protocol:
    """Gives `chunks` as Granian's iterator does, and keeps what is answered."""

    def __init__(self, chunks=(), whole=None):
        self.chunks = list(chunks)
        self.whole = whole
        self.said = None
        self.pieces = []
        self.left = asyncio.get_running_loop().create_future()

    async def __call__(self):
        if isinstance(self.whole, Exception):
            raise self.whole
        return self.whole

    def __aiter__(self):
        return self

    async def __anext__(self):
        if not self.chunks:
            raise StopAsyncIteration
        chunk = self.chunks.pop(0)
        if chunk == "stop":
            await asyncio.Event().wait()
        return chunk

    def client_disconnect(self):
        return self.left

    def response_empty(self, status, fields):
        self.said = ("empty", status, fields)

    def response_bytes(self, status, fields, body):
        self.said = ("bytes", status, fields, body)

    def response_file(self, status, fields, path):
        self.said = ("file", status, fields, path)

    def response_file_range(self, status, fields, path, start, end):
        self.said = ("range", status, fields, path, start, end)

    def response_stream(self, status, fields):
        self.said = ("stream", status, fields)
        return SimpleNamespace(send_bytes=self.send_bytes)

    async def send_bytes(self, piece):
        self.pieces.append(piece)


def ask(app, method="GET", path="/", fields=(), version="1.1", leave=False, **given):
    async def run():
        protocol = Protocol(**given)
        scope = SimpleNamespace(
            proto="http", method=method, path=path, query_string="", scheme="http",
            http_version=version, headers=Fields(fields), authority=None,
            client="127.0.0.1:1", server="127.0.0.1:2",
        )  # fmt: skip
        if leave:
            protocol.left.set_result(None)
        protocol.headers = {"host": "h", **dict(fields)}
        scope.headers.setdefault("host", "h")
        await rsgi_app(app, scope, protocol)
        return protocol

    return asyncio.run(run())


@pytest.fixture
def app():
    app = Flask(__name__)
    app.seen = []

    @app.post("/")
    def take():
        app.seen.append(request.get_data())
        return "ok"

    return app


CHUNKED = {"transfer-encoding": "chunked"}


def test_a_chunked_body_that_ended_is_whole(app):
    assert ask(app, "POST", fields=CHUNKED, chunks=[b"abc", b"def", b""]).said[1] == 200
    assert app.seen == [b"abcdef"]


@pytest.mark.parametrize(
    "chunks", [[b"abc", b"", b""], [b"", b"abc", b""], [b"abc", b"", b"def", b""]]
)
def test_a_chunk_after_an_empty_one_stands_for_an_error(app, chunks):
    assert ask(app, "POST", fields=CHUNKED, chunks=chunks).said[1] == 400
    assert app.seen == []


def test_a_short_body_in_one_piece_is_refused(app):
    for whole in (b"abc", OSError("cut")):
        assert ask(app, "POST", fields={"content-length": "6"}, whole=whole).said[1] == 400
    assert ask(app, "POST", fields={"content-length": "3"}, whole=b"abc").said[1] == 200
    assert app.seen == [b"abc"]


def test_a_long_body_is_compared_with_its_length(app):
    fields = {"content-length": "70000"}
    assert ask(app, "POST", fields=fields, chunks=[b"x" * 60_000, b""]).said[1] == 400
    whole = [b"x" * 60_000, b"x" * 10_000, b""]
    assert ask(app, "POST", fields=fields, chunks=whole).said[1] == 200
    assert list(map(len, app.seen)) == [70_000]


def test_a_reset_ends_an_iterator_that_would_wait_for_ever(app):
    given = {"chunks": [b"x", "stop"], "version": "2", "leave": True}
    assert ask(app, "POST", fields={"content-length": "70000"}, **given).said[1] == 400
    assert app.seen == []


def test_http_2_without_a_length_is_411(app):
    assert ask(app, "POST", version="2", chunks=[b"abc", b""]).said[1] == 411
    assert app.seen == []


def test_a_file_is_left_to_the_server(app, tmp_path):
    path = tmp_path / "file.txt"
    path.write_bytes(b"0123456789")
    app.add_url_rule("/file", view_func=lambda: send_file(path), endpoint="file")
    kind, status, fields, sent = ask(app, path="/file").said
    assert (kind, status, sent) == ("file", 200, str(path))
    assert ("Content-Length", "10") in fields
    part = ask(app, path="/file", fields={"range": "bytes=2-4"}).said
    assert part[:2] == ("range", 206)
    assert part[3:] == (str(path), 2, 5)
    assert ask(app, "HEAD", "/file").pieces == []


def test_a_file_replaced_since_it_was_opened_is_sent_as_it_was(app, tmp_path):
    path = tmp_path / "file.txt"

    @app.get("/file")
    def file():
        path.write_bytes(b"0123456789")
        response = send_file(path)
        path.unlink()
        path.write_bytes(b"other")
        return response

    protocol = ask(app, path="/file")
    assert (protocol.said[0], b"".join(protocol.pieces)) == ("stream", b"0123456789")


@pytest.mark.parametrize("code", [0, 99, 101, 1000])
def test_a_status_that_would_end_the_worker_is_not_handed_over(app, code):
    app.add_url_rule("/bad", view_func=lambda: ("x", code), endpoint="bad")
    assert ask(app, path="/bad").said[:2] == ("bytes", 500)


def test_a_client_that_left_is_answered_nothing(app):
    @app.get("/wait")
    async def wait():
        await asyncio.Event().wait()

    assert ask(app, path="/wait", leave=True).said is None


def test_pieces_of_a_stream(app):
    app.add_url_rule("/s", view_func=lambda: iter(["a", "", "b"]), endpoint="s")
    protocol = ask(app, path="/s")
    assert (protocol.said[0], protocol.pieces) == ("stream", [b"a", b"b"])


# --- the connection behind a response -------------------------------------------------------


@pytest.fixture
def connected():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname()) as client:
            ours, address = listener.accept()
            with ours:
                yield client, ours


def test_connection_is_found_by_its_addresses(connected):
    client, ours = connected
    with connection_of(client.getsockname(), ours.getsockname()) as found:
        assert found.getpeername() == client.getsockname()
    assert connection_of(("127.0.0.1", 1), None) is None
    assert connection_of(None, None) is None


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="needs Linux's TCP_INFO")
def test_a_stream_is_held_back_until_the_client_takes_it(connected, monkeypatch):
    monkeypatch.setattr(sending, "WINDOW_BYTES", 64 * 1024)
    client, ours = connected
    ours.setblocking(False)
    size = 16 * 1024 * 1024  # more than the kernel keeps for a connection that nobody reads

    async def run():
        loop = asyncio.get_running_loop()
        exchange = SimpleNamespace(
            client=client.getsockname(), server=ours.getsockname(), loop=loop, moved=0.0
        )
        pace = Pace(exchange)
        # As Granian does: takes all at once, and sends it when it can.
        sending_all = loop.create_task(loop.sock_sendall(ours, b"x" * size))
        waiting = asyncio.ensure_future(pace.keep(size))
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not waiting.done()
        client.setblocking(False)
        taken = 0
        while taken < size:
            taken += len(await loop.sock_recv(client, 1 << 20))
        await waiting
        await sending_all
        pace.close()
        assert exchange.moved > 0

    asyncio.run(run())
