"""The store of a webhook inbox fails: the disk is full, somebody holds it, PostgreSQL is gone.

A sender may be told 503, and never 2xx for what is not kept; afterwards it goes on by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.soak.client import Connection, NoAnswer, attempt
from benchmarks.soak.server import Server, Soak
from hipflask.database import Query, open_database
from hipflask.webhooks import sign
from hipflask.webhooks.inbox import Inbox

from .servers import SECRET, start

APP = "benchmarks.hostile.inbox"
BACK_WITHIN_S = 20.0
#: The log of some dozens of events, and what comes to it until it is cut back.
DISK_MB = 12
#: A process may write files up to this, where no disk of that size can be mounted.
FILE_BYTES = 1_500_000


class Sender:
    """Posts signed events and remembers which were acknowledged."""

    def __init__(self, soak: Soak, port: int) -> None:
        self._report: Any = soak.report
        self._port = port
        self._number = 0
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()

    async def post(
        self, number: int, *, size: int = 2_000, now: float | None = None
    ) -> Counter[int]:
        """Post so many events one after the other; return the statuses, 0 for no answer."""
        found: Counter[int] = Counter()
        connection = Connection(self._port)
        for _ in range(number):
            self._number += 1
            body = b'{"number":%d,"text":"%s"}' % (self._number, b"x" * size)
            moment = time.time() if now is None else now
            fields = dict(sign("standard", body, SECRET, now=moment))
            headers = {name.lower(): value for name, value in fields.items()}
            lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self._report.cases += 1
            try:
                answer = await connection.request("/orders", "POST", lines, body)
            except NoAnswer as error:
                found[0] += 1
                if error.kind == "silent":
                    self._report.hang("an event was not answered")
                continue
            found[answer.status] += 1
            if 200 <= answer.status < 300:
                self.acknowledged.add(headers["webhook-id"])
        connection.drop()
        self.statuses += found
        return found


async def store(soak: Soak) -> None:
    await _full(soak)
    await _held(soak)
    await _failing(soak)
    await _gone(soak)


async def _full(soak: Soak) -> None:
    report: Any = soak.report
    folder = soak.folder / "small"
    folder.mkdir(exist_ok=True)
    with small_disk(folder) as is_mounted:
        how = f"a disk of {DISK_MB} MB" if is_mounted else "a limit on the size of files"
        report.begin("disk full", how)
        url = f"sqlite:///{folder}/inbox.db"
        async with start(soak, "rsgi", APP, HOSTILE_STORE=url) as server:
            ballast = folder / "ballast"

            def fill() -> None:
                with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                    while file.write(b"x" * 4_096):
                        pass

            def limit(size: int) -> None:
                for pid in server.workers():
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

            def heal() -> None:
                ballast.unlink(missing_ok=True)
                limit(resource.RLIM_INFINITY)

            break_it: Callable[[], None] = fill if is_mounted else lambda: limit(FILE_BYTES)
            await _broken(soak, server, url, break_it, heal)


async def _held(soak: Soak) -> None:
    soak.report.begin("store held", "another program holds SQLite's lock for as long as it likes")
    file = soak.folder / "held.db"
    url = f"sqlite:///{file}"
    async with start(soak, "rsgi", APP, HOSTILE_STORE=url) as server:
        holder: list[sqlite3.Connection] = []

        def hold() -> None:
            holder.append(_open(file))
            holder[0].execute("BEGIN EXCLUSIVE")

        def release() -> None:
            holder[0].execute("ROLLBACK")
            holder[0].close()

        await _broken(soak, server, url, hold, release, tries=6)


def _open(file: Path) -> sqlite3.Connection:
    # Held and let go by two threads of the pool, one after the other.
    return sqlite3.connect(file, isolation_level=None, timeout=20, check_same_thread=False)


async def _failing(soak: Soak) -> None:
    """What the disk says it could not keep is acknowledged to nobody."""
    report: Any = soak.report
    report.begin("disk failing", "each fsync and fdatasync of the workers is an EIO, by strace")
    if shutil.which("strace") is None:
        report.skip("strace is not installed: apt-get install strace")
        return
    url = f"sqlite:///{soak.folder}/failing.db"
    async with start(soak, "rsgi", APP, HOSTILE_STORE=url) as server:
        tracers: list[subprocess.Popen[bytes]] = []

        def attach() -> None:
            calls = "fsync,fdatasync"
            words = ["strace", "-f", "-qq", "-e", f"trace={calls}", "-o", "/dev/null"]
            words += ["-e", f"inject={calls}:error=EIO"]
            for pid in server.workers():
                tracers.append(
                    subprocess.Popen([*words, "-p", str(pid)], stderr=subprocess.DEVNULL)
                )
                _wait_until_traced(pid)

        def detach() -> None:
            for tracer in tracers:
                tracer.terminate()
                tracer.wait(20)

        try:
            await _broken(soak, server, url, attach, detach, tries=30)
        finally:
            detach()


def _wait_until_traced(pid: int) -> None:
    """Until strace holds each thread of the process."""
    deadline = time.monotonic() + 10
    tasks = Path(f"/proc/{pid}/task")
    while time.monotonic() < deadline:
        status = [(each / "status").read_text() for each in tasks.iterdir()]
        if not any("TracerPid:\t0\n" in each for each in status):
            return
        time.sleep(0.05)
    raise RuntimeError(f"strace does not hold {pid}")


async def _gone(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("store gone", "PostgreSQL is killed, and started again")
    if soak.quick:
        report.skip("in the short run")
        return
    try:
        from benchmarks.webhooks.postgres import running  # its server is a test dependency
    except ImportError as error:
        report.skip(f"no PostgreSQL here: {error}")
        return
    with running() as postgres:
        url = postgres.url()
        async with start(soak, "rsgi", APP, HOSTILE_STORE=url) as server:
            await _broken(soak, server, url, postgres.kill, postgres.start, tries=10)


async def _broken(
    soak: Soak,
    server: Server,
    url: str,
    break_it: Callable[[], None],
    heal: Callable[[], None],
    tries: int = 400,
) -> None:
    """Post before, while it is broken and after; then ask the store for all that was accepted."""
    report: Any = soak.report
    sender = Sender(soak, server.port)
    before = await sender.post(30)
    report.check("accepted before", before[202] + before[200], "=", 30)
    await asyncio.to_thread(break_it)
    try:
        found: Counter[int] = Counter()
        for _ in range(tries):
            found += await sender.post(1, size=20_000)
            if found[503] >= min(20, tries):
                break
        alive = await attempt(server.port, "/plain")
    finally:
        await asyncio.to_thread(heal)
    report.line("while it is broken: " + ", ".join(f"{k} {v}" for k, v in sorted(found.items())))
    report.check("answered 503", found[503], ">=", 1)
    other = sum(found.values()) - found[503] - found[202] - found[200]
    report.check("answered neither 2xx nor 503", other, "=", 0)
    report.check("other views answer", getattr(alive, "status", 0), "=", 200)
    began = time.monotonic()
    while (await sender.post(1)).keys().isdisjoint({200, 202}):
        if time.monotonic() - began > BACK_WITHIN_S:
            break
        await asyncio.sleep(0.1)
    after = await sender.post(30)
    report.line("afterwards: " + ", ".join(f"{k} {v}" for k, v in sorted(after.items())))
    report.check("accepted afterwards", after[202] + after[200], "=", 30)
    kept = await asyncio.to_thread(_ids, url)
    report.check("accepted and not kept", len(sender.acknowledged - kept), "=", 0)


def _ids(url: str) -> set[str]:
    database = open_database(url)
    try:
        return {row.event_id for row in Inbox(database).find(Query(limit=100_000))}
    finally:
        database.close()


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small file system there where that is allowed; gives whether it is."""
    is_mounted = False
    if sys.platform == "linux" and os.geteuid() == 0:
        words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
        with contextlib.suppress(OSError):
            is_mounted = subprocess.run(words, capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], capture_output=True)
