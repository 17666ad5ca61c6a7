"""WebSockets over ASGI and RSGI: the server's events as the door that `websockets.py` asks.

A door has `accept`, `receive`, `send`, `close`, `release` and `refuse`, the handshake as an
`exchange`, and says whether it `sends_fields` with it. None of them raises because the client
is gone: `accept` and `receive` return how the connection ended, `send` returns False.
"""

from __future__ import annotations

from typing import Any

from ..bridge import in_pool
from ..responses import checked_fields
from ..typing import Application
from ..websockets import Ended, serve
from .asgi import asgi_exchange
from .rsgi import RSGIExchange, rsgi_exchange

_Fields = list[tuple[str, str]]

# The end of a connection that broke, or whose server does not say how it ended.
_BROKEN = Ended(1006)
_UNTOLD = Ended(1005)


async def asgi_websocket(app: Application, scope: Any, receive: Any, send: Any) -> None:
    """Serve one WebSocket of an ASGI server."""
    message = await receive()
    if message["type"] == "websocket.connect":
        await serve(app, ASGIDoor(scope, receive, send))


async def rsgi_websocket(app: Application, scope: Any, protocol: Any) -> None:
    """Serve one WebSocket of Granian's RSGI."""
    await serve(app, RSGIDoor(scope, protocol))


async def _parts(response: Any) -> tuple[int, _Fields, bytes]:
    """Status, fields and body of a response that refuses; 500 for None.

    Raises for what cannot be sent: a status of four digits aborts a worker of Granian's, and
    one over 599 leaves its client without an answer.
    """
    if response is None:
        return 500, [], b""
    body, status, fields = response.parts({"REQUEST_METHOD": "GET"})
    try:
        pieces = body if type(body) is list else await in_pool(list, body)
    finally:
        if hasattr(body, "close"):
            await in_pool(body.close)
    code, fields, _ = checked_fields("GET", status, fields, pieces)
    if code > 599:
        raise ValueError(f"{status!r} is no status to refuse a WebSocket with (200 to 599)")
    return code, fields, b"".join(pieces)


class ASGIDoor:
    """A connection over `receive` and `send`."""

    # Granian's ASGI sends no close frame while somebody waits to receive.
    closes_unread = True

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        # Granian 2.8 takes the fields of an accepted handshake, and sends none of them.
        server = type(getattr(send, "__self__", None)).__module__
        self.sends_fields = not server.startswith("granian")
        self._extensions = scope.get("extensions") or ()
        self._receive = receive
        self._send = send
        # An exchange knows requests, and the handshake is one.
        self.exchange = asgi_exchange({**scope, "method": "GET"}, receive, send)

    async def accept(self, subprotocol: str | None, fields: _Fields) -> Ended | None:
        """Complete the handshake; returns how the connection ended if it was too late."""
        message = {
            "type": "websocket.accept",
            "subprotocol": subprotocol,
            "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in fields],
        }
        return None if await self._tell(message) else _BROKEN

    async def receive(self) -> str | bytes | Ended:
        """The next message, or how the connection ended."""
        message = await self._receive()
        if message["type"] != "websocket.receive":
            return Ended(message.get("code") or 1005, message.get("reason") or "")
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    async def send(self, data: Any) -> bool:
        """Send a message; False if the client is gone."""
        kind = "text" if isinstance(data, str) else "bytes"
        return await self._tell({"type": "websocket.send", kind: data})

    async def close(self, code: int, reason: str) -> None:
        """Send the close frame."""
        await self._tell({"type": "websocket.close", "code": code, "reason": reason})

    def release(self) -> None:
        """Let go of the connection, which the server does itself."""

    async def refuse(self, response: Any) -> None:
        """Answer the handshake with a response; 403 where the server knows no other."""
        status, fields, body = await _parts(response)
        if "websocket.http.response" not in self._extensions:
            await self.close(1008, "")
            return
        start = {
            "type": "websocket.http.response.start",
            "status": status,
            "headers": [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in fields],
        }
        if await self._tell(start):
            await self._tell({"type": "websocket.http.response.body", "body": body})

    async def _tell(self, message: dict[str, Any]) -> bool:
        try:
            await self._send(message)
        except OSError:  # what ASGI says a server raises once the client is gone
            return False
        return True


class _RSGIHandshake(RSGIExchange):
    scheme = property(lambda self: "wss" if self.scope.scheme in ("https", "wss") else "ws")


class RSGIDoor:
    """A connection over Granian's protocol object.

    Granian 2.8 chooses no subprotocol, sends no header of ours with the handshake and no code
    with the close frame, and does not tell the client's code.
    """

    closes_unread = False
    sends_fields = False
    _transport: Any = None

    def __init__(self, scope: Any, protocol: Any) -> None:
        self._protocol = protocol
        self.exchange = rsgi_exchange(scope, protocol, kind=_RSGIHandshake)

    async def accept(self, subprotocol: str | None, fields: _Fields) -> Ended | None:
        """Complete the handshake; returns how the connection ended if it was too late."""
        if subprotocol is not None:
            raise RuntimeError(
                f"The WebSocket cannot be accepted with the subprotocol {subprotocol!r}: Granian's"
                " RSGI interface has no way to send it. Serve the application with --interface"
                " asgi."
            )
        try:
            self._transport = await self._protocol.accept()
        except RuntimeError:
            return _BROKEN
        return None

    async def receive(self) -> str | bytes | Ended:
        """The next message, or how the connection ended."""
        if self._transport is None:
            return _BROKEN
        try:
            message = await self._transport.receive()
        except RuntimeError:
            return _BROKEN
        return message.data if message.kind else _UNTOLD

    async def send(self, data: Any) -> bool:
        """Send a message; False if the client is gone."""
        transport = self._transport
        if transport is None:
            return False
        try:
            await (transport.send_str if isinstance(data, str) else transport.send_bytes)(data)
        except RuntimeError:
            return False
        return True

    async def close(self, code: int, reason: str) -> None:
        """Send a close frame, which has no code."""
        self._protocol.close(code)
        self.release()

    def release(self) -> None:
        """Let go of the connection: Granian keeps it open while its transport object lives."""
        self._transport = None

    async def refuse(self, response: Any) -> None:
        """Answer the handshake with the response's status; Granian takes no more of it."""
        status, _, _ = await _parts(response)
        self._protocol.close(status)
