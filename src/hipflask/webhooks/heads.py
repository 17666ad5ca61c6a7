"""A request's head and body as they came, whichever door it came through.

`Request.headers` joins repeated fields, as WSGI has it, and a signature that is there twice
would no longer show. ASGI and RSGI tell them apart, so here they are read as sent, from the
door's exchange; a `Request` is made under WSGI alone.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from werkzeug.exceptions import (
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    RequestTimeout,
)

from ..config import ROWS
from ..front.exchange import GRACE_S, TICK_S

Find = Callable[[str], str | None]

_LIMITS = ("REQUEST_BODY_TIMEOUT", "REQUEST_BODY_MIN_RATE", "MAX_BODY_CHUNKS")


def limits_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """How slowly and in how many pieces a body may come: as configured, else as in "secure"."""
    secure = {row.key: row.secure for row in ROWS}
    found = {name: config.get(name) for name in _LIMITS}
    return {name: secure[name] if value is None else value for name, value in found.items()}


def fields_of(ctx: Any) -> list[tuple[str, str]]:
    """The fields in the order they came, repeated ones as often as they came; joined by WSGI."""
    exchange = ctx._exchange
    found: list[tuple[str, str]] = (
        list(ctx.request.headers) if exchange is None else exchange.headers
    )
    return found


def head_of(ctx: Any) -> tuple[list[tuple[str, str]], dict[str, str], Find]:
    """The fields; the same by their names, as `Delivery.served` takes them; and what finds one.

    That gives the value of a field by its name in lower case, None without it.
    """
    exchange = ctx._exchange
    if exchange is None:
        return list(ctx.request.headers), {}, ctx.request.headers.get
    fields = exchange.headers
    single = dict(fields)
    if len(single) != len(fields):
        return fields, {}, exchange.header
    return fields, single if exchange.has_lower_names else {}, single.get


def query_of(ctx: Any) -> bytes:
    """What stood behind the "?"."""
    exchange = ctx._exchange
    found: bytes = ctx.request.query_string if exchange is None else exchange.query_string
    return found


def body_of(ctx: Any, length: int | None, most: int, limits: Mapping[str, Any]) -> Awaitable[Any]:
    """The whole body, to be awaited, also where something before the view has read it.

    `length` is what the head announces, and no more than `most`; None for nothing. Bytes, or a
    file of them where it is large and the door is not WSGI. Raises RequestEntityTooLarge for more
    than `most` bytes, ClientDisconnected (400) for less than was announced, RequestTimeout (408)
    and BadRequest for what is past `limits`.
    """
    exchange = ctx._exchange
    if (
        exchange is not None
        and length is not None
        and exchange.takes_whole(length)
        and "body" not in vars(exchange)
    ):
        return _read_whole(exchange, length, limits)
    return _read(ctx, most, limits)


async def _read(ctx: Any, most: int, limits: Mapping[str, Any]) -> Any:
    """`body_of`, in whatever way the body comes."""
    exchange = ctx._exchange
    if exchange is None:
        return _wsgi_body(ctx.request, most)
    if "body" not in vars(exchange):
        if not exchange.has_body:
            return b""
        exchange.leave_unread(limits)
        error = await exchange.read(most, limits)
        if error is not None:
            raise error
    body = exchange.body
    if isinstance(body, HTTPException):
        raise body
    if isinstance(body, bytes) and len(body) > most:
        raise RequestEntityTooLarge()
    return body


async def _read_whole(exchange: Any, length: int, limits: Mapping[str, Any]) -> bytes:
    """A small body under RSGI, which comes in one piece once it is complete; see `body_of`.

    As an intake has it, which costs three times as much: nothing is seen before the end. What a
    `Guard` would do for each, one table does for all: a tenth of an acknowledgement's CPU.
    """
    loop, task = exchange.loop, exchange.task
    waiting = _waiting.get(loop)
    if waiting is None:
        waiting = _begin_rounds(loop)
    waiting[task] = loop.time() + GRACE_S + length / limits["REQUEST_BODY_MIN_RATE"]
    cancelling = task.cancelling()
    try:
        body: bytes = await exchange.begin_whole()
    except CancelledError:
        if _was_late(task, cancelling):
            raise RequestTimeout() from None
        raise
    except Exception as error:
        _was_late(task, cancelling)
        raise ClientDisconnected() from error
    else:
        if _late:
            _was_late(task, cancelling)
    finally:
        del waiting[task]
        _late.discard(task)
    if len(body) != length:
        raise ClientDisconnected()
    exchange.body = body
    return body


# By loop, while its timer runs: the tasks that wait for such a body, and until when.
_waiting: dict[Any, dict[Any, float]] = {}
# Those of them that were cancelled for being late.
_late: set[Any] = set()


def _was_late(task: Any, cancelling: int) -> bool:
    """Whether the task was cancelled here, and by nobody else; it is cancelled no more then.

    `cancelling` is how often it was being cancelled before.
    """
    if task not in _late:
        return False
    _late.discard(task)
    is_ours: bool = task.uncancel() <= cancelling
    return is_ours


def _begin_rounds(loop: Any) -> dict[Any, float]:
    for known in list(_waiting):
        if known.is_closed():
            _waiting.pop(known, None)
    waiting = _waiting[loop] = {}
    loop.call_later(TICK_S, _go_round, loop, waiting)
    return waiting


def _go_round(loop: Any, waiting: dict[Any, float]) -> None:
    if not waiting:
        _waiting.pop(loop, None)
        return
    now = loop.time()
    for task, until in waiting.items():
        if until < now and task not in _late:
            _late.add(task)
            task.cancel()
    loop.call_later(TICK_S, _go_round, loop, waiting)


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
