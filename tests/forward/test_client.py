"""Calls over real sockets, to servers that answer well, badly, slowly or not at all."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from hipflask import Flask
from hipflask.forward import Client, Deadlines, Failure, Request, SendFailure

from .servers import Arrived, answer_bytes, answer_with, closed_port, raw_server

PATIENT = Deadlines(30, 10, 20)


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.close()


def test_a_call_arrives_as_it_was_made(client: Client) -> None:
    with raw_server(answer_with("201 Created", b"done", ("X-A", "1"), ("X-A", "2"))) as server:
        url = f"{server.url}/entries?a=%2F&b=c"
        answer = client.send(Request("POST", url, (("X-B", "ü"),), b"body"), PATIENT)
    assert (answer.status, answer.body, answer.is_whole) == (201, b"done", True)
    assert [value for name, value in answer.headers if name == "X-A"] == ["1", "2"]
    assert answer.was_sent and answer.duration_s > 0 and answer.failure is None
    (arrived,) = server.arrived
    assert arrived.line == "POST /entries?a=%2F&b=c HTTP/1.1"
    assert arrived.body == b"body"
    # Nothing that the caller did not say.
    assert sorted(arrived.fields) == [
        ("content-length", "4"),
        ("host", f"127.0.0.1:{server.port}"),
        ("x-b", "ü"),
    ]


def test_a_call_made_in_a_request_continues_its_trace(client: Client) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    app = Flask("traced", static_folder=None)
    with raw_server(answer_with("200 OK")) as server:

        @app.get("/plain")
        def plain() -> str:
            return str(client.send(Request("GET", server.url), PATIENT).status)

        @app.get("/async")
        async def awaited() -> str:
            opened = await Client().open(Request("GET", server.url), PATIENT)
            await opened.close()
            return str(opened.status)

        for path, door in (("/plain", "wsgi"), ("/plain", "rsgi"), ("/async", "asgi")):
            for parent in (f"00-{trace}-b7ad6b7169203331-01", None):
                headers = {"traceparent": parent, "tracestate": "a=1"} if parent else {}
                answer = app.test_client(door=door).get(path, headers=headers)
                assert answer.data == b"200"
                arrived = server.arrived.pop()
                assert arrived.all("traceparent") == ([parent] if parent else [])
                assert arrived.all("tracestate") == (["a=1"] if parent else [])


def test_a_strangers_fields_do_not_say_where_it_goes_nor_how_long_it_is(client: Client) -> None:
    fields = (("Host", "evil"), ("Content-Length", "99"), ("Transfer-Encoding", "chunked"))
    with raw_server(answer_with()) as server:
        assert client.send(Request("POST", server.url, fields, b"body"), PATIENT).status == 200
    (arrived,) = server.arrived
    assert (arrived.all("host"), arrived.body) == ([f"127.0.0.1:{server.port}"], b"body")
    assert arrived.all("content-length") == ["4"] and arrived.all("transfer-encoding") == []


def test_a_redirect_is_an_answer(client: Client) -> None:
    with raw_server(answer_with("302 Found", b"", ("Location", "/elsewhere"))) as server:
        answer = client.send(Request("GET", server.url), PATIENT)
        assert (answer.status, answer.header("LOCATION")) == (302, "/elsewhere")
        assert server.connections == 1


def test_no_cookie_is_kept(client: Client) -> None:
    with raw_server(answer_with("200 OK", b"", ("Set-Cookie", "a=1; Path=/"))) as server:
        for _ in range(2):
            client.send(Request("GET", server.url), PATIENT)
        assert [request.get("cookie") for request in server.arrived] == [None, None]


def test_no_proxy_is_taken_from_the_environment(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{closed_port()}")
    with raw_server(answer_with()) as server:
        assert client.send(Request("GET", server.url), PATIENT).status == 200


def test_nobody_there_is_told_as_not_sent(client: Client) -> None:
    answer = client.send(Request("POST", f"http://127.0.0.1:{closed_port()}"), PATIENT)
    assert (answer.status, answer.failure, answer.was_sent) == (None, Failure.CONNECT, False)
    assert "no connection" in answer.error


@pytest.mark.parametrize(
    "made",
    [b"", b"HTTP/1.1 200", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"],
)
def test_what_is_no_answer_is_a_cut_one(client: Client, made: bytes) -> None:
    with raw_server(lambda request, peer: made) as server:
        answer = client.send(Request("POST", server.url, (), b"x"), PATIENT)
    assert (answer.status, answer.failure, answer.was_sent) == (None, Failure.CUT, True)


def test_a_body_that_is_cut_is_still_an_answer(client: Client) -> None:
    made = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with raw_server(lambda request, peer: made) as server:
        answer = client.send(Request("GET", server.url), PATIENT)
    assert (answer.status, answer.body, answer.is_whole) == (200, b"half", False)
    assert "cut" in answer.error


def test_a_silent_server_is_given_up(client: Client) -> None:
    is_over = threading.Event()
    with raw_server(lambda request, peer: is_over.wait(60) and None) as server:
        answer = client.send(Request("GET", server.url), Deadlines(30, 10, 0.1))
        assert (answer.failure, answer.was_sent) == (Failure.TIMEOUT, True)
        answer = client.send(Request("GET", server.url), Deadlines(0.1, 10, 20))
        assert (answer.failure, answer.was_sent) == (Failure.TIMEOUT, True)
        is_over.set()


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_byte_now_and_then_does_not_prolong_the_whole(client: Client, part: str) -> None:
    is_over = threading.Event()

    def trickle(request: Arrived, peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if part == "body" else b"X-A: "))
        while not is_over.wait(0.01):
            peer.sendall(b"a")

    with raw_server(trickle) as server:
        answer = client.send(Request("GET", server.url), Deadlines(0.3, 10, 20))
        is_over.set()
    if part == "head":
        assert (answer.status, answer.failure) == (None, Failure.TIMEOUT)
    else:
        assert (answer.status, answer.is_whole) == (200, False)


def test_a_flood_is_read_to_its_limit_and_kept_to_less(client: Client) -> None:
    sent = 0

    def flood(request: Arrived, peer: socket.socket) -> None:
        nonlocal sent
        peer.sendall(b"HTTP/1.1 500 Oh\r\nContent-Length: 10000000000\r\n\r\n")
        while True:
            peer.sendall(b"x" * 65536)
            sent += 65536

    with raw_server(flood) as server:
        answer = client.send(Request("GET", server.url), PATIENT)
        assert (answer.status, len(answer.body), answer.is_whole) == (500, 2048, False)
        # Beyond what was read only what sockets hold.
        assert sent < 50_000_000


def test_a_head_without_end_is_given_up(client: Client) -> None:
    def endless(request: Arrived, peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.sendall(b"X-A: " + b"a" * 65000 + b"\r\n")

    with raw_server(endless) as server:
        answer = client.send(Request("GET", server.url), PATIENT)
    assert (answer.status, answer.failure) == (None, Failure.CUT)


def test_a_connection_is_used_again(client: Client) -> None:
    def several(request: Arrived, peer: socket.socket) -> None:
        from .servers import read_request

        made = answer_bytes("200 OK", b"x").replace(b"Connection: close\r\n", b"")
        while request is not None:
            server.arrived.append(request)
            peer.sendall(made)
            request = read_request(peer)  # type: ignore[assignment]

    with raw_server(several) as server:
        for _ in range(3):
            assert client.send(Request("GET", server.url), PATIENT).status == 200
        assert server.connections == 1
        client.close()


def test_on_a_loop_calls_run_side_by_side(client: Client) -> None:
    barrier = threading.Barrier(3)

    def together(request: Arrived, peer: socket.socket) -> bytes:
        barrier.wait(30)
        return answer_bytes("200 OK", b"x")

    async def three(url: str) -> list[int | None]:
        calls = [client.send_async(Request("GET", url), PATIENT) for _ in range(3)]
        answers = await asyncio.gather(*calls)
        await client.close_async()
        return [answer.status for answer in answers]

    with raw_server(together) as server:
        assert asyncio.run(three(server.url)) == [200, 200, 200]


def test_bodies_are_streamed_both_ways(client: Client) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"abc"

    async def stream(url: str) -> tuple[int, bytes]:
        opened = await client.open(Request("PUT", url), PATIENT, body())
        made = b"".join([piece async for piece in opened.pieces()])
        await opened.close()
        await client.close_async()
        return opened.status, made

    with raw_server(answer_with("200 OK", b"x" * 200_000)) as server:
        assert asyncio.run(stream(server.url)) == (200, b"x" * 200_000)
        assert server.arrived[0].body == b"abc" * 3
        assert server.arrived[0].get("transfer-encoding") == "chunked"


def test_an_opened_call_says_how_it_failed(client: Client) -> None:
    is_over = threading.Event()

    async def run(url: str) -> SendFailure:
        with pytest.raises(SendFailure) as caught:
            await client.open(Request("GET", url), Deadlines(0.1, 5, 20))
        await client.close_async()
        return caught.value

    with raw_server(lambda request, peer: is_over.wait(60) and None) as server:
        failure = asyncio.run(run(server.url))
        is_over.set()
    assert (failure.kind, failure.was_sent) == (Failure.TIMEOUT, True)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda: Request("GET", "http://a", (("X-A", "a\r\nb"),)),
        lambda: Request("GET", "http://a", (("X\nA", "a"),)),
        lambda: Request("GET", "http://a", (("X-A", "\u0142"),)),
        lambda: Request("GET /", "http://a"),
    ],
)
def test_what_http_cannot_carry_is_no_request(request_of: object) -> None:
    with pytest.raises(ValueError):
        request_of()  # type: ignore[operator]
