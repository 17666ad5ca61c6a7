"""One right answer from the figures of several processes, some of which have ended.

Counters and histograms are summed, and those of a process that has ended are kept: they never go
backwards. A gauge of a process ends with it; what several make is the metric's `across`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from .metrics import Family, Labels


class Gathered:
    """Figures of several processes. Not for several threads at a time."""

    def __init__(self) -> None:
        self._ended: dict[str, Family] = {}

    def keep(self, families: Iterable[Family]) -> None:
        """Keep what a process counted that has ended."""
        for family in families:
            if family.kind != "gauge":
                _merge(self._ended, family, "")

    def total(self, processes: Iterable[tuple[str, list[Family]]]) -> list[Family]:
        """The figures of all: of `processes`, each with its worker's name, and of those ended.

        Where two name the same gauge of the same worker, the later one counts.
        """
        found: dict[str, Family] = {}
        for family in self._ended.values():
            _merge(found, family, "")
        for worker, families in processes:
            for family in families:
                _merge(found, family, worker)
        return list(found.values())


def _merge(found: dict[str, Family], family: Family, worker: str) -> None:
    each = family.kind == "gauge" and family.across == "each"
    labels = (*family.labels, "worker") if each else family.labels
    known = found.get(family.name)
    if known is None or not _fits(known, family, labels):
        # A worker with newer code may mean something else by the name: the newest is right.
        known = Family(family.name, family.kind, family.text, labels, family.bounds, family.across)
        found[family.name] = known
    for values, numbers in family.series.items():
        key: Labels = (*values, worker) if each else values
        before = known.series.get(key)
        known.series[key] = _joined(known, before, numbers)


def _fits(known: Family, family: Family, labels: Labels) -> bool:
    return (known.kind, known.labels, known.bounds) == (family.kind, labels, family.bounds)


def _joined(family: Family, before: list[float] | None, numbers: list[float]) -> list[float]:
    if before is None or (family.kind == "gauge" and family.across == "each"):
        return list(numbers)
    if family.kind == "gauge" and family.across == "max":
        known = [each for each in (before[0], numbers[0]) if not math.isnan(each)]
        return [max(known)] if known else [math.nan]
    return [one + other for one, other in zip(before, numbers, strict=True)]
