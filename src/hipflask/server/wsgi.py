"""WSGI on Granian's threads: one request of Granian's to one call of a WSGI callable."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from ..front.sending import SORRY
from ..responses import Unsendable, checked_fields
from . import cutting, relay
from .gate import Gate
from .settings import Settings
from .terminal import printable

# What Granian calls for each request: (its protocol object, its scope).
Caller = Callable[[Any, dict[str, Any]], int]


class _Start:
    """WSGI's start_response: keeps what the app says until the answer is handed over."""

    __slots__ = ("headers", "status", "written")

    def __init__(self) -> None:
        self.status = ""
        self.written: list[bytes] = []

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        self.status = status
        self.headers = headers
        return self.written.append


class _Pieces:
    """A body Granian takes piece by piece, and closes in the end.

    Granian ends a body that fails as if it were whole, unless it has another length than
    declared: the connection is looked for and shut down then.
    """

    def __init__(
        self,
        chunks: Iterator[bytes],
        body: Iterable[bytes],
        length: int | None,
        on_error: Callable[[Exception], cutting.Search | None],
    ) -> None:
        self._chunks = chunks
        self._length = length
        self._sent = 0
        self._on_error = on_error
        self._search: cutting.Search | None = None
        self.close = getattr(body, "close", _nothing)

    def __next__(self) -> bytes:
        if self._search is not None:
            self._search.cut()
            self._search = None
        try:
            piece = next(self._chunks, None)
            if self._length is not None:
                self._count(piece, self._length)
        except Exception as error:
            self._chunks, self._length = iter(()), None
            self._search = self._on_error(error)
            if self._search is not None and self._search.needs_mark:
                return cutting.MARK
            return self.__next__()
        if piece is None:
            raise StopIteration
        return piece

    def _count(self, piece: bytes | None, length: int) -> None:
        self._sent += len(piece or b"")
        if self._sent > length:
            raise Unsendable(f"the body is longer than its Content-Length of {length}")
        if piece is None and self._sent < length:
            raise Unsendable(
                f"the body ended at {self._sent} bytes of a Content-Length of {length}"
            )


def _nothing() -> None:
    """Close what needs no closing."""


def wsgi_caller(app: Any, settings: Settings, observing: Any = None) -> Caller:
    """Return what turns one request of Granian's into one call of the WSGI callable `app`.

    Who observes its requests is told of each, middleware's answers among them.

    Unlike Granian's own it keeps the process's environment variables out of the request's:
    `HTTP_PROXY` would look like a header and `REMOTE_USER` like a login. What raises, and what
    HTTP cannot carry, is logged and a 500, or cuts the connection once the answer has begun.
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

    answer = app if observing is None else partial(observing.answer, call=app)

    def call(proto: Any, scope: dict[str, Any]) -> int:
        start = _Start()
        body: Any = ()
        try:
            body = answer(base | scope, start)
            if type(body) is not list or not start.status:
                return _stream(app, proto, scope, start, body)
            body = start.written + body if start.written else body
            method = scope["REQUEST_METHOD"]
            code, fields, _ = checked_fields(method, start.status, start.headers, body)
            whole = b"".join(body)
        except Exception as error:
            getattr(body, "close", _nothing)()
            _tell(app, scope, error)
            proto.response_bytes(500, [("Content-Type", "text/plain")], SORRY)
            return 500
        proto.response_bytes(code, fields, whole)
        return code

    return call


def _stream(
    app: Any, proto: Any, scope: dict[str, Any], start: _Start, body: Iterable[bytes]
) -> int:
    chunks = iter(body)
    # A generator calls start_response only when its first piece is asked for; one that fails
    # at once can still be answered with 500.
    first = next(chunks, b"")
    if not start.status:
        raise RuntimeError("the app returned a body without calling start_response")
    method = scope["REQUEST_METHOD"]
    code, fields, length = checked_fields(method, start.status, start.headers, body)
    if start.written or first:
        chunks = _chain([*start.written, first], chunks)

    def on_error(error: Exception) -> cutting.Search | None:
        _tell(app, scope, error)
        if length is not None or not scope["REMOTE_ADDR"]:
            return None
        return cutting.Search(scope["REMOTE_ADDR"], int(scope["SERVER_PORT"] or 0))

    proto.response_iter(code, fields, _Pieces(chunks, body, length, on_error))
    return code


def _chain(first: list[bytes], rest: Iterator[bytes]) -> Iterator[bytes]:
    yield b"".join(first)
    yield from rest


def _tell(app: Any, scope: dict[str, Any], error: Exception) -> None:
    """Log that an answer could not be sent (as a whole)."""
    logger = getattr(app, "logger", None)
    if not isinstance(logger, logging.Logger):
        logger = logging.getLogger("hipflask")
    known = isinstance(error, Unsendable)
    logger.error(
        "The answer to %s %s could not be sent: %s",
        scope["REQUEST_METHOD"],
        printable(scope["PATH_INFO"]),
        error if known else repr(error),
        exc_info=None if known else error,
    )


def gated(gate: Gate, call: Caller) -> Caller:
    """Return `call` behind the gate's probes, with its log."""

    def serve(protocol: Any, scope: dict[str, Any]) -> int:
        probe = gate.probes.get(scope["PATH_INFO"])
        if probe is not None and scope["REQUEST_METHOD"] in ("GET", "HEAD"):
            # On the loop of the main thread, which has nothing else to do.
            asked: Any = probe(relay.asker_of_environ(scope))
            answer: relay.Answer = asyncio.run_coroutine_threadsafe(asked, gate.loop).result()
            protocol.response_bytes(*answer)
            return answer[0]
        if gate.draining and scope["SERVER_PROTOCOL"] != "HTTP/2":
            protocol = _Closing(protocol)
        try:
            return call(protocol, scope)
        finally:
            gate.count()

    return serve


class _Closing:
    """Granian's protocol object, which ends the connection with the response."""

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self._protocol.response_bytes(status, [*headers, ("Connection", "close")], body)

    def response_iter(self, status: int, headers: list[tuple[str, str]], body: Any) -> None:
        self._protocol.response_iter(status, [*headers, ("Connection", "close")], body)
