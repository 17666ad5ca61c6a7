"""The rows that this process has claimed: their leases renewed, the store swept now and then."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ...database import StoreUnavailable
from .lines import Line

log = logging.getLogger("hipflask.webhooks")
# Not the module's, whose numbers belong to the application: it may have seeded them.
_dice = random.SystemRandom()

#: How long a claim is good for. Renewed three times in that time, so what a killed process was
#: at waits so long, and on PostgreSQL for the next sweep as well: together below 30 s.
LEASE_S = 10.0
#: How often a process looks for what others have left lying.
SWEEP_EVERY_S = 15.0


class Held:
    """Claims by line and number, kept alive by a thread of their own.

    Another one sweeps: with many keys that stand still that takes longer than a lease. Each of
    its methods may be called from any thread.
    """

    def __init__(
        self,
        lines: Sequence[Line],
        *,
        lease_s: float = LEASE_S,
        sweep_s: float = SWEEP_EVERY_S,
        on_sweep: Callable[[], None] = lambda: None,
    ) -> None:
        self.lease_s = lease_s
        self._lines = lines
        self._sweep_s = sweep_s
        self._on_sweep = on_sweep
        self._lock = threading.Lock()
        self._claims: dict[tuple[str, int], tuple[Line, Any]] = {}
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def __len__(self) -> int:
        return len(self._claims)

    def start(self) -> None:
        """Begin to renew and to sweep."""
        self._threads = [
            threading.Thread(target=self._renew_often, name="hipflask-leases", daemon=True),
            threading.Thread(target=self._sweep_often, name="hipflask-sweep", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; leases that are held run out."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def take(self, line: Line, claimed: Any) -> None:
        """Keep the lease of `claimed` from now on."""
        with self._lock:
            self._claims[line.name, claimed.seq] = (line, claimed)

    def drop(self, line: Line, claimed: Any) -> bool:
        """Let go of a row that has ended; returns whether it was still held."""
        with self._lock:
            found = self._claims.get((line.name, claimed.seq))
            if found is None or found[1] is not claimed:
                return False
            del self._claims[line.name, claimed.seq]
            return True

    def has(self, line: Line, claimed: Any) -> bool:
        """Whether the row is still ours, as far as is known."""
        with self._lock:
            found = self._claims.get((line.name, claimed.seq))
            return found is not None and found[1] is claimed

    def renew(self) -> None:
        """Renew all leases once. A row that somebody else has by now is let go."""
        for line in self._lines:
            with self._lock:
                ours = [claimed for one, claimed in self._claims.values() if one is line]
            if not ours:
                continue
            for lost in line.queue.renew(ours, self.lease_s):
                if self.drop(line, lost):
                    log.warning(
                        "%s %s is no longer ours: its lease ran out. What is still running for it"
                        " will not be recorded.",
                        line.name,
                        lost.seq,
                    )

    def sweep(self) -> None:
        """Look once for what crashed processes have left, and for what is past its time."""
        for line in self._lines:
            line.queue.sweep()
        self._on_sweep()

    def _renew_often(self) -> None:
        while not self._stopping.wait(self.lease_s / 3):
            self._attempt("renew leases", self.renew)

    def _sweep_often(self) -> None:
        # Processes that start together are not to sweep together.
        wait_s = _dice.uniform(0, min(2.0, self._sweep_s))
        while not self._stopping.wait(wait_s):
            self._attempt("sweep", self.sweep)
            wait_s = self._sweep_s * _dice.uniform(0.9, 1.0)

    def _attempt(self, what: str, function: Callable[[], None]) -> None:
        try:
            function()
        except StoreUnavailable as error:
            log.warning("cannot %s now: %s", what, error)
        except Exception:
            log.exception("cannot %s", what)
