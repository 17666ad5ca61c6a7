"""The faults, each with the figures that must hold while it lasts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import pairwise
from typing import Any

from .busy import busy
from .chunks import small_chunks
from .client import (
    UPGRADE,
    Answer,
    Load,
    NoAnswer,
    Tally,
    attempt,
    connect,
    fetch,
    load_for,
    open_and_wait,
    vanish,
)
from .mixed import mixed, uploads
from .server import Server, Soak
from .views import misbehaving

# A p99 below this is never called slow: two cores that also run the clients scatter by as much.
FLOOR_MS = 25.0
EVENTS = b"GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


# Slow clients


async def slow_clients(soak: Soak) -> None:
    report, number = soak.report, soak.of(400, 120)
    report.begin("slow clients", f"{number} of each kind against a plain view")
    async with soak.serve() as server:
        await load_for(server.port, 1.0, connections=4, pause_s=0.02, fresh=True)
        seconds = soak.of(10, 2)
        plain = await load_for(server.port, seconds, connections=4, pause_s=0.02, fresh=True)
        report.load("without them", plain)
        for kind in (idle, slow_headers, slow_body, slow_read):
            before = server.memory()
            clients = await _hold(kind, server.port, number)
            tally = await load_for(server.port, seconds, connections=4, pause_s=0.02, fresh=True)
            after = server.memory()
            ended = await _let_go(clients)
            report.load(f"{kind.__name__.replace('_', ' ')}", tally)
            report.line(
                f"  memory {before:.0f} -> {after:.0f} MB,"
                f" {ended} slow connections ended by the server"
            )
            report.check(f"{kind.__name__} answered", tally.answered_percent, "=", 100, " %")
            report.check(f"{kind.__name__} p99", tally.p99_ms, "<=", 250, " ms")
            alive = await load_for(server.port, 0.5)
            report.check(f"lost after {kind.__name__}", alive.lost.total(), "=", 0)


Kind = Callable[[int], Awaitable[int]]


async def _hold(kind: Kind, port: int, number: int) -> list[asyncio.Task[int]]:
    tasks = []
    for _ in range(number):
        tasks.append(asyncio.create_task(_again(kind, port)))
        await asyncio.sleep(0)
    await asyncio.sleep(1.0)
    return tasks


async def _again(kind: Kind, port: int) -> int:
    """Be a slow client, and a new one when the server ends it; return how often it did."""
    ended = 0
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            with contextlib.suppress(OSError):
                await kind(port)
            ended += 1
            await asyncio.sleep(0.5)
    return ended


async def _let_go(tasks: list[asyncio.Task[int]]) -> int:
    for task in tasks:
        task.cancel()
    return sum(await asyncio.gather(*tasks))


async def idle(port: int) -> int:
    with await connect(port) as sock:
        return len(await asyncio.get_running_loop().sock_recv(sock, 1))


async def slow_headers(port: int) -> int:
    with await connect(port) as sock:
        return await _drip(sock, b"GET /plain HTTP/1.1\r\nHost: 127.0.0.1\r\n", b"X-More: x\r\n")


async def slow_body(port: int) -> int:
    head = b"POST /take HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10000\r\n\r\n"
    with await connect(port) as sock:
        return await _drip(sock, head, b"x")


async def slow_read(port: int) -> int:
    loop = asyncio.get_running_loop()
    with await connect(port, receive_bytes=4096) as sock:
        await loop.sock_sendall(sock, b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        while await loop.sock_recv(sock, 64):
            await asyncio.sleep(1.0)
        return 0


async def _drip(sock: socket.socket, first: bytes, then: bytes) -> int:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, first)
    closed = asyncio.ensure_future(loop.sock_recv(sock, 1000))
    try:
        while not closed.done():
            await asyncio.wait((closed,), timeout=1.0)
            if not closed.done():
                await loop.sock_sendall(sock, then)
    finally:
        closed.cancel()
    return 0


async def idle_connections(soak: Soak) -> None:
    report, number = soak.report, soak.of(4000, 1500)
    report.begin("idle connections", f"{number} that say nothing")
    async with soak.serve() as server:
        seconds = soak.of(10, 2)
        report.load("without them", await load_for(server.port, seconds, pause_s=0.02, fresh=True))
        before, socks = server.memory(), []
        try:
            for _ in range(number):
                socks.append(await connect(server.port))
            tally = await load_for(server.port, seconds, pause_s=0.02, fresh=True)
        finally:
            after = server.memory()
            for sock in socks:
                sock.close()
        report.load("beside them", tally)
        report.line(f"memory {before:.0f} -> {after:.0f} MB")
        report.check("answered", tally.answered_percent, ">=", 99, " %")


# Replaced, stopped and killed workers


async def hup(soak: Soak) -> None:
    report, count, times = soak.report, soak.of(120_000, 4_000), soak.of(20, 1)
    words = "once half-way" if times == 1 else f"{times} times, evenly"
    report.begin("HUP", f"{count} keep-alive requests from 64 connections, HUP {words}")
    async with soak.serve(workers=2) as server:
        report.load("without", await Load(server.port, connections=64, count=4_000).wait())
        before = set(server.workers())
        load = Load(server.port, connections=64, count=count)
        for turn in range(1, times + 1):
            await _until(lambda turn=turn: load.tally.sent >= count * turn / (times + 1), 60)
            server.send(signal.SIGHUP)
            # The next one finds new workers, not those that are still starting.
            await _until(lambda known=before: _are_others(server, known), 40)
            left = before & set(server.workers())
            before = set(server.workers())
        tally = await load.wait()
        report.load("with", tally)
        report.check("requests sent", tally.sent, "=", count)
        report.check("lost", tally.lost.total(), "=", 0)
        report.check("stale keep-alive closes", tally.stale, "<=", 20 * times)
        report.check("old workers left", len(left), "=", 0)
        report.check("workers in the end", len(server.workers()), "=", 2)


def _are_others(server: Server, before: set[int]) -> bool:
    now = server.workers()
    return len(now) == 2 and not before & set(now)


async def term(soak: Soak) -> None:
    report = soak.report
    report.begin("TERM", "20 requests in flight, and new ones for 5 s after it")
    async with soak.serve(workers=2) as server:
        port = server.port
        flying = [
            asyncio.create_task(attempt(port, f"/{view}/{seconds}"))
            for view in ("wait", "wait-async")
            for seconds in (1.0, 2.0, 3.5, 4.5, 5.5)
            for _ in range(2)
        ]
        await asyncio.sleep(0.5)
        ready = await fetch(port, "/readyz")
        report.check("/readyz before", ready.status, "=", 200)
        server.send(signal.SIGTERM)
        began = time.monotonic()
        await asyncio.sleep(0.2)
        answers: list[Answer | NoAnswer] = []
        readies: list[Answer | NoAnswer] = []
        while time.monotonic() < began + 4.8:
            answers.append(await attempt(port, "/plain"))
            readies.append(await attempt(port, "/readyz"))
            await asyncio.sleep(0.05)
        good = [one for one in answers if isinstance(one, Answer) and one.status == 200]
        closing = [one for one in good if one.closes]
        refusing = [one for one in readies if isinstance(one, Answer) and one.status == 503]
        report.line(
            f"requests {len(answers)}, answered {len(good)}, of them with"
            f" Connection: close {len(closing)}; /readyz asked {len(readies)}"
        )
        report.check("lost after TERM", len(answers) - len(good), "=", 0)
        report.check("answers without Connection: close", len(good) - len(closing), "=", 0)
        report.check("/readyz answers that are no 503", len(readies) - len(refusing), "=", 0)
        landed = await asyncio.gather(*flying)
        whole = [one for one in landed if isinstance(one, Answer) and one.status == 200]
        report.check("in flight and lost", len(flying) - len(whole), "=", 0)
        code = await server.wait(30)
        report.line(f"ended {time.monotonic() - began:.1f} s after TERM")
        report.check("exit code", code, "=", 0)
        late = await attempt(port, "/plain")
        refused = isinstance(late, NoAnswer) and late.kind == "refused"
        report.check("refused after the end", refused, "=", True)


async def kill_one(soak: Soak) -> None:
    report, connections = soak.report, 16
    report.begin("kill -9", f"one worker of 2, under load from {connections} connections")
    async with soak.serve(workers=2) as server:
        report.load("without", await load_for(server.port, 2, "/work", connections=connections))
        load = Load(server.port, "/work", connections=connections)
        await asyncio.sleep(1.0)
        victim = server.workers()[0]
        known = set(server.workers())
        os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        while time.monotonic() < began + 10:
            with contextlib.suppress(NoAnswer):
                if int((await fetch(server.port, "/pid")).body) not in known:
                    break
            await asyncio.sleep(0.02)
        back_s = time.monotonic() - began
        await asyncio.sleep(1.0)
        tally = await load.stop()
        report.load("with", tally)
        # A reused connection that is cut looks like a stale one; here it was in flight.
        failed = tally.lost.total() + tally.stale
        report.check("failed, in flight at most", failed, "<=", connections)
        report.check("refused", len(tally.refused_at), "=", 0)
        report.check("a new worker answers after", back_s, "<=", 2, " s")


async def kill_many(soak: Soak) -> None:
    report, seconds = soak.report, soak.of(60, 4)
    report.begin(
        "kills", f"a random worker of 2 every 2 s for {seconds} s, then one 5 times in 3 s"
    )
    async with soak.serve(workers=2) as server:
        # Many who ask seldom: those who wait for a killed worker must not be all there are.
        how: dict[str, Any] = {"connections": 100, "pause_s": 0.5, "fresh": True}
        plain = await load_for(server.port, 3, **how)
        report.load("without", plain)
        load = Load(server.port, **how)
        kills = []
        for _ in range(seconds // 2):
            await asyncio.sleep(2.0)
            kills.append(_kill(random.choice(server.workers() or [0])))
        await asyncio.sleep(1.0)
        for _ in range(5):
            kills.append(_kill((server.workers() or [0])[-1]))
            await asyncio.sleep(0.6)
        await asyncio.sleep(1.0)
        tally = await load.stop()
        report.load("with", tally)
        # A worker needs a processor to come back: on a busy machine both may be starting.
        report.line(
            f"kills {len(kills)}, connections refused {len(tally.refused_at)}, longest time"
            f" without an answer {tally.longest_gap_s:.1f} s, {plain.longest_gap_s:.1f} s before"
        )
        refused_s = max(_refused_for(tally.refused_at, kills))
        report.check("refused after a kill, longest", refused_s, "<=", 1, " s")
        after = await load_for(server.port, 1, **how)
        report.check("lost in the end", after.lost.total(), "=", 0)
        await _until(lambda: len(server.workers()) == 2, 15)
        report.check("workers in the end", len(server.workers()), "=", 2)


def _refused_for(refused_at: list[float], kills: list[float]) -> Iterator[float]:
    """How long after each kill, until the next one, somebody was refused."""
    for kill, following in pairwise([*kills, float("inf")]):
        yield max((at - kill for at in refused_at if kill <= at < following), default=0.0)


def _kill(pid: int) -> float:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return time.monotonic()


# Streams


async def idle_streams(soak: Soak) -> None:
    report = soak.report
    sockets, streams = soak.of(1000, 300), soak.of(200, 60)
    report.begin("idle streams", f"{sockets} WebSockets and {streams} SSE streams on one worker")
    async with soak.serve() as server:
        how: dict[str, Any] = {"connections": 4, "pause_s": 0.005}
        await load_for(server.port, 1, **how)
        seconds = soak.of(10, 2)
        # The middle one of three counts: two that agree are it.
        over: list[bool] = []
        lost = 0
        while over.count(True) < 2 and over.count(False) < 2:
            alone = await load_for(server.port, seconds, **how)
            beside, memory = await _beside_streams(server, sockets, streams, seconds, how)
            report.load("alone", alone)
            report.load("beside them", beside)
            if not over:  # the memory of a later run is that of the first, used again
                report.line(memory)
            lost += beside.lost.total()
            over.append(beside.p99_ms > max(2 * alone.p99_ms, FLOOR_MS))
        report.check("lost", lost, "=", 0)
        report.check("runs of 3 with a p99 over twice that alone", over.count(True), "<=", 1)


async def _beside_streams(
    server: Server, sockets: int, streams: int, seconds: float, how: dict[str, Any]
) -> tuple[Tally, str]:
    port = server.port
    before, held = server.memory(), []
    try:
        for _ in range(sockets):
            held.append(await open_and_wait(port, UPGRADE, b"ready"))
        between = server.memory()
        for _ in range(streams):
            held.append(await open_and_wait(port, EVENTS, b"data:"))
        after = server.memory()
        tally = await load_for(port, seconds, **how)
    finally:
        for sock in held:
            sock.close()
    return tally, (
        f"memory {before:.0f} MB, a WebSocket {(between - before) * 1000 / sockets:.1f} kB,"
        f" an SSE stream {(after - between) * 1000 / streams:.1f} kB"
    )


async def large_bodies(soak: Soak) -> None:
    report, mib = soak.report, soak.of(1024, 128)
    report.begin("large bodies", f"{mib} MiB up, {mib} MiB down")
    async with soak.serve() as server:
        for _ in range(2):
            await _download(server.port, "/download/8")
            await _upload(server.port, 8)
        # The first large answer and body: what the allocator keeps from then on.
        directions = (
            ("down, plain generator", lambda: _download(server.port, f"/download/{mib}")),
            ("down, async generator", lambda: _download(server.port, f"/download-async/{mib}")),
            ("up", lambda: _upload(server.port, mib)),
        )
        for words, move in directions:
            server.reset_peak()
            before, began = server.memory(), time.monotonic()
            moved = await move()
            took_s, grown = time.monotonic() - began, server.peak() - before
            rate = mib / took_s
            report.line(f"{words}: {moved >> 20} MiB in {took_s:.1f} s, {rate:.0f} MiB/s")
            report.check(f"{words}, MiB", moved >> 20, "=", mib)
            report.check(f"{words}, memory grown", grown, "<=", 32, " MB")


async def _download(port: int, target: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    try:
        await reader.readuntil(b"\r\n\r\n")
        size = 0
        while length := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(length + 2)
            size += length
        return size
    finally:
        writer.transport.abort()


async def _upload(port: int, mib: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {mib << 20}\r\n\r\n"
    writer.write(head.encode())
    piece = b"x" * 65536
    try:
        for _ in range(mib * 16):
            writer.write(piece)
            await writer.drain()
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer:
            return 0
        return int(await reader.read(100))
    finally:
        writer.transport.abort()


# Clients that vanish


async def vanished(soak: Soak) -> None:
    report, number = soak.report, soak.of(1000, 250)
    report.begin("vanished clients", f"{number} that leave in the middle of something")
    async with soak.serve() as server:
        port = server.port
        # So that all the pool's threads are there before they are counted.
        await load_for(port, 1.5, "/work", connections=64)
        await _leave_all(port, 20)
        before = await _settled(port)
        began, left = time.monotonic(), await _leave_all(port, number)
        inside = await _settled(port, before)
        report.line(
            f"{left} left within {time.monotonic() - began:.1f} s: {inside}, {before} before"
        )
        report.check("clients that left", left, "=", number)
        for key in ("tasks", "threads", "files"):
            report.check(f"{key} more than before", inside[key] - before[key], "<=", 0)
        report.check("requests begun and never torn down", inside["open"], "=", 0)
        report.check("requests torn down twice", inside["twice"], "=", 0)


LEAVING = (
    (b"GET /wait-async/30.0 HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    (b"GET /wait/0.1 HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    (EVENTS, b"data:"),
    (b"POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nbegun", b""),
    (b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n", b""),
    (b"GET /download/64 HTTP/1.1\r\nHost: a\r\n\r\n", b"xxx"),
    (b"GET /download-async/64 HTTP/1.1\r\nHost: a\r\n\r\n", b"xxx"),
    (b"GET /plain HTTP/1.1\r\nHost: a\r\nX-Half", b""),
    (UPGRADE, b"ready"),
    (UPGRADE + b"\x81\xff", b"ready"),
)


async def _leave_all(port: int, number: int) -> int:
    left = 0
    for first in range(0, number, 50):
        left += sum(
            await asyncio.gather(
                *(_leave(port, turn) for turn in range(first, min(first + 50, number)))
            )
        )
    return left


async def _leave(port: int, turn: int) -> int:
    request, sign = LEAVING[turn % len(LEAVING)]
    try:
        sock = await open_and_wait(port, request, sign)
    except (OSError, TimeoutError):
        return 0
    await asyncio.sleep(0.05)
    if turn % 2 or turn % 3 == 0:
        vanish(sock)
    else:
        sock.close()
    return 1


async def _settled(port: int, wanted: dict[str, int] | None = None) -> dict[str, int]:
    """What is alive in the worker, once that has come down to `wanted` or stays as it is."""
    calm = 0
    before: dict[str, int] = {}
    deadline = time.monotonic() + 12
    while True:
        inside: dict[str, int] = json.loads((await fetch(port, "/inside")).body)
        calm = calm + 1 if inside == before else 0
        before = inside
        if time.monotonic() > deadline or (wanted is None and calm > 5):
            return inside
        if wanted and inside["open"] == 0 and all(inside[key] <= wanted[key] for key in wanted):
            return inside
        await asyncio.sleep(0.2)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


FAULTS: dict[str, tuple[Callable[[Soak], Awaitable[None]], float]] = {
    "slow": (slow_clients, 180),
    "idle": (idle_connections, 120),
    "busy": (busy, 90),
    "hup": (hup, 240),
    "uploads": (uploads, 120),
    "term": (term, 60),
    "kill": (kill_one, 60),
    "kills": (kill_many, 120),
    "streams": (idle_streams, 120),
    "large": (large_bodies, 240),
    "vanished": (vanished, 180),
    "chunks": (small_chunks, 300),
    "misbehaving": (misbehaving, 120),
    "mixed": (mixed, 240),
}
