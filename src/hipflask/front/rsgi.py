"""RSGI 1.5 (Granian): scope and protocol to request and response."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from werkzeug.exceptions import ClientDisconnected

from ..dispatch import serve
from ..responses import (
    DOOR,
    TYPES_KEPT,
    _length_field,
    _length_fields,
    checked_fields,
    response_of_plain,
)
from ..typing import Application
from .exchange import BODILESS, Exchange, current_task
from .sending import SORRY, Pace, file_of, refuse, send_body

# Up to this length the body is taken in one piece, which tells a cut body; `await proto()`
# itself knows no limit.
ONE_PIECE_BYTES = 64 * 1024


def rsgi_app(app: Application, scope: Any, protocol: Any) -> Coroutine[Any, Any, None]:
    """What answers one RSGI connection, to be awaited in a task of its own."""
    if scope.proto == "http":
        return serve(app, rsgi_exchange, scope, protocol, protocol)
    from .websocket import rsgi_websocket  # who serves none does not pay for it

    return rsgi_websocket(app, scope, protocol)


def rsgi_exchange(scope: Any, protocol: Any, _: Any = None, kind: Any = None) -> RSGIExchange:
    """The exchange that Granian's two arguments stand for. In the task that answers.

    Its protocol object both receives and sends. `kind` is a subclass to make.
    """
    # Without a constructor, as for ASGI.
    exchange: RSGIExchange = (kind or RSGIExchange)()
    exchange.scope = scope
    exchange._protocol = protocol
    exchange._headers = headers = scope.headers
    exchange.loop = loop = get_running_loop()
    exchange.task = current_task(loop)
    exchange.has_rest = False
    host = headers.get("host")
    if host is None:
        host = scope.authority
    cookie = None
    if "cookie" in headers:
        cookie = "; ".join(headers.get_all("cookie")) or None
    method = scope.method
    exchange.line = method, scope.path, host, "upgrade" in headers, cookie
    exchange.has_body = (
        "content-length" in headers
        or "transfer-encoding" in headers
        or (scope.http_version == "2" and method.upper() not in BODILESS)
    )
    return exchange


class RSGIExchange(Exchange):
    """An exchange over Granian's scope and protocol objects."""

    scope: Any
    _protocol: Any
    _headers: Any

    method = property(lambda self: self.scope.method.upper())
    path = property(lambda self: self.line[1])
    root_path = ""
    scheme = property(lambda self: self.scope.scheme)
    query_string = property(lambda self: self.scope.query_string.encode("latin-1"))
    http_version = property(lambda self: self.scope.http_version)
    client = property(lambda self: _address(self.scope.client))
    server = property(lambda self: _address(self.scope.server))

    @property
    def headers(self) -> list[tuple[str, str]]:
        return self._headers.items()  # type: ignore[no-any-return]

    def header(self, name: str) -> str | None:
        if name == "cookie":
            return "; ".join(self._headers.get_all(name)) or None
        value: str | None = self._headers.get(name)
        if value is None and name == "host":
            value = self.scope.authority
        return value

    def takes_whole(self, length: int | None) -> bool:
        """See `Exchange.takes_whole`."""
        return length is not None and length <= ONE_PIECE_BYTES

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.takes_whole(self.content_length()):
            try:
                whole = await self._protocol()
            except Exception as error:
                raise ClientDisconnected() from error
            if whole:
                yield whole
            return
        pieces = self._protocol.__aiter__()
        has_ended = False
        while True:
            try:
                chunk = await pieces.__anext__()
            except StopAsyncIteration:
                return
            if has_ended:
                # Granian gives an empty chunk at the end, and one more in place of an error.
                raise ClientDisconnected()
            if chunk:
                yield chunk
            else:
                has_ended = True

    def when_gone(self, call: Callable[..., Any]) -> Any:
        """See `Exchange.when_gone`: after an HTTP/2 reset the iterator alone never ends."""
        left = self._protocol.client_disconnect()
        if not hasattr(left, "add_done_callback"):
            call()  # it left already
            return False
        left.add_done_callback(call)
        return _Callback(left, call)

    def watch(self) -> None:
        """See `Exchange.watch`."""
        if self._watching is not None:
            return
        self.has_rest = True
        left = self._protocol.client_disconnect()
        self._watching = _Callback(left, self.leave)
        if hasattr(left, "add_done_callback"):
            left.add_done_callback(self.leave)
        else:
            self.leave()

    def send_plain(self, made: Any) -> tuple[Any, ...] | None:
        """See `Exchange.send_plain`."""
        kind, piece = made
        if kind not in _types:
            return None
        length = len(piece)
        fields = [kind, _length_fields.get(length) or _length_field(length)]
        if self.line[0] == "HEAD":
            self._protocol.response_empty(200, fields)
        else:
            self._protocol.response_bytes(200, fields, piece)
        return ()

    async def send(self, app: Application, response: Any) -> None:
        """See `Exchange.send`."""
        if response.__class__ is tuple:
            response = response_of_plain(response)
        body, status, fields = response.parts({"REQUEST_METHOD": self.method, DOOR: self})
        try:
            # Granian's worker ends with the process for a status it cannot read.
            code, fields, length = checked_fields(self.method, status, fields, body)
            if type(body) is not list:
                await self._send_stream(app, code, fields, body, length)
                return
            if (ready := response._ready_type) is not None and len(_types) < TYPES_KEPT:
                _types.add(ready)  # found to be well-formed
        except Exception as error:
            refuse(app, self, body, error)
            fields = [("content-type", "text/plain")]
            self._protocol.response_bytes(500, fields, SORRY)
            return
        if body:
            self._protocol.response_bytes(code, fields, b"".join(body))
        else:
            self._protocol.response_empty(code, fields)

    async def _send_stream(
        self, app: Application, code: int, fields: Any, body: Any, length: int | None
    ) -> None:
        path, first, end = file_of(body)
        if path is not None:
            body.close()
            if end is None:
                self._protocol.response_file(code, fields, path)
            else:
                self._protocol.response_file_range(code, fields, path, first, end)
            return
        transport: Any = None
        pace = Pace(self)

        async def begin() -> Any:
            nonlocal transport
            transport = self._protocol.response_stream(code, fields)
            return write

        async def write(piece: bytes) -> None:
            await transport.send_bytes(piece)
            await pace.keep(len(piece))

        try:
            await send_body(app, self, body, length, begin)
        finally:
            pace.close()


# The content types of responses that nobody looked at, found to be well-formed.
_types: set[tuple[str, str] | None] = set()


class _Callback:
    """A callback on one of Granian's futures, to be taken back."""

    def __init__(self, future: Any, call: Callable[..., Any]) -> None:
        self._future = future
        self._call = call

    def cancel(self) -> None:
        if hasattr(self._future, "remove_done_callback"):
            self._future.remove_done_callback(self._call)
            self._future.cancel()


def _address(text: str) -> tuple[str, int] | None:
    host, _, port = text.rpartition(":")
    return (host.strip("[]"), int(port)) if port.isdigit() else None
