"""A breaker: calls to a destination that fails wait, until one of them shows it is well again.

Closed, every call is let through and counted. When at least `least` calls of the last
`window_s` have ended and the share `rate` of them failed, it opens: no call is let through but
one probe each `interval_s`. A probe that succeeds closes it, one that fails, or of which nothing
is heard, leaves it open. What is counted stands in a shared record, so that all processes agree
and one probe is one probe.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ..scaffold import SetupError
from .clock import Clock, WallClock
from .shared import MemoryShared, Record, Shared

# The window is counted in so many slots, the oldest of which drops out at a time.
SLOTS = 10
# For how long what was counted here may be unknown to the others, and their state unknown here.
STALE_S = 1.0


@dataclass(frozen=True)
class Admission:
    """Whether a call may be made now, and if not, in how many seconds to ask again.

    What is granted is to be told how it ended: `Breaker.record`.
    """

    granted: bool
    is_probe: bool = False
    wait_s: float = 0.0


@dataclass(frozen=True)
class BreakerState:
    """A breaker as all processes see it: "closed" or "open", and the counts of its window.

    `until` is when the next probe is let through, in seconds since 1970, while it is open.
    """

    state: str
    requests: int
    failures: int
    until: float | None = None
    opened_at: float | None = None


_CLOSED = Admission(True)


class Breaker:
    """One destination's breaker. From any thread; the shared record may be a database's.

    A success is told to the others within STALE_S, a failure at once. `rate` is a share above 0
    up to 1.
    """

    def __init__(
        self,
        name: str,
        *,
        rate: float = 0.5,
        least: int = 10,
        window_s: float = 60.0,
        interval_s: float = 30.0,
        shared: Shared | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not 0 < rate <= 1:
            raise SetupError(f"breaker={rate!r} is no share: give above 0, up to 1, or None.")
        if least < 1 or window_s <= 0 or interval_s <= 0:
            raise SetupError(
                f"least={least!r}, window_s={window_s!r} and interval_s={interval_s!r} are to be"
                " above 0."
            )
        self.name = name
        self._key = f"breaker:{name}"
        self._rate = rate
        self._least = least
        self._slot_s = window_s / SLOTS
        self._interval_s = interval_s
        self._shared = MemoryShared() if shared is None else shared
        self._clock = WallClock() if clock is None else clock
        self._lock = threading.Lock()
        # What was counted here and told to nobody yet.
        self._untold = 0
        self._seen: Record = {}
        self._seen_at: float | None = None

    def admit(self) -> Admission:
        """Ask whether a call may be made. A granted probe counts from now, answered or not."""
        now = self._clock.now()
        if not self._is_open(now):
            return _CLOSED
        granted = False

        def probe(record: Record) -> Record | None:
            nonlocal granted
            until = record.get("until")
            granted = until is not None and now >= until
            return {**record, "until": now + self._interval_s} if granted else None

        record = self._see(now)
        if record.get("until") is not None and now >= record["until"]:
            record = self._keep(self._shared.update(self._key, probe), now)
        if record.get("until") is None:
            return _CLOSED  # somebody's probe came back meanwhile
        if granted:
            return Admission(True, is_probe=True)
        return Admission(False, wait_s=max(0.0, record["until"] - now))

    def record(self, is_well: bool, admission: Admission | None = None) -> BreakerState:
        """Tell how a granted call ended; returns the state after it."""
        now = self._clock.now()
        with self._lock:
            self._untold += is_well
            is_due = (
                not is_well
                or (admission is not None and admission.is_probe)
                or self._seen_at is None
                or now - self._seen_at >= STALE_S
            )
            if not is_due:
                return _state(self._seen, self._slot(now))
            successes, self._untold = self._untold, 0
        is_probe = admission is not None and admission.is_probe

        def count(record: Record) -> Record:
            return self._count(record, successes, not is_well, is_probe, now)

        try:
            record = self._shared.update(self._key, count)
        except BaseException:
            with self._lock:
                self._untold += successes
            raise
        return _state(self._keep(record, now), self._slot(now))

    def state(self) -> BreakerState:
        """The state as it is recorded now."""
        now = self._clock.now()
        return _state(self._keep(self._shared.get(self._key), now), self._slot(now))

    def reset(self) -> BreakerState:
        """Close it and forget what was counted."""
        now = self._clock.now()
        record = self._shared.update(self._key, lambda record: {})
        return _state(self._keep(record, now), self._slot(now))

    def _count(
        self, record: Record, successes: int, is_failure: bool, is_probe: bool, now: float
    ) -> Record:
        if record.get("until") is not None:
            if is_probe and not is_failure:
                return {"slots": []}
            if is_probe:
                record["until"] = now + self._interval_s
            return record  # calls from before it opened say nothing new
        slot = self._slot(now)
        slots = [row for row in record.get("slots", ()) if slot - SLOTS < row[0] <= slot]
        if not slots or slots[-1][0] != slot:
            slots.append([slot, 0, 0])
        last = slots[-1] = list(slots[-1])
        last[1] += successes + is_failure
        last[2] += is_failure
        made: Record = {"slots": slots}
        requests = sum(row[1] for row in slots)
        failures = sum(row[2] for row in slots)
        if is_failure and requests >= self._least and failures >= self._rate * requests:
            made.update(until=now + self._interval_s, opened_at=now)
        return made

    def _slot(self, now: float) -> int:
        return int(now // self._slot_s)

    def _is_open(self, now: float) -> bool:
        return self._see(now).get("until") is not None

    def _see(self, now: float) -> Record:
        """The record, not older than STALE_S."""
        with self._lock:
            if self._seen_at is not None and 0 <= now - self._seen_at < STALE_S:
                return self._seen
        return self._keep(self._shared.get(self._key), now)

    def _keep(self, record: Record, now: float) -> Record:
        with self._lock:
            self._seen = record
            self._seen_at = now
        return record


def _state(record: Record, slot: int) -> BreakerState:
    until = record.get("until")
    rows = [row for row in record.get("slots", ()) if slot - SLOTS < row[0]]
    return BreakerState(
        "closed" if until is None else "open",
        sum(row[1] for row in rows),
        sum(row[2] for row in rows),
        until,
        record.get("opened_at"),
    )
