"""ASGI 3: scope, receive and send to request and response; lifespan."""

from __future__ import annotations

import asyncio
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from werkzeug.exceptions import ClientDisconnected

from ..dispatch import serve
from ..lifespan import Life, StartupError
from ..parts import lazy
from ..responses import (
    DOOR,
    LENGTHS_KEPT,
    TYPES_KEPT,
    Fixed,
    checked_fields,
    response_of_plain,
)
from ..typing import Application
from .exchange import BODILESS, DOUBT_S, Exchange, Guard, current_task, patience
from .sending import SORRY, file_of, refuse, send_body

# The fields that each request is asked for.
_LOOKED_AT = frozenset((b"host", b"cookie", b"upgrade", b"content-length", b"transfer-encoding"))

_TRACE = frozenset((b"traceparent", b"tracestate"))


def asgi_app(app: Application, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
    """What answers one ASGI connection, to be awaited in a task of its own."""
    kind = scope["type"]
    if kind == "http":
        return serve(app, asgi_exchange, scope, receive, send)
    if kind == "lifespan":
        return _lifespan(app, receive, send)
    if kind == "websocket":
        from .websocket import asgi_websocket  # who serves none does not pay for it

        return asgi_websocket(app, scope, receive, send)
    raise NotImplementedError(f"ASGI scope type {kind!r}")


def asgi_exchange(scope: Any, receive: Any, send: Any) -> ASGIExchange:
    """The exchange that a server's three arguments stand for. In the task that answers."""
    # Without a constructor, which would cost as much again.
    exchange = ASGIExchange()
    exchange.scope = scope
    exchange.receive = receive
    exchange.put = send
    exchange.loop = loop = get_running_loop()
    exchange.task = current_task(loop)
    host = cookie = None
    is_upgrade = has_body = exchange.has_rest = False
    for name, value in scope["headers"]:
        if name in _LOOKED_AT:
            if name == b"host":
                if host is None:
                    host = value
            elif name == b"cookie":
                text = value.decode("latin-1")
                cookie = text if cookie is None else f"{cookie}; {text}"
            elif name == b"upgrade":
                is_upgrade = True
            else:
                has_body = True
    path = scope["path"]
    if root := scope.get("root_path"):
        path = path.removeprefix(root)
    method = scope["method"]
    exchange.line = method, path, host, is_upgrade, cookie
    exchange.has_body = has_body or (
        method not in BODILESS
        and scope.get("http_version") in _FRAMED
        and method.upper() not in BODILESS
    )
    return exchange


# The versions of HTTP in which a body needs no field to announce it.
_FRAMED = frozenset(("2", "2.0", "3", "3.0"))


class ASGIExchange(Exchange):
    """An exchange over `receive` and `send`."""

    #: What the server gave.
    scope: Any
    receive: Any
    put: Any
    _drained = False
    # The first message of a body of several.
    _ahead: Any = None

    method = property(lambda self: self.scope["method"].upper())
    path = property(lambda self: self.line[1])
    scheme: Any = lazy(lambda self: self.scope.get("scheme", "http"))
    root_path = property(lambda self: (self.scope.get("root_path") or "").rstrip("/"))
    query_string = property(lambda self: self.scope.get("query_string", b""))
    http_version = property(lambda self: self.scope.get("http_version", "1.1"))
    client: Any = lazy(lambda self: self.scope.get("client"))
    server = property(lambda self: self.scope.get("server"))

    raw_fields = property(lambda self: self.scope["headers"])

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(k.decode("latin-1"), v.decode("latin-1")) for k, v in self.scope["headers"]]

    def header(self, name: str) -> str | None:
        wanted = name.encode()
        found: bytes | None = None
        for key, value in self.scope["headers"]:
            if key == wanted:
                found = value if found is None else found + b"; " + value
                if name != "cookie":
                    break
        return None if found is None else found.decode("latin-1")

    def trace_fields(self) -> tuple[str | None, str | None]:
        """See `Exchange.trace_fields`."""
        parent = state = None
        for key, value in self.scope["headers"]:
            if key in _TRACE:
                if key == b"tracestate":
                    state = value.decode("latin-1") if state is None else state
                elif parent is None:
                    parent = value.decode("latin-1")
        return parent, state

    async def take(self, config: Mapping[str, Any]) -> bytes | None:
        """See `Exchange.take`."""
        with Guard(patience(config, self.loop.time())):
            message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected()
        if message.get("more_body"):
            self._ahead = message
            return None
        self._drain()
        return message.get("body", b"")  # type: ignore[no-any-return]

    def _drain(self) -> None:
        self._drained = True
        if self._watching is _LATER:
            self._watching = None
            self.watch()

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            message, self._ahead = self._ahead, None
            if message is None:
                message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected()
            chunk = message.get("body")
            if not message.get("more_body"):
                self._drain()
            if chunk:
                yield chunk
            if self._drained:
                return

    async def doubt(self) -> None:
        """See `Exchange.doubt`."""
        try:
            message = await asyncio.wait_for(self.receive(), DOUBT_S)
        except TimeoutError:
            return
        if message["type"] == "http.disconnect":
            raise ClientDisconnected()

    def watch(self) -> None:
        """See `Exchange.watch`. While a body is still to be read its reader is who notices."""
        if self._watching is not None:
            return
        self.has_rest = True
        if self._drained or not self.has_body:
            self._watching = self.loop.create_task(self._wait_for_leave())
        else:
            self._watching = _LATER

    async def _wait_for_leave(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.leave()

    def send_plain(self, made: Any) -> tuple[Any, ...] | None:
        """See `Exchange.send_plain`."""
        if made.__class__ is tuple:
            kind, piece = made
            own = None
        else:
            kind, piece, own = made
        field = _types.get(kind)
        if field is None:
            return None
        length = len(piece)
        fields = [field, _lengths.get(length) or _length_field(length)]
        if own is not None:
            for name, value in own:
                fields.append((_names.get(name) or _encoded(name), value.encode()))  # it is ASCII
            fields += made.more_encoded
        if self.line[0] == "HEAD":
            piece = b""
        if self.seen is not None:
            self.seen.sent(200, length)
        return (
            {"type": "http.response.start", "status": 200, "headers": fields},
            {"type": "http.response.body", "body": piece},
        )

    def note(self, seen: Any) -> None:
        """See `Exchange.note`."""
        put = self.put

        async def noting(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                seen.sent(message["status"], 0)
            else:
                seen.size += len(message.get("body", b""))
            await put(message)

        self.put = noting

    async def send(self, app: Application, response: Any) -> None:
        """See `Exchange.send`."""
        if isinstance(response, tuple):
            response = response_of_plain(response)
        elif response.__class__ is Fixed:
            piece = response.body if self.line[0] != "HEAD" else b""
            raw = [*response.raw_fields]
            if self.seen is not None:
                self.seen.sent(response.code, len(piece))
            await self.put({"type": "http.response.start", "status": response.code, "headers": raw})
            await self.put({"type": "http.response.body", "body": piece})
            return
        body, status, fields = response.parts({"REQUEST_METHOD": self.method, DOOR: self})
        try:
            code, fields, length = checked_fields(self.method, status, fields, body)
            start: dict[str, Any] = {
                "type": "http.response.start",
                "status": code,
                "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in fields],
            }
            if type(body) is not list:
                if self.seen is not None:
                    self.note(self.seen)
                await self._send_stream(app, start, body, length)
                return
            if (ready := response._ready_type) is not None and len(_types) < TYPES_KEPT:
                _types[ready] = start["headers"][0]  # found to be well-formed
        except Exception as error:
            refuse(app, self, body, error)
            start, body = _FAILED, [SORRY]
        if self.seen is not None:
            self.seen.sent(start["status"], sum(map(len, body)))
        await self.put(start)
        await self.put({"type": "http.response.body", "body": b"".join(body)})

    async def _send_stream(self, app: Application, start: Any, body: Any, length: Any) -> None:
        path = None
        if "http.response.pathsend" in (self.scope.get("extensions") or ()):
            path, first, _ = file_of(body)
            if first:
                path = None
        if path is not None:
            body.close()
            await self.put(start)
            await self.put({"type": "http.response.pathsend", "path": path})
            return

        async def begin() -> Any:
            await self.put(start)
            return self._write

        if await send_body(app, self, body, length, begin):
            await self.put({"type": "http.response.body", "body": b""})

    async def _write(self, piece: bytes) -> None:
        await self.put({"type": "http.response.body", "body": piece, "more_body": True})


# The fields of responses that nobody looked at, encoded.
_types: dict[tuple[str, str] | None, tuple[bytes, bytes]] = {}
_lengths: dict[int, tuple[bytes, bytes]] = {}
# Names of fields, encoded: those of `Plain` answers, which are ours.
_names: dict[str, bytes] = {}


def _encoded(name: str) -> bytes:
    made = _names[name] = name.lower().encode("latin-1")
    return made


def _length_field(length: int) -> tuple[bytes, bytes]:
    field = b"content-length", b"%d" % length
    if len(_lengths) < LENGTHS_KEPT:
        _lengths[length] = field
    return field


class _Later:
    """Stands for a watch that begins when the body is read."""

    def cancel(self) -> None:
        pass


_LATER = _Later()
_FAILED = {
    "type": "http.response.start",
    "status": 500,
    "headers": [(b"content-type", b"text/plain"), (b"content-length", str(len(SORRY)).encode())],
}


async def _lifespan(app: Application, receive: Any, send: Any) -> None:
    life = Life(app)
    await receive()
    try:
        await life.begin()
    except StartupError as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await life.end()
    await send({"type": "lifespan.shutdown.complete"})
