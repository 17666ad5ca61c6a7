"""From two pictures of a service to what happened between them."""

from __future__ import annotations

import math
import typing as t
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields

Labels = dict[str, str]
#: States of the inbox's and outbox's rows that are to be worked on.
BACKLOG = frozenset({"received", "queued", "running", "waiting", "parked"})
DURATION = "http_server_request_duration_seconds"
WEBHOOKS = "hipflask_webhooks_"


@dataclass
class Route:
    """Requests of one route; None where nothing is known."""

    method: str
    route: str
    rate: float
    error_share: float
    p50_s: float | None
    p95_s: float | None
    requests: int
    in_work: int


@dataclass
class Worker:
    """A worker process; None where the system does not tell."""

    worker: int
    pid: int
    state: str
    answers: bool
    age_s: float
    rss_bytes: float | None
    cpu: float | None
    in_work: float | None
    lag_s: float | None
    pool_size: float | None
    pool_busy: float | None
    pool_waiting: float | None


@dataclass
class Lane:
    """A source's inbox, or a destination's outbox; None while the store is away."""

    queue: str
    lane: str
    rate: float
    backlog: float | None
    oldest_s: float | None
    dead: float | None


@dataclass
class View:
    """A service between two moments."""

    app: str
    version: str
    pid: int
    age_s: float
    draining: bool
    over_s: float
    rate: float
    error_share: float
    p50_s: float | None
    p95_s: float | None
    in_work: int
    shed: float
    late: float
    restarts: int
    routes: list[Route] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    databases: list[dict[str, t.Any]] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)

    def plain(self) -> dict[str, t.Any]:
        """The same, as JSON has it."""
        return asdict(self)


class _Figures:
    """The figures of a status, by name."""

    def __init__(self, status: dict[str, t.Any] | None) -> None:
        found = status["figures"] if status else []
        self._families = {family["name"]: family for family in found}

    def series(self, name: str) -> Iterator[tuple[Labels, list[float | None]]]:
        for each in self._families.get(name, {}).get("series", ()):
            yield each["labels"], each["numbers"]

    def bounds(self, name: str) -> list[float]:
        found: list[float] = self._families.get(name, {}).get("bounds", [])
        return found

    def total(self, name: str) -> float:
        return sum(numbers[0] or 0.0 for _, numbers in self.series(name))


def compare(before: dict[str, t.Any] | None, now: dict[str, t.Any]) -> View:
    """What happened since `before`, of the same service; None for since it began."""
    if before is not None and before["pid"] != now["pid"]:
        before = None
    over_s = max(now["at_s"] - before["at_s"] if before else now["age_s"], 1e-3)
    old, new = _Figures(before), _Figures(now)
    bounds = new.bounds(DURATION)
    counts = _counts(old, new, len(bounds) + 2)
    routes = _routes(counts, bounds, new, over_s)
    recent = _sum([each.recent for each in counts.values()], len(bounds) + 2)
    failed = sum(each.failed for each in counts.values())
    ended = sum(recent[:-1])
    view = View(
        app=now["app"],
        version=now["version"],
        pid=now["pid"],
        age_s=now["age_s"],
        draining=now["draining"],
        over_s=over_s,
        rate=ended / over_s,
        error_share=failed / ended if ended else 0.0,
        p50_s=quantile(0.5, bounds, recent),
        p95_s=quantile(0.95, bounds, recent),
        in_work=int(new.total("hipflask_requests_in_work")),
        shed=_rate("hipflask_requests_shed_total", old, new, over_s),
        late=_rate("hipflask_requests_late_total", old, new, over_s),
        restarts=int(new.total("hipflask_worker_restarts_total")),
        routes=routes,
        workers=list(_workers(before, now, over_s)),
        databases=list(_databases(new)),
        lanes=list(_lanes(old, new, over_s)),
    )
    return view


@dataclass
class _Count:
    """A route's histogram: since the service began, between the moments, and how many failed."""

    whole: list[float]
    recent: list[float]
    failed: float = 0.0


def _counts(old: _Figures, new: _Figures, width: int) -> dict[tuple[str, str], _Count]:
    def key(labels: Labels) -> tuple[str, ...]:
        return labels["method"], labels["route"], labels["status"]

    before = {key(labels): numbers for labels, numbers in old.series(DURATION)}
    found: dict[tuple[str, str], _Count] = {}
    for labels, numbers in new.series(DURATION):
        method, route, status = key(labels)
        count = found.setdefault((method, route), _Count([0.0] * width, [0.0] * width))
        was = before.get((method, route, status), [0.0] * width)
        recent = [(one or 0.0) - (other or 0.0) for one, other in zip(numbers, was, strict=True)]
        count.whole = _sum([count.whole, [one or 0.0 for one in numbers]], width)
        count.recent = _sum([count.recent, recent], width)
        if status >= "500":
            count.failed += sum(recent[:-1])
    return found


def _routes(
    counts: dict[tuple[str, str], _Count], bounds: list[float], new: _Figures, over_s: float
) -> list[Route]:
    # Who is in work is known by route alone: told on the first line of it.
    active = {
        labels["route"]: numbers[0] for labels, numbers in new.series("http_server_active_requests")
    }
    found = []
    for (method, route), count in counts.items():
        ended = sum(count.recent[:-1])
        # Nothing lately: how long they take is what they took.
        times = count.recent if ended else count.whole
        found.append(
            Route(
                method,
                route,
                rate=ended / over_s,
                error_share=count.failed / ended if ended else 0.0,
                p50_s=quantile(0.5, bounds, times),
                p95_s=quantile(0.95, bounds, times),
                requests=int(sum(count.whole[:-1])),
                in_work=int(active.pop(route, 0) or 0),
            )
        )
    found += [
        Route("", route, 0.0, 0.0, None, None, 0, int(number))
        for route, number in active.items()
        if number
    ]
    return found


def _sum(rows: list[list[float]], width: int) -> list[float]:
    return [sum(column) for column in zip(*rows, strict=True)] if rows else [0.0] * width


def quantile(q: float, bounds: list[float], numbers: list[float]) -> float | None:
    """The time that a share `q` did not exceed, as far as the bounds tell; None of none.

    `math.inf` where it is above the last bound.
    """
    counts = numbers[:-1]
    total = sum(counts)
    if total <= 0:
        return None
    wanted, below, floor = q * total, 0.0, 0.0
    for bound, count in zip(bounds, counts, strict=False):
        if count and below + count >= wanted:
            return floor + (bound - floor) * (wanted - below) / count
        below, floor = below + count, bound
    return math.inf


def _rate(name: str, old: _Figures, new: _Figures, over_s: float) -> float:
    return max(0.0, new.total(name) - old.total(name)) / over_s


def _workers(
    before: dict[str, t.Any] | None, now: dict[str, t.Any], over_s: float
) -> Iterator[Worker]:
    used = {row["pid"]: row["cpu_s"] for row in before["workers"]} if before else {}
    for row in sorted(now["workers"], key=lambda row: (row["worker"], row["state"] == "leaving")):
        cpu = None
        if row["cpu_s"] is not None:
            since = used.get(row["pid"])
            # Born in between: what it used since.
            span = over_s if since is not None else max(min(row["age_s"], over_s), 1e-3)
            cpu = max(0.0, row["cpu_s"] - (since or 0.0)) / span
        known = {each.name for each in fields(Worker)} - {"cpu"}
        yield Worker(cpu=cpu, **{name: row.get(name) for name in known})


def _databases(new: _Figures) -> Iterator[dict[str, t.Any]]:
    size = {
        _key(labels): numbers[0] for labels, numbers in new.series("hipflask_database_pool_size")
    }
    for labels, numbers in new.series("hipflask_database_pool_busy"):
        yield {**labels, "busy": numbers[0], "size": size.get(_key(labels))}


def _key(labels: Labels) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(labels.items()))


def _lanes(old: _Figures, new: _Figures, over_s: float) -> Iterator[Lane]:
    lanes: dict[tuple[str, str], dict[str, float | None]] = {}
    for labels, numbers in new.series(WEBHOOKS + "rows"):
        lanes.setdefault((labels["queue"], labels["lane"]), {})[labels["state"]] = numbers[0]
    oldest = {
        (labels["queue"], labels["lane"]): numbers[0]
        for labels, numbers in new.series(WEBHOOKS + "oldest_unprocessed_seconds")
    }
    came, went = _received(old), _received(new)
    for (queue, lane), rows in sorted(lanes.items()):
        waiting = [number for state, number in rows.items() if state in BACKLOG]
        known = [number for number in waiting if number is not None]
        yield Lane(
            queue,
            lane,
            rate=max(0.0, went.get(lane, 0.0) - came.get(lane, 0.0)) / over_s
            if queue == "inbox"
            else 0.0,
            backlog=sum(known) if len(known) == len(waiting) else None,
            oldest_s=oldest.get((queue, lane)),
            dead=rows.get("dead"),
        )


def _received(figures: _Figures) -> dict[str, float]:
    found: dict[str, float] = {}
    for labels, numbers in figures.series(WEBHOOKS + "stored_total"):
        found[labels["source"]] = found.get(labels["source"], 0.0) + (numbers[0] or 0.0)
    return found
