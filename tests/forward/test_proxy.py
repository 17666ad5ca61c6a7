"""The reverse proxy, through each door, to servers on real sockets."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hipflask import Flask
from hipflask.forward import (
    Client,
    Deadlines,
    Destination,
    Failure,
    Request,
    SendFailure,
    exchange,
    proxy,
)
from hipflask.forward.exchange import Relay
from hipflask.scaffold import SetupError

from .servers import Arrived, answer_bytes, answer_with, closed_port, raw_server

DOORS = ("wsgi", "asgi", "rsgi")


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def app_to(url: str, rule: str = "/<path:rest>", **options: Any) -> Flask:
    app = Flask(__name__)
    to = options.pop("destination", None) or Destination(
        "old", url=url, timeout_s=options.pop("timeout_s", 20)
    )
    proxy(app, rule, to=to, client=Client(), **options)
    return app


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """What a test's loop in this thread has opened ends with the test."""
    yield
    import gc
    import warnings

    from hipflask import bridge

    loop = getattr(bridge._local, "loop", None)
    if loop is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            loop.close()
            del bridge._local.loop
            gc.collect()


def call(app: Flask, door: str, path: str = "/a", **options: Any) -> Any:
    return app.test_client(use_cookies=False, door=door).open(path, **options)


def test_a_request_arrives_as_it_was_sent_and_so_does_its_answer(door: str) -> None:
    fields = (("X-A", "1"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("Connection", "X-Hop"))
    with raw_server(answer_with("201 Made it", b"done", *fields, ("X-Hop", "1"))) as server:
        response = call(
            app_to(server.url),
            door,
            "/a/b%20c?d=%2F&d=e",
            method="POST",
            data=b"\x00body",
            headers={"X-B": "2", "Content-Type": "application/octet-stream", "Cookie": "c=3"},
        )
    assert (response.status_code, response.data) == (201, b"done")
    assert response.headers.getlist("Set-Cookie") == ["a=1", "b=2"]
    assert "X-Hop" not in response.headers and "Content-Type" not in response.headers
    assert response.headers["Content-Length"] == "4"
    (arrived,) = server.arrived
    assert arrived.line == "POST /a/b%20c?d=%2F&d=e HTTP/1.1"
    assert arrived.body == b"\x00body"
    assert arrived.get("x-b") == "2" and arrived.get("cookie") == "c=3"
    assert arrived.get("content-length") == "5" and arrived.get("transfer-encoding") is None
    assert arrived.get("host") == f"127.0.0.1:{server.port}"
    assert arrived.get("x-forwarded-host") == "localhost"
    assert arrived.get("x-forwarded-proto") == "http"
    assert arrived.get("via") == "1.1 hipflask"
    assert all(len(arrived.all(name)) == 1 for name, _ in arrived.fields)


def test_a_body_in_pieces_is_sent_on_in_pieces(door: str) -> None:
    body = b"x" * 300_000
    with raw_server(lambda request, peer: answer_bytes("200 OK", request.body)) as server:
        response = call(app_to(server.url), door, method="PUT", data=body)
        assert response.data == body
        assert server.arrived[0].body == body


def test_an_answer_in_chunks_comes_back_whole(door: str) -> None:
    made = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: a/b\r\n\r\n"
    made += b"5\r\nhello\r\n6\r\n there\r\n0\r\n\r\n"
    with raw_server(lambda request, peer: made) as server:
        response = call(app_to(server.url), door)
        assert (response.data, response.headers["Content-Type"]) == (b"hello there", "a/b")


def test_what_is_compressed_stays_so(door: str) -> None:
    import gzip

    packed = gzip.compress(b"hello")
    with raw_server(answer_with("200 OK", packed, ("Content-Encoding", "gzip"))) as server:
        response = call(app_to(server.url), door, headers={"Accept-Encoding": "gzip, br"})
        assert response.data == packed
        assert response.headers["Content-Encoding"] == "gzip"
        assert server.arrived[0].get("accept-encoding") == "gzip, br"


@pytest.mark.parametrize(
    ("method", "made", "status", "length"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", 200, "1234"),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, None),
        ("GET", b"HTTP/1.1 204 None\r\n\r\n", 204, None),
        ("GET", b'HTTP/1.1 304 Same\r\nETag: "x"\r\n\r\n', 304, None),
        ("DELETE", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "0"),
    ],
)
def test_answers_without_a_body(
    door: str, method: str, made: bytes, status: int, length: str | None
) -> None:
    with raw_server(lambda request, peer: made) as server:
        response = call(app_to(server.url), door, method=method)
    assert (response.status_code, response.data) == (status, b"")
    assert response.headers.get("Content-Length") == length


def test_a_post_without_a_body_has_none_behind(door: str) -> None:
    with raw_server(answer_with()) as server:
        assert call(app_to(server.url), door, method="POST").status_code == 200
        assert server.arrived[0].get("content-length") == "0"
        assert server.arrived[0].get("transfer-encoding") is None


def test_a_redirect_goes_back_to_the_client_with_its_own_host(door: str) -> None:
    def away(request: Arrived, peer: Any) -> bytes:
        return answer_bytes("302 Found", b"", ("Location", f"{server.url}/b?c=1"))

    with raw_server(away) as server:
        response = call(app_to(server.url), door)
        assert response.headers["Location"] == "http://localhost/b?c=1"
        assert server.connections == 1


def test_a_prefix_is_taken_off_and_told(door: str) -> None:
    with raw_server(answer_with()) as server:
        app = app_to(f"{server.url}/v1", "/old/<path:rest>", strip="/old")
        call(app, door, "/old/a")
        assert server.arrived[0].line == "GET /v1/a HTTP/1.1"
        assert server.arrived[0].get("x-forwarded-prefix") == "/old"


def test_the_destinations_own_fields_win(door: str) -> None:
    with raw_server(answer_with()) as server:
        own = Destination("old", url=server.url, headers={"Authorization": "Bearer ours"})
        call(app_to("", destination=own), door, headers={"Authorization": "Bearer theirs"})
        assert server.arrived[0].all("authorization") == ["Bearer ours"]


def test_nobody_behind_is_a_502(door: str, caplog: pytest.LogCaptureFixture) -> None:
    port = closed_port()
    app = app_to(f"http://127.0.0.1:{port}")
    with caplog.at_level(logging.WARNING):
        response = call(app, door)
        as_json = call(app, door, headers={"Accept": "application/json"})
    assert response.status_code == as_json.status_code == 502
    assert response.text == "The service behind this address could not be reached.\n"
    assert response.mimetype == "text/plain"
    assert as_json.mimetype == "application/problem+json"
    assert json.loads(as_json.data)["detail"] == response.text.strip()
    # The log names the destination; the client is told nothing about it.
    assert "Destination 'old' gave no answer to GET /a: no connection" in caplog.text
    assert str(port) not in response.text


def test_no_answer_in_time_is_a_504(door: str) -> None:
    is_over = threading.Event()
    with raw_server(lambda request, peer: is_over.wait(60) and None) as server:
        response = call(app_to(server.url, timeout_s=0.2), door)
        is_over.set()
        assert response.status_code == 504
        assert server.connections == 1, "what timed out was sent again"


def test_an_error_handler_sees_what_was_raised(door: str) -> None:
    app = app_to(f"http://127.0.0.1:{closed_port()}")
    app.register_error_handler(502, lambda error: ("sorry", 503))
    response = call(app, door)
    assert (response.status_code, response.text) == (503, "sorry")


@pytest.mark.parametrize(
    ("method", "fields", "connections"),
    [
        ("GET", {}, 2),
        ("DELETE", {}, 2),
        ("POST", {}, 1),
        ("POST", {"Idempotency-Key": "k1"}, 2),
    ],
)
def test_only_what_may_be_repeated_is_sent_again(
    door: str, method: str, fields: dict[str, str], connections: int
) -> None:
    def cut_once(request: Arrived, peer: Any) -> bytes | None:
        return None if len(server.arrived) == 1 else answer_bytes("200 OK", b"again")

    with raw_server(cut_once) as server:
        response = call(app_to(server.url), door, method=method, headers=fields)
        assert server.connections == connections
        assert response.status_code == (200 if connections == 2 else 502)


def test_a_body_that_was_begun_is_not_sent_again(door: str) -> None:
    with raw_server(lambda request, peer: None) as server:
        response = call(app_to(server.url), door, method="PUT", data=b"body")
        assert (response.status_code, server.connections) == (502, 1)


def test_an_answer_is_never_asked_for_again_once_it_began(door: str) -> None:
    made = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
    with raw_server(lambda request, peer: made) as server:
        app = app_to(server.url)
        try:
            response = call(app, door)
            assert response.data != b"half" or response.headers["Content-Length"] == "100"
        except Exception:  # a door that raises where a connection would be cut
            pass
        assert server.connections == 1


def test_all_tries_share_the_time_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 4.0, 11.0])
    monkeypatch.setattr(exchange, "monotonic", lambda: next(times))
    given: list[float | None] = []

    class Away:
        async def open(self, request: Any, deadlines: Deadlines, body: Any) -> Any:
            given.append(deadlines.total_s)
            raise SendFailure(Failure.CONNECT, "nobody there", was_sent=False)

    to = Destination("old", url="http://old.example", timeout_s=10)
    client: Any = Away()
    with pytest.raises(SendFailure):
        asyncio.run(exchange.send_on(client, to, to.get("/"), None, 5))
    assert given == [10, 6]


def test_a_query_goes_on_as_the_bytes_it_came_in() -> None:
    asked = exchange.Asked("GET", "/a", b"x=\xe9&y=%20+", [], None, "here", "http")
    to = Destination("old", url="http://old.example")
    assert exchange.target_of(to, asked, "") == "http://old.example/a?x=%E9&y=%20+"


def test_an_answer_that_nobody_sends_lets_its_connection_go() -> None:
    async def main() -> None:
        opened = await Client().open(Request("GET", server.url), Deadlines(20))
        closed, close = asyncio.Event(), opened.close
        told: list[bytes | None] = []

        async def watched() -> None:
            await close()
            closed.set()

        opened.close = watched  # type: ignore[method-assign]
        relay = Relay(opened, 100, told.append)
        del relay
        gc.collect()
        await asyncio.wait_for(closed.wait(), 10)
        assert told == [None]

    with raw_server(answer_with("200 OK", b"hello")) as server:
        asyncio.run(main())


def test_a_body_over_the_limit_goes_nowhere(door: str) -> None:
    with raw_server(answer_with()) as server:
        response = call(app_to(server.url, max_body=10), door, method="POST", data=b"x" * 11)
        assert response.status_code == 413


@pytest.mark.parametrize("path", ["/%2e%2e/admin", "/a/%2e%2e/%2e%2e/b", "/a/..%2fb", "/a%0d%0ab"])
def test_a_path_cannot_lead_out(door: str, path: str) -> None:
    with raw_server(answer_with()) as server:
        response = call(app_to(f"{server.url}/base"), door, path)
        assert response.status_code in (400, 404)
        assert server.arrived == []


def test_a_websocket_is_refused_in_words(door: str) -> None:
    with raw_server(answer_with()) as server:
        fields = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        app = app_to(server.url)
        response = call(app, door, headers=fields)
        assert response.status_code == 501
        assert server.arrived == []


def test_the_client_is_told_by_us(door: str) -> None:
    with raw_server(answer_with()) as server:
        fields = {"X-Forwarded-For": "10.0.0.1", "Forwarded": "for=10.0.0.1"}
        call(app_to(server.url), door, headers=fields)
        (arrived,) = server.arrived
        assert arrived.get("x-forwarded-for") != "10.0.0.1"
        assert "10.0.0.1" not in (arrived.get("forwarded") or "")


@pytest.mark.parametrize("options", [{"strip": "old"}, {"strip": "/old/"}, {"tries": 0}])
def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SetupError):
        proxy(Flask(__name__), "/a", to=Destination("a", url="http://a.example"), **options)


def test_methods_are_a_list() -> None:
    with pytest.raises(SetupError):
        to = Destination("a", url="http://a.example")
        proxy(Flask(__name__), "/a", to=to, methods="GET")
