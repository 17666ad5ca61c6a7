"""One exchange with a server, in bytes, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass

#: After so long without a byte the client ends its half, as many scripts do.
SILENCE_S = 1.0
#: And then a server has so long to answer or to close. More is a hang.
HANG_S = 8.0
#: When an answer has begun, how long more may come.
MORE_S = 0.2
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")


@dataclass(frozen=True)
class Exchange:
    """What came back: all the bytes, and whether the server neither answered nor closed."""

    raw: bytes
    hung: bool = False

    @property
    def statuses(self) -> list[int]:
        """The status of each answer that is no 1xx."""
        return [code for code in map(int, _STATUS.findall(self.raw)) if code >= 200]

    @property
    def status(self) -> int:
        """The first status; 0 where the connection was closed without an answer."""
        return (self.statuses or [0])[0]


async def exchange(
    port: int,
    *pieces: bytes,
    ends: bool = False,
    more_s: float = MORE_S,
    silence_s: float = SILENCE_S,
) -> Exchange:
    """Send the pieces, and return what the server makes of them.

    With `ends` the client's half ends behind them, else after `silence_s` without a byte.
    """
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return Exchange(b"", hung=True)
    answer = asyncio.create_task(_read(reader, writer, more_s, silence_s))
    try:
        # What a server will not read it may have answered already.
        with contextlib.suppress(OSError):
            for piece in pieces:
                writer.write(piece)
                async with asyncio.timeout(HANG_S):
                    await writer.drain()
            if ends:
                writer.write_eof()
        return await answer
    finally:
        answer.cancel()
        writer.transport.abort()


async def _read(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, more_s: float, silence_s: float
) -> Exchange:
    raw, has_ended = b"", False
    while True:
        wait_s = more_s if _STATUS.search(raw) else HANG_S if has_ended else silence_s
        try:
            async with asyncio.timeout(wait_s):
                piece = await reader.read(1 << 16)
        except TimeoutError:
            if _STATUS.search(raw):
                return Exchange(raw)
            if has_ended:
                return Exchange(raw, hung=True)
            with contextlib.suppress(OSError):
                writer.write_eof()
            has_ended = True
            continue
        except OSError:
            return Exchange(raw)
        if not piece:
            return Exchange(raw)
        raw = (raw + piece)[-(1 << 20) :] if len(raw) > 1 << 20 else raw + piece


def head(line: str, *fields: str) -> bytes:
    """A request's head, with the fields that each needs."""
    return "\r\n".join([line, "Host: 127.0.0.1", *fields, "", ""]).encode("latin-1")


def post(target: str, body: bytes, kind: str = "application/octet-stream") -> bytes:
    """A whole POST with a body of known length."""
    fields = (f"Content-Type: {kind}", f"Content-Length: {len(body)}")
    return head(f"POST {target} HTTP/1.1", *fields) + body
