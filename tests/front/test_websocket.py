"""WebSockets through real servers, with real clients and with frames that no client sends."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

websockets = pytest.importorskip("websockets")
wsproto = pytest.importorskip("wsproto")
pytest.importorskip("hypercorn")
pytest.importorskip("uvicorn")

from websockets.sync.client import connect  # noqa: E402 - after the check that it is there
from wsproto.events import AcceptConnection, CloseConnection, TextMessage  # noqa: E402
from wsproto.events import Request as Ask  # noqa: E402

HERE = Path(__file__).parent
PATIENCE_S = 5.0
# A machine that does other things besides takes its time to start a server.
START_S = 60.0
GRANIAN = ["granian", "--host", "127.0.0.1", "--no-log", "--port", "{port}"]
COMMANDS = {
    "granian-rsgi": [*GRANIAN, "--interface", "rsgi", "websocket_app:app"],
    "granian-asgi": [*GRANIAN, "--interface", "asginl", "websocket_app:app"],
    "hypercorn": ["hypercorn", "-b", "127.0.0.1:{port}", "websocket_app:app.asgi"],
    "uvicorn": ["uvicorn", "--port", "{port}", "--log-level", "critical", "websocket_app:app"],
}
MIB = 1024 * 1024


class Server:
    """One server in a process of its own."""

    def __init__(self, name: str, **variables: str) -> None:
        self.name = name
        #: Connections refused before the hooks, which are torn down all the same.
        self.unbegun = 0
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [word.format(port=self.port) for word in COMMANDS[name]]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=HERE,
            env={**os.environ, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self.until(lambda state: True, START_S)["pid"]

    def state(self) -> Any:
        url = f"http://127.0.0.1:{self.port}/state"
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def until(self, holds: Any, patience_s: float = PATIENCE_S) -> Any:
        """Returns the application's state once it is as wanted."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                state = self.state()
                if holds(state):
                    return state
            except OSError:
                state = None
                assert self.process.poll() is None, f"{self.name} has ended"
            assert time.monotonic() < deadline, f"{self.name} stays at {state}"
            time.sleep(0.02)

    def connect(self, path: str, **options: Any) -> Any:
        options.setdefault("open_timeout", PATIENCE_S)
        return connect(f"ws://127.0.0.1:{self.port}{path}", **options)

    def raw(self, path: str = "/echo", *fields: str) -> tuple[socket.socket, bytes]:
        """A connection after the handshake, and the head of the answer."""
        link = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        head = [
            f"GET {path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *fields,
            "\r\n",
        ]
        link.sendall("\r\n".join(head).encode("utf-8"))
        answer = b""
        while b"\r\n\r\n" not in answer and (piece := link.recv(4096)):
            answer += piece
        return link, answer

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module", params=list(COMMANDS))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(request.param)
    yield running
    running.stop()


@pytest.fixture
def counted(server: Server) -> Iterator[Server]:
    """Checks that each connection of the test is torn down once, by the same process."""
    server.until(lambda state: state["begun"] == state["torn_down"] - server.unbegun)
    yield server
    state = server.until(lambda state: state["begun"] == state["torn_down"] - server.unbegun)
    assert state["pid"] == server.pid


def frame(opcode: int, data: bytes, masked: bool = True, fin: bool = True) -> bytes:
    head = bytes([(0x80 if fin else 0) | opcode])
    bit = 0x80 if masked else 0
    if len(data) < 126:
        head += bytes([bit | len(data)])
    elif len(data) < 0x10000:
        head += bytes([bit | 126]) + len(data).to_bytes(2, "big")
    else:
        head += bytes([bit | 127]) + len(data).to_bytes(8, "big")
    return head + (b"\0\0\0\0" if masked else b"") + data


def read_to_end(link: socket.socket) -> bytes:
    received = b""
    try:
        while piece := link.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def test_text_and_bytes_come_back(counted: Server) -> None:
    with counted.connect("/echo") as client:
        for message in ("hé \U0001f600", "", b"\x00\xff", b"", "x" * 70_000, b"y" * MIB):
            client.send(message)
            assert client.recv(PATIENCE_S) == message


def test_the_clients_code_reaches_the_view(counted: Server) -> None:
    before = len(counted.state()["codes"])
    with counted.connect("/echo") as client:
        client.send("hi")
        client.recv(PATIENCE_S)
        client.close(4005, "done")
    state = counted.until(lambda state: len(state["codes"]) > before)
    # Those that do not tell it.
    told = {"granian-rsgi": 1005, "hypercorn": 1006}.get(counted.name, 4005)
    assert state["codes"][-1] == told


def test_close_code_and_reason_are_sent(counted: Server) -> None:
    for code in (1000, 1011, 3000, 4999):
        with counted.connect(f"/close/{code}") as client:
            with pytest.raises(websockets.ConnectionClosed) as caught:
                client.recv(PATIENCE_S)
            frame = caught.value.rcvd
            told = None if frame is None else (frame.code, frame.reason)
            # Granian's RSGI sends a close frame without either.
            rsgi = counted.name == "granian-rsgi"
            assert told == ((1005, "") if rsgi else (code, "for a reason"))


@pytest.mark.parametrize("status", [401, 403, 404, 451, 503])
def test_refused_with_a_status(counted: Server, status: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        counted.connect(f"/refuse/{status}")
    assert caught.value.response.status_code == status


@pytest.mark.parametrize("status", [999, 1000])
def test_a_status_beyond_http_aborts_no_worker(counted: Server, status: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        counted.connect(f"/refuse/{status}")
    assert caught.value.response.status_code == 500
    counted.state()


def test_no_such_path_is_a_404_and_a_page_takes_no_websocket(counted: Server) -> None:
    for path in ("/none", "/state"):
        with pytest.raises(websockets.InvalidStatus) as caught:
            counted.connect(path)
        assert caught.value.response.status_code == 404


def test_an_exception_is_a_500_before_and_1011_after_accept(counted: Server) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        counted.connect("/fail-early")
    assert caught.value.response.status_code == 500
    with counted.connect("/fail") as client:
        with pytest.raises(websockets.ConnectionClosed) as closed:
            client.recv(PATIENCE_S)
        assert closed.value.rcvd.code == (1005 if counted.name == "granian-rsgi" else 1011)


def test_subprotocol_is_chosen_where_the_server_can(counted: Server) -> None:
    if counted.name == "granian-rsgi":
        with pytest.raises(websockets.InvalidStatus) as caught:
            counted.connect("/sub", subprotocols=["a", "b"])
        assert caught.value.response.status_code == 500
        return
    with counted.connect("/sub", subprotocols=["a", "b"]) as client:
        assert client.subprotocol == "b"
        assert client.recv(PATIENCE_S) == "chosen"


def test_a_header_is_sent_with_the_handshake_or_refused(counted: Server) -> None:
    if counted.name.startswith("granian"):
        with pytest.raises(websockets.InvalidStatus) as caught:
            counted.connect("/header")
        assert caught.value.response.status_code == 500
        return
    with counted.connect("/header") as client:
        assert client.response.headers["X-A"] == "1"


def test_a_session_is_sent_with_the_handshake_where_the_server_can(counted: Server) -> None:
    with counted.connect("/session") as client:
        assert client.recv(PATIENCE_S) == "1"
        cookie = client.response.headers.get("Set-Cookie")
    if counted.name.startswith("granian"):
        assert cookie is None  # nor any other header, on either of its interfaces
        return
    fields = {"Cookie": cookie.partition(";")[0]}
    with counted.connect("/session", additional_headers=fields) as client:
        assert client.recv(PATIENCE_S) == "2"


@pytest.mark.parametrize("offer", ["chät", "a,,b c", "", "\x7f", "a" * 5000])
def test_a_strange_offer_of_subprotocols_leaves_the_worker_alive(
    counted: Server, offer: str
) -> None:
    link, answer = counted.raw("/sub", f"Sec-WebSocket-Protocol: {offer}")
    link.close()
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5", b"HTTP/1.1 101"))


def test_another_sites_page_is_refused(counted: Server) -> None:
    own = f"http://127.0.0.1:{counted.port}"
    with counted.connect("/echo", origin=own):
        pass
    for origin in ("http://evil.example", "null", f"{own}.evil.example", "http://127.0.0.1"):
        counted.unbegun += 1
        with pytest.raises(websockets.InvalidStatus) as caught:
            counted.connect("/echo", origin=origin)
        assert caught.value.response.status_code == 403


BAD_FRAMES = {
    "unmasked": frame(1, b"hi", masked=False),
    "unknown opcode": frame(3, b"x"),
    "unknown control opcode": frame(11, b"x"),
    "reserved bits": bytes([0xF1, 0x80, 0, 0, 0, 0]),
    "ping of 126 bytes": frame(9, b"x" * 126),
    "ping in pieces": frame(9, b"x", fin=False),
    "text that is no UTF-8": frame(1, b"\xff\xfe"),
    "surrogate in text": frame(1, b"\xed\xa0\x80"),
    "continuation of nothing": frame(0, b"x"),
    "close of one byte": frame(8, b"\x03"),
    "close with 1005": frame(8, (1005).to_bytes(2, "big")),
    "close with bad UTF-8": frame(8, (1000).to_bytes(2, "big") + b"\xff"),
    "length of 63 bits": bytes([0x82, 0xFF]) + (1 << 62).to_bytes(8, "big") + b"\0\0\0\0x",
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_bad_frame_ends_the_connection_and_nothing_else(counted: Server, name: str) -> None:
    if counted.name == "hypercorn" and name == "length of 63 bits":
        pytest.skip("wsproto waits for the bytes")
    link, answer = counted.raw()
    assert answer.startswith(b"HTTP/1.1 101")
    link.sendall(BAD_FRAMES[name])
    received = read_to_end(link)
    link.close()
    assert received == b"" or received[0] == 0x88


def test_one_byte_more_than_the_limit_closes_with_1009(counted: Server) -> None:
    for kind, data in ((2, b"x" * (MIB + 1)), (1, "é".encode() * (MIB // 2) + b"x")):
        link, _ = counted.raw()
        link.sendall(frame(kind, data))
        received = link.recv(4096)
        link.close()
        if counted.name != "granian-rsgi":
            assert received[:1] == b"\x88" and received[2:4] == (1009).to_bytes(2, "big")
        else:
            assert received == b"\x88\x00"


def test_the_limit_counts_a_message_in_pieces_as_a_whole(counted: Server) -> None:
    link, _ = counted.raw()
    half = b"x" * (MIB // 2 + 1)
    link.sendall(frame(2, half, fin=False) + frame(0, half))
    assert link.recv(4096)[:1] == b"\x88"
    link.close()


def test_clients_that_vanish_are_torn_down(counted: Server) -> None:
    for path in ("/quiet", "/echo", "/feed") * 5:
        link, answer = counted.raw(path)
        assert answer.startswith(b"HTTP/1.1 101")
        link.close()


def test_a_client_that_does_not_read_stops_the_feed(counted: Server) -> None:
    # The view waits in send meanwhile, or the server would hold what a million sends are.
    link, _ = counted.raw("/feed")
    state = counted.state()
    assert state["begun"] > state["torn_down"] - counted.unbegun
    link.close()


def test_wsproto_talks_to_it(counted: Server) -> None:
    link = socket.create_connection(("127.0.0.1", counted.port), PATIENCE_S)
    client = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    link.sendall(client.send(Ask(host=f"127.0.0.1:{counted.port}", target="/echo")))
    events: list[Any] = []

    def wait_for(kind: type) -> Any:
        while True:
            for event in client.events():
                events.append(event)
                if isinstance(event, kind):
                    return event
            client.receive_data(link.recv(4096) or None)

    wait_for(AcceptConnection)
    link.sendall(client.send(TextMessage(data="hello")))
    assert wait_for(TextMessage).data == "hello"
    link.sendall(client.send(CloseConnection(code=1000)))
    wait_for(CloseConnection)
    link.close()


def test_a_silent_connection_is_closed() -> None:
    for name in COMMANDS:
        server = Server(name, IDLE_S="0.2")
        try:
            with (
                server.connect("/quiet") as client,
                pytest.raises(websockets.ConnectionClosed) as end,
            ):
                client.recv(PATIENCE_S)
            rsgi = name == "granian-rsgi"
            assert end.value.rcvd.code == (1005 if rsgi else 1001)
            server.until(lambda state: state["begun"] == state["torn_down"] == 1)
        finally:
            server.stop()


def test_many_connections_at_once(counted: Server) -> None:
    async def talk(number: int) -> None:
        url = f"ws://127.0.0.1:{counted.port}/echo"
        async with websockets.connect(url, open_timeout=PATIENCE_S) as client:
            await client.send(str(number))
            assert await client.recv() == str(number)

    async def all_of_them() -> None:
        await asyncio.gather(*(talk(number) for number in range(50)))

    asyncio.run(all_of_them())
