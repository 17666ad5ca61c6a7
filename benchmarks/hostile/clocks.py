"""The system's clock jumps: waits and limits do not, signatures and sessions are judged by it.

By libfaketime (Debian: faketime), which leaves the monotonic clock alone as a real jump does.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from benchmarks.soak.client import Connection, Load
from benchmarks.soak.server import Soak

from .servers import start
from .store import APP, Sender

LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"
HOUR_S, YEAR_S = 3_600, 365 * 86_400
UPLOAD_S = 1.5


async def clocks(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("clock jumps", "an hour and a year, forwards and backwards")
    found = sorted(Path("/").glob(LIBRARY.lstrip("/")))
    if not found:
        report.skip("libfaketime is not installed: apt-get install faketime")
        return
    offset = soak.folder / "offset"

    def jump(seconds: int) -> None:
        # Put there whole: it is read at each look at the clock.
        fresh = offset.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}\n")
        fresh.replace(offset)

    jump(0)
    environ = {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "HOSTILE_STORE": f"sqlite:///{soak.folder}/clocks.db",
    }
    async with start(soak, "rsgi", APP, **environ) as server:
        sender = Sender(soak, server.port)
        workers = server.workers()
        load = Load(server.port, connections=4, pause_s=0.01)
        cookie, visits = await _visit(server.port, "")
        report.check("visits at first", visits, "=", 1)
        jumps = (HOUR_S, -HOUR_S) if soak.quick else (HOUR_S, -HOUR_S, YEAR_S, -YEAR_S)
        for seconds in jumps:
            upload = asyncio.create_task(_upload(server.port))
            await asyncio.sleep(UPLOAD_S / 3)
            jump(seconds)
            words = f"after {seconds / HOUR_S:+,.0f} h"
            report.check(f"{words}: an upload on its way", await upload, "=", 200)
            now = time.time() + seconds
            right = await sender.post(5, now=now)
            report.check(f"{words}: events signed then, accepted", right[202] + right[200], "=", 5)
            wrong = await sender.post(5)
            report.check(f"{words}: events signed before, refused", wrong[401], "=", 5)
            _, visits = await _visit(server.port, cookie)
            # 31 days, and never from the future.
            is_known = 0 <= seconds < 31 * 86_400
            report.check(f"{words}: the session is known", visits == 2, "=", is_known)
            jump(0)
            _, visits = await _visit(server.port, cookie)
            report.check(f"{words} and back: the session is known", visits, "=", 2)
        tally = await load.stop()
        report.load("beside all jumps", tally)
        report.check("lost", tally.lost.total(), "=", 0)
        gone = set(workers) - set(server.workers())
        report.check("worker exits", len(gone), "=", 0)


async def _visit(port: int, cookie: str) -> tuple[str, int]:
    connection = Connection(port)
    answer = await connection.request("/visits", headers=f"Cookie: {cookie}\r\n" if cookie else "")
    connection.drop()
    given = answer.headers.get("set-cookie", "").partition(";")[0]
    visits: int = json.loads(answer.body)["visits"]
    return given, visits


async def _upload(port: int) -> int:
    """A body that takes its time; the status it is answered with."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /take HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n")
    try:
        for _ in range(30):
            writer.write(b"x" * 100)
            await writer.drain()
            await asyncio.sleep(UPLOAD_S / 30)
        answer = await reader.readuntil(b"\r\n\r\n")
        return int(answer.split()[1])
    except (OSError, asyncio.IncompleteReadError):
        return 0
    finally:
        writer.transport.abort()
