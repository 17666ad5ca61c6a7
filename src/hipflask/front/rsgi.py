"""RSGI 1.6 (Granian): scope and protocol to request and response."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from werkzeug.exceptions import ClientDisconnected

from ..dispatch import ring_rsgi, serve
from ..parts import lazy
from ..responses import (
    DOOR,
    TYPES_KEPT,
    Fixed,
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
# A host that is there and cannot be read is one that names nothing.
_UNREADABLE = "\ufffd"


def rsgi_app(app: Application, scope: Any, protocol: Any) -> Coroutine[Any, Any, None]:
    """What answers one RSGI connection, to be awaited in a task of its own."""
    if scope.proto == "http":
        return serve(app, rsgi_exchange, scope, protocol, protocol)
    from .websocket import rsgi_websocket  # who serves none does not pay for it

    return rsgi_websocket(app, scope, protocol)


def http_answerer(app: Any) -> Callable[[Any, Any], Any]:
    """What answers an application's HTTP connections: past `__rsgi__` where nobody replaced it.

    1,700 instructions less than through it; the server's gate knows that it is HTTP.
    """
    call = app.__rsgi__
    if getattr(call, "__func__", None) is not ring_rsgi:
        return call  # type: ignore[no-any-return]
    bell: Application = call.__self__

    def answer(scope: Any, protocol: Any) -> Coroutine[Any, Any, None]:
        return serve(bell, rsgi_exchange, scope, protocol, protocol)

    return answer


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
        host = scope.authority or (_UNREADABLE if "host" in headers else None)
    cookie = None
    if "cookie" in headers:
        cookie = "; ".join(headers.get_all("cookie")) or None
    method = scope.method
    exchange.line = method, scope.path, host, "upgrade" in headers, cookie
    exchange.has_body = (
        "content-length" in headers
        or "transfer-encoding" in headers
        or (method.upper() not in BODILESS and scope.http_version == "2")
    )
    return exchange


class RSGIExchange(Exchange):
    """An exchange over Granian's scope and protocol objects."""

    scope: Any
    _protocol: Any
    _headers: Any

    has_lower_names = True
    method = property(lambda self: self.scope.method.upper())
    path = property(lambda self: self.line[1])
    root_path = ""
    scheme: Any = lazy(lambda self: self.scope.scheme)
    query_string = property(lambda self: self.scope.query_string.encode("latin-1"))
    http_version = property(lambda self: self.scope.http_version)
    client: Any = lazy(lambda self: _address(self.scope.client))
    server = property(lambda self: _address(self.scope.server))

    raw_fields = property(lambda self: self._headers.items())

    @property
    def headers(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = self._headers.items()
        return found if self.line[2] is not _UNREADABLE else [*found, ("host", _UNREADABLE)]

    def header(self, name: str) -> str | None:
        if name == "cookie":
            return "; ".join(self._headers.get_all(name)) or None
        value: str | None = self._headers.get(name)
        if value is None and name == "host":
            value = self.scope.authority or (_UNREADABLE if self.is_hidden(name) else None)
        return value

    def trace_fields(self) -> tuple[str | None, str | None]:
        """See `Exchange.trace_fields`."""
        get = self._headers.get
        return get("traceparent"), get("tracestate")

    def is_hidden(self, name: str) -> bool:
        # Granian gives no value that is not ASCII, and names it all the same.
        return name in self._headers and self._headers.get(name) is None

    def takes_whole(self, length: int | None) -> bool:
        """See `Exchange.takes_whole`."""
        return length is not None and length <= ONE_PIECE_BYTES

    def begin_whole(self) -> Any:
        """See `Exchange.begin_whole`."""
        return self._protocol()

    async def chunks(self) -> AsyncIterator[bytes]:
        if self.takes_whole(self.content_length()):
            whole = await self.whole()
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
        if made.__class__ is tuple:
            kind, piece = made
            own = None
        else:
            kind, piece, own = made
        if kind not in _types:
            return None
        length = len(piece)
        fields = [kind, _length_fields.get(length) or _length_field(length)]
        if own is not None:
            fields += own
            fields += made.more
        if self.line[0] == "HEAD":
            self._protocol.response_empty(200, fields)
        else:
            self._protocol.response_bytes(200, fields, piece)
        if self.seen is not None:
            self.seen.sent(200, length)
        return ()

    def note(self, seen: Any) -> None:
        """See `Exchange.note`."""
        self._protocol = _Telling(self._protocol, seen)

    async def send(self, app: Application, response: Any) -> None:
        """See `Exchange.send`."""
        if isinstance(response, tuple):
            response = response_of_plain(response)
        elif response.__class__ is Fixed:
            if self.seen is not None:
                self.seen.sent(response.code, len(response.body))
            if response.body and self.line[0] != "HEAD":
                self._protocol.response_bytes(response.code, [*response.fields], response.body)
            else:
                self._protocol.response_empty(response.code, [*response.fields])
            return
        body, status, fields = response.parts({"REQUEST_METHOD": self.method, DOOR: self})
        try:
            # Granian's worker ends with the process for a status it cannot read.
            code, fields, length = checked_fields(self.method, status, fields, body)
            if type(body) is not list:
                if self.seen is not None:
                    self.note(self.seen)
                await self._send_stream(app, code, fields, body, length)
                return
            if (ready := response._ready_type) is not None and len(_types) < TYPES_KEPT:
                _types.add(ready)  # found to be well-formed
        except Exception as error:
            refuse(app, self, body, error)
            code, fields, body = 500, [("content-type", "text/plain")], [SORRY]
        if self.seen is not None:
            self.seen.sent(code, sum(map(len, body)))
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


class Noted:
    """Granian's protocol object, whose answer a subclass takes note of."""

    __slots__ = ("_protocol", "client_disconnect")

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol
        self.client_disconnect = protocol.client_disconnect

    def noted(self, status: int, fields: Any, size: int) -> Any:
        """The answer begins, with so many bytes of body as are known; returns the fields."""
        raise NotImplementedError

    def __call__(self) -> Any:
        return self._protocol()

    def __aiter__(self) -> Any:
        return self._protocol.__aiter__()

    def response_empty(self, status: int, fields: Any) -> Any:
        return self._protocol.response_empty(status, self.noted(status, fields, 0))

    def response_str(self, status: int, fields: Any, body: str) -> Any:
        return self._protocol.response_str(status, self.noted(status, fields, len(body)), body)

    def response_bytes(self, status: int, fields: Any, body: bytes) -> Any:
        return self._protocol.response_bytes(status, self.noted(status, fields, len(body)), body)

    def response_file(self, status: int, fields: Any, file: str) -> Any:
        return self._protocol.response_file(status, self.noted(status, fields, 0), file)

    def response_file_range(self, status: int, fields: Any, file: str, start: int, end: int) -> Any:
        fields = self.noted(status, fields, end - start)
        return self._protocol.response_file_range(status, fields, file, start, end)

    def response_stream(self, status: int, fields: Any) -> Any:
        return self._protocol.response_stream(status, self.noted(status, fields, 0))


class _Telling(Noted):
    __slots__ = ("_seen",)

    def __init__(self, protocol: Any, seen: Any) -> None:
        super().__init__(protocol)
        self._seen = seen

    def noted(self, status: int, fields: Any, size: int) -> Any:
        self._seen.sent(status, size)
        return fields

    def response_stream(self, status: int, fields: Any) -> Any:
        return _Counted(super().response_stream(status, fields), self._seen)


class _Counted:
    """Granian's transport, whose bytes are counted."""

    __slots__ = ("_seen", "_transport")

    def __init__(self, transport: Any, seen: Any) -> None:
        self._transport = transport
        self._seen = seen

    def send_bytes(self, data: bytes) -> Any:
        self._seen.size += len(data)
        return self._transport.send_bytes(data)


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
