"""Bodies that are cut at every byte, under each server people run; and by the server's stop."""

from __future__ import annotations

import http.client
import importlib.util
import json
import re
import signal
import socket
import sys

import pytest

from .process import PATIENCE_S, Server, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and half-closed sockets")

APP = """
from hipflask import Flask, request
from hipflask.streams import streams_body

app = Flask(__name__)
sizes = []

@app.post("/take")
def take():
    sizes.append(len(request.get_data()))
    return str(sizes[-1])

@app.post("/read")
def read():
    open("reading", "w").close()
    size = 0
    while piece := request.stream.read(50):
        size += len(piece)
    sizes.append(size)
    return str(size)

@app.post("/limited/<how>/<int:most>")
def limited(how, most):
    request.max_content_length = most
    if how == "whole":
        return str(len(request.get_data()))
    if how == "file":
        return str(len(request.stream.read()))
    return str(sum(map(len, iter(lambda: request.stream.read(50), b""))))

@app.post("/streamed")
@streams_body
async def streamed():
    size = 0
    async for chunk in request.body_stream:
        open("reading", "w").close()
        size += len(chunk)
    sizes.append(size)
    return str(size)

@app.get("/sizes")
def seen():
    found, sizes[:] = list(sizes), []
    return found
"""

LENGTH = 200
BODIES = {
    "length": ("Content-Length: 200", b"x" * LENGTH),
    "chunked": (
        "Transfer-Encoding: chunked",
        b"".join(b"%x\r\n%s\r\n" % (n, b"x" * n) for n in (66, 67, 67)) + b"0\r\n\r\n",
    ),
}
SERVE = ["-m", "hipflask", "--app", "app", "serve", "--bind", "127.0.0.1:{port}", "--interface"]
GUNICORN = ["-m", "gunicorn", "-b", "127.0.0.1:{port}", "--log-level", "critical"]
SERVERS = {
    "granian rsgi": [*SERVE, "rsgi"],
    "granian asgi": [*SERVE, "asgi"],
    "granian wsgi": [*SERVE, "wsgi"],
    "uvicorn": ["-m", "uvicorn", "--port", "{port}", "--log-level", "critical", "app:app"],
    "gunicorn sync": [*GUNICORN, "app:app"],
    "gunicorn threads": [*GUNICORN, "-k", "gthread", "--threads", "4", "app:app"],
}


@pytest.fixture
def folder(folder):
    (folder / "app.py").write_text(APP)
    return folder


def head(path, field):
    text = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{field}\r\n\r\n"
    return text.encode()


def talk(port, start, body, ends=False):
    """Send them; with `ends`, and no more. Returns the status, 0 for a closed connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        got = b""
        try:
            connection.sendall(start)
            connection.sendall(body)
            if ends:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                got += piece
        except OSError:
            pass
    return int(got.split(b" ", 2)[1]) if got else 0


def sizes(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", "/sizes", headers={"Connection": "close"})
    try:
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


@pytest.fixture(scope="module", params=SERVERS)
def port(request, tmp_path_factory):
    if importlib.util.find_spec(SERVERS[request.param][1]) is None:
        pytest.skip(f"{SERVERS[request.param][1]} is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("served")
    (folder / "app.py").write_text(APP)
    server = Server(folder, [part.format(port=port) for part in SERVERS[request.param]])
    until(lambda: sizes(port) == [], "the server")
    yield port
    server.clean_up()


@pytest.mark.parametrize("path", ["/take", "/read"])
@pytest.mark.parametrize("kind", BODIES)
def test_no_view_gets_a_body_that_is_cut_at_any_byte(port, path, kind):
    field, body = BODIES[kind]
    start = head(path, field)
    status = talk(port, start, body)
    # Granian ends a cut chunked body like a whole one under WSGI, so that none can be taken.
    assert status in ((200, 411) if kind == "chunked" else (200,))
    assert sizes(port) == ([LENGTH] if status == 200 else [])
    for cut in range(len(body)):
        assert talk(port, start, body[:cut], ends=True) in (0, 400, 411), cut
    assert sizes(port) == []


@pytest.mark.parametrize("path", ["/take", "/read"])
@pytest.mark.parametrize("bad", [b"zz\r\nabc\r\n", b"3\r\nabcdef\r\n", b"-1\r\n\r\n", b"\r\n"])
def test_malformed_chunks_are_refused_with_no_500(port, path, bad):
    start = head(path, "Transfer-Encoding: chunked")
    assert talk(port, start, b"3\r\nabc\r\n" + bad) in (0, 400, 411)
    assert sizes(port) == []


@pytest.mark.parametrize("how", ["whole", "file", "pieces"])
@pytest.mark.parametrize("kind", BODIES)
def test_a_body_over_the_limit_is_a_413_however_it_is_read_and_one_of_its_size_is_not(
    port, how, kind
):
    field, body = BODIES[kind]
    statuses = [
        talk(port, head(f"/limited/{how}/{most}", field), body) for most in (1, 50, 100, 199, 200)
    ]
    # 411: see above. A server that is not read to the end may close before its answer is read.
    assert statuses[-1] in (200, 411) and set(statuses[:-1]) <= {0, 411, 413}
    assert statuses[-1] == 411 or 413 in statuses


# An upload in flight when the server is told to stop


def begin_upload(server, path):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.putrequest("POST", path)
    connection.putheader("Content-Length", str(LENGTH))
    connection.endheaders(b"x" * (LENGTH - 50))
    return connection


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
@pytest.mark.parametrize("path", ["/take", "/streamed"])
def test_an_upload_in_flight_is_awaited_when_the_server_is_told_to_stop(served, interface, path):
    if (interface, path) == ("wsgi", "/streamed"):
        pytest.skip("WSGI has no streams")
    server = served(interface=interface, graceful_timeout_s=PATIENCE_S)
    assert server.body("/sizes") == "[]\n"
    upload = begin_upload(server, path)
    # A request behind it, on a connection of its own: by now the upload has come, too.
    assert server.body("/sizes") == "[]\n"
    server.process.send_signal(signal.SIGTERM)
    until(server.refuses, "new connections to be refused")
    assert server.process.poll() is None
    upload.send(b"x" * 50)
    answer = upload.getresponse()
    assert (answer.status, answer.read()) == (200, str(LENGTH).encode())
    upload.close()
    assert server.wait() == 0


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
@pytest.mark.parametrize("path", ["/take", "/streamed"])
def test_an_upload_that_outlasts_the_grace_time_is_cut_and_reaches_no_view(
    served, folder, interface, path
):
    with (folder / "app.py").open("a") as file:
        file.write('\nclass Told(list):\n    def append(self, size):\n        open("whole", "w")\n')
        file.write("sizes = Told()\n")
    server = served(interface=interface, graceful_timeout_s=0.2)
    assert server.body("/sizes") == "[]\n"
    upload = begin_upload(server, path)
    assert server.body("/sizes") == "[]\n"
    server.process.send_signal(signal.SIGTERM)
    assert server.wait() == 0
    try:
        assert upload.getresponse().status == 503
    except (http.client.HTTPException, ConnectionError):
        pass
    upload.close()
    assert not (folder / "whole").exists()
    assert not re.search("Traceback", server.said)
