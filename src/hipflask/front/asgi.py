"""ASGI 3: scope, receive and send to request and response; lifespan."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from werkzeug.exceptions import ClientDisconnected

from ..dispatch import serve
from ..lifespan import Life, StartupError
from ..responses import DOOR, checked_fields
from ..typing import Application
from .exchange import BODILESS, DOUBT_S, Exchange
from .sending import SORRY, file_of, refuse, send_body


def asgi_app(app: Application, scope: Any, receive: Any, send: Any) -> Coroutine[Any, Any, None]:
    """What answers one ASGI connection, to be awaited in a task of its own."""
    kind = scope["type"]
    if kind == "http":
        return serve(app, ASGIExchange(scope, receive, send))
    if kind == "lifespan":
        return _lifespan(app, receive, send)
    if kind == "websocket":
        from .websocket import asgi_websocket  # who serves none does not pay for it

        return asgi_websocket(app, scope, receive, send)
    raise NotImplementedError(f"ASGI scope type {kind!r}")


class ASGIExchange(Exchange):
    """An exchange over `receive` and `send`."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self._receive = receive
        self._send = send
        self._drained = False
        self.loop = asyncio.get_running_loop()
        self.task = asyncio.current_task()
        self.method = scope["method"].upper()
        root = scope.get("root_path") or ""
        path = scope["path"]
        self.path = path.removeprefix(root) if root else path

    scheme = property(lambda self: self.scope.get("scheme", "http"))
    root_path = property(lambda self: (self.scope.get("root_path") or "").rstrip("/"))
    query_string = property(lambda self: self.scope.get("query_string", b""))
    http_version = property(lambda self: self.scope.get("http_version", "1.1"))
    client = property(lambda self: self.scope.get("client"))
    server = property(lambda self: self.scope.get("server"))

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

    def line(self) -> tuple[str, str, str | None, bool, str | None]:
        """See `Exchange.line`; one pass over the fields, the first Host and all of Cookie."""
        host = cookie = None
        is_upgrade = False
        for key, value in self.scope["headers"]:
            if key == b"host":
                host = value.decode("latin-1") if host is None else host
            elif key == b"cookie":
                text = value.decode("latin-1")
                cookie = text if cookie is None else f"{cookie}; {text}"
            elif key == b"upgrade":
                is_upgrade = True
        return self.method, self.path, host, is_upgrade, cookie

    @property
    def has_body(self) -> bool:
        for key, _ in self.scope["headers"]:
            if key == b"content-length" or key == b"transfer-encoding":
                return True
        return not self.http_version.startswith("1") and self.method not in BODILESS

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected()
            chunk = message.get("body")
            if not message.get("more_body"):
                self._drained = True
                if self._watching is _LATER:
                    self._watching = None
                    self.watch()
            if chunk:
                yield chunk
            if self._drained:
                return

    async def doubt(self) -> None:
        """See `Exchange.doubt`."""
        try:
            message = await asyncio.wait_for(self._receive(), DOUBT_S)
        except TimeoutError:
            return
        if message["type"] == "http.disconnect":
            raise ClientDisconnected()

    def watch(self) -> None:
        """See `Exchange.watch`. While a body is still to be read its reader is who notices."""
        if self._watching is not None:
            return
        if self._drained or not self.has_body:
            self._watching = self.loop.create_task(self._wait_for_leave())
        else:
            self._watching = _LATER

    async def _wait_for_leave(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.leave()

    async def send(self, app: Application, response: Any) -> None:
        """Send the response; one that HTTP cannot carry is logged and a 500 in its place."""
        body, status, fields = response.parts({"REQUEST_METHOD": self.method, DOOR: self})
        try:
            code, fields, length = checked_fields(self.method, status, fields, body)
            start = {
                "type": "http.response.start",
                "status": code,
                "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in fields],
            }
            if type(body) is not list:
                await self._send_stream(app, start, body, length)
                return
        except Exception as error:
            refuse(app, self, body, error)
            start, body = _FAILED, [SORRY]
        await self._send(start)
        await self._send({"type": "http.response.body", "body": b"".join(body)})

    async def _send_stream(self, app: Application, start: Any, body: Any, length: Any) -> None:
        path = None
        if "http.response.pathsend" in (self.scope.get("extensions") or ()):
            path, first, _ = file_of(body)
            if first:
                path = None
        if path is not None:
            body.close()
            await self._send(start)
            await self._send({"type": "http.response.pathsend", "path": path})
            return

        async def begin() -> Any:
            await self._send(start)
            return self._write

        if await send_body(app, self, body, length, begin):
            await self._send({"type": "http.response.body", "body": b""})

    async def _write(self, piece: bytes) -> None:
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})


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
