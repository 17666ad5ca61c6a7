"""Bodies, streams and misbehaving views on real servers, over raw sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from serving import head, running, status, talk

SERVERS = ["rsgi", "asgi", "uvicorn"]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    log = tmp_path_factory.mktemp("server") / "log"
    if request.param == "uvicorn":
        pytest.importorskip("uvicorn")
    with running(request.param, log) as port:
        yield port, log


@pytest.fixture
def port(server: tuple[int, Path]) -> int:
    seen(server[0])
    return server[0]


def pid_of(port: int) -> int:
    return int(talk(port, head("GET", "/pid")).partition(b"\r\n\r\n")[2])


def seen(port: int) -> list:
    return json.loads(talk(port, head("GET", "/seen")).partition(b"\r\n\r\n")[2])


def wait_for(port: int, *wanted: str) -> None:
    left = set(wanted)
    for _ in range(400):
        left -= set(seen(port))
        if not left:
            return
        time.sleep(0.05)
    raise AssertionError(f"never seen: {left}")


CHUNKED = b"".join(b"%x\r\n%s\r\n" % (n, b"x" * n) for n in (66, 67, 67)) + b"0\r\n\r\n"


@pytest.mark.parametrize("path", ["/sync", "/async", "/streamed"])
@pytest.mark.parametrize(
    "field, body", [("Content-Length: 200", b"x" * 200), ("Transfer-Encoding: chunked", CHUNKED)]
)
def test_no_view_gets_a_cut_body_wherever_it_is_cut(port, path, field, body):
    start = head("POST", path, field)
    assert status(talk(port, start, body)) == 200
    assert seen(port) == [200]
    # Every place for one view, and for the others those around the borders of chunks.
    cuts = range(len(body)) if path == "/sync" else [*range(8), *range(60, 80), len(body) - 1]
    for cut in cuts:
        for half_close in (True, False) if cut % 20 == 0 else (True,):
            if half_close:
                assert status(talk(port, start, body[:cut], half_close=True)) < 500
            else:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(start + body[:cut])
    assert seen(port) == []


@pytest.mark.parametrize("path", ["/sync", "/async", "/streamed"])
@pytest.mark.parametrize("bad", [b"zz\r\nabc\r\n", b"3\r\nabcdef\r\n", b"-1\r\n\r\n"])
def test_malformed_chunks_are_refused_with_400(port, path, bad):
    answer = talk(port, head("POST", path, "Transfer-Encoding: chunked"), b"3\r\nabc\r\n" + bad)
    assert status(answer) in (0, 400)
    assert seen(port) == []


@pytest.mark.parametrize("path", ["/sync", "/async", "/streamed"])
def test_too_large_a_body_is_413(port, path):
    assert status(talk(port, head("POST", path, "Content-Length: 200000"))) == 413
    chunk = b"%x\r\n%s\r\n" % (60_000, b"x" * 60_000)
    start = head("POST", path, "Transfer-Encoding: chunked")
    assert status(talk(port, start, chunk, chunk, chunk)) in (0, 413)
    assert seen(port) == []


def test_many_small_chunks_are_refused(server):
    port, log = server
    start = head("POST", "/sync", "Transfer-Encoding: chunked")
    answer = talk(port, start, b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
    # uvicorn may join them before anybody sees them.
    assert status(answer) in (0, 200, 400)
    assert seen(port) in ([], [50_000])


@pytest.mark.parametrize("path", ["/fails/later", "/fails-plainly"])
def test_a_body_that_fails_midway_cuts_the_connection(server, path):
    port, log = server
    answer = talk(port, head("GET", path))
    assert status(answer) == 200
    assert answer.endswith(b"piece\r\n")
    assert f"route '{path.replace('/later', '/<when>')}'" in log.read_text()


def test_a_body_that_fails_at_once_is_a_500(port):
    assert status(talk(port, head("GET", "/fails/first"))) == 500


def test_a_declared_length_is_kept_or_the_connection_is_cut(port):
    whole = talk(port, head("GET", "/declared/6"))
    assert whole.endswith(b"\r\n\r\nabcdef")
    for length in (4, 10):
        answer = talk(port, head("GET", f"/declared/{length}"))
        body = answer.partition(b"\r\n\r\n")[2]
        assert status(answer) == 500 or len(body) < length


@pytest.mark.parametrize("code", ["0", "99", "100", "1000", "x"])
def test_a_status_that_is_none_is_a_500(server, code):
    port, log = server
    assert status(talk(port, head("GET", f"/status/{code}"))) == 500
    assert "is no final status code" in log.read_text()
    assert status(talk(port, head("GET", "/file"))) == 200


BAD_FIELDS = [
    ("a b", "1"), ("", "1"), ("a\0", "1"), ("a:", "1"), ("a\n", "1"), ("\u20ac", "1"),
    ("a", "\0"), ("a", "x\x01"), ("a", "\x7f"), ("a", "\u20ac"), ("a", "1\r\nb: 2"),
    ("Content-Length", "x"), ("Content-Length", "-1"), ("Content-Length", "99"),
]  # fmt: skip


# A server of WSGI is handed what the view made, as PEP 3333 has it, and judges by itself.
# `hipflask serve --interface wsgi` checks all of it: see tests/server/test_wsgi.py.
WSGI_SERVERS = ["gunicorn", "wsgi"]
MISBEHAVING = [
    *(f"/status/{code}" for code in ("0", "99", "1000", "x")),
    *(f"/field?{urlencode({'name': name, 'value': value})}" for name, value in BAD_FIELDS),
    "/fails-plainly", "/fails/first", "/fails/later", "/declared/4", "/declared/10",
]  # fmt: skip


@pytest.mark.parametrize("name", WSGI_SERVERS)
def test_no_view_ends_a_worker_of_wsgi(name, tmp_path):
    if name == "gunicorn":
        pytest.importorskip("gunicorn")
    log = tmp_path / "log"
    with running(name, log) as port:
        worker = pid_of(port)
        for path in MISBEHAVING:
            answer = talk(port, head("GET", path))
            if path.startswith("/status") or (name == "gunicorn" and path == "/fails/first"):
                assert status(answer) == 500, path
            if name == "gunicorn" and path.startswith("/field") and "Length" not in path:
                assert status(answer) == 500, path
            if name == "gunicorn" and path.startswith("/fails"):
                assert not answer.endswith(b"0\r\n\r\n"), path
            assert pid_of(port) == worker, path
    assert log.read_text().count("is no status code (100 to 999)\n") == 4


@pytest.mark.parametrize("name, value", BAD_FIELDS)
def test_a_field_that_is_none_is_a_500(port, name, value):
    query = urlencode({"name": name, "value": value})
    assert status(talk(port, head("GET", f"/field?{query}"))) == 500


def test_transfer_encoding_is_the_servers_business(port):
    answer = talk(port, head("GET", "/field?name=Transfer-Encoding&value=chunked"))
    assert status(answer) == 200
    assert b"\r\n\r\nx" in answer
    assert b"chunked" not in answer


def test_files_are_sent_whole_in_part_and_for_head(port):
    assert talk(port, head("GET", "/file")).endswith(b"\r\n\r\n0123456789")
    part = talk(port, head("GET", "/file", "Range: bytes=2-4"))
    assert (status(part), part.partition(b"\r\n\r\n")[2]) == (206, b"234")
    only_head = talk(port, head("HEAD", "/file"))
    assert b"content-length: 10" in only_head.lower()
    assert only_head.endswith(b"\r\n\r\n")


def test_lines_of_json_from_an_async_iterator(port):
    answer = talk(port, head("GET", "/rows"))
    assert b"application/x-ndjson" in answer
    assert [f'{{"row": {n}}}\n'.encode() in answer for n in range(3)] == [True] * 3
    assert answer.endswith(b"0\r\n\r\n")


def test_a_client_that_leaves_cancels_the_view_and_tears_down_once(port):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(head("GET", "/waits"))
        # Whether it began cannot be seen from here; a watch starts after 50 ms.
        time.sleep(0.3)
    found: list[str] = []
    for _ in range(400):
        found += seen(port)
        if len(found) >= 2:
            break
        time.sleep(0.05)
    assert sorted(found) == ["cancelled", "torn down"]


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_client_that_leaves_closes_the_stream(port, kind):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head("GET", f"/events/{kind}"))
        got = b""
        while b"id: 2\ndata: 2\n\n" not in got:
            got += connection.recv(4096)
    assert b"text/event-stream" in got
    wait_for(port, "closed")


def test_work_after_the_response_is_done(port):
    assert status(talk(port, head("GET", "/after"))) == 200
    wait_for(port, "after")
