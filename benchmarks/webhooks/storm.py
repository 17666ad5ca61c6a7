"""One storm on one store: events come in, processes die, and in the end the books are closed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..progress import Progress
from ..soak.report import Report
from ..soak.server import ROOT, free_port
from .accounts import Accounts, Books
from .events import Maker
from .groups import APP, AWAY, Group
from .keepers import SERVE_POINTS, WORKER_POINTS, Keeper, Reaper, trouble
from .postgres import Postgres
from .receiver import Receiver
from .senders import Senders, Told

CLIENTS = 24
SERVE_WORKERS = 2
WORKER_PROCESSES = 2
POISON_PERCENT = 0.3
#: The senders rest while more than this wait to be worked on.
MOST_BEHIND = 4_000
LOOK_S = 0.25
#: A service that does not even start is given up.
MOST_FALLS = 20
#: How much further the kills may be than the events, as a share of the whole.
AHEAD = 0.05
AWAKE_S = 4.0
SCHEMA = "import sys, hipflask.database as d; d.open_database(sys.argv[1])"
CHECKPOINT = """
import sys, time, hipflask.database as d
store = d.open_database(sys.argv[1])
for _ in range(3):
    store.checkpoint()
    time.sleep(0.2)
"""
LONGER_THAN_A_LEASE_S = 13.0


@dataclass
class Plan:
    """How much; the short form is for CI."""

    acks: int
    kills: int
    limit_s: float
    drain_s: float
    seed: int = 20261123
    turn_s: float = 8.0
    postgres_every_s: float = 20.0
    operator_every_s: float = 15.0
    is_short: bool = False
    fault: str = ""
    #: The URL of a store that all is moved to in the end; "" for none.
    move_to: str = ""


@dataclass
class Outcome:
    """What a storm came to."""

    store: str
    kills: Counter[str] = field(default_factory=Counter)
    told: Told = field(default_factory=Told)
    accounts: Accounts = field(default_factory=Accounts)
    seconds: float = 0.0
    deliveries: int = 0
    #: How often a process was frozen and came back.
    frozen: int = 0
    #: What arrived in the store that all was moved to.
    moved: Accounts | None = None
    falls: list[str] = field(default_factory=list)
    #: How often a process or command could not start because the store was away.
    aways: int = 0


class Storm:
    """Runs it; `folder` takes logs and, for SQLite, the store."""

    def __init__(
        self,
        store: str,
        url: str,
        folder: Path,
        plan: Plan,
        report: Report,
        postgres: Postgres | None,
    ) -> None:
        self.outcome = Outcome(store)
        self._plan, self._report, self._folder = plan, report, folder
        self._postgres = postgres
        self._healed = folder / "healed"
        self._port = free_port()
        self._url = url
        self._books = Books(url)
        self._environ = {
            "STORM_STORE": url,
            "STORM_HEALED": str(self._healed),
            "STORM_FAULT": plan.fault,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
        }
        self._waiting = 0

    async def run(self) -> Outcome:
        """The whole storm. Raises TimeoutError if it does not come to an end."""
        began = time.monotonic()
        await self._migrate()
        self._books.make_effects()
        async with Receiver(self._plan.seed) as receiver:
            self._environ["STORM_OUTSIDE"] = f"http://127.0.0.1:{receiver.port}"
            groups = self._groups()
            try:
                await self._blow(groups, receiver)
                await self._drain(groups)
            finally:
                for group in groups:
                    group.look()
                    await asyncio.to_thread(group.stop)
                    self.outcome.kills.update(group.kills)
                    self.outcome.falls += group.falls
                    self.outcome.aways += group.aways
            self.outcome.accounts = self._books.close_accounts(self.outcome.told, receiver)
            self.outcome.deliveries = receiver.deliveries.total()
        if self._plan.move_to:
            await self._move(self._plan.move_to)
        self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _groups(self) -> list[Group]:
        words = ["serve", "--bind", f"127.0.0.1:{self._port}", "--workers", str(SERVE_WORKERS)]
        words += ["--drain-wait", "0", "--graceful-timeout", "5"]
        serve = Group("serve", words, self._folder, self._environ)
        return [serve] + [
            Group(f"worker-{number}", ["worker"], self._folder, self._environ)
            for number in range(WORKER_PROCESSES)
        ]

    async def _migrate(self) -> None:
        """P17: make the schema, killed at each step of it."""
        for time_ in range(1, 100):
            if not await self._run("-c", SCHEMA, self._url, point=f"P17:{time_}"):
                return

    async def _move(self, url: str) -> None:
        """P18: move all to another store, killed at several steps on the way."""
        for time_ in range(1, 5):
            await self._run("-m", "benchmarks.webhooks.moved", self._url, url, point=f"P18:{time_}")
        await self._run("-m", "benchmarks.webhooks.moved", self._url, url)
        self.outcome.moved = Books(url).close_moved(self.outcome.told)

    async def _run(self, *words: str, point: str = "") -> bool:
        """Run Python; whether it was killed at the failpoint, which is then counted."""
        environ = {**os.environ, **self._environ, "HIPFLASK_FAILPOINT": point}
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *words],
            cwd=ROOT,
            env=environ,
            capture_output=True,
            text=True,
        )
        if done.returncode == -signal.SIGKILL and point:
            self.outcome.kills[point.partition(":")[0]] += 1
            return True
        if done.returncode and any(word in done.stderr for word in AWAY):
            self.outcome.aways += 1
        elif done.returncode:
            self.outcome.falls.append(f"{' '.join(words[:4])}: {done.stderr[-400:]}")
        return False

    async def _blow(self, groups: list[Group], receiver: Receiver) -> None:
        plan, outcome = self._plan, self.outcome
        makers = [
            Maker(f"{outcome.store[:2]}{n}", plan.seed + n, dead_percent=POISON_PERCENT)
            for n in range(CLIENTS)
        ]
        keepers = [Keeper(groups[0], SERVE_POINTS, plan.seed, turn_s=plan.turn_s)]
        keepers += [
            Keeper(group, WORKER_POINTS, plan.seed + 1 + n, turn_s=plan.turn_s)
            for n, group in enumerate(groups[1:])
        ]
        senders = Senders(self._port, makers, plan.seed)
        outcome.told = senders.told
        senders.is_behind = lambda: self._waiting > MOST_BEHIND
        acked = Reaper("P7", groups[:1], plan.turn_s)
        asked = Reaper("P11", groups, plan.turn_s)
        senders.on_ack, receiver.on_request = acked, asked
        for killer in (*keepers, acked, asked):
            killer.is_ahead = lambda: self._is_ahead(groups)
        kept = [asyncio.create_task(keeper.run()) for keeper in keepers]
        jobs = [self._operate, self._count]
        if self._postgres:
            jobs.append(self._disturb)
        if not plan.is_short:
            jobs.append(self._haunt)
        async with _aside(*jobs):
            await self._watch(groups, senders, kept)
        for keeper in keepers:
            keeper.stop()
        await asyncio.gather(*kept)
        await senders.wait()

    async def _watch(
        self, groups: list[Group], senders: Senders, kept: list[asyncio.Task[None]]
    ) -> None:
        """Until there were acknowledgements and kills enough; the senders go on until both."""
        plan, told = self._plan, senders.told
        progress, share = Progress(1.0), 0.0
        over = time.monotonic() + plan.limit_s
        while True:
            await asyncio.sleep(LOOK_S)
            for task in kept:
                if task.done():
                    task.result()
            kills = self._kills(groups)
            now = min(1.0, len(told.acked) / plan.acks, kills / plan.kills)
            progress.step(
                f"{self.outcome.store}: {len(told.acked)} acks, {kills} kills", now - share
            )
            share = now
            if share >= 1.0:
                break
            if sum(len(group.falls) for group in groups) > MOST_FALLS:
                self._report.fail("processes end by themselves")
                break
            if time.monotonic() > over:
                self._report.fail(f"{plan.limit_s:g} s were not enough")
                break
        progress.end()
        senders.stop()

    def _is_ahead(self, groups: list[Group]) -> bool:
        """Whether more of the kills are done than of the events; then the events may catch up."""
        plan = self._plan
        kills = self._kills(groups) / plan.kills
        return kills > len(self.outcome.told.acked) / plan.acks + AHEAD

    def _kills(self, groups: list[Group]) -> int:
        return sum(group.kills.total() for group in groups) + self.outcome.kills.total()

    async def _count(self) -> None:
        """Keep count of what waits to be worked on."""
        while True:
            with contextlib.suppress(Exception):  # the store may be away
                self._waiting = await asyncio.to_thread(self._books.unfinished)
            await asyncio.sleep(0.5)

    async def _disturb(self) -> None:
        assert self._postgres is not None
        await trouble(self._postgres, self._plan.postgres_every_s, self.outcome.kills)

    async def _haunt(self) -> None:
        """P19: a process that stands still for longer than its leases last, and then goes on."""
        group = Group("zombie", ["worker"], self._folder, self._environ)
        group.start()
        try:
            while True:
                await asyncio.sleep(AWAKE_S)
                group.stop_and_go(False)
                await asyncio.sleep(LONGER_THAN_A_LEASE_S)
                group.stop_and_go(True)
                self.outcome.frozen += 1
        finally:
            group.stop_and_go(True)
            group.stop()
            self.outcome.falls += group.falls

    async def _operate(self) -> None:
        """Replay the dead now and then, as an operator who has found the cause; P15 on the way."""
        luck = random.Random(self._plan.seed)
        while True:
            await asyncio.sleep(self._plan.operator_every_s)
            if self._postgres is None:
                await self._run("-c", CHECKPOINT, self._url, point=f"P16:{luck.randint(1, 3)}")
            with contextlib.suppress(Exception):
                if await asyncio.to_thread(self._books.dead):
                    self._healed.touch()
                    await self._replay(f"P15:{luck.randint(1, 2)}")
                    await self._replay("")
                    await asyncio.sleep(2.0)
                    self._healed.unlink()

    async def _replay(self, point: str) -> None:
        words = ("-m", "hipflask", "hooks", "replay", "--app", APP, "--state", "dead", "--yes")
        await self._run(*words, point=point)
        if not point:
            await self._run(*words, "--outbox")

    async def _drain(self, groups: list[Group]) -> None:
        """Nobody is killed any more: all that is dead is replayed, and all is worked on."""
        self._healed.touch()
        over = time.monotonic() + self._plan.drain_s
        while time.monotonic() < over:
            for group in groups:
                if not group.look():
                    group.start()
            with contextlib.suppress(Exception):
                if await asyncio.to_thread(self._books.dead):
                    await self._replay("")
                elif not await asyncio.to_thread(self._books.unfinished):
                    return
            await asyncio.sleep(LOOK_S)
        self._report.fail(f"not all was worked on within {self._plan.drain_s:g} s")


@contextlib.asynccontextmanager
async def _aside(*jobs: Callable[[], object]) -> AsyncIterator[None]:
    """Run these coroutines beside the block; they end with it, and an error in one is raised."""
    tasks = [asyncio.create_task(job()) for job in jobs]  # type: ignore[arg-type]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
