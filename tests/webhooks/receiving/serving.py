"""Real servers that receive, and a client that is no more than a socket."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from hipflask.database import Query, open_database
from hipflask.webhooks.inbox import Inbox

from ..senders import SENDERS

ROOT = Path(__file__).parents[3]
APP = "tests.webhooks.receiving.app"
PATIENCE_S = 60.0

SERVERS = {
    "rsgi": ["hipflask", "serve", "-A", APP, "--drain-wait", "0"],
    "asgi": ["hipflask", "serve", "-A", APP, "--drain-wait", "0", "--interface", "asgi"],
    "wsgi": ["hipflask", "serve", "-A", APP, "--drain-wait", "0", "--interface", "wsgi"],
    "gunicorn": ["gunicorn", f"{APP}:app", "-k", "gthread", "--threads", "8"],
    "uvicorn": ["uvicorn", f"{APP}:app", "--log-level", "warning"],
}
DOORS = ("rsgi", "asgi", "wsgi")


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: Any
    body: bytes


class Server:
    """A server process, the inbox that it writes, and what it says."""

    def __init__(self, kind: str, folder: Path, *, workers: int = 1, **environ: str) -> None:
        self.url = environ.pop("HIPFLASK_DATABASE_URL", f"sqlite:///{folder}/inbox.db")
        self.kind = kind
        self.log = folder / "log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [*SERVERS[kind]]
        if kind == "uvicorn":
            command += ["--port", str(self.port), "--workers", str(workers)]
        else:
            command += ["-b", f"127.0.0.1:{self.port}", "-w", str(workers)]
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("FLASK_", "HIPFLASK_", "COV"))
        }
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        variables |= {"PYTHONPATH": path, "HIPFLASK_DATABASE_URL": self.url, **environ}
        variables["PAYPAL_CERTIFICATE"] = SENDERS["paypal"].secret  # made by each process
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=folder,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        self._await_port()

    def _await_port(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.said
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise AssertionError(f"the server does not answer: {self.said}")

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def rows(self, **query: Any) -> list[Any]:
        """What is in the inbox, the newest first, with headers and bodies."""
        database = open_database(self.url)
        try:
            inbox = Inbox(database)
            found = inbox.find(Query(limit=10_000, **query))
            return [inbox.read(row.seq) for row in found]
        finally:
            database.close()

    def count(self) -> int:
        database = open_database(self.url)
        try:
            return len(Inbox(database).find(Query(limit=100_000)))
        finally:
            database.close()

    def figures(self) -> dict[tuple[str, ...], float]:
        """The figures of one process: (name, label values...) -> value."""
        status, body = self.ask("GET", "/figures")
        assert status == 200
        return {(name, *labels): value for name, labels, value in json.loads(body)}

    def ask(
        self, method: str, path: str, headers: Any = (), body: bytes | None = None
    ) -> tuple[int, bytes]:
        answer = self.answer(method, path, headers, body)
        return answer.status, answer.body

    def answer(
        self, method: str, path: str, headers: Any = (), body: bytes | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with contextlib.closing(connection):
            return self._answer(connection, method, path, headers, body)

    def _answer(
        self, connection: Any, method: str, path: str, headers: Any, body: bytes | None
    ) -> Answer:
        connection.putrequest(method, path, skip_accept_encoding=True)
        fields = list(headers.items() if isinstance(headers, dict) else headers)
        if body is not None and "content-length" not in {_text(n).lower() for n, _ in fields}:
            fields.append(("Content-Length", str(len(body))))
        for name, value in fields:
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def deliver(self, path: str, delivery: Any, **more: str) -> tuple[int, bytes]:
        """Post a delivery that a sender signed."""
        if delivery.query:
            path += "?" + delivery.query.decode("latin-1")
        fields = [*delivery.headers, *((n.encode(), v.encode()) for n, v in more.items())]
        return self.ask("POST", path, fields, delivery.body)

    def talk(self, *parts: bytes, half_close: bool = False) -> bytes:
        """Send the parts and return all that comes until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            got = b""
            with contextlib.suppress(ConnectionError, BrokenPipeError):
                for part in parts:
                    connection.sendall(part)
                if half_close:
                    with contextlib.suppress(OSError):  # answered and closed already
                        connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65536):
                    got += piece
            return got

    def stop(self) -> int:
        """Ask it to stop; returns how it ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def clean_up(self) -> None:
        # The process leads a group of its own, so this ends what it started and no more.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)


def _text(name: str | bytes) -> str:
    return name.decode("latin-1") if isinstance(name, bytes) else name


@contextlib.contextmanager
def running(kind: str, folder: Path, **options: Any) -> Iterator[Server]:
    """A server of that kind, until the block ends."""
    server = Server(kind, folder, **options)
    try:
        yield server
    finally:
        server.clean_up()


def status_of(answer: bytes) -> int:
    """The status code of a raw answer; 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


def head_of(path: str, *fields: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
