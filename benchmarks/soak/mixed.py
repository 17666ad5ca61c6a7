"""What only time shows: memory over very many requests; and uploads while workers are replaced."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import statistics
import time
from collections import Counter

from .client import Connection, NoAnswer, connect, fetch, vanish
from .server import Soak

CLIENTS = 32
#: The share of requests after which the allocator has what it needs.
WARM_UP = 0.3
UPLOAD_MIB = 50
UPLOAD_S = 4.0
PIECE = b"x" * 65536


async def mixed(soak: Soak) -> None:
    """Many requests, one in ten an error, uploads and clients that leave among them."""
    report, count = soak.report, soak.of(150_000, 8_000)
    report.begin("mixed", f"{count} requests: views, errors, uploads, clients that leave")
    async with soak.serve() as server:
        samples: list[tuple[int, float]] = []
        met: Counter[str] = Counter()
        done = 0

        async def client(number: int) -> None:
            nonlocal done
            chance, connection = random.Random(number), Connection(server.port)
            while done < count:
                done += 1
                met[await _one(server.port, connection, chance)] += 1
            connection.drop()

        before = json.loads((await fetch(server.port, "/inside")).body)
        tasks = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
        while done < count and not all(task.done() for task in tasks):
            samples.append((done, server.memory()))
            await asyncio.sleep(0.25)
        await asyncio.gather(*tasks)
        report.line(", ".join(f"{kind} {number}" for kind, number in sorted(met.items())))
        wrong = sum(number for kind, number in met.items() if kind.startswith("wrong"))
        report.check("wrong answers", wrong, "=", 0)
        warm = [one for one in samples if one[0] >= WARM_UP * count]
        slope = statistics.linear_regression(*zip(*warm, strict=True)).slope * 100_000
        report.line(f"memory {samples[0][1]:.1f} MB at first, {warm[0][1]:.1f} MB when warm")
        # A short run cannot tell a page of the allocator from a leak.
        report.check("memory per 100,000 requests", slope, "<=", soak.of(1, 60), " MB")
        after = before
        for _ in range(60):
            after = json.loads((await fetch(server.port, "/inside")).body)
            if after["files"] <= before["files"] + 2 and not after["open"]:
                break
            await asyncio.sleep(0.2)
        report.check("files more than before", after["files"] - before["files"], "<=", 2)
        report.check("tasks more than before", after["tasks"] - before["tasks"], "<=", 2)
        report.check("requests never torn down", after["open"], "=", 0)


async def _one(port: int, connection: Connection, chance: random.Random) -> str:
    kind = chance.random()
    try:
        if kind < 0.05:
            sock = await connect(port)
            request = b"POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + PIECE[:99]
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().sock_sendall(sock, request)
            vanish(sock)
            return "left"
        if kind < 0.10:
            return _judge("not found", 404, (await connection.request("/no-such")).status)
        if kind < 0.15:
            return _judge("error", 500, (await connection.request("/bad/nothing")).status)
        if kind < 0.20:
            size = chance.choice((100, 10_000, 300_000))
            answer = await connection.request("/take", "POST", body=b"x" * size)
            return _judge("upload", str(size).encode(), answer.body)
        if kind < 0.22:
            return _judge("large", 1 << 20, len((await connection.request("/large")).body))
        target = "/async" if kind < 0.6 else "/plain"
        return _judge("view", b"ok", (await connection.request(target)).body)
    except (NoAnswer, OSError) as error:
        # A connection kept alive may be closed just as it is used.
        is_stale = isinstance(error, NoAnswer) and error.kind == "stale"
        return "stale" if is_stale else f"wrong: {error}"


def _judge(kind: str, wanted: object, found: object) -> str:
    return kind if wanted == found else f"wrong {kind}"


async def uploads(soak: Soak) -> None:
    """Workers are replaced while bodies come in: each upload is answered by whom it reached."""
    report = soak.report
    report.begin("HUP and uploads", f"HUP while {UPLOAD_MIB} MiB come in, to two views")
    async with soak.serve(workers=2) as server:
        before = set(server.workers())
        began = time.monotonic()
        tasks = [
            asyncio.create_task(_upload(server.port, target))
            for target in ("/upload", "/take")
            for _ in range(2)
        ]
        await asyncio.sleep(UPLOAD_S / 3)
        server.send(signal.SIGHUP)
        moved = await asyncio.gather(*tasks)
        report.line(f"took {time.monotonic() - began:.1f} s")
        whole = sum(size == UPLOAD_MIB << 20 for size in moved)
        report.check("uploads answered with their size", whole, "=", len(tasks))
        deadline = time.monotonic() + 40
        while before & set(server.workers()) and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        report.check("old workers left", len(before & set(server.workers())), "=", 0)


async def _upload(port: int, target: str) -> int:
    """Send a body over some seconds; the size that the view answers, 0 for none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    size = UPLOAD_MIB << 20
    head = f"POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {size}\r\n\r\n".encode())
    steps = 40
    try:
        for _ in range(steps):
            for _ in range(size // len(PIECE) // steps):
                writer.write(PIECE)
                await writer.drain()
            await asyncio.sleep(UPLOAD_S / steps)
        writer.write(b"x" * (size - size // len(PIECE) // steps * steps * len(PIECE)))
        answer = await reader.read()
        start, _, body = answer.partition(b"\r\n\r\n")
        return int(body) if b" 200 " in start else 0
    except (OSError, ValueError):
        return 0
    finally:
        writer.transport.abort()
