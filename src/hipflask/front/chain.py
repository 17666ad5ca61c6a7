"""WSGI middleware on an async door.

Extensions put middleware around `app.wsgi_app`, or replace `Flask.__call__`. Under ASGI and
RSGI such a chain runs as a whole in one thread of the pool, over the body already read; it
sees the environ it would see under WSGI, and the application at its end answers as there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import copy_context
from typing import Any

from .. import bridge
from ..typing import Application
from .exchange import Exchange


class ChainResponse:
    """What the chain gave `start_response` and returned, as a front-end sends a response."""

    _ready_type = None

    def __init__(self, body: Iterable[bytes], status: str, fields: list[tuple[str, str]]) -> None:
        self._parts = body, status, fields

    def parts(self, environ: Any) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """See `Response.parts`."""
        return self._parts


async def answer_through_chain(app: Application, exchange: Exchange) -> ChainResponse:
    """Answer the exchange as the application's WSGI callable does."""
    if app._observing is not None:
        app._observing.begin(exchange)
    if exchange.has_body:
        await exchange.read(app.config["MAX_CONTENT_LENGTH"], app.config)
    environ = exchange.environ(None)
    try:
        return await bridge.pool().run(copy_context(), called, app, environ)  # type: ignore[no-any-return]
    except bridge.Busy:
        fields = [("Content-Type", "text/plain"), ("Retry-After", "1")]
        return ChainResponse([b"The server is busy.\n"], "503 Service Unavailable", fields)


def called(app: Callable[..., Any], environ: dict[str, Any]) -> ChainResponse:
    """What a WSGI callable answers."""
    started: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, fields: list[Any], exc_info: Any = None) -> Any:
        started[:] = status, fields
        return written.append

    body = app(environ, start_response)
    pieces = iter(body)
    # PEP 3333 lets the call to start_response wait until the first piece is asked for.
    first = next(pieces, b"")
    return ChainResponse(_Joined([*written, first], pieces, body), *started)


class _Joined:
    """The first pieces and the rest of a body, closed as the body is."""

    def __init__(self, first: list[bytes], rest: Any, body: Any) -> None:
        self._first, self._rest = first, rest
        self.close = getattr(body, "close", lambda: None)

    def __iter__(self) -> Any:
        yield from self._first
        yield from self._rest
