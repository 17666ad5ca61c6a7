"""When a call is tried again: a ladder of waits, each a little more or less than written."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from ..scaffold import SetupError

#: The waits between attempts, in seconds: 5 s, 30 s, 5 m, 30 m, 2 h, 5 h, 10 h, 24 h.
LADDER_S = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 86400.0)
#: The longest wait that a Retry-After field is followed for.
LONGEST_S = 86400.0
#: How much more or less than written a wait may be, so that calls that failed together do not
#: come back together.
JITTER = 0.2

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Schedule:
    """The waits before the second, third and each further attempt; after the last it is over.

    `steps_s` are in seconds, `jitter` is the share by which each may differ, 0 to 1. So there
    is one attempt more than there are steps.

        Schedule.parse("5s..24h").steps_s[:3]   # (5.0, 30.0, 300.0)
    """

    steps_s: tuple[float, ...] = LADDER_S
    jitter: float = JITTER

    def __post_init__(self) -> None:
        if any(not 0 <= step <= 365 * 86400.0 for step in self.steps_s):
            raise SetupError(f"The waits {self.steps_s!r} are to be 0 s to 365 days each.")
        if not 0 <= self.jitter < 1:
            raise SetupError(f"A jitter of {self.jitter!r} is no share: give 0 up to below 1.")

    @classmethod
    def parse(cls, text: str | Schedule) -> Schedule:
        """The schedule that `text` writes; raises SetupError for what is none.

        "5s..24h" is the usual ladder from the one to the other: 5 s, 30 s, 5 m, 30 m, 2 h, 5 h,
        10 h, 24 h. "1s, 10s, 1m" are these waits, and "none" is a single attempt. Units are
        ms, s, m, h and d.
        """
        if isinstance(text, Schedule):
            return text
        words = text.strip()
        if words == "none":
            return cls(())
        first, dots, last = words.partition("..")
        if not dots:
            return cls(tuple(_parse_span(word, text) for word in words.split(",")))
        low, high = _parse_span(first, text), _parse_span(last, text)
        if low > high:
            raise SetupError(f"The retries {text!r} go from the longer wait to the shorter one.")
        between = [step for step in LADDER_S if low < step < high]
        return cls((low, *between, high) if high > low else (low,))

    @property
    def attempts(self) -> int:
        """How often is tried at most."""
        return len(self.steps_s) + 1

    def next(
        self,
        attempt: int,
        *,
        retry_after_s: float | None = None,
        random: Callable[[], float] = random.random,
    ) -> float | None:
        """Seconds to wait after the attempt of that number, from 1; None when it was the last.

        `retry_after_s`, which the other side asked for, counts where it is longer than the step,
        up to 24 hours. `random` gives 0 up to below 1.
        """
        if attempt < 1:
            raise ValueError(f"attempts are numbered from 1, and this was {attempt}")
        if attempt > len(self.steps_s):
            return None
        step = self.steps_s[attempt - 1]
        wait = step * (1 - self.jitter + 2 * self.jitter * random())
        if retry_after_s is None or retry_after_s <= step:
            return wait
        # Not below what was asked for, so the jitter only goes up here.
        asked = min(retry_after_s, max(LONGEST_S, step))
        return asked + step * self.jitter * random()

    def __str__(self) -> str:
        return ", ".join(dump_span(step) for step in self.steps_s) or "none"


def _parse_span(word: str, text: str) -> float:
    found = _SPAN.fullmatch(word.strip())
    if found is None:
        raise SetupError(
            f"The retries {text!r} are no schedule: {word.strip()!r} is no time. Write for"
            " example '5s..24h', '1s, 10s, 1m' or 'none'; units are ms, s, m, h and d."
        )
    return float(found[1]) * _UNITS_S[found[2]]


def dump_span(seconds: float) -> str:
    """A time as a schedule writes it, in the largest unit that it is a whole number of."""
    for unit in ("d", "h", "m", "s"):
        if seconds >= _UNITS_S[unit] and seconds % _UNITS_S[unit] == 0 and seconds != 86400.0:
            return f"{seconds / _UNITS_S[unit]:g}{unit}"
    return "24h" if seconds == 86400.0 else f"{seconds * 1000:g}ms"
