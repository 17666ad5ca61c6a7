"""Messages that are no HTTP/1.1: malformed.txt, each on a connection of its own."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.soak.client import fetch
from benchmarks.soak.server import Soak

from .servers import names, watched
from .wire import Exchange, exchange

CORPUS = Path(__file__).with_name("malformed.txt")
AT_ONCE = 24
#: How many that are to be refused a server may serve all the same; each is named. What is
#: beyond the request line, Host and framing is the server's own, which no app sees.
MOST_LENIENT = {"rsgi": 40, "asgi": 40, "wsgi": 40, "gunicorn": 60, "uvicorn": 60}


@dataclass(frozen=True)
class Case:
    """One message; `expected` is refuse, any, serve or smuggle, as malformed.txt says."""

    expected: str
    name: str
    message: bytes


def read_corpus() -> list[Case]:
    """The cases of malformed.txt, in order."""
    found = []
    for line in CORPUS.read_text(encoding="ascii").splitlines():
        if line and not line.startswith("#"):
            expected, name, text = line.split("\t")
            found.append(
                Case(expected, name, text.encode().decode("unicode_escape").encode("latin-1"))
            )
    return found


async def malformed(soak: Soak) -> None:
    report: Any = soak.report
    cases = read_corpus()
    report.begin("malformed", f"{len(cases)} messages to each server")
    for name in names(soak):
        async with watched(soak, name) as server:
            gate = asyncio.Semaphore(AT_ONCE)
            found = await asyncio.gather(*(_one(server.port, case, gate) for case in cases))
            kinds: dict[str, list[str]] = {"lenient": [], "strict": [], "smuggled": []}
            ends: Counter[str] = Counter()
            for case, answer in zip(cases, found, strict=True):
                report.case(f"{name}: {case.name}", answer)
                ends[_end(answer)] += 1
                if kind := _judged(case, answer):
                    kinds[kind].append(case.name)
            report.line(f"{name}: " + ", ".join(f"{end} {n}" for end, n in sorted(ends.items())))
            for kind in ("lenient", "strict"):
                report.line(f"{name}: {kind} {len(kinds[kind])}: {' '.join(kinds[kind])}")
            lenient = len(kinds["lenient"])
            report.check(f"{name}: served and should not be", lenient, "<=", MOST_LENIENT[name])
            for one in kinds["smuggled"]:
                report.line(f"{name}: smuggled through {one}")
            report.check(f"{name}: requests smuggled in", len(kinds["smuggled"]), "=", 0)
            seen = json.loads((await fetch(server.port, "/seen")).body)
            report.line(f"{name}: sizes of bodies that views got: {sorted(set(seen['sizes']))}")


async def _one(port: int, case: Case, gate: asyncio.Semaphore) -> Exchange:
    async with gate:
        return await exchange(port, case.message)


def _end(found: Exchange) -> str:
    if found.hung:
        return "hung"
    return str(found.status) if found.status else "closed"


def _judged(case: Case, found: Exchange) -> str | None:
    is_served = any(200 <= status < 300 for status in found.statuses)
    if case.expected == "refuse" and is_served:
        return "lenient"
    if case.expected == "smuggle" and b"smuggled" in found.raw:
        return "smuggled"
    if case.expected == "serve" and not is_served:
        return "strict"
    return None
