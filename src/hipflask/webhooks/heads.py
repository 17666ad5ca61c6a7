"""A request's head and body as they came, whichever door it came through.

`Request.headers` joins repeated fields, as WSGI has it, and a signature that is there twice
would no longer show. ASGI and RSGI tell them apart, so here they are read as sent, from the
door's exchange; a `Request` is made under WSGI alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    RequestTimeout,
)

from ..config import ROWS
from ..front.exchange import GRACE_S, Guard

_LIMITS = ("REQUEST_BODY_TIMEOUT", "REQUEST_BODY_MIN_RATE", "MAX_BODY_CHUNKS")


def limits_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """How slowly and in how many pieces a body may come: as configured, else as in "secure"."""
    secure = {row.key: row.secure for row in ROWS}
    found = {name: config.get(name) for name in _LIMITS}
    return {name: secure[name] if value is None else value for name, value in found.items()}


def field_of(ctx: Any, name: str) -> str | None:
    """The value of a field by its name in lower case; None without it."""
    exchange = ctx._exchange
    if exchange is not None:
        return exchange.header(name)  # type: ignore[no-any-return]
    return ctx.request.headers.get(name)  # type: ignore[no-any-return]


def fields_of(ctx: Any) -> Iterable[tuple[str, str]]:
    """The fields in the order they came, repeated ones as often as they came; joined by WSGI."""
    exchange = ctx._exchange
    return list(ctx.request.headers) if exchange is None else exchange.headers


def query_of(ctx: Any) -> bytes:
    """What stood behind the "?"."""
    exchange = ctx._exchange
    found: bytes = ctx.request.query_string if exchange is None else exchange.query_string
    return found


async def body_of(ctx: Any, most: int, limits: Mapping[str, Any]) -> Any:
    """The whole body, also where something before the view has read it.

    Bytes, or a file of them where it is large and the door is not WSGI. Raises
    RequestEntityTooLarge for more than `most` bytes, ClientDisconnected (400) for less than was
    announced, RequestTimeout (408) and BadRequest for what is past `limits`.
    """
    exchange = ctx._exchange
    if exchange is None:
        return _wsgi_body(ctx.request, most)
    if "body" not in vars(exchange):
        if not exchange.has_body:
            return b""
        length = exchange.content_length()
        if length is not None and length <= most and exchange.takes_whole(length):
            body: Any = await _whole(exchange, length, limits)
        else:
            exchange.leave_unread(limits)
            error = await exchange.read(most, limits)
            if error is not None:
                raise error
            body = exchange.body
    else:
        body = exchange.body
    if isinstance(body, HTTPException):
        raise body
    if isinstance(body, bytes) and len(body) > most:
        raise RequestEntityTooLarge()
    return body


async def _whole(exchange: Any, length: int, limits: Mapping[str, Any]) -> bytes:
    """A small body under RSGI, which comes in one piece once it is complete."""
    now = exchange.loop.time()
    # As an intake has it, which costs three times as much: nothing is seen before the end.
    until = now + GRACE_S + length / limits["REQUEST_BODY_MIN_RATE"]
    with Guard(lambda now: RequestTimeout() if now > until else None):
        body: bytes = await exchange.whole()
    if len(body) != length:
        raise ClientDisconnected()
    exchange.body = body
    return body


def _wsgi_body(request: Any, most: int) -> bytes:
    """`body_of` under WSGI, on the server's thread."""
    length = request.content_length
    was_read = "_cached_data" in vars(request) or "stream" in vars(request)
    limit = request.max_content_length
    # A stream of chunks ends at its limit without a word: so one byte more is asked for.
    request.max_content_length = most + 1
    body: bytes = request.get_data()
    if length is None:
        if was_read and limit is not None and len(body) >= limit:
            raise RequestEntityTooLarge()
    elif len(body) != length:
        raise ClientDisconnected()  # or something has read it and kept nothing
    if len(body) > most:
        raise RequestEntityTooLarge()
    return body
