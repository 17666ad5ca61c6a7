"""The figures that hipflask must reach in-process, as data, and whether a run reached them.

Each says: the cost of our row is at most so many times that of another, or of the cheapest of
several, in the same run; what is compared is the median over the rounds of the ratio in each
round. A row that is missing, because the peer is not installed or answered wrongly, is a figure
missed: it was not shown to hold.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .document import OURS, RAW, Document, Figure, Row
from .report import format_table, format_us

PAGE = "W5"
#: Microseconds that the page may cost more than the template alone.
PAGE_LIMIT_US = 7.0

WSGI, ASGI = ("wsgi",), ("asgi",)
BOTH = ("wsgi", "asgi")


@dataclass(frozen=True)
class Bound:
    """Our row of `workload` costs at most `limit` times that of `peer`; of the best if empty.

    A `limit` above 1 is written the other way: that of `peer` costs at least so many times ours.
    """

    title: str
    workload: str
    limit: float
    peer: str = ""
    among: tuple[str, ...] = WSGI
    ours: str = OURS
    interface: str = "wsgi"

    @property
    def is_inverted(self) -> bool:
        return self.limit > 1

    @property
    def name(self) -> str:
        other = self.peer or "the best"
        return f"{self.title}: " + (f"{other} / ours" if self.is_inverted else f"ours / {other}")

    def figure(self, ratio: float) -> Figure:
        """Return the figure for what ours costs, as a multiple of the other."""
        if self.is_inverted:
            return Figure(self.name, 1 / ratio, self.limit, sign=">=")
        return Figure(self.name, ratio, self.limit)


BOUNDS = (
    Bound("W1 plaintext, WSGI", "W1", 0.75, "falcon"),
    Bound("W1 plaintext, WSGI", "W1", 18, "flask"),
    Bound("W2 JSON, WSGI", "W2", 0.70, "falcon"),
    Bound("W3 path + query, WSGI", "W3", 0.75, "falcon"),
    Bound("W4 typed JSON POST, WSGI", "W4", 0.50, among=BOTH),
    Bound("W6 200 routes, WSGI", "W6", 0.60, "falcon"),
    Bound("W6 10,000 routes, WSGI", "W6k", 0.60, "falcon"),
    Bound("W6v 5,000 paths, WSGI", "W6v", 0.75, "falcon"),
    Bound("W7 session and 3 hooks, WSGI", "W7", 0.55, among=BOTH),
    Bound("W1 ASGI, async view", "W1", 0.90, among=ASGI, interface="asgi"),
    Bound("W3 ASGI, async view", "W3", 0.75, among=ASGI, interface="asgi"),
    Bound("W4 ASGI, async view", "W4", 0.50, among=ASGI, interface="asgi"),
    Bound("W1 WSGI, async view", "W1", 30, "flask_async", ours="hipflask_async"),
    Bound(
        "W1 ASGI, sync view",
        "W1",
        0.80,
        "starlette_sync",
        among=ASGI,
        ours="hipflask_sync",
        interface="asgi",
    ),
)


@dataclass(frozen=True)
class Verdict:
    """A figure, with the two costs behind it in words."""

    figure: Figure
    ours: str
    other: str


def judge_bound(bound: Bound, rows: Sequence[Row]) -> Verdict:
    """Return what a run says to one bound."""
    ours = _ours(rows, bound.ours, bound.interface, bound.workload)
    others = [
        row
        for row in rows
        if row.workload == bound.workload
        and row.interface in bound.among
        and row.rounds
        and (row.peer == bound.peer if bound.peer else is_peer(row))
    ]
    other = min(others, key=lambda row: row.median, default=None)
    if ours is None or other is None:
        words = [f"{format_us(row.median)} us" if row else "no row" for row in (ours, other)]
        return Verdict(bound.figure(math.inf), *words)
    return Verdict(
        bound.figure(ratio_of(ours, other)),
        f"{format_us(ours.median)} us",
        f"{format_us(other.median)} us ({other.peer})",
    )


def ratio_of(ours: Row, other: Row) -> float:
    """Return the median over the rounds of the ratio in one round."""
    pairs = zip(ours.rounds, other.rounds, strict=True)
    return statistics.median(mine / theirs for mine, theirs in pairs)


def judge_page(rows: Sequence[Row]) -> Verdict:
    """Return whether the page costs little more than its template: the interval's upper end."""
    row = _ours(rows, OURS, "wsgi", PAGE)
    raw = _ours(rows, RAW, "wsgi", PAGE)
    name = "W5 Jinja page, WSGI: ours - raw, upper end of 95 %"
    if row is None or raw is None or "high_us" not in row.more:
        return Verdict(Figure(name, math.inf, PAGE_LIMIT_US, unit=" us"), "-", "-")
    low, mean, high = (row.more[key] for key in ("low_us", "over_raw_us", "high_us"))
    return Verdict(
        Figure(name, high, PAGE_LIMIT_US, unit=" us"),
        f"{mean:+.1f} us ({low:+.1f} to {high:+.1f})",
        f"{format_us(raw.median)} us (raw)",
    )


def is_peer(row: Row) -> bool:
    """Whether the row is of somebody we are compared with."""
    return row.peer != RAW and not row.peer.startswith(OURS)


def judge(document: Document, workloads: Sequence[str] = ()) -> list[Verdict]:
    """Add the figures to the document, all or those of some workloads, and return them."""
    rows = document.rows
    verdicts = [
        judge_bound(bound, rows) for bound in BOUNDS if not workloads or bound.workload in workloads
    ]
    if not workloads or PAGE in workloads:
        verdicts.append(judge_page(rows))
    document.figures += [verdict.figure for verdict in verdicts]
    return verdicts


def format_verdicts(verdicts: Iterable[Verdict]) -> str:
    """Return the figures as a table, with both costs."""
    lines = [
        [
            verdict.figure.name,
            verdict.ours,
            verdict.other,
            f"{verdict.figure.ours:.2f}{verdict.figure.unit}",
            f"{verdict.figure.sign} {verdict.figure.limit:g}{verdict.figure.unit}",
            "reached" if verdict.figure.held else "MISSED",
        ]
        for verdict in verdicts
    ]
    return format_table(["figure", "ours", "other", "measured", "to reach", ""], lines)


def _ours(rows: Sequence[Row], peer: str, interface: str, workload: str) -> Row | None:
    for row in rows:
        if (row.peer, row.interface, row.workload) == (peer, interface, workload) and row.rounds:
            return row
    return None
