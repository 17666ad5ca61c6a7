"""A body in very many, very small chunks: what it costs, beside a server that only takes it."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from .client import NoAnswer, fetch, parse_head
from .server import PATIENCE_S, ROOT, Soak, children_of, cpu_of, free_port

CHUNKS = 200_000
HEAD = "POST {} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"1\r\nx\r\n" * 1000


async def small_chunks(soak: Soak) -> None:
    report, times = soak.report, soak.of(3, 1)
    report.begin("small chunks", f"a body of {CHUNKS} chunks of one byte, median of {times}")
    for interface in ("rsgi", "asgi", "wsgi"):
        if not soak.quick:
            async with _null(interface) as (port, cpu_s):
                bare_s, end = await _median(port, "/", cpu_s, 1)
            report.line(f"{interface}, an app that only takes it: {end}, {bare_s:.2f} s of CPU")
        async with soak.serve("--interface", interface) as server:
            for target, view in (("/take", "a plain view"), ("/upload", "a streaming view")):
                used_s, end = await _median(server.port, target, server.cpu_s, times)
                # The whole of it, and not only what is more than the server's own.
                report.check(f"{interface}, {view}, {end}: CPU", used_s, "<=", 1, " s")
            alive = (await fetch(server.port, "/plain")).status
            report.check(f"{interface}: answers afterwards", alive, "=", 200)


async def _median(
    port: int, target: str, cpu_s: Callable[[], float], times: int
) -> tuple[float, str]:
    """Return the CPU of a request in seconds, and how the requests ended."""
    used, ends = [], set()
    for _ in range(times):
        before = await _calm(cpu_s)
        ends.add(await _send(port, target))
        used.append(await _calm(cpu_s) - before)
    return statistics.median(used), " or ".join(sorted(ends))


async def _calm(cpu_s: Callable[[], float]) -> float:
    """Wait until the server does nothing any more; return what it has used."""
    used = -1.0
    while (now := cpu_s()) - used > 0.011:
        used = now
        await asyncio.sleep(0.12)
    return now


async def _send(port: int, target: str) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    try:
        # A server that refuses the body closes the connection before it has come.
        with contextlib.suppress(ConnectionError):
            writer.write(HEAD.format(target).encode())
            for _ in range(CHUNKS // 1000):
                writer.write(PIECE)
                await writer.drain()
            writer.write(b"0\r\n\r\n")
        status, _ = parse_head(await answer)
    except (OSError, asyncio.IncompleteReadError):
        return "cut"
    finally:
        answer.cancel()
        writer.transport.abort()
    return "answered 200" if status == 200 else f"refused {status}"


@asynccontextmanager
async def _null(interface: str) -> AsyncIterator[tuple[int, Callable[[], float]]]:
    """Granian with an application that only takes the body; gives its port and its CPU."""
    port = free_port()
    words = ["-m", "granian", "--interface", interface, "--host", "127.0.0.1", "--no-log"]
    words += ["--port", str(port), f"benchmarks.soak.null:{interface}"]
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(NoAnswer):
                await fetch(port, "/")
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Granian did not start with {interface}")
            await asyncio.sleep(0.05)
        yield port, lambda: cpu_of([process.pid, *children_of(process.pid)])
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
