"""WSGI on Granian's threads: one request of Granian's to one call of a WSGI callable."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..ops.probes import Answer
from . import access
from .gate import Gate
from .settings import Settings

# What Granian calls for each request: (its protocol object, its scope).
Caller = Callable[[Any, dict[str, Any]], int]


class _Start:
    """WSGI's start_response: keeps what the app says until the answer is handed over."""

    __slots__ = ("called", "headers", "status", "written")

    def __init__(self) -> None:
        self.called = False
        self.written: list[bytes] = []

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        code = int(status[:4])
        # Granian aborts the whole process on a number outside of this.
        if not 100 <= code <= 999:
            raise ValueError(f"the app answered with the status {status!r}, not one of 100 to 999")
        self.called = True
        self.status = code
        self.headers = headers
        return self.written.append


class _Chunks:
    """A body Granian takes piece by piece, and closes in the end."""

    __slots__ = ("__next__", "close")

    def __init__(self, chunks: Iterator[bytes], body: Iterable[bytes]) -> None:
        self.__next__ = chunks.__next__
        self.close = getattr(body, "close", _nothing)


def _nothing() -> None:
    """Close what needs no closing."""


def wsgi_caller(app: Any, settings: Settings) -> Caller:
    """Return what turns one request of Granian's into one call of the WSGI callable `app`.

    Unlike Granian's own it keeps the process's environment variables out of the request's:
    `HTTP_PROXY` would look like a header and `REMOTE_USER` like a login.
    """
    base = {
        "SCRIPT_NAME": "",
        "SERVER_SOFTWARE": "Granian",
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multiprocess": settings.many,
        "wsgi.multithread": settings.threads > 1,
        "wsgi.run_once": False,
        "wsgi.version": (1, 0),
    }

    def call(proto: Any, scope: dict[str, Any]) -> int:
        start = _Start()
        body = app(base | scope, start)
        if type(body) is list and start.called:
            if start.written:
                body = start.written + body
            proto.response_bytes(start.status, start.headers, b"".join(body))
        else:
            _stream(proto, start, body)
        return start.status

    return call


def _stream(proto: Any, start: _Start, body: Iterable[bytes]) -> None:
    chunks = iter(body)
    ahead: list[bytes] = []
    if not start.called:
        # A generator calls start_response only when its first piece is asked for.
        try:
            ahead = [next(chunks, b"")]
            if not start.called:
                raise RuntimeError("the app returned a body without calling start_response")
        except BaseException:
            getattr(body, "close", _nothing)()
            raise
    if ahead or start.written:
        chunks = _chain(start.written + ahead, chunks)
    proto.response_iter(start.status, start.headers, _Chunks(chunks, body))


def _chain(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield b"".join(first)
    yield from rest


def gated(gate: Gate, call: Caller) -> Caller:
    """Return `call` behind the gate's probes, with its log."""

    def serve(protocol: Any, scope: dict[str, Any]) -> int:
        probe = gate.probes.get(scope["PATH_INFO"])
        if probe is not None and scope["REQUEST_METHOD"] in ("GET", "HEAD"):
            # On the loop of the main thread, which has nothing else to do.
            asked = asyncio.run_coroutine_threadsafe(probe(), gate.loop)
            answer: Answer = asked.result()
            status, body = answer
            protocol.response_bytes(status, [("Content-Type", "application/json")], body)
            return status
        if gate.draining and scope["SERVER_PROTOCOL"] != "HTTP/2":
            protocol = _Closing(protocol)
        began, status = time.perf_counter(), 500
        try:
            status = call(protocol, scope)
        finally:
            gate.count()
            if gate.log:
                _log(gate, scope, status, (time.perf_counter() - began) * 1000)
        return status

    return serve


class _Closing:
    """Granian's protocol object, which ends the connection with the response."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self._protocol.response_bytes(status, [*headers, ("Connection", "close")], body)

    def response_iter(self, status: int, headers: list[tuple[str, str]], body: Any) -> None:
        self._protocol.response_iter(status, [*headers, ("Connection", "close")], body)


def _log(gate: Gate, scope: dict[str, Any], status: int, took_ms: float) -> None:
    path = scope["PATH_INFO"].encode("latin-1", "replace").decode("utf-8", "replace")
    access.log.info(
        access.access_line(
            scope["REMOTE_ADDR"],
            scope["REQUEST_METHOD"],
            path,
            scope["QUERY_STRING"] if gate.settings.log_query else "",
            scope["SERVER_PROTOCOL"],
            status,
            took_ms,
        )
    )
