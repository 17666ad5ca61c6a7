"""The other end of the outbox: takes deliveries, fails now and then, forgets nothing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Callable

from ..soak.client import parse_head


class Receiver:
    """Counts deliveries by event and Idempotency-Key; use it as an async context manager.

    A few first deliveries are answered with 503, or not at all: they must come again.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._server: asyncio.Server | None = None
        #: The keys under which each event came; more than one is an error.
        self.keys: dict[str, set[str]] = defaultdict(set)
        self.deliveries: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.port = 0
        #: Told of the sender's port and ours when a request is there, before it is answered.
        self.on_request: Callable[[int, int], None] = lambda local, remote: None

    async def __aenter__(self) -> Receiver:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                _, fields = parse_head(b"HTTP/1.1 0 " + await reader.readuntil(b"\r\n\r\n"))
                body = await reader.readexactly(int(fields.get("content-length", 0)))
                self.on_request(writer.get_extra_info("peername")[1], self.port)
                status = self._take(body.decode(), fields.get("idempotency-key", ""))
                if not status:
                    return
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nok".encode())
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    def _take(self, event: str, key: str) -> int:
        """Note it and return the status; 0 for no answer at all."""
        self.keys[event].add(key)
        self.deliveries[event] += 1
        if self.deliveries[event] == 1:
            chance = self._random.random()
            if chance < 0.02:
                return 503
            if chance < 0.03:
                return 0
        self.taken[event] += 1
        return 200
