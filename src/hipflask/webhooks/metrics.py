"""Figures of what is worked on, sent on and stored, in the registry of `hipflask.ops.metrics`.

What is received is counted in `tallies.py`. Attempts and deliveries are counted here where they
happen, by `worked` and `delivered`, from any thread. What stands in the store is the same for
every process, and is asked when somebody collects: `watch`.

`docs/do/webhook-alerts.md` tells what to watch for.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

from ..database.errors import StoreUnavailable
from ..database.rows import LaneFigures, Query
from ..database.states import State
from ..ops import metrics, probes

_NAME = "hipflask_webhooks_"
#: Upper bounds in seconds for handlers and deliveries, which wait for others.
WAITING_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
#: How old an answer of the store may be, so that to collect often costs little.
KEPT_S = 5.0
#: The same for the gaps between events, for which more is read.
GAPS_KEPT_S = 60.0
#: The last events of a source, whose gaps tell what is usual.
GAPS = 200
#: The name of the readiness check.
CHECK = "webhooks_store"

attempts = metrics.counter(
    _NAME + "attempts_total",
    "Attempts that ended, by outcome: done, filtered, retry, dead, fenced.",
    ["queue", "lane", "outcome"],
)
attempt_s = metrics.histogram(
    _NAME + "attempt_seconds", "Time of one attempt.", ["queue", "lane"], WAITING_S
)
delivery_s = metrics.histogram(
    _NAME + "delivery_seconds",
    "From the request to a destination to the end of its answer.",
    ["destination"],
    WAITING_S,
)
delivery_answers = metrics.counter(
    _NAME + "delivery_answers_total",
    "Answers of a destination: 2xx, 4xx ..., or the kind of failure.",
    ["destination", "answer"],
)


def _stored_gauge(name: str, text: str, labels: list[str]) -> metrics.Gauge:
    """A gauge of the store, which says the same to every process."""
    return metrics.gauge(_NAME + name, text, labels, across="max")


reconciled = metrics.counter(
    _NAME + "reconciled_total", "Events that never came and were fetched.", ["source"]
)

rows = _stored_gauge("rows", "Rows that are stored, by state.", ["queue", "lane", "state"])
oldest_s = _stored_gauge(
    "oldest_unprocessed_seconds",
    "Age of the oldest row that is not finished; 0 where all are.",
    ["queue", "lane"],
)
parked_keys = _stored_gauge(
    "parked_keys", "Ordering keys that wait behind a dead row.", ["queue", "lane"]
)
paused = _stored_gauge("paused", "1 while the lane is paused.", ["queue", "lane"])
breaker_open = _stored_gauge(
    "breaker_open", "1 while the destination's breaker is open.", ["destination"]
)
silence_s = _stored_gauge("silence_seconds", "Time since the source's last event.", ["source"])
usual_gap_s = _stored_gauge(
    "usual_gap_seconds",
    f"The gap that 95 of 100 of the source's last {GAPS} gaps do not exceed.",
    ["source"],
)
# Of each process: one that cannot reach the store does not hide behind another that can.
store_up = metrics.gauge(_NAME + "store_up", "1 while the store answers.")


def worked(queue: str, lane: str, outcome: str, duration_s: float) -> None:
    """Count an attempt that ended; `queue` is "inbox" or "outbox"."""
    attempts.add(1, queue, lane, outcome)
    attempt_s.observe(duration_s, queue, lane)


def delivered(
    destination: str, status: int | None, duration_s: float, *, failure: str = ""
) -> None:
    """Count a request that ended: with a status, or with a kind of `failure`.

    Failures are few words, such as "timeout" and "connect": each makes a series.
    """
    answer = f"{status // 100}xx" if status is not None else failure or "failed"
    delivery_s.observe(duration_s, destination)
    delivery_answers.add(1, destination, answer)


def watch(
    hooks: Any,
    *,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] | None = None,
) -> None:
    """Have the store's figures collected, for the sources and destinations declared so far.

    Also makes `/readyz` ask whether the store can be written. May be called again. Collecting
    asks the store at most every `KEPT_S` seconds; while it is away its figures are NaN.
    """
    stored = _Stored(hooks, now, monotonic or time.monotonic)
    store_up.ask(stored.is_up)
    for name in hooks.sources:
        _watch_lane("inbox", name, stored)
        silence_s.ask(partial(stored.silence, name), name)
        usual_gap_s.ask(partial(stored.usual_gap, name), name)
    for name in hooks.destinations:
        _watch_lane("outbox", name, stored)
        breaker_open.ask(partial(stored.is_open, name), name)
    app = hooks.app
    if app is not None:

        @probes.ready_check(app, CHECK)
        def can_write() -> None:
            with hooks.database.begin():
                pass


def _watch_lane(queue: str, lane: str, stored: _Stored) -> None:
    def ask(gauge: metrics.Gauge, value: Callable[[LaneFigures], float], *labels: str) -> None:
        gauge.ask(lambda: stored.figure(queue, lane, value), queue, lane, *labels)

    for state in State:
        ask(rows, lambda found, state=state: found.counts[state], str(state))  # type: ignore[misc]
    ask(oldest_s, lambda found: found.oldest_age_s or 0.0)
    ask(parked_keys, lambda found: found.parked_keys)
    ask(paused, lambda found: found.paused_until is not None)


_NOTHING = LaneFigures(lane="", counts=dict.fromkeys(State, 0))


@dataclass
class _Kept:
    """An answer of the store and when it was given; None is that there was none."""

    at: float = -math.inf
    value: Any = None


@dataclass
class _Stored:
    """Asks the store, and keeps what it said for a few seconds. From any thread."""

    hooks: Any
    now: Callable[[], float]
    monotonic: Callable[[], float]
    kept: dict[str, _Kept] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def figure(self, queue: str, lane: str, value: Callable[[LaneFigures], float]) -> float:
        """One figure of a lane; NaN while the store is away."""
        found = self._figures(queue)
        return math.nan if found is None else float(value(found.get(lane, _NOTHING)))

    def is_up(self) -> float:
        """1 if the store answers."""
        return float(self._figures("inbox") is not None)

    def is_open(self, destination: str) -> float:
        """1 if the breaker is open."""
        state = self._ask(f"breaker {destination}", KEPT_S, lambda: self._breaker(destination))
        return math.nan if state is None else float(state == "open")

    def silence(self, source: str) -> float:
        """Seconds since the source's last event; NaN where there was none."""
        times = self._times(source)
        return max(0.0, self.now() - times[0]) if times else math.nan

    def usual_gap(self, source: str) -> float:
        """See `usual_gap`, of the source's last events."""
        return usual_gap(self._times(source))

    def _figures(self, queue: str) -> Mapping[str, LaneFigures] | None:
        def ask() -> dict[str, LaneFigures]:
            return {each.lane: each for each in getattr(self.hooks, queue).figures()}

        found: dict[str, LaneFigures] | None = self._ask(queue, KEPT_S, ask)
        return found

    def _times(self, source: str) -> list[float]:
        """When the source's last events came, the newest first; empty while the store is away."""

        def ask() -> list[float]:
            found = self.hooks.inbox.find(Query(lane=source, limit=GAPS + 1))
            return [row.created_at for row in found]

        times: list[float] | None = self._ask(f"gaps {source}", GAPS_KEPT_S, ask)
        return times or []

    def _breaker(self, destination: str) -> str:
        return breaker_state(self.hooks, destination).state

    def _ask(self, name: str, keep_s: float, ask: Callable[[], Any]) -> Any:
        with self.lock:
            kept = self.kept.setdefault(name, _Kept())
            if self.monotonic() - kept.at >= keep_s:
                try:
                    kept.value = ask()
                except StoreUnavailable:
                    kept.value = None
                kept.at = self.monotonic()
            return kept.value


def usual_gap(times: list[float]) -> float:
    """The gap that 95 of 100 do not exceed, of times in any order; NaN of fewer than 10 gaps."""
    ordered = sorted(times)
    found = sorted(after - before for before, after in pairwise(ordered))
    return found[math.ceil(len(found) * 0.95) - 1] if len(found) >= 10 else math.nan


@dataclass(frozen=True)
class Breaking:
    """A destination's breaker: "closed", "open" or "" for none, and when it tries again."""

    state: str = ""
    until: float | None = None


def breaker_state(hooks: Any, destination: str) -> Breaking:
    """The state of a destination's breaker, as the store has it for all processes."""
    declared = hooks.destinations.get(destination)
    if declared is None:
        return Breaking()
    breaker = declared.destination.make_breaker(shared=hooks.database.shared)
    if breaker is None:
        return Breaking()
    state = breaker.state()
    return Breaking(state.state, state.until)
