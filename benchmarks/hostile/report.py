"""What the batteries count: cases, answers of 500 and more, hangs, leaks; all but the first 0."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from benchmarks.soak.client import Tally
from benchmarks.soak.report import Report

from .wire import Exchange

MOST_SHOWN = 40


@dataclass
class Hostile(Report):
    """The soak's report, with sums over all batteries."""

    cases: int = 0
    five_xx: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)

    def case(self, label: str, found: Exchange, *, may: Collection[int] = (501, 505)) -> None:
        """Count one exchange of which nothing is expected but that it ends, below 500.

        Of the answers from 500 on, 501 and 505 are the right ones for what HTTP/1.1 is not, and
        503 where somebody has to wait: `may` has those.
        """
        self.cases += 1
        if found.hung:
            self.hang(label)
        for status in found.statuses:
            if status >= 500 and status not in may:
                self.error(f"{label}: {status}")

    def error(self, label: str) -> None:
        self.five_xx.append(label)
        self.line(f"5xx    {label}")

    def hang(self, label: str) -> None:
        self.hangs.append(label)
        self.line(f"HANG   {label}")

    def leak(self, label: str) -> None:
        self.leaks.append(label)
        self.line(f"LEAK   {label}")

    def load(self, label: str, tally: object) -> None:
        """As the soak has it; its requests are cases, too."""
        super().load(label, tally)
        if isinstance(tally, Tally):
            self.cases += tally.sent
            for kind, number in tally.lost.items():
                for _ in range(number):
                    if kind == "silent":
                        self.hang(label)
                    elif kind.startswith("status 5"):
                        self.error(f"{label}: {kind}")

    def end(self) -> int:
        """Print the outcome; return the exit code."""
        code = super().end()
        for name, found in (("5xx", self.five_xx), ("hang", self.hangs), ("leak", self.leaks)):
            for one in found[:MOST_SHOWN]:
                self._print(f"  {name} {one}")
        self._print(
            f"hostile: cases tried {self.cases:,}, 5xx {len(self.five_xx)},"
            f" hangs {len(self.hangs)}, leaks {len(self.leaks)}"
        )
        return code or int(bool(self.five_xx or self.hangs or self.leaks))
