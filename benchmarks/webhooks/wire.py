"""A sender's side of one HTTP/1.1 connection, with as little in it as can be."""

from __future__ import annotations

import asyncio


class Cut(Exception):
    """The connection was refused, or ended without a whole answer."""


class Wire(asyncio.Protocol):
    """Sends a request and gives back the status; one at a time, kept open between them."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._waiting: asyncio.Future[int] | None = None
        self.is_open = False

    @classmethod
    async def open(cls, port: int) -> Wire:
        """Connect; raises Cut."""
        try:
            loop = asyncio.get_running_loop()
            _, wire = await loop.create_connection(cls, "127.0.0.1", port)
        except OSError:
            raise Cut("refused") from None
        return wire

    async def ask(self, request: bytes, *, pause_at: int = 0, within_s: float = 15.0) -> int:
        """Send and return the status of the whole answer; raises Cut.

        With `pause_at` the request goes in two pieces, a moment between them.
        """
        transport = self._transport
        if transport is None or not self.is_open:
            raise Cut("closed")
        self._waiting = asyncio.get_running_loop().create_future()
        if pause_at:
            transport.write(request[:pause_at])
            await asyncio.sleep(0.02)
            transport.write(request[pause_at:])
        else:
            transport.write(request)
        try:
            async with asyncio.timeout(within_s):
                return await self._waiting
        except TimeoutError:
            self.close()
            raise Cut("silent") from None

    @property
    def port(self) -> int:
        """Ours, of the connection."""
        assert self._transport is not None
        port: int = self._transport.get_extra_info("sockname")[1]
        return port

    def close(self) -> None:
        """End the connection at once."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        self._got += data
        end = self._got.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._got[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._got) < end + 4 + length:
            return
        self._got = self._got[end + 4 + length :]
        if b"connection: close" in head:
            self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(Cut("cut"))
