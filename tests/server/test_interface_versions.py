"""`hipflask --version` names the versions of the interfaces as Granian itself tells them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from hipflask.cli.options import INTERFACES

PATIENCE_S = 60
APPS = """
async def rsgi(scope, protocol):
    protocol.response_str(200, [], f"RSGI {scope.rsgi_version}")


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        body = f"ASGI {scope['asgi']['version']}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return ["WSGI {}.{}".format(*environ["wsgi.version"]).encode()]
"""


@pytest.mark.parametrize("interface", ["rsgi", "asginl", "wsgi"])
def test_interfaces_are_those_of_granian(interface, tmp_path):
    (tmp_path / "apps.py").write_text(APPS, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["--interface", interface, "--port", str(port), f"apps:{interface.removesuffix('nl')}"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "granian", *words], cwd=tmp_path, stdout=log, stderr=log
        )
    try:
        told = ask(port, server)
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE_S)
        finally:
            server.kill()
    assert told in INTERFACES.split(", "), (tmp_path / "log").read_text(encoding="utf-8")


def ask(port: int, server: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                return str(answer.read().decode())
        time.sleep(0.05)
    return "no answer"
