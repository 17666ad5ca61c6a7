"""What was measured of each kit, as a table, and whether ours is first in each column."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..document import Document, Figure, Row
from ..report import format_table
from .forging import Forged


@dataclass
class Weight:
    """What a first visit loads: requests, those to other hosts, bytes packed and unpacked."""

    requests: int = 0
    foreign: int = 0
    packed: int = 0
    whole: int = 0


@dataclass
class Seen:
    """One kit. `times` are milliseconds to the first row, a load of each kit in each round."""

    name: str
    version: str
    weight: Weight
    findings: list[str]
    overflow: int
    forged: Forged
    times: list[float] = field(default_factory=list)

    def slower_than(self, other: Seen) -> float:
        """How many times as long its first row takes: the median over the rounds."""
        pairs = zip(self.times, other.times, strict=True)
        return statistics.median(own / theirs for own, theirs in pairs)

    def counts(self) -> dict[str, float]:
        """Each column but the time, the less the better."""
        return {
            "requests": self.weight.requests,
            "kB of the first visit": self.weight.packed / 1000,
            "kB of it unpacked": self.weight.whole / 1000,
            "axe findings": len(self.findings),
            "overflow at 375 px": self.overflow,
            "forged writes done": len(self.forged.done),
        }


def figures(ours: Seen, others: Sequence[Seen]) -> list[Figure]:
    """Ours against the best of the others in each column; equal is first, too."""
    found = []
    for name, count in ours.counts().items():
        best = min(other.counts()[name] for other in others)
        found.append(Figure(f"{name}, at most the best other's", count, best, unit=""))
    slowest = max(ours.slower_than(other) for other in others)
    found.append(Figure("time to first row, over the quickest other's", slowest, 1.0))
    return found


def rows_of(seen: Seen) -> list[Row]:
    """As they are kept in JSON."""
    found = [Row(seen.name, "", name, [count], unit="") for name, count in seen.counts().items()]
    return [*found, Row(seen.name, "", "time to first row", seen.times, unit="ms")]


def format_seen(ours: Seen, others: Sequence[Seen]) -> str:
    """The table, ours first."""
    head = ["kit", "requests", "kB (unpacked)", "axe: rules (places)", "overflow at 375 px"]
    head += ["forged writes", "first row"]
    lines = []
    for each in (ours, *others):
        weight, forged = each.weight, each.forged
        foreign = f", {weight.foreign} to another host" if weight.foreign else ""
        rules = len({finding.partition(" ")[0] for finding in each.findings})
        lines.append(
            [
                f"{each.name} {each.version}",
                f"{weight.requests}{foreign}",
                f"{weight.packed / 1000:.0f} ({weight.whole / 1000:.0f})",
                f"{rules} ({len(each.findings)})" if rules else "0",
                f"{each.overflow} px" if each.overflow else "0",
                f"{len(forged.done)} of {forged.tried}" if forged.tried else "none: reads only",
                f"{each.slower_than(ours):.2f}x",
            ]
        )
    return format_table(head, lines)


def document_of(ours: Seen, others: Sequence[Seen]) -> Document:
    """The run, judged."""
    document = Document("kits", reference=ours.name)
    for each in (ours, *others):
        document.rows += rows_of(each)
    document.figures = figures(ours, others)
    return document
