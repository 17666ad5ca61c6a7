"""Worker threads of one process, on a store whose rows are claimed: one machine, SQLite.

One thread claims, the others work. It claims when it is woken, by the writer in this process
or by a worker that has room, and looks by itself now and then, for rows that other processes
stored and those whose time has come.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

from ...database import StoreUnavailable
from .holding import LEASE_S, SWEEP_EVERY_S, Held
from .lines import Line
from .turns import Turns

log = logging.getLogger("hipflask.webhooks")

#: How long the store is left alone when there was nothing to do: at first, and at most.
IDLE_S = (0.25, 1.0)
# Rows that take less are worth claiming ahead of time, as a claim costs a commit.
QUICK_S = 0.1

Item = tuple[Line, Any]


class Crew:
    """Threads that work on the rows of `lines`; `start` once, in the process that is to work."""

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        threads: int = 4,
        lease_s: float = LEASE_S,
        sweep_s: float = SWEEP_EVERY_S,
        idle_s: tuple[float, float] = IDLE_S,
    ) -> None:
        self.lines = tuple(lines)
        self.threads = threads
        #: How many rows were ended here.
        self.done = 0
        self._held = Held(self.lines, lease_s=lease_s, sweep_s=sweep_s)
        self._turns = Turns()
        self._least_idle_s, self._most_idle_s = idle_s
        self._changed = threading.Condition()
        self._ready: deque[Item] = deque()
        self._working = 0
        self._is_quick = True
        # One that was there when a worker died; held by itself.
        self._suspect: Any = None
        self._woken = threading.Event()
        self._stopping = False
        self._once = False
        self._is_away = False
        self._claimer: threading.Thread | None = None
        self._workers: list[threading.Thread] = []

    def start(self, *, once: bool = False) -> None:
        """Begin to work; with `once` until nothing is due any more."""
        self._once = once
        self._held.start()
        self._claimer = threading.Thread(target=self._hand_out, name="hipflask-claim", daemon=True)
        self._workers = [
            threading.Thread(target=self._work, name=f"hipflask-work-{number}", daemon=True)
            for number in range(1, self.threads + 1)
        ]
        for thread in (self._claimer, *self._workers):
            thread.start()

    def wake(self) -> None:
        """There may be something to do; from any thread, and cheap."""
        self._woken.set()

    def join(self) -> None:
        """Wait for the end of a crew started with `once`."""
        if self._claimer is not None:
            self._claimer.join()
        for thread in self._workers:
            thread.join()
        self._held.stop()

    def stop(self, grace_s: float = 25.0) -> bool:
        """Take nothing new, give back what was not begun, let the rest finish.

        Returns whether all of it did within `grace_s`. What did not keeps running until the
        process ends; its lease is no longer renewed, so that another process takes over.
        """
        end = time.monotonic() + grace_s
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._woken.set()
        if self._claimer is not None:
            self._claimer.join(max(0.0, end - time.monotonic()))
        self._give_back(self._take_ready())
        for thread in self._workers:
            thread.join(max(0.0, end - time.monotonic()))
        self._held.stop()
        return not any(thread.is_alive() for thread in self._workers)

    # The claiming thread.

    def _hand_out(self) -> None:
        idle_s = self._least_idle_s
        while not self._stopping:
            self._woken.clear()
            room = self._room()
            # Asked before the claim: what ends after it may make another row due.
            was_at_rest = not len(self._held)
            found = self._try_claim(room) if room else 0
            if found:
                idle_s = self._least_idle_s
                continue
            if self._once and was_at_rest and not self._is_away:
                break
            if self._woken.wait(idle_s):
                idle_s = self._least_idle_s
            else:
                idle_s = min(idle_s * 1.5, self._most_idle_s)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def _room(self) -> int:
        """How many rows to claim: none while those that were claimed ahead do for now."""
        with self._changed:
            if self._suspect is not None:
                return 0
            held = len(self._ready) + self._working
            if not self._is_quick:
                return self.threads - held if held < self.threads else 0
            return 2 * self.threads - held if held <= self.threads else 0

    def _try_claim(self, room: int) -> int:
        """Claim up to `room` rows of all lines; returns how many. Raises nothing."""
        try:
            found = self._claim(room)
        except StoreUnavailable as error:
            if not self._is_away:
                log.warning("no work is looked for until the store is back: %s", error)
            self._is_away = True
            return 0
        except Exception:
            log.exception("cannot look for work")
            return 0
        self._is_away = False
        return found

    def _claim(self, room: int) -> int:
        found = 0
        for line in self.lines:
            if room <= 0 or self._suspect is not None:
                break
            claims = line.queue.claim(limit=room, lease_s=self._held.lease_s, lanes=line.lanes)
            room -= len(claims)
            found += len(claims)
            self._take(line, claims)
        return found

    def _take(self, line: Line, claims: Sequence[Any]) -> None:
        for claimed in claims:
            self._held.take(line, claimed)
        items = [(line, claimed) for claimed in claims]
        suspect = next((claimed for claimed in claims if claimed.row.kills), None)
        if suspect is not None:
            self._suspect = suspect
            # First of all the others go, who must not be there if it kills again.
            others = [item for item in items if item[1] is not suspect]
            self._give_back([*self._take_ready(), *others])
            items = [(line, suspect)]
        with self._changed:
            self._ready.extend(items)
            self._changed.notify_all()

    def _take_ready(self) -> list[Item]:
        with self._changed:
            items = list(self._ready)
            self._ready.clear()
        return items

    def _give_back(self, items: Sequence[Item]) -> None:
        for line in self.lines:
            claims = [claimed for one, claimed in items if one is line]
            if not claims:
                continue
            for claimed in claims:
                self._held.drop(line, claimed)
            try:
                line.queue.give_back(claims)
            except StoreUnavailable as error:
                log.warning(
                    "cannot give back %s rows, their leases run out: %s", len(claims), error
                )

    # The working threads.

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._ready or self._stopping)
                if not self._ready:
                    return
                line, claimed = self._ready.popleft()
                self._working += 1
            began = time.monotonic()
            try:
                turn = self._turns.alone() if claimed.row.kills else self._turns.together()
                with turn:
                    if self._held.has(line, claimed):
                        # What a handler sets in its context, the next event must not see.
                        copy_context().run(line.work, claimed)
            except Exception:
                log.exception("%s %s ended in an error of ours", line.name, claimed.seq)
            finally:
                self._ended(line, claimed, time.monotonic() - began)

    def _ended(self, line: Line, claimed: Any, took_s: float) -> None:
        self._held.drop(line, claimed)
        with self._changed:
            self._working -= 1
            self.done += 1
            self._is_quick = took_s < QUICK_S
            if claimed is self._suspect:
                self._suspect = None
        self._woken.set()
