"""Clients that leave at a random point: each request is torn down once, nothing stays open."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

from benchmarks.soak.client import UPGRADE, connect, vanish
from benchmarks.soak.server import Soak

from .servers import names, watched
from .wire import head, post

AT_ONCE = 60
STILL_S = 0.03
REQUESTS = (
    head("GET /plain HTTP/1.1"),
    head("GET /async HTTP/1.1"),
    head("GET /work HTTP/1.1"),
    head("GET /wait-async/0.2 HTTP/1.1"),
    head("GET /wait/0.05 HTTP/1.1"),
    head("GET /large HTTP/1.1"),
    head("GET /download/2 HTTP/1.1"),
    head("GET /download-async/2 HTTP/1.1"),
    head("GET /bad/midway HTTP/1.1"),
    post("/size", b"x" * 200_000),
    post("/size-async", b"x" * 3_000),
    post("/size-streamed", b"x" * 100_000),
    post("/form", b"a=b&c=" + b"d" * 2_000, "application/x-www-form-urlencoded"),
    head("POST /size HTTP/1.1", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n" * 50,
    UPGRADE,
    UPGRADE + b"\x81\x85\0\0\0\0hello" * 20,
    UPGRADE + b"\x81\xff\0\0",
)
#: Nothing of these is for a WSGI server.
NO_WSGI = (b"/size-streamed", b"/ws ")


async def leaving(soak: Soak) -> None:
    report: Any = soak.report
    number = soak.of(10_000, 1_000)
    report.begin("leaving", f"{number} clients that leave at a random point, to each server")
    for name in names(soak):
        requests = REQUESTS
        if name in ("wsgi", "gunicorn"):
            requests = tuple(one for one in REQUESTS if not any(part in one for part in NO_WSGI))
        async with watched(soak, name) as server:
            chance = random.Random(number)
            gate = asyncio.Semaphore(AT_ONCE)
            how_many = number if name == "rsgi" else number // 5
            left = await asyncio.gather(
                *(_leave(server.port, requests, chance, gate) for _ in range(how_many))
            )
            report.cases += sum(left)
            report.check(f"{name}: clients that were let in", sum(left), "=", how_many)


async def _leave(
    port: int, requests: tuple[bytes, ...], chance: random.Random, gate: asyncio.Semaphore
) -> bool:
    request = chance.choice(requests)
    at = chance.choice((len(request), len(request), chance.randrange(len(request) + 1)))
    async with gate:
        try:
            sock = await connect(port)
        except OSError:
            return False
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(STILL_S * chance.random() + 0.001):
                await loop.sock_sendall(sock, request[:at])
                while await loop.sock_recv(sock, chance.choice((1, 4_096, 65_536))):
                    pass
        if chance.random() < 0.5:
            vanish(sock)
        else:
            sock.close()
    return True
