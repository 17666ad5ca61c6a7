"""A prototype under real servers, alone and behind a real proxy on the same machine."""

from __future__ import annotations

import http.client
import shutil
import socket
import subprocess
import sys
import time

import pytest

from tests.server.conftest import folder, launch, served  # noqa: F401
from tests.server.process import PATIENCE_S

APP = """
from hipflask import Flask
from hipflask.stages import declare

app = Flask(__name__)
declare(app)

@app.get("/")
def index():
    return "Hello"
"""
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://127.0.0.1:{to};{more}
  }} }}
}}
"""


def ask(port: int, **fields) -> int:
    """The status of an answer, as nobody's proxy asks for it unless fields say so."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    connection.request("GET", "/", headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture
def prototype(folder, served):  # noqa: F811
    (folder / "app.py").write_text(APP)
    (folder / "pyproject.toml").write_text('[tool.hipflask]\nstage = "prototype"\n')
    return served


@pytest.mark.parametrize("interface", ["rsgi", "asgi", "wsgi"])
def test_what_a_proxy_passes_on_is_seen(prototype, interface):
    port = prototype(interface=interface).port
    assert ask(port) == 200
    assert ask(port, X_Forwarded_For="127.0.0.1") == 403
    # Granian names it and keeps the value to itself.
    assert ask(port, X_Forwarded_For=b"\xff") == 403
    assert ask(port, Host="shop.example") == 403
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as old:
        old.sendall(f"GET / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert b" 403 " in old.makefile("rb").readline()


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
@pytest.mark.skipif(sys.platform == "win32", reason="nginx is started as on POSIX")
@pytest.mark.parametrize(
    "more",
    [
        "",
        "proxy_set_header Host $http_host; proxy_http_version 1.1;",
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_http_version 1.1;",
    ],
    ids=["as it comes", "with the host", "with the client"],
)
def test_nginx_on_this_machine_is_no_local_user(prototype, tmp_path, more):
    to = prototype().port
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = tmp_path / "nginx"
    place.mkdir()
    text = NGINX.format(folder=place, port=port, to=to, more=more)
    (place / "nginx.conf").write_text(text)
    proxy = subprocess.Popen(
        ["nginx", "-p", str(place), "-c", str(place / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        status = _when_up(port)
    finally:
        proxy.terminate()
        proxy.wait(PATIENCE_S)
    assert status == 403
    assert ask(to) == 200


def _when_up(port: int) -> int:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask(port, Host="shop.example")
        except ConnectionError:
            assert time.monotonic() < until, "nginx did not start"
            time.sleep(0.05)
