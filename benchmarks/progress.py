"""A bar that says how far a long run is."""

from __future__ import annotations

import sys
import time

WIDTH = 30


class Progress:
    """Redraws one line where somebody watches; elsewhere a line for each tenth."""

    def __init__(self, steps: float) -> None:
        self._steps = steps
        self._done = 0.0
        self._began = time.monotonic()
        self._tenth = 0
        self._is_live = sys.stderr.isatty()

    def step(self, words: str, steps: float = 1) -> None:
        """Note that so much more is done, and say what."""
        self._done = min(self._done + steps, self._steps)
        share = self._done / self._steps
        took = time.monotonic() - self._began
        left = took / share - took if share else 0.0
        if self._is_live:
            bar = "#" * round(WIDTH * share)
            text = f"[{bar:<{WIDTH}}] {share:4.0%} {left:4.0f} s left  {words}"
            print(f"\r\x1b[2K{text[:110]}", end="", file=sys.stderr, flush=True)
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            print(f"{share:4.0%} after {took:.0f} s: {words}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line to whatever comes next."""
        if self._is_live:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)
