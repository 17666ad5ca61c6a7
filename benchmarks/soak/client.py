"""Clients on raw sockets: polite ones that measure, and the loads they put on a server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from .report import percentile

ANSWER_WITHIN_S = 10.0


class NoAnswer(Exception):
    """A request got no whole answer; `kind` is refused, stale, cut, silent or garbled.

    Stale is a connection used before that was closed when the request was sent: a client may
    repeat that request, as no byte of an answer came.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def closes(self) -> bool:
        return self.headers.get("connection", "").lower() == "close"


class Connection:
    """One HTTP/1.1 connection, kept alive between requests."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._used = False
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(
        self, target: str, method: str = "GET", headers: str = "", body: bytes = b""
    ) -> Answer:
        """Send a request and return the whole answer; raises NoAnswer."""
        head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
        if body:
            head += f"Content-Length: {len(body)}\r\n"
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                answer = await self._exchange(method, head.encode() + b"\r\n" + body)
        except TimeoutError:
            self.drop()
            raise NoAnswer("silent") from None
        except NoAnswer:
            self.drop()
            raise
        self._used = True
        if answer.closes:
            self.drop()
        return answer

    async def _exchange(self, method: str, sent: bytes) -> Answer:
        if self._writer is None or self._reader is None:
            try:
                self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                raise NoAnswer("refused") from None
        head = b""
        try:
            self._writer.write(sent)
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            raise NoAnswer("stale" if self._used and not error.partial else "cut") from None
        except OSError:
            raise NoAnswer("stale" if self._used else "cut") from None
        try:
            status, headers = parse_head(head)
            return Answer(status, headers, await self._read_body(method, status, headers))
        except (asyncio.IncompleteReadError, OSError):
            raise NoAnswer("cut") from None
        except ValueError:
            raise NoAnswer("garbled") from None

    async def _read_body(self, method: str, status: int, headers: dict[str, str]) -> bytes:
        reader = self._reader
        assert reader is not None
        if method == "HEAD" or status in (204, 304):
            return b""
        if "content-length" in headers:
            return await reader.readexactly(int(headers["content-length"]))
        body = b""
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return body

    def drop(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None
        self._used = False


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and the fields by lower-case name of a response head."""
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines if line)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}


async def fetch(
    port: int, target: str, method: str = "GET", headers: str = "", body: bytes = b""
) -> Answer:
    """One request on a connection of its own; raises NoAnswer."""
    connection = Connection(port)
    try:
        return await connection.request(target, method, headers, body)
    finally:
        connection.drop()


async def attempt(port: int, target: str) -> Answer | NoAnswer:
    """As `fetch`, but the failure is returned."""
    try:
        return await fetch(port, target)
    except NoAnswer as error:
        return error


@dataclass
class Tally:
    """What a load met with. `lost` counts the requests without the right answer."""

    sent: int = 0
    stale: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    times: list[float] = field(default_factory=list)
    #: When each refused connection was, by `time.monotonic`.
    refused_at: list[float] = field(default_factory=list)
    #: When each right answer came.
    answered_at: list[float] = field(default_factory=list)

    @property
    def p50_ms(self) -> float:
        return percentile(self.times, 0.50) * 1000

    @property
    def p99_ms(self) -> float:
        return percentile(self.times, 0.99) * 1000

    @property
    def longest_gap_s(self) -> float:
        """The longest time without any right answer, between the first and the last."""
        times = sorted(self.answered_at)
        return max((after - before for before, after in pairwise(times)), default=0.0)

    @property
    def answered_percent(self) -> float:
        return 100 * len(self.times) / self.sent if self.sent else 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.lost.items()))
        lost = f"{self.lost.total()}{f' ({kinds})' if kinds else ''}"
        stale = f", stale {self.stale}" if self.stale else ""
        return (
            f"requests {self.sent}, lost {lost}{stale},"
            f" p50 {self.p50_ms:.1f} ms, p99 {self.p99_ms:.1f} ms"
        )


class Load:
    """Requests from `connections` clients at once, `count` of them or until `stop`.

    With `pause_s` each client rests between its requests. With `fresh` every request has a
    connection of its own.
    """

    def __init__(
        self,
        port: int,
        target: str = "/plain",
        *,
        connections: int = 4,
        count: int = 10**9,
        pause_s: float = 0.0,
        fresh: bool = False,
    ) -> None:
        self.tally = Tally()
        self._port, self._target = port, target
        self._left = count
        self._pause_s, self._fresh = pause_s, fresh
        # Spread over the pause, so that they do not come all at once.
        self._tasks = [
            asyncio.create_task(self._client(pause_s * number / connections))
            for number in range(connections)
        ]

    async def wait(self) -> Tally:
        """Wait until all requests were answered."""
        await asyncio.gather(*self._tasks)
        return self.tally

    async def stop(self) -> Tally:
        """Let each client end the request it is at."""
        self._left = 0
        return await self.wait()

    async def _client(self, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        connection = Connection(self._port)
        while self._left > 0:
            self._left -= 1
            await self._one(connection)
            if self._fresh:
                connection.drop()
            if self._pause_s:
                await asyncio.sleep(self._pause_s)
        connection.drop()

    async def _one(self, connection: Connection) -> None:
        tally = self.tally
        tally.sent += 1
        for attempt in (1, 2):
            began = time.perf_counter()
            try:
                answer = await connection.request(self._target)
            except NoAnswer as error:
                if error.kind == "refused":
                    tally.refused_at.append(time.monotonic())
                if error.kind == "stale" and attempt == 1:
                    tally.stale += 1
                    continue
                tally.lost[error.kind] += 1
            else:
                if answer.status == 200:
                    tally.times.append(time.perf_counter() - began)
                    tally.answered_at.append(time.monotonic())
                else:
                    tally.lost[f"status {answer.status}"] += 1
            return


async def load_for(port: int, seconds: float, target: str = "/plain", **how: object) -> Tally:
    """Put a load on for some seconds."""
    load = Load(port, target, **how)  # type: ignore[arg-type]
    await asyncio.sleep(seconds)
    return await load.stop()


# Clients that are not polite: plain non-blocking sockets, as thousands of them are cheap.


async def connect(port: int, *, receive_bytes: int | None = None) -> socket.socket:
    """Return a connected, non-blocking socket."""
    sock = socket.socket()
    sock.setblocking(False)
    if receive_bytes is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    try:
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    except BaseException:
        sock.close()
        raise
    return sock


def vanish(sock: socket.socket) -> None:
    """Close at once with a reset, as a machine that lost its power comes back."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c29ha3NvYWtzb2Frc29hbw==\r\n\r\n"
)


async def open_and_wait(port: int, request: bytes, sign: bytes) -> socket.socket:
    """Send a request and return the socket once `sign` came; ConnectionError otherwise."""
    sock = await connect(port)
    loop = asyncio.get_running_loop()
    got = b""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await loop.sock_sendall(sock, request)
            while sign not in got:
                piece = await loop.sock_recv(sock, 4096)
                if not piece:
                    raise ConnectionError(f"closed after {got[:80]!r}")
                got += piece
    except BaseException:
        sock.close()
        raise
    return sock
