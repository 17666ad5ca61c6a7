"""WebSockets misused: handshakes that are none, and frames that RFC 6455 forbids."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from typing import Any

from benchmarks.soak.client import UPGRADE, open_and_wait
from benchmarks.soak.server import Soak

from .servers import names, watched
from .wire import HANG_S, exchange, head

KEY = "Sec-WebSocket-Key: c29ha3NvYWtzb2Frc29hbw=="
USUAL = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", KEY)


def _shake(*fields: str, line: str = "GET /ws HTTP/1.1") -> bytes:
    return head(line, *fields)


#: None of these may get a 101.
HANDSHAKES = {
    "no key": _shake(*USUAL[:3]),
    "version 8": _shake(*USUAL[:2], "Sec-WebSocket-Version: 8", KEY),
    "version text": _shake(*USUAL[:2], "Sec-WebSocket-Version: x", KEY),
    "no version": _shake(*USUAL[:2], KEY),
    "no upgrade": _shake(*USUAL[1:]),
    "other upgrade": _shake("Upgrade: irc", *USUAL[1:]),
    "no connection": _shake(USUAL[0], *USUAL[2:]),
    "another site's page": _shake(*USUAL, "Origin: https://evil.example"),
    "null origin": _shake(*USUAL, "Origin: null"),
    "no such path": _shake(*USUAL, line="GET /no-such HTTP/1.1"),
    "a view that is none": _shake(*USUAL, line="GET /plain HTTP/1.1"),
}
#: These may get one or not; none may end the worker.
ODD = {
    # RFC 6455, 4.2.1 refuses these three, and Granian opens them. No browser sends any of them.
    "empty key": _shake(*USUAL[:3], "Sec-WebSocket-Key: "),
    "POST": _shake(*USUAL, "Content-Length: 0", line="POST /ws HTTP/1.1"),
    "HTTP/1.0": _shake(*USUAL, line="GET /ws HTTP/1.0"),
    "short key": _shake(*USUAL[:3], "Sec-WebSocket-Key: YQ=="),
    "key no base 64": _shake(*USUAL[:3], "Sec-WebSocket-Key: !!!!"),
    "subprotocol beyond ASCII": _shake(*USUAL, "Sec-WebSocket-Protocol: \xe9\xff"),
    "1,000 subprotocols": _shake(*USUAL, "Sec-WebSocket-Protocol: " + ", ".join(["a"] * 1_000)),
    "bad extensions": _shake(*USUAL, "Sec-WebSocket-Extensions: permessage-deflate; x=\x01"),
    "two keys": _shake(*USUAL, KEY),
    "a body": _shake(*USUAL, "Content-Length: 5") + b"hello",
}


def frame(
    first: int, payload: bytes = b"", *, mask: bool = True, length: int | None = None
) -> bytes:
    """A frame whose first byte is `first`; `length` is what it claims, where that is a lie."""
    size = len(payload) if length is None else length
    bit = 0x80 if mask else 0
    if size < 126:
        start = bytes([first, bit | size])
    elif size < 65_536:
        start = bytes([first, bit | 126]) + struct.pack(">H", size)
    else:
        start = bytes([first, bit | 127]) + struct.pack(">Q", size)
    return start + (b"\0\0\0\0" if mask else b"") + payload


TEXT, BINARY, CLOSE, PING = 0x81, 0x82, 0x88, 0x89
#: After each of these the server is to end the connection.
FORBIDDEN = {
    "no mask": frame(TEXT, b"hello", mask=False),
    "reserved bit 1": frame(0xC1, b"hello"),
    "reserved bit 2": frame(0xA1, b"hello"),
    "reserved bit 3": frame(0x91, b"hello"),
    "opcode 3": frame(0x83, b"hello"),
    "opcode 15": frame(0x8F, b"hello"),
    "ping in pieces": frame(0x09, b"a"),
    "ping of 126 bytes": frame(PING, b"x" * 126),
    "close of one byte": frame(CLOSE, b"x"),
    "close 999": frame(CLOSE, struct.pack(">H", 999)),
    "close 1005": frame(CLOSE, struct.pack(">H", 1005)),
    "close, no UTF-8": frame(CLOSE, struct.pack(">H", 1000) + b"\xff"),
    "text, no UTF-8": frame(TEXT, b"\xff\xfe"),
    "text of a half surrogate": frame(TEXT, b"\xed\xa0\x80"),
    "continuation of nothing": frame(0x80, b"x"),
    "new message within one": frame(0x01, b"a") + frame(TEXT, b"b"),
    "message of 2 MiB": frame(BINARY, b"x" * (2 << 20)),
    "message of 2 MiB in pieces": frame(0x02, b"x" * 65_000)
    + frame(0x00, b"x" * 65_000) * 34
    + frame(0x80, b"x"),
    "length of 2^62": frame(BINARY, b"x" * 100, length=1 << 62),
    "length of 2^63": frame(BINARY, b"x" * 100, length=(1 << 63) + 5),
    "close, then more": frame(CLOSE, struct.pack(">H", 1000)) + frame(TEXT, b"x"),
    "no frame": b"GET / HTTP/1.1\r\n\r\n",
}
#: And these it bears.
BORNE = {
    "1,000 pings": frame(PING, b"x") * 1_000,
    "10,000 empty messages": frame(TEXT) * 10_000,
    "a message in 1,000 pieces": frame(0x01, b"x") + frame(0x00, b"x") * 998 + frame(0x80, b"x"),
    "pongs of nothing": frame(0x8A, b"x") * 1_000,
    "NUL": frame(TEXT, b"\0" * 1_000),
}


BORNE_S = 1.0


async def sockets(soak: Soak) -> None:
    report: Any = soak.report
    number = sum(map(len, (HANDSHAKES, ODD, FORBIDDEN, BORNE)))
    report.begin("WebSockets", f"{number} misuses")
    for name in names(soak):
        if name in ("wsgi", "gunicorn"):
            continue
        async with watched(soak, name) as server:
            opened = []
            for label, request in {**HANDSHAKES, **ODD}.items():
                found = await exchange(server.port, request)
                report.case(f"{name}: handshake, {label}", found)
                if label in HANDSHAKES and b" 101 " in found.raw[:20]:
                    opened.append(label)
            report.line(f"{name}: opened by {opened}") if opened else None
            report.check(f"{name}: opened and should not be", len(opened), "=", 0)
            kept = []
            for label, sent in {**FORBIDDEN, **BORNE}.items():
                report.cases += 1
                wait_s = HANG_S if label in FORBIDDEN else BORNE_S
                is_open = await _misuse(server.port, sent, wait_s)
                if is_open and label in FORBIDDEN:
                    kept.append(label)
            report.line(f"{name}: kept open after {kept}") if kept else None
            report.check(f"{name}: kept open after a forbidden frame", len(kept), "=", 0)
            alive = await _misuse(server.port, frame(TEXT, b"alive"), wait_s=0.5)
            report.check(f"{name}: echoes afterwards", alive, "=", True)


async def _misuse(port: int, sent: bytes, wait_s: float = HANG_S) -> bool:
    """Whether the connection is still open so long after it was sent."""
    sock = await open_and_wait(port, UPGRADE, b"ready")
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(wait_s):
            # What the server will not read it may have answered.
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(sock, sent)
            while await loop.sock_recv(sock, 65_536):
                pass
        return False
    except TimeoutError:
        return True
    except ConnectionError:
        return False
    finally:
        sock.close()
