"""`serve --interface wsgi`: what HTTP cannot carry is a 500 or a cut connection, and told once."""

from __future__ import annotations

import contextlib
import http.client
import re
import sys

import pytest

from .process import PATIENCE_S, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs /dev/fd")

APP = """
FIELDS = [
    ("", "empty"), ("a b", "1"), ("a:", "1"), ("a\\n", "1"), ("a\\0", "1"), ("\\u20ac", "1"),
    ("a", "1\\r\\nb: 2"), ("a", "\\0"), ("a", "\\u20ac"), ("Content-Length", "x"),
]

def pieces(number, error=None):
    for _ in range(number):
        yield b"piece"
    if error:
        raise error

def app(environ, start_response):
    _, kind, what = (environ["PATH_INFO"] + "/").split("/")[:3]
    status, fields, body = "200 OK", [], [b"body"]
    if kind == "status":
        status = what + " Odd"
    elif kind == "field":
        fields = [FIELDS[int(what)]]
    elif kind == "midway":
        body = pieces(int(what), ValueError("on purpose"))
    elif kind == "declared":
        fields = [("Content-Length", what)]
    elif kind == "streamed":
        fields, body = [("Content-Length", what)], pieces(2)
    elif kind == "raises":
        raise ValueError("on purpose")
    start_response(status, fields)
    return body
"""


@pytest.fixture
def server(served, folder):
    (folder / "app.py").write_text(APP)
    return served(interface="wsgi")


def told(server, path):
    lines = server.output.read_text()
    return re.findall(rf"^.*GET {re.escape(path)} could not be sent.*$", lines, re.M)


REFUSED = [f"/status/{status}" for status in ("0", "99", "100", "1000", "x")]
REFUSED += [f"/field/{number}" for number in range(10)]
REFUSED += ["/declared/3", "/declared/5", "/midway/0", "/raises/"]


def test_what_cannot_be_sent_is_a_500_and_told_in_one_line(server):
    for path in REFUSED:
        assert server.get(path)[0] == 500, path
        assert len(told(server, path)) == 1, path
    assert server.body("/") == "body"


@pytest.mark.parametrize(
    "path", ["/midway/1", "/midway/3", "/streamed/4", "/streamed/7", "/streamed/11"]
)
def test_a_body_that_ends_in_an_error_cuts_its_own_connection_and_no_other(server, path):
    with contextlib.ExitStack() as stack:
        others = []
        for _ in range(8):
            other = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
            others.append(stack.enter_context(contextlib.closing(other)))
            other.request("GET", "/")
            assert other.getresponse().read() == b"body"
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            server.get(path)
        until(lambda: len(told(server, path)) == 1, "the log line")
        for other in others:
            other.request("GET", "/")
            assert other.getresponse().read() == b"body"
