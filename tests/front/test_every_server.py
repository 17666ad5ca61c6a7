"""The same small app under each server that people run, over raw sockets."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask import doors

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from serving import await_port, head, status, talk  # noqa: E402

GRANIAN = ["-m", "granian", "--host", "127.0.0.1", "--port", "{port}", "everywhere:app"]
GUNICORN = ["-m", "gunicorn", "-b", "127.0.0.1:{port}", "everywhere:app"]
# Before Python 3.12 Hypercorn asks what no attribute of `app` can answer.
FOR_HYPERCORN = "everywhere:app" if sys.version_info >= (3, 12) else "everywhere:app.asgi"
SERVERS = {
    "gunicorn sync": GUNICORN,
    "gunicorn gthread": [*GUNICORN, "-k", "gthread", "--threads", "4"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "everywhere:app"],
    "hypercorn": ["-m", "hypercorn", "-b", "127.0.0.1:{port}", FOR_HYPERCORN],
    "granian wsgi": [*GRANIAN, "--interface", "wsgi"],
    "granian asgi": [*GRANIAN, "--interface", "asgi"],
    "granian rsgi": [*GRANIAN, "--interface", "rsgi"],
    "wsgiref": ["everywhere.py", "{port}"],
}
# Where a cut is tried, in a body of 200 bytes: around its start, its chunks and its end.
BODY = b"x" * 200
CHUNKED = b"".join(b"%x\r\n%s\r\n" % (n, b"x" * n) for n in (66, 67, 67)) + b"0\r\n\r\n"
CUTS = (0, 1, 2, 4, 5, 66, 70, 71, 72, 73, 74, 100, 199)


@pytest.fixture(scope="module", params=SERVERS)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, int]]:
    module = request.param.partition(" ")[0]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [part.format(port=port) for part in SERVERS[request.param]]
    log = tmp_path_factory.mktemp("server") / "log"
    environment = {**os.environ, "PYTHONPATH": str(HERE)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=HERE, env=environment, stdout=out, stderr=out
        )
        try:
            await_port(port, process)
            yield request.param, port
        finally:
            process.terminate()
            process.wait(20)
    assert "AssertionError" not in log.read_text(), log.read_text()  # of wsgiref.validate


@pytest.fixture
def port(served: tuple[str, int]) -> int:
    return served[1]


def body_of(answer: bytes) -> bytes:
    """The body, put together where it came in chunks."""
    fields, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" not in fields.lower():
        return body
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        whole, body = whole + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return whole


@pytest.mark.parametrize("path, text", [("/sync", b"plain"), ("/async", b"awaited")])
def test_views_of_both_kinds_answer(port: int, path: str, text: bytes) -> None:
    answer = talk(port, head("GET", path))
    assert (status(answer), body_of(answer)) == (200, text)


def test_an_unknown_path_is_a_404(port: int) -> None:
    answer = talk(port, head("GET", "/nowhere"))
    assert status(answer) == 404
    assert b"Not Found" in body_of(answer)


def test_head_has_the_length_and_no_body(port: int) -> None:
    answer = talk(port, head("HEAD", "/sync"))
    assert re.search(rb"(?i)content-length: 5\r\n", answer)
    assert body_of(answer) == b""


def test_json_is_received_and_sent(port: int) -> None:
    sent = json.dumps({"a": "ü"}).encode()
    fields = ("Content-Type: application/json", f"Content-Length: {len(sent)}", "X-Two: 2")
    answer = talk(port, head("POST", "/json", *fields), sent)
    assert json.loads(body_of(answer)) == {"got": {"a": "ü"}, "header": "2"}


def test_the_session_comes_back(port: int) -> None:
    cookie = ""
    for n in (b"1", b"2", b"3"):
        answer = talk(port, head("GET", "/session", *([f"Cookie: {cookie}"] if cookie else [])))
        assert body_of(answer) == n
        cookie = re.search(rb"(?i)set-cookie: ([^;]+);", answer)[1].decode()  # type: ignore[index]


def test_a_stream_arrives_whole(port: int) -> None:
    answer = talk(port, head("GET", "/stream"))
    assert body_of(answer) == b"".join(b"%04d" % n * 100 for n in range(100))


@pytest.mark.parametrize("kind", ["length", "chunked"])
def test_no_view_gets_a_cut_body(served: tuple[str, int], kind: str) -> None:
    name, port = served
    field, body = ("Content-Length: 200", BODY)
    if kind == "chunked":
        if name == "wsgiref":
            pytest.skip("wsgiref reads no chunked body")
        field, body = ("Transfer-Encoding: chunked", CHUNKED)
    start = head("POST", "/body", field)
    answer = talk(port, start, body)
    if name == "granian wsgi" and kind == "chunked":
        # It ends a cut body like a whole one, so that none can be taken.
        assert status(answer) == 411
        return
    assert body_of(answer) == b"200"
    for cut in CUTS:
        answer = talk(port, start, body[:cut], half_close=True)
        assert status(answer) in (0, 400), (cut, answer)
    assert set(json.loads(body_of(talk(port, head("GET", "/bodies"))))) == {len(BODY)}


def test_the_stand_in_says_what_the_server_says(served: tuple[str, int]) -> None:
    name, port = served
    door = {"granian rsgi": "rsgi", "granian asgi": "asgi", "uvicorn": "asgi"}.get(name)
    if door is None:
        pytest.skip("stands in for no such server")
    from everywhere import app

    target = "/where/a%20b/%C3%BC//%2F?q=%20a&b=%C3%BC"
    fields = ("X-One: 1", "X-Many: a", "X-Many: b", "Cookie: a=1; b=2")
    real = json.loads(body_of(talk(port, head("GET", target, *fields))))
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/where/a b/\u00c3\u00bc///",
        "QUERY_STRING": "q=%20a&b=%C3%BC",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(port),
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost",
        "HTTP_X_ONE": "1",
        "HTTP_X_MANY": "a,b",
        "HTTP_COOKIE": "a=1; b=2",
    }
    pieces, line, _ = doors.ring(app, door, environ)
    assert line == "200 OK"
    assert json.loads(b"".join(pieces)) == real
