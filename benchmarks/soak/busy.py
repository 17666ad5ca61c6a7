"""All threads taken by slow plain views: who waits, who is refused, who notices nothing.

The app has no hooks: a plain one would wait for a thread before an async view, too.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import Any

from hipflask import Flask

from .client import Answer, Load, NoAnswer, attempt, load_for
from .server import Server, Soak

REQUESTS, VIEW_S = 200, 1.5
THREADS = 32
#: So many wait for a thread, in the defaults: four for each.
WAITING = 4 * THREADS
# A p99 below this is never called slow.
FLOOR_MS = 50.0

POLITE: dict[str, Any] = {"connections": 2, "pause_s": 0.01}

app = Flask(__name__)


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())


@app.get("/wait")
def wait() -> str:
    time.sleep(VIEW_S)
    return "waited"


@app.get("/async")
async def on_the_loop() -> str:
    return "ok"


async def busy(soak: Soak) -> None:
    report = soak.report
    report.begin("busy", f"{REQUESTS} plain views of {VIEW_S} s at once, on {THREADS} threads")
    async with Server(soak.folder, "--threads", str(THREADS), app=__name__) as server:
        alone = await load_for(server.port, soak.of(5, 2), "/async", **POLITE)
        report.load("an async view alone", alone)
        limit_ms = max(FLOOR_MS, 2 * alone.p99_ms)
        # Two cores also run the clients: one quiet time of three counts.
        for _ in range(3):
            slowest_ms = await _fill(soak, server.port)
            if slowest_ms <= limit_ms:
                break
        report.check("p99 beside them", slowest_ms, "<=", limit_ms, " ms")
        after = await load_for(server.port, 0.5, "/pid")
        report.check("lost afterwards", after.lost.total(), "=", 0)


async def _fill(soak: Soak, port: int) -> float:
    """Take all threads, and more; the slowest p99 in ms of those who need none."""
    report = soak.report
    loads = {target: Load(port, target, **POLITE) for target in ("/async", "/livez")}
    found = await asyncio.gather(*(_ask(port) for _ in range(REQUESTS)))
    tallies = [await load.stop() for load in loads.values()]
    for target, tally in zip(loads, tallies, strict=True):
        report.load(f"{target} beside them", tally)
        report.check(f"{target} lost", tally.lost.total(), "=", 0)
    answers = [(one, took_s) for one, took_s in found if isinstance(one, Answer)]
    refused = [(one, took_s) for one, took_s in answers if one.status == 503]
    served = [one for one, _ in answers if one.status == 200]
    report.check("answered", len(served), "=", THREADS + WAITING)
    report.check("refused with 503", len(refused), "=", REQUESTS - THREADS - WAITING)
    untold = [one for one, _ in refused if "retry-after" not in one.headers]
    report.check("refused without Retry-After", len(untold), "=", 0)
    slowest_s = max((took_s for _, took_s in refused), default=0.0)
    report.check("refused after, at most", slowest_s, "<=", 1, " s")
    return max(tally.p99_ms for tally in tallies)


async def _ask(port: int) -> tuple[Answer | NoAnswer, float]:
    """What a request to the slow view is answered, and after how many seconds."""
    began = time.monotonic()
    return await attempt(port, "/wait"), time.monotonic() - began
