"""What the overview shows: each source and destination in figures, and the last hour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...database.rows import Bucket, LaneFigures
from ...database.states import State
from ...look import Chart, spark
from ...look.words import dump_number
from ..metrics import Breaking, breaker_state

#: The last hour, in bars of two minutes.
HOUR_S = 3600.0
STEP_S = 120.0
BARS = int(HOUR_S / STEP_S)

_WAITS = (State.RECEIVED, State.QUEUED, State.RUNNING, State.WAITING)


@dataclass(frozen=True)
class Line:
    """A source or a destination in figures. Ages are in seconds."""

    name: str
    #: What it is besides its name: the scheme of a source, where a destination's address stands.
    about: str
    #: Whether the application still has it; rows outlive what they came from.
    is_declared: bool
    received: int = 0
    done: int = 0
    waiting: int = 0
    dead: int = 0
    parked: int = 0
    parked_keys: int = 0
    duplicates: int = 0
    conflicts: int = 0
    oldest_age_s: float | None = None
    paused_until: float | None = None
    chart: Chart = field(default_factory=lambda: spark((), title="The last hour"))
    #: "closed", "open" or "" for none.
    breaker: str = ""
    breaker_until: float | None = None

    @property
    def is_paused(self) -> bool:
        """Whether somebody paused it. An open breaker pauses, too, but never without end."""
        if self.paused_until is None:
            return False
        return self.breaker != "open" or self.paused_until == math.inf

    @property
    def needs_a_person(self) -> bool:
        """Whether something waits for somebody to decide."""
        return bool(self.dead or self.parked or self.conflicts)


@dataclass(frozen=True)
class Overview:
    """The whole page."""

    sources: Sequence[Line]
    destinations: Sequence[Line]
    now: float
    totals: Mapping[str, int] = field(default_factory=dict)

    @property
    def oldest(self) -> Line | None:
        """The source whose oldest unprocessed event is the oldest of all."""
        aged = [line for line in self.sources if line.oldest_age_s is not None]
        return max(aged, key=lambda line: line.oldest_age_s or 0.0, default=None)


def overview(hooks: Any, now: float) -> Overview:
    """Everything the page shows; StoreUnavailable while the store is away."""
    inbox, outbox = hooks.inbox, hooks.outbox
    sources = {name: source.scheme.title for name, source in hooks.sources.items()}
    destinations = {name: _where(each) for name, each in hooks.destinations.items()}
    source_lines = _lines(inbox, sources, now)
    totals = {
        name: sum(getattr(line, name) for line in source_lines)
        for name in ("received", "done", "waiting", "dead", "parked", "duplicates", "conflicts")
    }
    return Overview(source_lines, _lines(outbox, destinations, now, hooks), now, totals)


def _lines(queue: Any, declared: Mapping[str, str], now: float, hooks: Any = None) -> list[Line]:
    figures = {each.lane: each for each in queue.figures()}
    buckets: dict[str, list[Bucket]] = {}
    for bucket in queue.history(since=now - HOUR_S, step_s=STEP_S):
        buckets.setdefault(bucket.lane, []).append(bucket)
    names = [*declared, *sorted(set(figures) - set(declared))]
    lines = []
    for name in names:
        breaking = Breaking() if hooks is None else breaker_state(hooks, name)
        lines.append(
            Line(
                name,
                declared.get(name, ""),
                name in declared,
                **_counts(figures.get(name)),
                chart=_chart(buckets.get(name, ()), now),
                breaker=breaking.state,
                breaker_until=breaking.until,
            )
        )
    return lines


def _counts(found: LaneFigures | None) -> dict[str, Any]:
    if found is None:
        return {}
    counts = found.counts
    return {
        "received": sum(counts.values()),
        "done": counts[State.DONE] + counts[State.FILTERED],
        "waiting": sum(counts[state] for state in _WAITS),
        "dead": found.dead,
        "parked": counts[State.PARKED],
        "parked_keys": found.parked_keys,
        "duplicates": found.duplicates,
        "conflicts": found.conflicts,
        "oldest_age_s": found.oldest_age_s,
        "paused_until": found.paused_until,
    }


def _chart(buckets: Sequence[Bucket], now: float) -> Chart:
    counts = [0] * BARS
    for bucket in buckets:
        place = int((bucket.start - (now - HOUR_S)) / STEP_S)
        counts[min(max(place, 0), BARS - 1)] += bucket.received
    total, most = dump_number(sum(counts)), dump_number(max(counts))
    said = f"{total} in the last hour"
    if any(counts):
        said += f", at most {most} in two minutes"
    return spark(counts, title="The last hour", said=said)


def _where(declared: Any) -> str:
    """Where a destination's address stands; its host if in the code. Never a path: see secrets."""
    destination = declared.destination
    if destination.env:
        return f"address in {destination.env}"
    return str(destination.url or "").partition("://")[2].partition("/")[0]
