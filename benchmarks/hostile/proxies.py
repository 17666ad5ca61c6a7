"""A proxy in front: it and the server must see the same requests in the same bytes.

Where they do not, a request hidden in another's body is answered to somebody else. Framing cases
of malformed.txt go one after the other through nginx and HAProxy, as Debian has them; behind each
a polite client asks for something of its own.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.soak.client import NoAnswer, fetch
from benchmarks.soak.server import Soak, free_port

from .malformed import Case, read_corpus
from .servers import start
from .wire import exchange

FRAMING = ("both-", "te-", "length-", "chunk-")
STARTED_WITHIN_S = 10.0
NGINX = """
daemon off; master_process off; worker_processes 1;
pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 256; }}
http {{
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  log_format asked '$upstream_addr'; access_log {folder}/asked asked;
  proxy_request_buffering {buffering}; proxy_read_timeout 10s; client_body_timeout 3s;
  upstream app {{ server 127.0.0.1:{port}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{front};
    location / {{
      proxy_pass http://app; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host 127.0.0.1;
    }}
  }}
}}
"""
HAPROXY = """
global
  stats socket {folder}/stats mode 600
defaults
  mode http
  timeout connect 5s
  timeout client 3s
  timeout server 10s
frontend front
  bind 127.0.0.1:{front}
  default_backend behind
backend behind
  http-reuse always
  http-request set-header Host 127.0.0.1
  server app 127.0.0.1:{port}
"""


async def proxies(soak: Soak) -> None:
    report: Any = soak.report
    found = [case for case in read_corpus() if case.name.startswith(FRAMING)]
    report.begin("proxies", f"{len(found)} framings, each through a proxy that keeps connections")
    for name, run in (("nginx", _nginx), ("haproxy", _haproxy)):
        if shutil.which(name) is None:
            report.skip(f"{name} is not installed: apt-get install {name}")
            continue
        # In the short run every fourth.
        cases = found[:: soak.of(1, 4)]
        for interface in ("rsgi",) if soak.quick else ("rsgi", "asgi", "wsgi"):
            async with start(soak, interface) as server:
                folder = soak.folder / f"{name}-{interface}"
                folder.mkdir()
                front = free_port()
                with run(folder, front, server.port) as asked:
                    await _through(soak, f"{name}, {interface}", front, server.port, cases, asked)


async def _through(
    soak: Soak, label: str, front: int, port: int, cases: list[Case], asked: Callable[[], int]
) -> None:
    report: Any = soak.report
    more, mixed = [], []
    for number, case in enumerate(cases):
        before, begun = asked(), await _begun(port)
        report.case(f"{label}: {case.name}", await exchange(front, case.message))
        with contextlib.suppress(NoAnswer):
            answer = await fetch(front, f"/echo/{number}")
            if answer.status == 200 and answer.body != str(number).encode():
                mixed.append(case.name)
        # Whoever asks is counted, too.
        if await _begun(port) - begun - 1 > asked() - before:
            more.append(case.name)
    for name in mixed + more:
        report.line(f"{label}: out of step after {name}")
    report.check(f"{label}: requests answered that the proxy did not send", len(more), "=", 0)
    report.check(f"{label}: answers that were another's", len(mixed), "=", 0)


async def _begun(port: int) -> int:
    seen: dict[str, int] = json.loads((await fetch(port, "/counts")).body)
    return seen["begun"]


@contextlib.contextmanager
def _nginx(folder: Path, front: int, port: int) -> Iterator[Callable[[], int]]:
    """Run nginx; gives what counts the requests that it has sent on."""
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, front=front, port=port, buffering="off"))

    def asked() -> int:
        # Where each attempt went; "-" for what was not sent on. Written as a request ends.
        lines = (folder / "asked").read_text().split("\n")
        return sum(line.count(",") + 1 for line in lines if line.strip("-"))

    with _running(["nginx", "-c", str(config), "-p", str(folder)], front):
        yield asked


@contextlib.contextmanager
def _haproxy(folder: Path, front: int, port: int) -> Iterator[Callable[[], int]]:
    """Run HAProxy; gives what counts the requests that it has sent on."""
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(folder=folder, front=front, port=port))

    def asked() -> int:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(f"{folder}/stats")
            sock.sendall(b"show stat\n")
            text = b"".join(iter(lambda: sock.recv(65_536), b"")).decode()
        rows = csv.DictReader(io.StringIO(text.removeprefix("# ")))
        return sum(int(row["req_tot"]) for row in rows if row["svname"] == "BACKEND")

    with _running(["haproxy", "-db", "-f", str(config)], front):
        yield asked


@contextlib.contextmanager
def _running(words: list[str], front: int) -> Iterator[None]:
    process = subprocess.Popen(
        words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + STARTED_WITHIN_S
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", front), 1):
                break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"{words[0]} did not start ({process.returncode})")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
