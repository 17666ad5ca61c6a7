"""The servers under test, by name, and what is alive in one before and after a battery."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.soak.client import NoAnswer, fetch
from benchmarks.soak.server import Server, Soak

APP = "benchmarks.hostile.app"
MEMBERS = "benchmarks.hostile.members"
#: Of the app of `members.py`: who may read its answers, a password, calls a minute to /limited.
PARTNER = "https://partner.example"
PASSWORD = "correct horse battery staple"
RATE = 50
#: What the senders of webhooks and `inbox.py` share.
SECRET = "whsec_" + b64encode(b"thirty-two bytes for this battery").decode()
OURS = ("rsgi", "asgi", "wsgi")
#: Others that people run it under; `{port}` is put in.
OTHERS = {
    "gunicorn": ["gunicorn", "-b", "127.0.0.1:{port}", "--threads", "16", "{app}:app"],
    "uvicorn": ["uvicorn", "--port", "{port}", "--log-level", "warning", "{app}:app"],
}
SETTLED_WITHIN_S = 40.0


def names(soak: Soak) -> list[str]:
    """All that are installed; two of them in the short run."""
    found = [*OURS, *(name for name in OTHERS if importlib.util.find_spec(name))]
    return found[:1] if soak.quick else found


def start(soak: Soak, name: str, app: str = APP, **environ: str) -> Server:
    """A server with one worker; an async context manager."""
    if name in OURS:
        flags = ("--interface", name)
        return Server(soak.folder, *flags, app=app, environ=environ)
    words = ["-m", *(word.replace("{app}", app) for word in OTHERS[name])]
    return Server(soak.folder, app=app, environ=environ, words=words)


@asynccontextmanager
async def watched(soak: Soak, name: str, app: str = APP, **environ: str) -> AsyncIterator[Server]:
    """A server that must be alive in the end, with the same workers, and nothing left in them."""
    async with start(soak, name, app, **environ) as server:
        # Threads, and a store's connections, that are there from now on.
        paths = ("/plain", "/async", "/reads") if app == MEMBERS else ("/plain", "/async")
        for _ in range(3):
            await asyncio.gather(*(fetch(server.port, path) for path in paths * 30))
        before, workers = await settled(server.port), server.workers()
        yield server
        report: Any = soak.report
        try:
            after = await settled(server.port, before)
        except NoAnswer as error:
            report.hang(f"{name}: no answer in the end ({error.kind})")
            return
        gone = set(workers) - set(server.workers())
        report.check(f"{name}: worker exits", len(gone), "=", 0)
        for key in ("tasks", "files"):
            if after[key] > before[key]:
                report.leak(f"{name}: {after[key] - before[key]} {key} more than before")
        if after["open"] or after["twice"]:
            report.leak(f"{name}: {after['open']} requests never torn down, {after['twice']} twice")
        told = server.read_log().count("panicked at")
        report.check(f"{name}: panics of the server", told, "=", 0)


async def settled(port: int, wanted: dict[str, int] | None = None) -> dict[str, int]:
    """What is alive in the worker, once that is no more than `wanted`, or stays as it is."""
    calm, before = 0, {}
    deadline = time.monotonic() + SETTLED_WITHIN_S
    inside: dict[str, int] = {}
    while time.monotonic() < deadline:
        with contextlib.suppress(NoAnswer):
            inside = json.loads((await fetch(port, "/inside")).body)
            calm = calm + 1 if inside == before else 0
            before = inside
            if wanted is None and calm > 3:
                return inside
            keys = ("tasks", "files")
            if wanted and not inside["open"] and all(inside[key] <= wanted[key] for key in keys):
                return inside
        await asyncio.sleep(0.2)
    if not inside:
        raise NoAnswer("silent")
    return inside
