"""The test client's WebSockets: the application's ASGI door without a server or a network."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any
from urllib.parse import quote

from werkzeug.datastructures import Headers

from .doors import _address, _fields, _kept_loop, _text
from .websockets import Ended, WebSocketDisconnected

# How long a test waits for what the application does not send.
PATIENCE_S = 10.0


class WebSocketRefused(Exception):
    """The application refused the handshake; `response` is what it answered instead."""

    def __init__(self, response: Any) -> None:
        super().__init__(f"The WebSocket was refused: {response.status}")
        self.response = response
        self.status_code: int = response.status_code


def scope_of(environ: dict[str, Any], subprotocols: tuple[str, ...]) -> dict[str, Any]:
    """The ASGI scope of a handshake like the request that `environ` describes."""
    root = _text(environ.get("SCRIPT_NAME") or "")
    path = root + _text(environ.get("PATH_INFO") or "")
    fields = [(name.encode(), value.encode("latin-1")) for name, value in _fields(environ)]
    fields += [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
    fields += [
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"bm9uY2Vub25jZW5vbmNlbg=="),
    ]
    if subprotocols:
        fields.append((b"sec-websocket-protocol", ", ".join(subprotocols).encode("latin-1")))
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "wss" if environ.get("wsgi.url_scheme") == "https" else "ws",
        "path": path,
        "raw_path": quote(path).encode("ascii"),
        "query_string": environ.get("QUERY_STRING", "").encode("latin-1"),
        "root_path": root,
        "headers": fields,
        "client": _address(environ, "REMOTE_ADDR", "REMOTE_PORT"),
        "server": _address(environ, "SERVER_NAME", "SERVER_PORT"),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}},
    }


def _decoded(fields: Any) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in fields]


class AsyncConnection:
    """The client's end of one WebSocket, on the test's own event loop."""

    #: The subprotocol that the application chose, or None.
    subprotocol: str | None = None

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        #: The header fields that came with the completed handshake.
        self.headers = Headers()
        self._app = app
        self._scope = scope
        self._to_app: asyncio.Queue[Any] = asyncio.Queue()
        self._from_app: asyncio.Queue[Any] = asyncio.Queue()
        self._ended: Ended | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Ask for the connection; raises WebSocketRefused, or what the application raised."""
        self._to_app.put_nowait({"type": "websocket.connect"})
        self._task = asyncio.get_running_loop().create_task(self._run())
        answer = await self._next()
        if answer["type"] == "websocket.accept":
            self.subprotocol = answer.get("subprotocol")
            self.headers.extend(_decoded(answer["headers"]))
            return
        status, fields, body = 403, [], b""
        if answer["type"] == "websocket.http.response.start":
            status = answer["status"]
            fields = _decoded(answer["headers"])
            body = (await self._next())["body"]
        await self.close(1006)
        raise WebSocketRefused(self._app.response_class(body, status, fields))

    async def _run(self) -> None:
        try:
            await self._app.asgi(self._scope, self._to_app.get, self._send)
        except Exception as error:
            self._from_app.put_nowait({"type": "raised", "error": error})
        else:
            self._from_app.put_nowait({"type": "returned"})

    async def _send(self, message: dict[str, Any]) -> None:
        if self._ended is not None:
            raise OSError("the client is gone")
        self._from_app.put_nowait(message)
        if message["type"] == "websocket.close":
            self._leave(message["code"], message["reason"])

    def _leave(self, code: int, reason: str) -> None:
        if self._ended is None:
            self._ended = Ended(code, reason)
            self._to_app.put_nowait(
                {"type": "websocket.disconnect", "code": code, "reason": reason}
            )

    async def _next(self) -> Any:
        try:
            async with asyncio.timeout(PATIENCE_S):
                message = await self._from_app.get()
        except TimeoutError:
            raise TimeoutError(
                f"The application sent nothing through {self._scope['path']!r} for"
                f" {PATIENCE_S:g} s."
            ) from None
        if message["type"] == "raised":
            raise message["error"]
        return message

    async def receive(self) -> str | bytes:
        """The application's next message.

        Raises WebSocketDisconnected with its code if it closed the connection instead, the
        exception that left it, and TimeoutError after 10 s without any of these.
        """
        message = await self._next()
        if message["type"] != "websocket.send":
            raise WebSocketDisconnected(*(self._ended or Ended(1006)))
        text: str | None = message.get("text")
        return message["bytes"] if text is None else text

    async def receive_json(self) -> Any:
        """The next message, read as JSON."""
        return self._app.json.loads(await self.receive())

    async def send(self, data: str | bytes) -> None:
        """Send a message: str as text, bytes as binary."""
        if self._ended is not None:
            raise WebSocketDisconnected(*self._ended)
        kind = "text" if isinstance(data, str) else "bytes"
        self._to_app.put_nowait({"type": "websocket.receive", kind: data})

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        await self.send(self._app.json.dumps(value))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection and wait for the view to end; raises what left the application."""
        self._leave(code, reason)
        if self._task is None:
            return
        task, self._task = self._task, None
        await task
        while not self._from_app.empty():
            message = self._from_app.get_nowait()
            if message["type"] == "raised":
                raise message["error"]


class Connection:
    """The client's end of one WebSocket for plain tests; the application runs in a thread."""

    def __init__(self, inner: AsyncConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._loop = loop

    def _wait(self, call: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the application chose, or None."""
        return self._inner.subprotocol

    @property
    def headers(self) -> Headers:
        """The header fields that came with the completed handshake."""
        return self._inner.headers

    def receive(self) -> str | bytes:
        """The application's next message; see `AsyncConnection.receive`."""
        message: str | bytes = self._wait(self._inner.receive())
        return message

    def receive_json(self) -> Any:
        """The next message, read as JSON."""
        return self._wait(self._inner.receive_json())

    def send(self, data: str | bytes) -> None:
        """Send a message: str as text, bytes as binary."""
        self._wait(self._inner.send(data))

    def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        self._wait(self._inner.send_json(value))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection and wait for the view to end; raises what left the application."""
        self._wait(self._inner.close(code, reason))


class Handshake:
    """What `client.websocket(...)` returns: use it in `with`, or in `async with`.

    The block gets a `Connection` or an `AsyncConnection`; entering raises WebSocketRefused
    where the application refuses. The end of the block closes the connection with 1000.
    """

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        self._app = app
        self._scope = scope

    def __enter__(self) -> Connection:
        loop = _kept_loop()

        async def open_() -> AsyncConnection:
            connection = AsyncConnection(self._app, self._scope)
            await connection.open()
            return connection

        inner: AsyncConnection = asyncio.run_coroutine_threadsafe(open_(), loop).result()
        self._connection = Connection(inner, loop)
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            self._connection.close()
        except Exception:
            if error is None:  # else the test's own failure is the one to see
                raise

    async def __aenter__(self) -> AsyncConnection:
        self._async_connection = AsyncConnection(self._app, self._scope)
        await self._async_connection.open()
        return self._async_connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            await self._async_connection.close()
        except Exception:
            if error is None:  # as above
                raise
