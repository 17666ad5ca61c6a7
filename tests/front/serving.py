"""Real servers on a loopback port, and raw requests to them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


def command(server: str, port: int) -> list[str]:
    app = "served:app"
    if server == "uvicorn":
        return ["-m", "uvicorn", "--port", str(port), "--log-level", "warning", app]
    if server == "hypercorn":
        # Before Python 3.12 it asks what no attribute of `app` can answer.
        app += "" if sys.version_info >= (3, 12) else ".asgi"
        return ["-m", "hypercorn", "-b", f"127.0.0.1:{port}", app]
    if server == "gunicorn":
        return ["-m", "gunicorn", "-b", f"127.0.0.1:{port}", app]
    return ["-m", "granian", "--interface", server, "--port", str(port), "--host", "127.0.0.1", app]


@contextmanager
def running(server: str, log: Path) -> Iterator[int]:
    """Run `served.py` on a server, or on Granian by the interface's name; gives the port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "PYTHONPATH": str(HERE), "PYTHONWARNINGS": "default"}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *command(server, port)], env=env, stdout=out, stderr=out
        )
        try:
            await_port(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(20)


def await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the server ended"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not answer")


def talk(port: int, *parts: bytes, half_close: bool = False) -> bytes:
    """Send the parts and return all that comes until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        got = b""
        try:
            for part in parts:
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                got += piece
        except ConnectionError:
            pass
        return got


def head(method: str, path: str, *fields: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0
