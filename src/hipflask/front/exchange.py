"""One HTTP exchange on an async door, as `Request` and dispatch see it.

ASGI and RSGI differ in how a header is found, how the body arrives and how the response
leaves; each has a subclass with these. What both share stands here: reading the body within
its limits (how much, how slowly, in how many pieces, and all of it), noticing that the
client left, and the WSGI environ made for those who ask for one.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    LengthRequired,
    RequestEntityTooLarge,
    RequestTimeout,
)

from ..responses import SEEN
from ..typing import Application

# A body up to this size is kept in memory, a larger one in a temporary file.
SPOOL_BYTES = 1024 * 1024
# Chunks may be small, but not all of them: past MAX_BODY_CHUNKS each needs this many bytes.
BYTES_A_CHUNK = 64
# The least rate is asked for only after so long: a connection needs time to get going.
GRACE_S = 5.0
# How often a guarded task is looked at.
TICK_S = 0.5
# How long after the end of a body without a length a reset may still be told.
DOUBT_S = 0.05
# Digits of a Content-Length; more are no number of bytes.
LONGEST_LENGTH = 18

# Methods whose requests have no body unless they say so. RFC 9110, 9.3
BODILESS = frozenset(("GET", "HEAD", "OPTIONS", "DELETE"))

_UNREAD: Any = object()

# Before Python 3.12 asyncio's own is no C function and costs five times as much.
current_task: Callable[[Any], Any] = asyncio.current_task
if sys.version_info < (3, 12):
    current_task = asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]


class Guard:
    """Interrupts the task that is in its `with` block, with an exception it is told to raise.

    `look` is asked every half second and may return that exception; `interrupt` gives one at
    once. One timer for all guards of a loop, instead of one for each body or even piece.
    """

    def __init__(self, look: Callable[[float], Exception | None]) -> None:
        self.look = look
        self._reason: Exception | None = None
        self._loop = loop = asyncio.get_running_loop()
        self._task: Any = current_task(loop)

    def __enter__(self) -> Guard:
        self._cancelling: int = self._task.cancelling()
        guards = _guards.get(self._loop)
        if guards is None:
            guards = _begin_rounds(self._loop)
        guards.add(self)
        self._guards = guards
        return self

    def interrupt(self, reason: Exception) -> None:
        """Raise `reason` where the block awaits; the first one counts."""
        if self._reason is None and self._task is not None:
            self._reason = reason
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, value: Any, frames: Any) -> None:
        self._guards.discard(self)
        # It may belong to who holds this guard; what is in a circle waits for the collector.
        del self.look
        task, self._task = self._task, None
        if self._reason is None:
            return
        if task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise self._reason from None


# By loop, while its timer runs: the guards whose blocks are being run.
_guards: dict[Any, set[Guard]] = {}


def _begin_rounds(loop: Any) -> set[Guard]:
    for known in list(_guards):
        if known.is_closed():
            _guards.pop(known, None)
    guards = _guards[loop] = set()
    loop.call_later(TICK_S, _go_round, loop, guards)
    return guards


def _go_round(loop: Any, guards: set[Guard]) -> None:
    if not guards:
        _guards.pop(loop, None)
        return
    now = loop.time()
    for guard in list(guards):
        reason = guard.look(now)
        if reason is not None:
            guard.interrupt(reason)
    loop.call_later(TICK_S, _go_round, loop, guards)


def patience(config: Mapping[str, Any], now: float) -> Callable[[float], Exception | None]:
    """What tells a guard that the first message of a body is late."""
    idle: float | None = config["REQUEST_BODY_TIMEOUT"]
    rate: float | None = config["REQUEST_BODY_MIN_RATE"]

    def look(later: float) -> Exception | None:
        waited = later - now
        is_late = (idle is not None and waited > idle) or (rate is not None and waited > GRACE_S)
        return RequestTimeout() if is_late else None

    return look


class Intake:
    """A body on its way in: what came so far, and its limits."""

    def __init__(self, exchange: Exchange, limit: int | None, config: Mapping[str, Any]) -> None:
        self.length = exchange.content_length()
        self.limit = limit
        if self.length is not None and limit is not None and self.length > limit:
            raise RequestEntityTooLarge()
        self.size = 0
        self._number = 0
        self._idle_s: float | None = config["REQUEST_BODY_TIMEOUT"]
        self._rate: float | None = config["REQUEST_BODY_MIN_RATE"]
        self._most: int | None = config["MAX_BODY_CHUNKS"]
        self._unseen = exchange.takes_whole(self.length)
        self._exchange = exchange
        self._chunks = exchange.chunks()
        self._gone: Any = None
        # Seconds spent waiting for the client, and since when it is waited for now.
        self._waited = 0.0
        self._since = self._last = 0.0

    async def next(self) -> bytes:
        """The next chunk; b"" at the end of a body that is whole. Raises an HTTPException else."""
        with self._guard():
            return await self._next()

    async def all(self) -> Any:
        """The whole body: bytes, or a file where it is large."""
        pieces: list[bytes] = []
        file: Any = None
        try:
            with self._guard():
                while chunk := await self._next():
                    if file is None and self.size > SPOOL_BYTES:
                        file = SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115
                        self._exchange.spool = file
                        self._exchange.has_rest = True
                        file.writelines(pieces)
                        pieces.clear()
                    if file is None:
                        pieces.append(chunk)
                    else:
                        file.write(chunk)
        except BaseException:
            if file is not None:
                file.close()
            raise
        if file is None:
            return b"".join(pieces)
        file.seek(0)
        return file

    def _guard(self) -> Guard:
        guard = Guard(self._too_slow)
        now = guard._loop.time()
        if self._since:
            self._waited += self._last - self._since
        self._since = self._last = now
        if self._gone is None:
            # HTTP/1.1: who waits for a whole body is told of a client that leaves.
            is_told = self._unseen and self._exchange.http_version.startswith("1")
            self._gone = False if is_told else self._exchange.when_gone(self._left)
        self._guarding = guard
        return guard

    def _left(self, *ignored: Any) -> None:
        self._guarding.interrupt(ClientDisconnected())

    async def _next(self) -> bytes:
        try:
            async for chunk in self._chunks:
                self._number += 1
                self.size += len(chunk)
                self._last = self._guarding._loop.time()
                if self.limit is not None and self.size > self.limit:
                    raise RequestEntityTooLarge()
                most = self._most
                if most is not None and self._number > most + self.size // BYTES_A_CHUNK:
                    raise BadRequest("The body arrives in too many small chunks.")
                return chunk
            if self.length is not None and self.size != self.length:
                raise ClientDisconnected()
            if self.length is None and not self._exchange.http_version.startswith("1"):
                await self._exchange.doubt()
        except BaseException:
            self._done()
            raise
        self._done()
        return b""

    def _done(self) -> None:
        gone, self._gone = self._gone, False
        if gone:
            gone.cancel()

    def _too_slow(self, now: float) -> Exception | None:
        waited = self._waited + now - self._since
        rate = self._rate
        if self._unseen:
            # Nothing is seen of it before its end.
            late = rate is not None and waited > GRACE_S + (self.length or 0) / rate
        else:
            late = (self._idle_s is not None and now - self._last > self._idle_s) or (
                rate is not None and self.size < (waited - GRACE_S) * rate
            )
        return RequestTimeout() if late else None


class Exchange:
    """A request that came in and the way for its response. Belongs to the event loop."""

    #: What a rule is found by, and the cookies: method, path, Host, whether there is an Upgrade,
    #: Cookie. ASGI has Host in bytes.
    line: tuple[str, str, str | bytes | None, bool, str | None]
    #: Whether a body follows, as far as the head tells.
    has_body: bool
    method: str
    path: str
    scheme: str
    root_path: str
    query_string: bytes
    http_version: str
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    headers: Any
    #: The same as the server has them: in bytes under ASGI.
    raw_fields: Any
    #: Whether the server gives the names of `headers` in lower case, however they were sent.
    has_lower_names = False
    #: The loop and the task that answer; what other threads hand work to.
    loop: Any
    task: Any
    #: What was read: bytes, a file, or the HTTPException that reading ended with.
    body: Any = _UNREAD
    #: Who the connection is from, where `client` is whom a proxy named.
    peer: Any = None
    #: The file that a large body is kept in.
    spool: Any = None
    #: Whether the client left before it had its answer.
    gone = False
    #: The route that answers, for messages.
    route: Any = None
    #: When the client last took something of the response, where the door sees it.
    moved = 0.0
    #: Work to start when the response is sent: see `background.py`.
    after: Any = ()
    #: Whether there is anything to `close` after the response.
    has_rest = False
    #: What those who observe requests are told of this one; None where nobody does.
    seen: Any = None

    _intake: Intake | None = None
    _config: Any = None
    _watching: Any = None

    def header(self, name: str) -> str | None:
        """The field's value, by its name in lower case; None without it.

        Of a repeated field the first one, but all of Cookie: HTTP/2 sends it in several.
        """
        raise NotImplementedError

    def is_hidden(self, name: str) -> bool:
        """Whether the field is there, and the server keeps its value to itself."""
        return False

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives; raises ClientDisconnected if the client leaves midway."""
        raise NotImplementedError

    async def take(self, config: Mapping[str, Any]) -> bytes | None:
        """The body, where it comes in one message; None where it is to be had from `chunks`."""
        return None

    def takes_whole(self, length: int | None) -> bool:
        """Whether `whole` gives a body of that length in one piece, once it is complete."""
        return False

    async def whole(self) -> bytes:
        """The body in one piece, where `takes_whole`. Raises ClientDisconnected."""
        try:
            return await self.begin_whole()  # type: ignore[no-any-return]
        except Exception as error:
            raise ClientDisconnected() from error

    def begin_whole(self) -> Any:
        """What gives `whole` when awaited, and raises whatever the server has for it."""
        raise NotImplementedError

    def when_gone(self, call: Callable[..., Any]) -> Any:
        """Have `call` called when the client leaves during the body.

        Returns what `cancel()` takes back; False where `chunks` tells by itself.
        """
        return False

    async def doubt(self) -> None:
        """Wait a moment at the end of an HTTP/2 body without a length.

        Granian gives a stream that was reset for one that ended; that the client left is told
        right after it, and raises ClientDisconnected here.
        """
        await asyncio.sleep(DOUBT_S)

    def watch(self) -> None:
        """From now on cancel the task when the client leaves."""
        raise NotImplementedError

    def unwatch(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def close(self, app: Application) -> None:
        """Give back what is kept for a request, and start what was to be done after its answer."""
        if (seen := self.seen) is not None:
            self.seen = None  # it leads back here
            seen.leave(self)
        if self._watching is not None:
            self.unwatch()
        if self.spool is not None:
            self.spool.close()
        if self.after:
            from ..background import start_all  # who asks for no such work does not pay for it

            start_all(app, self)

    def send_plain(self, made: Any) -> tuple[Any, ...] | None:
        """Send what `dispatch.plain` made; None where its Content-Type was not checked yet.

        Returns the messages that are to be handed to the server for that.
        """
        raise NotImplementedError

    def note(self, seen: Any) -> None:
        """Have `seen` told of what is streamed: `seen.sent(status, size)`; `seen.size` grows."""
        raise NotImplementedError

    async def send(self, app: Application, response: Any) -> None:
        """Send the response; one that HTTP cannot carry is logged and a 500 in its place."""
        raise NotImplementedError

    def leave(self, *ignored: Any) -> None:
        """The client left: nobody waits for the answer."""
        if self._watching is not None and not self.gone:
            self.gone = True
            self.task.cancel()

    def is_end(self, error: BaseException) -> bool:
        """Whether `error` is the task's cancellation since the client left, which is then over."""
        if not self.gone or not isinstance(error, asyncio.CancelledError):
            if self.seen is not None:
                self.seen.error = error
            return False
        self.task.uncancel()
        return True

    def trace_fields(self) -> tuple[str | None, str | None]:
        """The fields traceparent and tracestate."""
        return self.header("traceparent"), self.header("tracestate")

    def line_of_log(self) -> tuple[str, str, str | None]:
        """Method, path and the client's address: what a line in a log begins with."""
        client = self.client
        return self.method, self.path, None if client is None else client[0]

    @property
    def remote_addr(self) -> str | None:
        return None if self.client is None else self.client[0]

    def joined_fields(self) -> dict[str, str]:
        """The fields by their names in lower case, repeated ones joined.

        Without those that have an underscore in the name: in an environ "X_User" would read as
        "X-User", which a proxy in front may have set after taking the client's away.
        """
        fields: dict[str, str] = {}
        for name, value in self.headers:
            if "_" not in name:
                before = fields.get(name)
                mark = "; " if name == "cookie" else ","
                fields[name] = value if before is None else f"{before}{mark}{value}"
        return fields

    @property
    def joined_headers(self) -> Headers:
        """The fields as they read under WSGI: names capitalized, repeated fields joined."""
        return Headers([(name.title(), value) for name, value in self.joined_fields().items()])

    def content_length(self) -> int | None:
        """The length the head declares; None for a body whose chunks tell their end.

        Raises BadRequest for what is no number, and LengthRequired for HTTP/2 without one:
        servers cannot tell every cut body from a whole one there.
        """
        declared = self.header("content-length")
        if declared is None:
            if self.http_version.startswith("1") or _streams(self.route):
                return None
            raise LengthRequired()
        if len(declared) > LONGEST_LENGTH or not (declared.isascii() and declared.isdigit()):
            raise BadRequest("The Content-Length is no number of bytes.")
        return int(declared)

    async def read(self, limit: int | None, config: Mapping[str, Any]) -> HTTPException | None:
        """Read the body; returns the exception that the request is to be answered with, if any.

        A body over `limit` is not read (no further): whoever touches it gets the 413.
        """
        self._config = config
        try:
            body = None
            length = self.content_length()
            if length is not None and (limit is None or length <= limit):
                body = await self.take(config)
                if body is not None and len(body) != length:
                    raise ClientDisconnected()
            self.body = await Intake(self, limit, config).all() if body is None else body
        except RequestEntityTooLarge as error:
            if self.content_length() is None:
                # Its frames hold this exchange: with them it would wait for the collector.
                self.body = error.with_traceback(None)
        except HTTPException as error:
            self.body = error.with_traceback(None)
            return error
        return None

    def leave_unread(self, config: Mapping[str, Any]) -> None:
        """Leave the body to the view, which reads it as it arrives."""
        self._config = config

    async def next_chunk(self, limit: int | None) -> bytes:
        """The next chunk of a body that was left unread, b"" at its end.

        A body that was read comes in pieces too. Raises an HTTPException as `read` finds one.
        """
        if self._intake is None and (self.body is not _UNREAD or not self.has_body):
            if self.body is _UNREAD:
                return b""
            if not hasattr(self.body, "read"):
                self.body = self.stream(None)
            return self.body.read(65536)  # type: ignore[no-any-return]
        if self._intake is None:
            self._intake = Intake(self, limit, self._config)
            self.body = ClientDisconnected()  # not to be had as a whole any more
        return await self._intake.next()

    def in_loop(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run a coroutine function on the loop from a thread, and wait for it there."""
        if asyncio._get_running_loop() is self.loop:
            raise RuntimeError(
                "The body is not read yet, and this is the event loop, which cannot wait for it:"
                " use 'async for chunk in request.body_stream'."
            )
        return asyncio.run_coroutine_threadsafe(call(*args), self.loop).result()

    def stream(self, request: Any) -> Any:
        """The body as a file, for `Request.stream`; raises what reading ended with."""
        if self.has_body and not isinstance(self.body, Exception):
            limit = self._config["MAX_CONTENT_LENGTH"]
            if request is not None:
                # The request's own limit, which may be lower than the one it was read with.
                limit = request.max_content_length
            length = self.content_length()
            if limit is not None and length is not None and length > limit:
                raise RequestEntityTooLarge()
            if limit is not None and isinstance(self.body, bytes) and len(self.body) > limit:
                raise RequestEntityTooLarge()  # read within the application's limit
            if self.body is _UNREAD:
                self.in_loop(self.read, limit, self._config)
        body = self.body
        if isinstance(body, Exception):
            raise body
        if body is _UNREAD:
            return BytesIO()
        return BytesIO(body) if isinstance(body, bytes) else body

    def call(self, response: Any) -> Any:
        """What a response whose class has its own `__call__` sends: see `Response.parts`."""
        from .chain import called  # hardly any class has one

        return called(response, self.environ(None)).parts({})

    def environ(self, request: Any) -> dict[str, Any]:
        """A WSGI environ that says the same as the exchange."""
        host, port = self.server or ("", None)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": _as_wsgi(self.root_path),
            "PATH_INFO": _as_wsgi(self.path),
            "QUERY_STRING": self.query_string.decode("latin-1"),
            "SERVER_NAME": host,
            "SERVER_PORT": "" if port is None else str(port),
            "SERVER_PROTOCOL": f"HTTP/{self.http_version}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "werkzeug.request": request,
        }
        if self.client is not None:
            environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self.client[0], str(self.client[1])
        for name, value in self.joined_fields().items():
            key = name.upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            environ[key] = value
        if self.peer is not None:
            environ["werkzeug.proxy_fix.orig"] = {"REMOTE_ADDR": self.peer[0]}
        if self.seen is not None:
            environ[SEEN] = self.seen
        environ["wsgi.input"] = _LateInput(self)
        return environ


class _LateInput:
    """`wsgi.input`: the body as a file, opened when first read."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._file: Any = None

    def __getattr__(self, name: str) -> Any:
        if self._file is None:
            self._file = self._exchange.stream(None)
        return getattr(self._file, name)

    def __iter__(self) -> Any:
        return iter(self.readline, b"")


def _as_wsgi(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _streams(route: Any) -> bool:
    return route is not None and route.streams
