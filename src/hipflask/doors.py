"""An application's front-ends rung without a server; loaded only by the test client.

`ring` takes a WSGI environ, since that is what the test client makes, and answers with what
`werkzeug.test.run_wsgi_app` answers. In between the request goes through the front-end as a
server would send it: on an event loop in a thread of its own, in a task with the caller's
context variables, its answer sent piece by piece and only as fast as it is read.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import ContextVar, copy_context
from pathlib import Path
from queue import SimpleQueue
from typing import Any
from urllib.parse import quote

from werkzeug.datastructures import Headers
from werkzeug.http import HTTP_STATUS_CODES

# Werkzeug's key, in an environ, for whom to tell of each context that ends.
REPORT_KEY = "werkzeug.debug.preserve_context"

#: The loop to ring on instead of the kept one, and where to note the talk: the async client's.
on_loop: ContextVar[tuple[asyncio.AbstractEventLoop, list[Talk]] | None] = ContextVar(
    "on_loop", default=None
)


class ClientGone(OSError):
    """What sending raises once the test has closed the response."""


class Talk:
    """One exchange: the reader's thread on one side, the application's task on the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, environ: dict[str, Any]) -> None:
        self._loop = loop
        self._context = copy_context()
        self._context.run(on_loop.set, None)
        self._news: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._gone = False
        self._leaving: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()
        self._has_ended = False
        self.has_started = False
        self.environ = environ
        self.body, self.is_cut = _body_of(environ)

    # The application's side, on the loop.

    async def run(self, call: Coroutine[Any, Any, Any]) -> None:
        """Await the application, and tell the reader how that ended."""
        try:
            await call
        except BaseException as error:
            # Also SystemExit and the like, which would end the loop's thread.
            self._news.put(("error", error))
        else:
            self._news.put(("end", None))

    def start(self, status: int, fields: list[tuple[str, str]]) -> None:
        """Send the head. Raises RuntimeError for a second one, TypeError for no text."""
        if self.has_started:
            raise RuntimeError("The response was started twice.")
        if type(status) is not int or not all(type(part) is str for f in fields for part in f):
            raise TypeError(f"The head is no int and texts: {status!r}, {fields!r}")
        self.has_started = True
        self._news.put(("start", (status, fields)))

    def last(self, piece: bytes) -> None:
        """Send the last piece, or all of the body."""
        self._check(piece)
        if not self._gone:
            self._news.put(("last", piece))

    async def piece(self, piece: bytes) -> None:
        """Send a piece and wait until the reader wants another; ClientGone if he left."""
        self._check(piece)
        if not self._gone and piece:
            self._news.put(("piece", piece))
            await self._wanted.wait()
            self._wanted.clear()
        if self._gone:
            raise ClientGone("The client has closed the response.")

    def _check(self, piece: Any) -> None:
        if type(piece) is not bytes:
            raise TypeError(f"A piece of type {type(piece).__name__} was sent, not bytes.")
        if not self.has_started:
            raise RuntimeError("A piece was sent before the response was started.")

    def gone(self) -> asyncio.Future[None]:
        """What is done once the reader has left."""
        left: asyncio.Future[None] = self._loop.create_future()
        if self._gone:
            left.set_result(None)
        else:
            self._leaving.append(left)
        return left

    # The reader's side, in any other thread.

    def answer(self, call: Coroutine[Any, Any, Any]) -> tuple[Pieces, str, Headers]:
        """Run the application to the head of its response; raises what it raises."""
        self._loop.call_soon_threadsafe(self._begin, call)
        kind, value = self.read()
        if kind != "start":
            raise RuntimeError("The application ended without a response.")
        status, fields = value
        line = f"{status} {HTTP_STATUS_CODES.get(status, 'Unknown').upper()}"
        return Pieces(self), line, Headers(fields)

    def _begin(self, call: Coroutine[Any, Any, Any]) -> None:
        # The loop keeps only weak references to its tasks.
        self._task = self._loop.create_task(self.run(call), context=self._context)

    def read(self) -> tuple[str, Any]:
        """The next of "start", "piece", "last", "end", with its value; raises the task's error."""
        if self._has_ended:
            return "end", None
        kind, value = self._news.get()
        if kind in ("end", "error"):
            self._has_ended = True
            self._news.put(("end", None))  # for who else reads, or closes meanwhile
        if kind == "error":
            raise value
        return kind, value

    def want(self) -> None:
        """Ask for another piece."""
        self._loop.call_soon_threadsafe(self._wanted.set)

    def leave(self) -> None:
        """Close the connection, as a client does that goes away."""
        if self._has_ended or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        self._gone = True
        self._wanted.set()
        for left in self._leaving:
            if not left.done():
                left.set_result(None)

    def drain(self) -> None:
        """Wait until the application has ended."""
        while self.read()[0] != "end":
            pass

    def close(self) -> None:
        """Leave, and wait until the application has noticed."""
        if self._has_ended:
            return
        self.leave()
        with suppress(ClientGone, asyncio.CancelledError):
            self.drain()


class Pieces(Iterator[bytes]):
    """The body: asks for each piece when it is read, leaves when it is closed."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._ahead: list[bytes] = []
        self._has_begun = False

    def look_ahead(self) -> None:
        """Read the first piece already; raises what it raises."""
        self._has_begun = True
        if piece := self._read():
            self._ahead.append(piece)

    def _read(self) -> bytes:
        """The next piece; empty at the end."""
        kind, value = self._talk.read()
        if kind == "last":
            # What the application does after its response is done when the test goes on.
            self._talk.drain()
        return value or b""

    def __next__(self) -> bytes:
        if self._ahead:
            return self._ahead.pop()
        if self._has_begun:
            self._talk.want()
        self._has_begun = True
        piece = self._read()
        if not piece:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Stop reading."""
        self._talk.close()

    def __del__(self) -> None:
        self._talk.leave()


def _body_of(environ: dict[str, Any]) -> tuple[bytes, bool]:
    """The request's body, and whether it is shorter than its Content-Length."""
    declared = str(environ.get("CONTENT_LENGTH") or "")
    length = int(declared) if declared.isdigit() else 0
    is_whole = environ.get("wsgi.input_terminated") or "HTTP_TRANSFER_ENCODING" in environ
    if not length and not is_whole:
        return b"", False
    file = environ["wsgi.input"]
    start = file.tell() if file.seekable() else None
    body: bytes = file.read(length or -1)
    if start is not None:
        # A redirect may send it once more.
        file.seek(start)
    return body, len(body) < length


def _text(text: str) -> str:
    """WSGI's text (bytes as Latin-1) as UTF-8."""
    return text.encode("latin-1").decode(errors="replace")


def _fields(environ: dict[str, Any]) -> list[tuple[str, str]]:
    """The header fields, names in lower case, as a server passes them on."""
    fields = []
    for key, value in environ.items():
        name = key.removeprefix("HTTP_")
        if name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if name != key or value == "":
                continue
        elif name == key:
            continue
        fields.append((name.replace("_", "-").lower(), str(value)))
    if "wsgi.input_terminated" in environ and "CONTENT_LENGTH" not in environ:
        fields.append(("transfer-encoding", "chunked"))
    return fields


def _address(environ: dict[str, Any], host: str, port: str) -> tuple[str, int]:
    number = str(environ.get(port) or "0")
    return str(environ.get(host) or ""), int(number) if number.isdigit() else 0


class _ASGITalk(Talk):
    """`receive` and `send` of an ASGI server."""

    _has_given = False

    def scope(self) -> dict[str, Any]:
        environ = self.environ
        root = _text(environ.get("SCRIPT_NAME") or "")
        path = root + _text(environ.get("PATH_INFO") or "")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/"),
            "method": environ["REQUEST_METHOD"],
            "scheme": environ.get("wsgi.url_scheme", "http"),
            "path": path,
            "raw_path": quote(path).encode("ascii"),
            "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
            "root_path": root,
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in _fields(environ)],
            "client": _address(environ, "REMOTE_ADDR", "REMOTE_PORT"),
            "server": _address(environ, "SERVER_NAME", "SERVER_PORT"),
        }

    async def receive(self) -> dict[str, Any]:
        if self._has_given:
            if not self.is_cut:
                await self.gone()
            return {"type": "http.disconnect"}
        self._has_given = True
        return {"type": "http.request", "body": self.body, "more_body": self.is_cut}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            fields = [(bytes(k), bytes(v)) for k, v in message.get("headers", ())]
            if any(name != name.lower() for name, _ in fields):
                raise ValueError(f"ASGI wants header names in lower case: {fields!r}")
            decoded = [(_titled(k.decode("latin-1")), v.decode("latin-1")) for k, v in fields]
            self.start(message["status"], decoded)
        elif message["type"] != "http.response.body":
            raise ValueError(f"A server does not know the message {message['type']!r}.")
        elif message.get("more_body"):
            await self.piece(message.get("body", b""))
        else:
            self.last(message.get("body", b""))


def _titled(name: str) -> str:
    """A field's name as it is mostly written: "content-type" is "Content-Type"."""
    return {"etag": "ETag", "www-authenticate": "WWW-Authenticate"}.get(name, name.title())


class RSGIHeaders:
    """Granian's header object: names in lower case, of a repeated field the first value."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        self._fields = fields

    def __contains__(self, key: str) -> bool:
        return any(name == key.lower() for name, _ in self._fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __getitem__(self, key: str) -> str:
        for name, value in self._fields:
            if name == key.lower():
                return value
        raise KeyError(key)

    def keys(self) -> list[str]:
        return list(dict(self._fields))

    def values(self) -> list[str]:
        return [value for _, value in self._fields]

    def items(self) -> list[tuple[str, str]]:
        return list(self._fields)

    def get(self, key: str, default: Any = None) -> Any:
        return next(iter(self.get_all(key)), default)

    def get_all(self, key: str) -> list[str]:
        return [value for name, value in self._fields if name == key.lower()]


class RSGIScope:
    """Granian's scope object. RSGI has no root path: SCRIPT_NAME is not passed on."""

    proto = "http"
    rsgi_version = "1.6"

    def __init__(self, environ: dict[str, Any]) -> None:
        fields = _fields(environ)
        self.http_version = environ.get("SERVER_PROTOCOL", "HTTP/1.1").removeprefix("HTTP/")
        self.server = "{}:{}".format(*_address(environ, "SERVER_NAME", "SERVER_PORT"))
        self.client = "{}:{}".format(*_address(environ, "REMOTE_ADDR", "REMOTE_PORT"))
        self.scheme = environ.get("wsgi.url_scheme", "http")
        self.method = environ["REQUEST_METHOD"]
        self.path = _text(environ.get("PATH_INFO") or "")
        self.query_string = environ.get("QUERY_STRING", "")
        self.authority = None
        self.headers = RSGIHeaders(fields)


class _RSGITalk(Talk):
    """Granian's protocol object."""

    async def __call__(self) -> bytes:
        if self.is_cut:
            raise RuntimeError("The connection was closed before the end of the body.")
        return self.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        # An empty chunk tells the end, and one more that it was no good one.
        for chunk in (self.body, b"", b"")[not self.body : 3 if self.is_cut else 2]:
            yield chunk

    def client_disconnect(self) -> Any:
        return self.gone()

    def response_empty(self, status: int, headers: list[tuple[str, str]]) -> None:
        self.response_bytes(status, headers, b"")

    def response_str(self, status: int, headers: list[tuple[str, str]], body: str) -> None:
        self.response_bytes(status, headers, body.encode())

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.start(status, headers)
        self.last(body)

    def response_file(self, status: int, headers: list[tuple[str, str]], file: str) -> None:
        self.response_bytes(status, headers, Path(file).read_bytes())

    def response_file_range(
        self, status: int, headers: list[tuple[str, str]], file: str, start: int, end: int
    ) -> None:
        self.response_bytes(status, headers, Path(file).read_bytes()[start:end])

    def response_stream(self, status: int, headers: list[tuple[str, str]]) -> _RSGITransport:
        self.start(status, headers)
        return _RSGITransport(self)


class _RSGITransport:
    """What `response_stream` returns."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk

    async def send_bytes(self, data: bytes) -> None:
        await self._talk.piece(data)

    async def send_str(self, data: str) -> None:
        await self._talk.piece(data.encode())


class _Watched:
    """An application that tells of each request context made for it; otherwise as it is."""

    def __init__(self, app: Any, report: Callable[[Any], None]) -> None:
        self.__dict__.update(_app=app, _report=report)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._app, name, value)

    def _begin(self, watched: Any, plan: Any, exchange: Any) -> Any:
        ctx = self._app._begin(self._app, plan, exchange)
        self._report(ctx)
        return ctx

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        # Through middleware: the WSGI door at its end reports.
        return self._app({**environ, REPORT_KEY: self._report}, start_response)


def _front_end(app: Any, name: str, environ: dict[str, Any]) -> Any:
    """The application's own method for the door, reporting contexts where the environ asks."""
    report = environ.get(REPORT_KEY)
    if report is None or name in vars(app):
        return getattr(app, name)
    method = getattr(type(app), name)
    return method.__get__(_Watched(app, report))


def _ring_asgi(app: Any, loop: Any, environ: dict[str, Any]) -> tuple[Talk, Any]:
    talk = _ASGITalk(loop, environ)
    return talk, _front_end(app, "asgi", environ)(talk.scope(), talk.receive, talk.send)


def _ring_rsgi(app: Any, loop: Any, environ: dict[str, Any]) -> tuple[Talk, Any]:
    talk = _RSGITalk(loop, environ)
    return talk, _front_end(app, "__rsgi__", environ)(RSGIScope(environ), talk)


_RINGS = {"asgi": _ring_asgi, "rsgi": _ring_rsgi}
DOORS = ("wsgi", *_RINGS)


def ring(app: Any, door: str, environ: dict[str, Any]) -> tuple[Pieces, str, Headers]:
    """Send the request through the front-end "asgi" or "rsgi"; returns body, status, headers.

    Raises what leaves the application before its response does; the body raises the rest.
    RuntimeError on the loop that the application would run on.
    """
    chosen = on_loop.get()
    loop = _kept_loop() if chosen is None else chosen[0]
    if asyncio._get_running_loop() is loop:
        raise RuntimeError(
            f"The test client's {door} door was used on the event loop that the application"
            " runs on, which cannot wait for itself. Use app.async_test_client() there."
        )
    talk, call = _RINGS[door](app, loop, environ)
    if chosen is not None:
        chosen[1].append(talk)
    return talk.answer(call)


_lock = threading.Lock()
_kept: list[asyncio.AbstractEventLoop] = []


def _kept_loop() -> asyncio.AbstractEventLoop:
    """The loop of all test clients, in its thread; made at its first use."""
    with _lock:
        if not _kept:
            loop = asyncio.new_event_loop()
            thread = threading.Thread(target=loop.run_forever, name="hipflask-door", daemon=True)
            thread.start()
            atexit.register(_end, loop, thread)
            _kept.append(loop)
        return _kept[0]


def _end(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    if not thread.is_alive():
        loop.close()
