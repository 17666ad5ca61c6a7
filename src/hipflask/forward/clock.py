"""The clock that is an argument everywhere, so that a test may have its own."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time; `hipflask.database`'s clocks do."""

    def now(self) -> float:
        """Seconds since 1970."""


class WallClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()
