"""A shadow: after the old side has answered, the new one is asked for the same, and compared.

The client has its answer by then, so nothing of this is in its way: it runs on the loop and
threads of `loops` and here, so many at a time and no more; what comes on top is skipped and
counted. The old side is asked again at the same moment as the new one: where its second answer
differs from its first, answers differ by themselves.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import loops
from .compare import Compare, Seen, unpacked
from .rollout import Rollout
from .sides import Again

log = logging.getLogger("hipflask.forward")


class Shadow:
    """Asks again and compares, for one route. `most` at a time."""

    def __init__(self, rollout: Rollout, compare: Compare, most: int) -> None:
        self._rollout = rollout
        self._compare = compare
        self._most = most
        self._in_work = 0
        self._lock = threading.Lock()
        self._threads: ThreadPoolExecutor | None = None

    def threads(self) -> ThreadPoolExecutor:
        """Threads for views and for comparing; made when first used."""
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._most + 1, "hipflask-shadow")
            return self._threads

    def take(self) -> bool:
        """Take a place, if one is free; `skip` or `start` gives it back."""
        with self._lock:
            if self._in_work >= self._most:
                is_free = False
            else:
                self._in_work += 1
                is_free = True
        if not is_free:
            self._rollout.skipped("busy")
        return is_free

    def skip(self, reason: str) -> None:
        """Give the place back, as there is nothing to compare."""
        self._rollout.skipped(reason)
        self._give_back()

    def _give_back(self) -> None:
        with self._lock:
            self._in_work -= 1

    @property
    def in_work(self) -> int:
        """How many are being asked and compared."""
        return self._in_work

    def start(self, told: str, body: bytes, control: Seen, new: Again, again: Again | None) -> None:
        """Ask `new`, and `again` the old side, and compare with `control`. Returns at once.

        `told` is the request, as a sample shows it.
        """
        loops.start(self._run(told, body, control, new, again))

    async def _run(
        self, told: str, body: bytes, control: Seen, new: Again, again: Again | None
    ) -> None:
        try:
            candidate, second = await asyncio.gather(
                self._timed(new, body), self._quietly(again, body)
            )
            if control.body is None or candidate.body is None:
                self._rollout.skipped("long")
                return
            loop = asyncio.get_running_loop()
            compare: Callable[..., None] = self._compared
            await loop.run_in_executor(self.threads(), compare, told, control, candidate, second)
        except Exception:
            # Whatever it is, it is the candidate's or ours, and no client's.
            log.exception("Shadow of %r: comparing failed", self._rollout.name)
            self._rollout.skipped("failed")
        finally:
            self._give_back()

    async def _timed(self, new: Again, body: bytes) -> Seen:
        begun = time.monotonic()
        try:
            found: Seen = await new(body)
        except Exception as error:
            found = Seen(500, (), repr(error).encode())
        self._rollout.shadowed(time.monotonic() - begun, found.status >= 500)
        return found

    async def _quietly(self, again: Again | None, body: bytes) -> Seen | None:
        if again is None:
            return None
        try:
            found: Seen = await again(body)
        except Exception:
            return None
        return found

    def _compared(self, told: str, control: Seen, candidate: Seen, second: Seen | None) -> None:
        control, candidate = unpacked(control), unpacked(candidate)
        if control.body is None or candidate.body is None:
            self._rollout.skipped("encoded")
            return
        second = None if second is None else unpacked(second)
        raw: dict[str, Any] = self._compare.differences(control, candidate)
        noise: dict[str, Any] = {}
        if second is not None and second.body is not None:
            noise = self._compare.differences(control, second)
        samples = {
            place: sample
            for place, values in raw.items()
            if place not in noise and (sample := self._compare.sample(told, values)) is not None
        }
        self._rollout.differed(raw, noise, samples)
