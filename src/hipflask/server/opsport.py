"""The port for those who look after a service: figures, probes, and what `hipflask top` shows.

It is served by the supervisor, on threads of its own, so it answers however busy the workers are.
The same is on a unix socket in the service's folder. Plain HTTP/1.0 with one request a connection.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn
from typing import Any, Protocol

from ..interrupts import held_back
from ..ops import exposition
from ..ops.metrics import Family
from ..ops.probes import Answer
from .listen import Listener, is_loopback
from .relay import has_token, names_loopback
from .rundir import SOCKET
from .terminal import one_line, refuse, say

#: Connections served at a time; more are closed at once.
MOST = 16
#: Seconds in which a client says all that it wants, and in which it takes the answer.
CLIENT_S = 5.0
_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
INDEX = b"""/metrics  figures, for Prometheus
/livez    200 while an event loop goes round
/readyz   200 while requests may be sent
/status   figures and workers as JSON, for `hipflask top`
"""


class Told(Protocol):
    """What the port tells, asked on any thread: a service's `Overview`, or a process `Alone`."""

    def families(self) -> list[Family]: ...
    def status(self) -> dict[str, Any]: ...
    def alive(self) -> Answer: ...
    def ready(self) -> Answer: ...


class OpsPort:
    """Serves what is `told` on `listener`, and on a socket in `folder`, until the process ends.

    With `token`, `/metrics` and `/status` on the listener want `Authorization: Bearer TOKEN`.
    """

    def __init__(
        self, told: Told, listener: Listener | None, folder: Path | None, token: str = ""
    ) -> None:
        self._servers: list[_Server] = []
        if listener is not None:
            guards = listener.path is None and is_loopback(listener.address.rpartition(":")[0])
            self._servers.append(_Server(listener.sock, told, token, guards))
        if folder is not None and sys.platform != "win32":
            self._servers.append(_Server(_unix(folder / SOCKET), told, "", False))
        # Signals are for the main thread, which waits for them: none may be taken here.
        with held_back("SIGINT", "SIGTERM", "SIGHUP", "SIGCHLD"):
            for server in self._servers:
                threading.Thread(
                    target=server.serve_forever, name="hipflask-ops", daemon=True
                ).start()

    def close(self) -> None:
        """Listen no more."""
        for server in self._servers:
            server.socket.close()


def _unix(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(str(path))
    except OSError as error:  # most likely a path of more than 107 bytes
        refuse(f"cannot listen on {path}: {error}; name a shorter folder with --run-dir")
    sock.listen(MOST)
    return sock


class _Server(ThreadingMixIn, BaseServer):
    """Accepts on a socket that listens already."""

    daemon_threads = True

    def __init__(self, sock: socket.socket, told: Told, token: str, guards: bool) -> None:
        super().__init__("", _Handler)
        sock.setblocking(True)
        self.socket = sock
        self.told, self.token, self.guards = told, token, guards
        self._places = threading.BoundedSemaphore(MOST)
        #: When those have to have said what they want who have not yet.
        self._until: dict[socket.socket, float] = {}

    def fileno(self) -> int:
        return self.socket.fileno()

    def get_request(self) -> tuple[socket.socket, Any]:
        return self.socket.accept()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return self._places.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        self._until[request] = time.monotonic() + CLIENT_S
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.hear(request)
            self._places.release()

    def hear(self, request: Any) -> None:
        """A client has said what it wants, or is gone."""
        self._until.pop(request, None)

    def service_actions(self) -> None:
        """Send away who says it too slowly; each byte would begin a time-out anew."""
        now = time.monotonic()
        for request, until in list(self._until.items()):
            if now > until:
                with suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: who went away went away."""


class _Handler(BaseHTTPRequestHandler):
    timeout = CLIENT_S
    server: _Server
    server_version, sys_version = "hipflask", ""
    error_content_type, error_message_format = _TEXT, "%(code)d %(message)s\n"

    def do_GET(self) -> None:
        self.server.hear(self.connection)
        path = self.path.partition("?")[0]
        told = self.server.told
        if self._may(path):
            try:
                answer = self._answer(path, told)
            except Exception as error:
                say(f"hipflask: figures cannot be told: {one_line(repr(error))}")
                answer = 500, b"They cannot be told now; see the service's log.\n", _TEXT
            self._say(*answer)

    def _answer(self, path: str, told: Told) -> tuple[int, bytes, str]:
        if path == "/metrics":
            kind = exposition.choose(self.headers.get("Accept", ""))
            return 200, exposition.dump(told.families(), kind), kind
        if path == "/status":
            return 200, json.dumps(told.status(), allow_nan=False).encode() + b"\n", _JSON
        if path == "/livez":
            return *told.alive(), _JSON
        if path == "/readyz":
            return *told.ready(), _JSON
        if path == "/":
            return 200, INDEX, _TEXT
        return 404, b"Not found.\n", _TEXT

    do_HEAD = do_GET

    def _may(self, path: str) -> bool:
        # A page that a browser here shows must not read the port under a name of its own
        # (DNS rebinding).
        if self.server.guards and not names_loopback(self.headers.get("Host", "")):
            self._say(421, b"Ask for this by a loopback address.\n", _TEXT)
            return False
        if path in ("/metrics", "/status") and not has_token(
            self.server.token, self.headers.get("Authorization", "")
        ):
            self._say(401, b"Authorization: Bearer TOKEN is needed.\n", _TEXT)
            return False
        return True

    def _say(self, status: int, body: bytes, kind: str) -> None:
        self.send_response_only(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def address_string(self) -> str:
        return "-"

    def log_message(self, format: str, *args: object) -> None:
        """Write no log: it is asked every second."""
