"""Whoever kills: each keeper has a group of processes, and a list of places to die at."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence

from .groups import Group
from .postgres import Postgres
from .sockets import owner_of

# Beside these: P7 and P11 are seen by who is at the other end, and done by `Reaper`; P15 to P18
# have commands of their own.
#: By place: how often it may be passed before the kill, at least and at most.
SERVE_POINTS = {
    "P1": (1, 4),
    "P2": (20, 200),
    "P3": (10, 60),
    "P4": (10, 60),
    "P5": (20, 200),
    "P6": (20, 200),
    "": (0, 0),
}
WORKER_POINTS = {
    "P8": (10, 100),
    "P9": (10, 100),
    "P10": (10, 100),
    "P12": (2, 20),
    "P13": (1, 2),
    "P14": (1, 2),
    "": (0, 0),
}
LOOK_S = 0.03
#: All processes of a group at once, as a machine that loses its power: every so many seconds.
POWER_CUT_S = (15.0, 30.0)


class Keeper:
    """Keeps a group running, and dying: each process gets a place to die at, the one with the
    fewest deaths. Who has not come there after `turn_s` is killed where it is."""

    def __init__(
        self, group: Group, points: dict[str, tuple[int, int]], seed: int, *, turn_s: float
    ) -> None:
        self.group = group
        self._points, self._luck = points, random.Random(seed)
        self._turn_s = turn_s
        self._given: Counter[str] = Counter()
        self._is_stopped = False
        #: While it says true nobody is killed: there were more kills than belong to so many events.
        self.is_ahead: Callable[[], bool] = lambda: False
        #: By process: when it is killed if it has not died by itself.
        self._until: dict[int, float] = {}

    def stop(self) -> None:
        """Let the deaths end; `run` returns when the group works without failpoints."""
        self._is_stopped = True

    async def run(self) -> None:
        """Until stopped."""
        group, luck = self.group, self._luck
        cut_at = time.monotonic() + luck.uniform(*POWER_CUT_S)
        dead = -1
        while not self._is_stopped:
            if not group.look():
                self._give()
                group.start()
            elif group.kills.total() != dead:
                self._give()
            dead = group.kills.total()
            if self.is_ahead():
                self._until.clear()
            else:
                self._kill_the_old()
            if time.monotonic() > cut_at and not self.is_ahead():
                group.kill_all()
                cut_at = time.monotonic() + luck.uniform(*POWER_CUT_S)
            await asyncio.sleep(LOOK_S)
        group.look()
        group.kill_all()
        group.give("")
        group.start()

    def _give(self) -> None:
        if self.is_ahead():
            self.group.give("")
            return
        names = list(self._points)
        self._luck.shuffle(names)
        name = min(names, key=lambda one: self.group.kills[one or "random"] + self._given[one])
        self._given[name] += 1
        self.group.give(f"{name}:{self._luck.randint(*self._points[name])}" if name else "")

    def _kill_the_old(self) -> None:
        now = time.monotonic()
        alive = self.group.pids()
        for pid, point in self.group.noted().items():
            if pid not in alive:
                self._until.pop(pid, None)
            elif pid not in self._until:
                most = self._turn_s if point else self._luck.uniform(0.2, 2.0)
                self._until[pid] = now + most
            elif now > self._until[pid]:
                self.group.kill(pid)


class Reaper:
    """Kills the process at the other end of a connection, one every so many seconds."""

    def __init__(self, name: str, groups: Sequence[Group], every_s: float) -> None:
        self._name, self._groups, self._every_s = name, groups, every_s
        self._next = time.monotonic() + every_s
        self.is_ahead: Callable[[], bool] = lambda: False

    def __call__(self, local: int, remote: int) -> None:
        """`local` is the port at that end, `remote` the one at ours."""
        if time.monotonic() < self._next or self.is_ahead():
            return
        for group in self._groups:
            pid = owner_of(local, remote, group.pids())
            if pid is not None:
                group.kill(pid, self._name)
                self._next = time.monotonic() + self._every_s
                return


async def trouble(postgres: Postgres, every_s: float, kills: Counter[str]) -> None:
    """Kill a backend, or the postmaster itself, in turn; until cancelled."""
    while True:
        await asyncio.sleep(every_s)
        postgres.kill()
        kills["postmaster"] += 1
        await asyncio.to_thread(postgres.start)
        await asyncio.sleep(every_s)
        kills["backend"] += postgres.kill_backend()
