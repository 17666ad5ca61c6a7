"""Figures of this process, in one small registry: counters, gauges and histograms.

    from hipflask.ops import metrics

    orders = metrics.counter("orders_total", "Orders taken.", ["kind"])
    orders.add(1, "web")

Names and labels are those of Prometheus; `exposition.py` writes them down. All of it may be used
from any thread. A gauge or counter may be a function that is asked when somebody collects,
so that what is never collected costs nothing where it happens.

Where the numbers lie is up to `cells.py`: in this process, or, under `hipflask serve` with
figures on, in a file that outlives it.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

#: Upper bounds in seconds, as OpenTelemetry's conventions have them for HTTP.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
#: Sets of label values that a metric keeps apart; what comes later is counted as `OTHER`.
MOST_SERIES = 5000
OTHER = "_OTHER"
#: What several processes' values of a gauge make: one each with the label `worker`, their sum,
#: or the highest.
ACROSS = ("each", "sum", "max")

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
Labels = tuple[str, ...]
M = TypeVar("M", bound="_Metric")


@dataclass(frozen=True)
class Sample:
    """One figure: the metric's name with its suffix, label names and values, the value."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


@dataclass
class Family:
    """A metric written down: what it is, and its numbers for each set of label values.

    A histogram has a number for each of `bounds`, one for what is above, and the sum.
    """

    name: str
    kind: str
    text: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()
    across: str = "sum"
    series: dict[Labels, list[float]] = field(default_factory=dict)

    def samples(self) -> Iterator[Sample]:
        """The figures one by one, as Prometheus has them."""
        for values, numbers in self.series.items():
            named = tuple(zip(self.labels, values, strict=True))
            if self.kind != "histogram":
                yield Sample(self.name, named, numbers[0])
                continue
            below = 0.0
            for bound, number in zip((*self.bounds, float("inf")), numbers, strict=False):
                below += number
                edge = "+Inf" if bound == float("inf") else repr(float(bound))
                yield Sample(f"{self.name}_bucket", (*named, ("le", edge)), below)
            yield Sample(f"{self.name}_sum", named, numbers[-1])
            yield Sample(f"{self.name}_count", named, below)


class Cells(Protocol):
    """Where numbers are kept."""

    def allocate(self, metric: _Metric, values: Labels, width: int) -> tuple[Any, int]:
        """Return a sequence of floats and where in it `width` of them, all 0, are to be used."""


class _Own:
    """Cells of this process alone."""

    def allocate(self, metric: _Metric, values: Labels, width: int) -> tuple[Any, int]:
        return [0.0] * width, 0


class Series:
    """The numbers of a metric for one set of label values; `metric.series` gives it."""

    __slots__ = ("_at", "_lock", "_numbers")

    def __init__(self, numbers: Any, at: int) -> None:
        self._numbers, self._at = numbers, at
        self._lock = threading.Lock()

    def add(self, amount: float = 1.0) -> None:
        """Add `amount`; a counter's may not be negative, which is not looked at here."""
        with self._lock:
            self._numbers[self._at] += amount

    def set(self, value: float) -> None:
        """Set the value, of a gauge."""
        with self._lock:
            self._numbers[self._at] = value

    def read(self, width: int = 1) -> list[float]:
        """The numbers now."""
        with self._lock:
            return list(self._numbers[self._at : self._at + width])

    def _move(self, numbers: Any, at: int, width: int) -> None:
        with self._lock:
            for place in range(width):
                numbers[at + place] = self._numbers[self._at + place]
            self._numbers, self._at = numbers, at


class Observed(Series):
    """The numbers of a histogram for one set of label values."""

    __slots__ = ("_bounds", "_first", "_total")

    def __init__(self, numbers: Any, at: int, bounds: tuple[float, ...]) -> None:
        super().__init__(numbers, at)
        self._bounds = bounds
        self._first = bounds[0] if bounds else float("-inf")
        self._total = len(bounds) + 1

    def observe(self, value: float) -> None:
        """Count one observation."""
        place = bisect_left(self._bounds, value) if value > self._first else 0
        # `with` takes 1,100 instructions more.
        self._lock.acquire()
        try:
            numbers, at = self._numbers, self._at
            numbers[at + place] += 1.0
            numbers[at + self._total] += value
        finally:
            self._lock.release()


class _Metric:
    kind = ""
    across = "sum"
    bounds: tuple[float, ...] = ()
    _width = 1

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        for one in (name, *labels):
            if not _NAME.fullmatch(one):
                raise ValueError(f"{one!r} is no name for a metric or label: letters, digits, _")
        self.name = name
        self.text = text
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        self._cells: Cells = _Own()
        self._series: dict[Labels, Any] = {}
        self._asked: dict[Labels, Callable[[], float]] = {}
        self._asked_all: Callable[[], Mapping[Labels, float]] | None = None

    def _key(self, values: Labels) -> Labels:
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, and got {values!r}")
        return values

    def _get(self, values: Labels) -> Any:
        found = self._series.get(values)
        return found if found is not None else self._make(self._key(values))

    def _make(self, values: Labels) -> Any:
        with self._lock:
            if len(self._series) >= MOST_SERIES and values not in self._series:
                values = (OTHER,) * len(self.labels)
            found = self._series.get(values)
            if found is None:
                found = self._new(*self._cells.allocate(self, values, self._width))
                self._series[values] = found
            return found

    def _new(self, numbers: Any, at: int) -> Series:
        return Series(numbers, at)

    def move(self, cells: Cells) -> None:
        """Keep the numbers in `cells` from now on; those there are go along."""
        with self._lock:
            self._cells = cells
            for values, series in self._series.items():
                series._move(*cells.allocate(self, values, self._width), self._width)

    def refresh(self) -> None:
        """Ask the functions that stand for values, and keep what they say; errors leave it."""
        with self._lock:
            asked = list(self._asked.items())
        self._refresh_all()
        for values, function in asked:
            try:
                value = float(function())
            except Exception:
                continue
            self._get(values).set(value)

    def _refresh_all(self) -> None:
        if self._asked_all is None:
            return
        try:
            found = self._asked_all()
        except Exception:
            return
        for values in {*self._series, *found}:
            self._get(values).set(float(found.get(values, 0.0)))

    def family(self) -> Family:
        """The metric with its numbers at this moment; functions are asked."""
        self._refresh_all()
        with self._lock:
            keys = list(dict.fromkeys((*self._series, *self._asked)))
        found = Family(self.name, self.kind, self.text, self.labels, self.bounds, self.across)
        for key in keys:
            # One function that fails leaves the others to be read.
            with suppress(Exception):
                found.series[key] = self._numbers(key)
        return found

    def _numbers(self, values: Labels) -> list[float]:
        asked = self._asked.get(values)
        if asked is not None:
            return [float(asked())]
        found: list[float] = self._series[values].read(self._width)
        return found

    def samples(self) -> Iterator[Sample]:
        """The metric's figures at this moment."""
        return self.family().samples()


class Counter(_Metric):
    """A sum that only grows."""

    kind = "counter"

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        super().__init__(name, text, labels)
        if not labels:
            self._make(())

    def add(self, amount: float = 1, *values: str) -> None:
        """Add `amount`, not negative, for the label values given."""
        if amount < 0:
            raise ValueError(f"the counter {self.name} cannot go down by {-amount}")
        self._get(values).add(amount)

    def series(self, *values: str) -> Series:
        """The numbers for the label values given, for who counts often: `add` is quicker there."""
        found: Series = self._get(values)
        return found

    def ask(self, function: Callable[[], float], *values: str) -> None:
        """Take the value from `function` when collected; replaces an earlier one."""
        key = self._key(values)
        with self._lock:
            self._asked[key] = function

    def value(self, *values: str) -> float:
        """The value for the label values given; 0 where nothing was counted."""
        key = self._key(values)
        if key not in self._asked and key not in self._series:
            return 0.0
        return self._numbers(key)[0]


class Gauge(Counter):
    """A value that goes up and down.

    `across` says what the values of several worker processes make: "each" of them is shown with
    the label `worker`, or their "sum", or their "max".
    """

    kind = "gauge"

    def __init__(
        self, name: str, text: str, labels: Sequence[str] = (), across: str = "each"
    ) -> None:
        if across not in ACROSS:
            raise ValueError(f"across is one of {', '.join(ACROSS)}, not {across!r}")
        if across == "each" and "worker" in labels:
            raise ValueError(f"{name}: the label 'worker' is added where there are several workers")
        super().__init__(name, text, labels)
        self.across = across

    def add(self, amount: float = 1, *values: str) -> None:
        """Add `amount`, which may be negative, for the label values given."""
        self._get(values).add(amount)

    def set(self, value: float, *values: str) -> None:
        """Set the value for the label values given."""
        self._get(values).set(float(value))

    def ask_all(self, function: Callable[[], Mapping[Labels, float]]) -> None:
        """Take all values from `function` when collected, by label values; others become 0."""
        self._asked_all = function


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
        self.bounds = tuple(sorted(map(float, bounds)))
        self._width = len(self.bounds) + 2

    def _new(self, numbers: Any, at: int) -> Observed:
        return Observed(numbers, at, self.bounds)

    def series(self, *values: str) -> Observed:
        """The numbers for the label values given, for who observes often."""
        found: Observed = self._get(values)
        return found

    def observe(self, value: float, *values: str) -> None:
        """Count one observation for the label values given."""
        self._get(values).observe(value)


class Registry:
    """Metrics by name. One for the process is enough; a test makes its own."""

    def __init__(self) -> None:
        self._metrics: dict[str, _Metric] = {}
        self._lock = threading.Lock()
        self._cells: Cells = _Own()

    def counter(self, name: str, text: str, labels: Sequence[str] = ()) -> Counter:
        """The counter of that name, made if there is none."""
        return self._get(Counter(name, text, labels))

    def gauge(
        self, name: str, text: str, labels: Sequence[str] = (), across: str = "each"
    ) -> Gauge:
        """The gauge of that name, made if there is none."""
        return self._get(Gauge(name, text, labels, across))

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
            if found is made and not isinstance(self._cells, _Own):
                made.move(self._cells)
        if type(found) is not type(made) or found.labels != made.labels:
            raise ValueError(
                f"{made.name} is a {found.kind} with the labels {found.labels} already, and was"
                f" asked for as a {made.kind} with the labels {made.labels}"
            )
        return found

    def move(self, cells: Cells) -> None:
        """Keep all numbers in `cells` from now on; those there are go along."""
        with self._lock:
            self._cells = cells
            for metric in self._metrics.values():
                metric.move(cells)

    def refresh(self, kinds: Sequence[str] = ("counter", "gauge")) -> None:
        """Write what functions say into the cells, for who reads those from outside."""
        for metric in self._all():
            if metric.kind in kinds:
                metric.refresh()

    def families(self) -> list[Family]:
        """Every metric written down, in the order they were made."""
        return [metric.family() for metric in self._all()]

    def collect(self) -> list[tuple[_Metric, list[Sample]]]:
        """Every metric with its figures, in the order they were made."""
        return [(metric, list(metric.samples())) for metric in self._all()]

    def _all(self) -> list[_Metric]:
        with self._lock:
            return list(self._metrics.values())


registry = Registry()
counter = registry.counter
gauge = registry.gauge
histogram = registry.histogram
collect = registry.collect
