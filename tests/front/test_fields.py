"""Header fields as real servers hand them on: cookies in several, names with an underscore."""

from __future__ import annotations

import importlib.util
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from serving import head, running, talk

from hipflask.doors import RSGIHeaders
from hipflask.front.asgi import ASGIExchange
from hipflask.front.rsgi import RSGIExchange

# "wsgi" is Granian's, too; the others of WSGI drop such names or make one cookie by themselves.
SERVERS = ["rsgi", "asgi", "uvicorn", "hypercorn"]
Field = tuple[str, str]


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    if request.param in ("uvicorn", "hypercorn"):
        pytest.importorskip(request.param)
    with running(request.param, tmp_path_factory.mktemp("server") / "log") as port:
        yield request.param, port


def over_http_1(port: int, path: str, *fields: Field) -> tuple[list[Field], bytes]:
    answer = talk(port, head("GET", path, *(f"{name}: {value}" for name, value in fields)))
    start, _, body = answer.partition(b"\r\n\r\n")
    lines = start.decode("latin-1").split("\r\n")[1:]
    if b"chunked" in start.lower():
        body = body.partition(b"\r\n")[2]
    return [tuple(line.split(": ", 1)) for line in lines], body  # type: ignore[misc]


def over_http_2(port: int, path: str, *fields: Field) -> tuple[list[Field], bytes]:
    """The same with prior knowledge, and each pair of a cookie in a field of its own."""
    from h2.connection import H2Connection
    from h2.events import DataReceived, ResponseReceived, StreamEnded

    client = H2Connection()
    client.initiate_connection()
    pseudo = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "localhost")]
    client.send_headers(1, [*pseudo, *((n.lower(), v) for n, v in fields)], end_stream=True)
    got: list[Field] = []
    body = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as link:
        link.sendall(client.data_to_send())
        while True:
            for event in client.receive_data(link.recv(65536)):
                if isinstance(event, ResponseReceived):
                    got = [(n.decode(), v.decode("latin-1")) for n, v in event.headers]
                elif isinstance(event, DataReceived):
                    body += event.data
                elif isinstance(event, StreamEnded):
                    return got, body
            link.sendall(client.data_to_send())


@pytest.fixture(params=[over_http_1, over_http_2])
def ask(request: pytest.FixtureRequest, server: tuple[str, int]) -> Any:
    name, port = server
    if request.param is over_http_2:
        if name == "uvicorn":
            pytest.skip("uvicorn knows no HTTP/2")
        if importlib.util.find_spec("h2") is None:
            pytest.skip("needs h2")
    return lambda path, *fields: request.param(port, path, *fields)


def test_cookies_in_several_fields_are_one(ask: Any) -> None:
    fields = [("Cookie", "a=1"), ("X-One", "1"), ("Cookie", "b=2; c=3"), ("Cookie", "d=4")]
    _, body = ask("/fields", *fields)
    assert json.loads(body)["cookies"] == {"a": "1", "b": "2", "c": "3", "d": "4"}


def test_a_permanent_session_in_a_later_field_is_refreshed(ask: Any) -> None:
    fields, _ = ask("/keep")
    [cookie] = [value for name, value in fields if name.lower() == "set-cookie"]
    session = re.match("session=[^;]+", cookie)[0]  # type: ignore[index]
    fields, body = ask("/untouched", ("Cookie", "a=1"), ("Cookie", session))
    assert body == b"ok"
    [again] = [value for name, value in fields if name.lower() == "set-cookie"]
    assert again.startswith("session=")


def test_a_name_with_an_underscore_passes_for_no_other(ask: Any) -> None:
    fields = [("X_User", "root"), ("X-User", "ada"), ("X_Other", "x"), ("X-User", "eve")]
    _, body = ask("/fields", *fields)
    found = json.loads(body)
    assert found["environ"] == {"HTTP_X_USER": "ada,eve"}
    assert found["headers"] == {"X-User": "ada,eve"}


@pytest.mark.parametrize(
    "fields, cookie",
    [
        ([], None),
        ([("host", "h"), ("cookie", "a=1")], "a=1"),
        ([("cookie", "a=1"), ("host", "h"), ("cookie", "b=ü")], "a=1; b=ü"),
    ],
)
def test_the_exchange_joins_cookies_and_takes_the_first_of_others(
    fields: list[Field], cookie: str | None
) -> None:
    asgi: Any = object.__new__(ASGIExchange)
    more = [*fields, ("x", "1"), ("x", "2")]
    asgi.scope = {"headers": [(k.encode(), v.encode("latin-1")) for k, v in more]}
    rsgi: Any = object.__new__(RSGIExchange)
    rsgi._headers = RSGIHeaders(more)
    rsgi.line = "GET", "/", "h", False, cookie
    for exchange in (asgi, rsgi):
        assert exchange.header("cookie") == cookie
        assert exchange.header("x") == "1"
        assert exchange.joined_headers.get("Cookie") == cookie
        assert exchange.joined_headers["X"] == "1,2"
