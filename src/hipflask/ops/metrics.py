"""Figures of this process, in one small registry: counters, gauges and histograms.

    from hipflask.ops import metrics

    orders = metrics.counter("orders_total", "Orders taken.", ["kind"])
    orders.add(1, "web")

Names and labels are those of Prometheus; an exporter reads `collect`. All of it may be used
from any thread. A gauge or counter may be a function that is asked when somebody collects,
so that what is never collected costs nothing where it happens.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

#: Upper bounds in seconds, as OpenTelemetry's conventions have them for HTTP.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
Labels = tuple[str, ...]
M = TypeVar("M", bound="_Metric")


@dataclass(frozen=True)
class Sample:
    """One figure: the metric's name with its suffix, label names and values, the value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


class _Metric:
    kind = ""

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        for one in (name, *labels):
            if not _NAME.fullmatch(one):
                raise ValueError(f"{one!r} is no name for a metric or label: letters, digits, _")
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self._lock = threading.Lock()

    def _key(self, values: Labels) -> Labels:
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, and got {values!r}")
        return values

    def _named(self, values: Labels) -> tuple[tuple[str, str], ...]:
        return tuple(zip(self.labels, values, strict=True))

    def samples(self) -> Iterator[Sample]:
        """The metric's figures at this moment."""
        raise NotImplementedError


class Counter(_Metric):
    """A sum that only grows."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, text, labels)
        self._values: dict[Labels, float] = {} if labels else {(): 0.0}
        self._asked: dict[Labels, Callable[[], float]] = {}

    def add(self, amount: float = 1, *values: str) -> None:
        """Add `amount`, not negative, for the label values given."""
        if amount < 0:
            raise ValueError(f"the counter {self.name} cannot go down by {-amount}")
        self._add(amount, values)

    def _add(self, amount: float, values: Labels) -> None:
        key = self._key(values)
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount

    def ask(self, function: Callable[[], float], *values: str) -> None:
        """Take the value from `function` when collected; replaces an earlier one."""
        key = self._key(values)
        with self._lock:
            self._asked[key] = function

    def value(self, *values: str) -> float:
        """The value for the label values given; 0 where nothing was counted."""
        key = self._key(values)
        asked = self._asked.get(key)
        return float(asked()) if asked is not None else self._values.get(key, 0.0)

    def samples(self) -> Iterator[Sample]:
        with self._lock:
            keys = list(dict.fromkeys((*self._values, *self._asked)))
        for key in keys:
            yield Sample(self.name, self._named(key), self.value(*key))


class Gauge(Counter):
    """A value that goes up and down."""

    kind = "gauge"

    def add(self, amount: float = 1, *values: str) -> None:
        """Add `amount`, which may be negative, for the label values given."""
        self._add(amount, values)

    def set(self, value: float, *values: str) -> None:
        """Set the value for the label values given."""
        key = self._key(values)
        with self._lock:
            self._values[key] = float(value)


class Histogram(_Metric):
    """How many observations were at most each of `bounds`, their number and sum."""

    kind = "histogram"

    def __init__(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        bounds: Sequence[float] = SECONDS,
    ) -> None:
        super().__init__(name, text, labels)
        self.bounds = tuple(sorted(bounds))
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def observe(self, value: float, *values: str) -> None:
        """Count one observation for the label values given."""
        key = self._key(values)
        place = bisect_left(self.bounds, value)
        with self._lock:
            counts = self._counts.get(key)
            if counts is None:
                counts = self._counts[key] = [0] * (len(self.bounds) + 1)
            counts[place] += 1
            self._sums[key] = self._sums.get(key, 0.0) + value

    def samples(self) -> Iterator[Sample]:
        with self._lock:
            found = [(key, list(counts), self._sums[key]) for key, counts in self._counts.items()]
        for key, counts, total in found:
            named = self._named(key)
            below = 0
            for bound, count in zip((*self.bounds, float("inf")), counts, strict=True):
                below += count
                edge = "+Inf" if bound == float("inf") else repr(float(bound))
                yield Sample(f"{self.name}_bucket", (*named, ("le", edge)), below)
            yield Sample(f"{self.name}_sum", named, total)
            yield Sample(f"{self.name}_count", named, below)


class Registry:
    """Metrics by name. One for the process is enough; a test makes its own."""

    def __init__(self) -> None:
        self._metrics: dict[str, _Metric] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """The counter of that name, made if there is none."""
        return self._get(Counter(name, text, labels))

    def gauge(self, name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
        """The gauge of that name, made if there is none."""
        return self._get(Gauge(name, text, labels))

    def histogram(
        self,
        name: str,
        text: str,
        labels: Sequence[str] = (),
        bounds: Sequence[float] = SECONDS,
    ) -> Histogram:
        """The histogram of that name, made if there is none."""
        return self._get(Histogram(name, text, labels, bounds))

    def _get(self, made: M) -> M:
        with self._lock:
            found = self._metrics.setdefault(made.name, made)
        if type(found) is not type(made) or found.labels != made.labels:
            raise ValueError(
                f"{made.name} is a {found.kind} with the labels {found.labels} already, and was"
                f" asked for as a {made.kind} with the labels {made.labels}"
            )
        return found

    def collect(self) -> list[tuple[_Metric, list[Sample]]]:
        """Every metric with its figures, in the order they were made."""
        with self._lock:
            metrics = list(self._metrics.values())
        return [(metric, list(metric.samples())) for metric in metrics]


registry = Registry()
counter = registry.counter
gauge = registry.gauge
histogram = registry.histogram
collect = registry.collect
