"""Views that misbehave, on each interface."""

from __future__ import annotations

import asyncio
import re

from .app import BAD_HEADERS
from .client import Answer, NoAnswer, attempt, load_for
from .server import Server, Soak

PATHS = [f"/bad/status/{value}" for value in ("0", "99", "1000", "x")]
PATHS += [f"/bad/header/{number}" for number in range(len(BAD_HEADERS))]
PATHS += ["/bad/midway", "/bad/midway-async", "/bad/longer", "/bad/shorter", "/bad/nothing"]


async def misbehaving(soak: Soak) -> None:
    report = soak.report
    report.begin("misbehaving views", f"{len(PATHS)} of them on each interface")
    for interface in ("rsgi", "asgi", "wsgi"):
        async with soak.serve("--interface", interface) as server:
            await misbehave(soak, interface, server)


async def misbehave(soak: Soak, name: str, server: Server, *, is_ours: bool = True) -> None:
    """Ask for each of the views; without `is_ours` the log is another server's, and not read."""
    report, times = soak.report, soak.of(2, 1)
    before = server.workers()
    wrong, lines = [], []
    for path in PATHS * times:
        known = len(server.read_log())
        answer = await attempt(server.port, path)
        wrong += [f"{path}: {words}" for words in _not_refused(answer)]
        if is_ours:
            told = await _told(server, path, known)
            if len(told) != 1:
                lines.append(f"{path}: {len(told)} log lines")
    for one in dict.fromkeys(wrong + lines):
        report.line(f"{name}: {one}")
    report.check(f"{name}: neither a 500 nor a cut connection", len(wrong), "=", 0)
    if is_ours:
        report.check(f"{name}: not told in one log line", len(lines), "=", 0)
    gone = set(before) - set(server.workers())
    report.check(f"{name}: worker exits", len(gone), "=", 0)
    after = await load_for(server.port, 0.3)
    report.load(f"{name} afterwards", after)
    report.check(f"{name}: lost afterwards", after.lost.total(), "=", 0)


def _not_refused(answer: Answer | NoAnswer) -> list[str]:
    if isinstance(answer, NoAnswer):
        return [] if answer.kind == "cut" else [answer.kind]
    if answer.status == 500:
        return []
    return [f"{answer.status} {answer.headers} {answer.body[:40]!r}"]


async def _told(server: Server, path: str, known: int) -> list[str]:
    """The lines of the log about this path since `known`, once there is one and some time more."""
    found: list[str] = []
    for _ in range(100):
        await asyncio.sleep(0.02)
        enough = bool(found)
        log = server.read_log()[known:]
        found = re.findall(rf"^.*{re.escape(path)}(?!\w).*$", log, re.M)
        # The line that each request gets besides, with its status.
        found = [line for line in found if '"hipflask.access"' not in line]
        if enough:
            break
    return found
