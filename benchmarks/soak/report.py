"""What the soak prints, and whether every figure held."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import eq, ge, le

COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": le, ">=": ge, "=": eq}


def percentile(times: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of `times` do not exceed; 0.0 of none."""
    if not times:
        return 0.0
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass
class Report:
    """Prints lines as they come and keeps what was missed."""

    missed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    held: int = 0
    _fault: str = ""

    def begin(self, fault: str, words: str) -> None:
        self._fault = fault
        self._print(f"\n{fault}: {words}")

    def line(self, words: str) -> None:
        self._print(f"  {words}")

    def load(self, label: str, tally: object) -> None:
        """Print what a load met with."""
        self.line(f"{label:<24} {tally}")

    def check(self, words: str, value: float, sign: str, limit: float, unit: str = "") -> bool:
        """Print a figure beside its limit; one that does not hold makes the soak fail."""
        good = COMPARE[sign](value, limit)
        text = f"{words}: {number(value)}{unit} ({sign} {number(limit)})"
        self.line(f"{'held  ' if good else 'MISSED'} {text}")
        if good:
            self.held += 1
        else:
            self.missed.append(f"{self._fault}: {text}")
        return good

    def fail(self, words: str) -> None:
        self.line(f"MISSED {words}")
        self.missed.append(f"{self._fault}: {words}")

    def skip(self, words: str) -> None:
        self.line(f"skipped {words}")
        self.skipped.append(f"{self._fault}: {words}")

    def end(self) -> int:
        """Print the outcome; return the exit code."""
        self._print(f"\n{self.held} figures held, {len(self.missed)} missed")
        for one in self.missed:
            self._print(f"  MISSED {one}")
        for one in self.skipped:
            self._print(f"  skipped {one}")
        return 1 if self.missed else 0

    def _print(self, text: str) -> None:
        print(text)
        sys.stdout.flush()


def number(value: float) -> str:
    """Return a figure with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
