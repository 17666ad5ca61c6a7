"""Streams in both directions: a body read as it arrives, server-sent events, JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import copy_context
from typing import Any, NamedTuple, TypeVar

from . import bridge
from .globals import _cv_app, _cv_request

F = TypeVar("F", bound=Callable[..., Any])

# What is read at once where nobody else has cut the body into chunks.
CHUNK_BYTES = 64 * 1024

_END: Any = object()


def streams_body(view: F) -> F:
    """Mark a view that reads the request's body itself, through `request.body_stream`.

    Under ASGI and RSGI it is then called before the body has come, and may refuse it, or
    answer while it still arrives. MAX_CONTENT_LENGTH and the other limits stay, and count
    while the view waits for the client. Under WSGI every view is called so. As an option of a
    rule it is `stream=True`: `@app.post("/upload", stream=True)`.

        @app.post("/upload")
        @streams_body
        async def upload():
            size = 0
            async for chunk in request.body_stream:
                size += len(chunk)
            return {"size": size}
    """
    view.streams_body = True  # type: ignore[attr-defined]
    return view


class BodyStream:
    """The body in chunks; see `Request.body_stream`. Read once, in one of its two ways.

    Raises, besides what the limits demand (400, 408, 413), ClientDisconnected (400) for a
    body that ends early: what was read by then is a part only.
    """

    def __init__(self, request: Any) -> None:
        self._request = request
        self._exchange = request._exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._exchange is None:
            chunk: bytes = self._request.stream.read(CHUNK_BYTES)
        else:
            chunk = await self._exchange.next_chunk(self._request.max_content_length)
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        exchange = self._exchange
        if exchange is None:
            chunk: bytes = self._request.stream.read(CHUNK_BYTES)
        else:
            chunk = exchange.in_loop(exchange.next_chunk, self._request.max_content_length)
        if not chunk:
            raise StopIteration
        return chunk


class Event(NamedTuple):
    """A server-sent event: its data (text; anything else is sent as JSON) and its fields.

    `retry` is in milliseconds. With a `comment` and no data nothing reaches the page.
    """

    data: Any = None
    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def dump(self) -> bytes:
        """The event as it is sent. Raises ValueError for a field with a line break in it."""
        lines: list[str] = []
        if self.comment is not None:
            lines += [f": {line}" for line in _lines(self.comment)]
        for name in ("event", "id", "retry"):
            value = getattr(self, name)
            if value is not None:
                text = str(value)
                if any(mark in text for mark in "\r\n\0"):
                    raise ValueError(
                        f"The {name} of a server-sent event is one line, and was {text!r}."
                    )
                lines.append(f"{name}: {text}")
        if self.data is not None:
            lines += [f"data: {line}" for line in _lines(_text(self.data))]
        return ("\n".join(lines) + "\n\n").encode()


def _lines(text: str) -> list[str]:
    # What the format takes for the end of a line, and nothing else that Python does.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _text(data: Any) -> str:
    if isinstance(data, str):
        return data
    return data.decode() if isinstance(data, bytes) else _dumps()(data)


def _dumps() -> Callable[[Any], str]:
    ctx = _cv_app.get(None)
    if ctx is not None:
        return ctx.app.json.dumps  # type: ignore[no-any-return]
    from .json import dumps  # outside an application

    return dumps


def _response(body: Any, mimetype: str) -> Any:
    ctx = _cv_app.get(None)
    if ctx is None:
        raise RuntimeError(
            "A stream is made inside a view (or an application context), whose response class"
            " it is an instance of."
        )
    response = ctx.app.response_class(body, mimetype=mimetype)
    response.headers["Cache-Control"] = "no-cache"
    # Else nginx collects it.
    response.headers["X-Accel-Buffering"] = "no"
    return response


def sse(events: Any, *, heartbeat_s: float | None = 15.0, retry: int | None = None) -> Any:
    """Return a response that sends `events` as server-sent events, as they come.

    `events` is an iterator or async iterator of `Event`; text and other values are data. While
    it gives nothing, a comment every `heartbeat_s` seconds keeps the connection open (None: no
    comments). When the client leaves, an async one is cancelled and closed; a plain one is
    closed once its step is over, and keeps a thread for as long as it waits for an event.
    `retry` tells the page how many milliseconds to wait before it comes back, with
    `request.last_event_id`.

    Under WSGI, also behind WSGI middleware, a plain one sends its own comments:
    `Event(comment="")`.

        @app.get("/clock")
        async def clock():
            async def ticks():
                while True:
                    yield Event(time.time(), event="tick")
                    await asyncio.sleep(1)
            return sse(ticks())
    """
    first = Event(comment="", retry=retry).dump()
    dumps = _dumps()
    ctx = _cv_request.get(None)
    if not hasattr(events, "__aiter__"):
        if ctx is None or ctx._exchange is None:
            return _response(_events(iter(events), first, dumps), "text/event-stream")
        events = _in_pool(iter(events))
    return _response(_beating(aiter(events), heartbeat_s, first, dumps), "text/event-stream")


def _event(value: Any, dumps: Callable[[Any], str]) -> bytes:
    event = value if isinstance(value, Event) else Event(value)
    if event.data is not None and not isinstance(event.data, (str, bytes)):
        # The application is not current any more when this runs.
        event = event._replace(data=dumps(event.data))
    return event.dump()


def _events(source: Iterator[Any], first: bytes, dumps: Callable[[Any], str]) -> Iterator[bytes]:
    try:
        yield first
        for value in source:
            yield _event(value, dumps)
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


async def _beating(
    source: AsyncIterator[Any],
    heartbeat_s: float | None,
    first: bytes,
    dumps: Callable[[Any], str],
) -> AsyncIterator[bytes]:
    import asyncio  # who comes here runs on a loop

    step: Any = None
    try:
        yield first
        while True:
            step = step or asyncio.ensure_future(_step(source))
            await asyncio.wait((step,), timeout=heartbeat_s)
            if not step.done():
                yield b":\n\n"
                continue
            value, step = step.result(), None
            if value is _END:
                return
            yield _event(value, dumps)
    finally:
        if step is not None:
            step.cancel()
            await asyncio.wait((step,))
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()


async def _step(source: AsyncIterator[Any]) -> Any:
    try:
        return await anext(source)
    except StopAsyncIteration:
        return _END


async def _in_pool(source: Iterator[Any]) -> AsyncIterator[Any]:
    """A plain iterator's values, each made in a thread; all of them in one context."""
    import asyncio  # who comes here runs on a loop

    context = copy_context()
    step: Any = None
    try:
        while True:
            step = asyncio.ensure_future(bridge.pool().hop(context, next, source, _END))
            value = await asyncio.shield(step)
            if value is _END:
                return
            yield value
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            closing = asyncio.ensure_future(_close_after(step, context, close))
            _kept.add(closing)
            closing.add_done_callback(_kept.discard)
            if step is None or step.done():
                await closing


async def _close_after(step: Any, context: Any, close: Callable[[], None]) -> None:
    # A step in work cannot be interrupted, and nobody is there to hear how it ends.
    if step is not None and not step.done():
        import asyncio

        await asyncio.wait((step,))
        step.exception()
    await bridge.pool().hop(context, close)


# Tasks are kept alive by whoever waits for them, and for these nobody does.
_kept: set[Any] = set()


def ndjson(values: Any) -> Any:
    """Return a response that sends each of `values` as a line of JSON, as they come.

    `values` is an iterable or an async one. A client reads a line at a time; one that misses
    its newline was cut.

        @app.get("/rows")
        def rows():
            return ndjson({"row": number} for number in range(3))
    """
    dumps = _dumps()
    if hasattr(values, "__aiter__"):
        return _response(_async_lines(aiter(values), dumps), "application/x-ndjson")
    return _response(_json_lines(iter(values), dumps), "application/x-ndjson")


def _json_lines(source: Iterator[Any], dumps: Callable[[Any], str]) -> Iterator[bytes]:
    try:
        for value in source:
            yield dumps(value).encode() + b"\n"
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            close()


async def _async_lines(
    source: AsyncIterator[Any], dumps: Callable[[Any], str]
) -> AsyncIterator[bytes]:
    try:
        async for value in source:
            yield dumps(value).encode() + b"\n"
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            await close()
