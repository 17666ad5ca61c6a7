"""A clock that moves when it is told to."""

from __future__ import annotations


class ToldClock:
    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def pass_s(self, seconds: float) -> None:
        self.time += seconds
