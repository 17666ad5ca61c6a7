"""A response on its way out through an async door, piece by piece.

A plain iterator runs in the pool and its pieces are handed to the loop as they come: one
that has many ready costs one hop for all of them, and one that waits for each delays none.
An async one runs on the loop. Either is closed when the client leaves, and what does not
fit the head that was sent cuts the connection: a client must not take a part for the whole.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextvars import Context, copy_context
from typing import Any

from werkzeug.wsgi import FileWrapper, _RangeWrapper

from .. import bridge
from ..responses import Unsendable
from ..typing import Application
from .exchange import Exchange, Guard

# How far a plain iterator may run ahead of the client, in bytes.
AHEAD_BYTES = 64 * 1024
# What may be sent of a stream before the client has taken it, where only we can hold it back.
WINDOW_BYTES = 1024 * 1024
# Where `struct tcp_info` has the number of bytes that the peer has acknowledged.
ACKED = slice(120, 128)

SORRY = b"The server made an answer that cannot be sent.\n"


class StalledError(Exception):
    """The client took no byte of the response for RESPONSE_WRITE_TIMEOUT seconds."""


async def send_body(
    app: Application,
    exchange: Exchange,
    body: Any,
    length: int | None,
    start: Callable[[], Awaitable[Callable[[bytes], Awaitable[None]]]],
) -> bool:
    """Send the pieces of `body`, and close it; returns whether it was sent to its end.

    `start` sends the head and returns what sends a piece. It is called with the first piece
    at hand, so that an iterator which fails at once still raises here. Later failures are
    logged, and the connection is cut. `length` is the declared one, None for no such check.
    """
    timeout: float | None = app.config["RESPONSE_WRITE_TIMEOUT"]
    since: float | None = None
    loop = exchange.loop

    def look(now: float) -> Exception | None:
        stalled = (
            since is not None and timeout is not None and now - max(since, exchange.moved) > timeout
        )
        return StalledError() if stalled else None

    pieces = _pieces(body, loop)
    sent = 0
    write: Any = None
    exchange.watch()
    try:
        with Guard(look):
            async for piece in pieces:
                sent += len(piece)
                if length is not None and sent > length:
                    raise Unsendable(f"the body is longer than its Content-Length of {length}")
                since = loop.time()
                if write is None:
                    write = await start()
                await write(piece)
                since = None
            if length is not None and sent < length:
                raise Unsendable(f"the body ended at {sent} bytes of a Content-Length of {length}")
            if write is None:
                await start()
        return True
    except Exception as error:
        if since is not None and isinstance(error, (OSError, RuntimeError)):
            exchange.gone = True  # the server's way to say it
            return False
        if write is None and not isinstance(error, StalledError):
            raise
        tell(app, exchange, error)
        exchange.gone = True
        await bridge.pool().hop(copy_context(), cut, exchange)
        return False
    finally:
        await pieces.aclose()


def tell(app: Application, exchange: Exchange, error: Exception) -> None:
    """Log that a response could not be sent (as a whole), with its route."""
    if exchange.seen is not None:
        exchange.seen.error = error
    rule = getattr(exchange.route, "rule", None)
    where = "no route" if rule is None else f"route {rule.rule!r}, endpoint {rule.endpoint!r}"
    if isinstance(error, StalledError):
        app.logger.warning(
            "The answer to %s %s (%s) was cut: the client took none of it for"
            " RESPONSE_WRITE_TIMEOUT.", exchange.method, exchange.path, where,
        )  # fmt: skip
    else:
        app.logger.error(
            "The answer to %s %s (%s) could not be sent: %s",
            exchange.method,
            exchange.path,
            where,
            error if isinstance(error, Unsendable) else repr(error),
            exc_info=None if isinstance(error, Unsendable) else error,
        )


def refuse(app: Application, exchange: Exchange, body: Any, error: Exception) -> None:
    """Log that a response cannot be sent at all, and close its body."""
    tell(app, exchange, error)
    if type(body) is not list and hasattr(body, "close"):
        body.close()


def file_of(body: Any) -> tuple[str | None, int, int | None]:
    """The regular file that a body is made of: path, first byte, end (None: to its end).

    The path is None where the body is anything else, or has been read from.
    """
    first, end, wrapper = 0, None, body
    if type(body) is _RangeWrapper:
        first, end, wrapper = body.start_byte, body.end_byte, body.iterable
        if body.read_length or end is None:
            return None, 0, None
    if type(wrapper) is not FileWrapper:
        return None, 0, None
    file = wrapper.file
    path = getattr(file, "name", None)
    if not isinstance(path, str):
        return None, 0, None
    try:
        there, here = os.stat(path), os.fstat(file.fileno())
        if file.tell() or not os.path.samestat(there, here) or not stat.S_ISREG(here.st_mode):
            return None, 0, None
    except (OSError, ValueError, AttributeError):
        return None, 0, None
    return os.path.abspath(path), first, end


class Pace:
    """Holds a stream back to what the client takes, where the server would keep it all.

    Granian's `send_bytes` never waits. What the client has taken is read from its TCP
    connection; without one (a unix socket, another system) nothing is held back.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._sent = 0
        self._connection: socket.socket | None = None
        self._asked = not hasattr(socket, "TCP_INFO")
        self._base = 0

    async def keep(self, number: int) -> None:
        """Count `number` bytes as sent, and wait until the client is near."""
        self._sent += number
        if self._sent < WINDOW_BYTES:
            return
        if not self._asked:
            self._asked = True
            exchange = self._exchange
            self._connection = await bridge.pool().hop(
                copy_context(), connection_of, exchange.client, exchange.server
            )
            # What was acknowledged before is other responses' and the first bytes of this one.
            self._base = max(0, self._acked() - self._sent)
        delay, acked = 0.001, self._acked()
        while self._connection is not None and self._sent - (acked - self._base) > WINDOW_BYTES:
            await asyncio.sleep(delay)
            delay = min(delay * 2, 0.05)
            if (now := self._acked()) > acked:
                acked = now
                self._exchange.moved = self._exchange.loop.time()

    def _acked(self) -> int:
        if self._connection is None:
            return 0
        info = self._connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        return int.from_bytes(info[ACKED], sys.byteorder)

    def close(self) -> None:
        """Give the copy of the connection back."""
        if self._connection is not None:
            self._connection.close()


async def _pieces(body: Any, loop: Any) -> AsyncGenerator[bytes, None]:
    if hasattr(body, "__aiter__"):
        try:
            async for piece in body:
                if piece:
                    yield piece
        finally:
            await body.aclose()
        return
    source = _Source(body, loop)
    try:
        async for piece in source.pieces():
            yield piece
    finally:
        await source.close()


class _Source:
    """A plain iterator's pieces, made in the pool and taken on the loop."""

    def __init__(self, body: Any, loop: Any) -> None:
        self._body = body
        self._iterator: Any = None
        self._loop = loop
        # The iterator's own: each step sees what the step before it set.
        self._context: Context = copy_context()
        self._ready: deque[bytes] = deque()
        self._told = False
        self._stop = False
        self._wanted: Any = None
        self._run: Any = None

    async def pieces(self) -> AsyncIterator[bytes]:
        goes_on = True
        while goes_on:
            self._run = asyncio.ensure_future(bridge.pool().hop(self._context, self._work))
            self._run.add_done_callback(self._wake)
            while not self._run.done() or self._ready:
                while self._ready:
                    yield self._ready.popleft()
                if not self._run.done():
                    self._wanted = self._loop.create_future()
                    self._told = False
                    if self._ready:
                        continue
                    await self._wanted
            goes_on = self._run.result()

    def _work(self) -> bool:
        """In a thread: make pieces until enough are ready; returns whether there may be more."""
        if self._iterator is None:
            self._iterator = iter(self._body)
        size = 0
        while size < AHEAD_BYTES and not self._stop:
            piece = next(self._iterator, None)
            if piece is None:
                return False
            if piece:
                size += len(piece)
                self._ready.append(piece)
                if not self._told:
                    self._told = True
                    self._loop.call_soon_threadsafe(self._wake)
        return True

    def _wake(self, *ignored: Any) -> None:
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    async def close(self) -> None:
        self._stop = True
        close = getattr(self._body, "close", None)
        if close is None:
            return
        if self._run is None or self._run.done():
            await bridge.pool().hop(self._context, close)
        else:
            # In the middle of a step, which cannot be interrupted: closed when it is over.
            self._run.add_done_callback(lambda run: self._close_later(run, close))

    def _close_later(self, run: Any, close: Any) -> None:
        if not run.cancelled():
            run.exception()  # nobody else asks
        _kept.add(task := asyncio.ensure_future(bridge.pool().hop(self._context, close)))
        task.add_done_callback(_kept.discard)


_kept: set[Any] = set()


def cut(exchange: Exchange) -> None:
    """Shut the connection down, which the server holds open.

    No interface has a word for it, and Granian ends a response whose view failed as if it
    were complete.
    """
    found = connection_of(exchange.client, exchange.server)
    if found is not None:
        with found:
            found.shutdown(socket.SHUT_RDWR)


def connection_of(
    client: tuple[str, int] | None, server: tuple[str, int | None] | None
) -> socket.socket | None:
    """A copy of this process's socket between two addresses; None without one.

    Looks through all open files: for what is rare. Needs /dev/fd.
    """
    if client is None or not client[1]:
        return None
    for name in os.listdir("/dev/fd") if os.path.isdir("/dev/fd") else ():
        try:
            number = os.dup(int(name))
        except OSError:
            continue
        try:
            copy = socket.socket(fileno=number)
        except OSError:
            os.close(number)
            continue
        try:
            if copy.getpeername()[:2] == tuple(client)[:2] and (
                server is None or copy.getsockname()[:2] == tuple(server)[:2]
            ):
                return copy
        except OSError:
            pass
        copy.close()
    return None
