"""Lengths of time as declarations write them: "30s", "15m", "24h", "7d"."""

from __future__ import annotations

import re

from ..scaffold import SetupError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_span = re.compile(r"(\d{1,6})\s*([smhdw])", re.ASCII).fullmatch


def parse_span(text: str, what: str) -> float:
    """Seconds of "30s", "15m", "24h", "7d" or "2w"; SetupError, naming `what`, for another."""
    found = _span(str(text).strip())
    if found is None or not int(found[1]):
        raise SetupError(f"{what} is {text!r}: write a length of time as 30s, 15m, 24h or 7d.")
    return float(int(found[1]) * _UNITS[found[2]])
