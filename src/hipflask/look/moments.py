"""Times as people write and read them: "2h" ago, "2026-11-23T08:00Z", "3 min"."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZES = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
_ago = re.compile(r"(\d{1,6})\s*(s|m|min|h|d|w)", re.ASCII).fullmatch


def parse_moment(text: str, now: float) -> float:
    """Seconds since 1970 of "30s", "5m", "2h", "7d" or "1w" ago, of a date, or of a time.

    Dates and times are ISO 8601, in UTC unless they say otherwise. Raises ValueError, with the
    forms that are known, for anything else.
    """
    text = text.strip()
    if found := _ago(text.lower()):
        # What is older than all that is stored is as good, and is a time that can be printed.
        return max(0.0, now - int(found[1]) * _UNITS[found[2]])
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text[:40]!r} is no time: write 30s, 5m, 2h, 7d or 1w ago, 2026-11-23, or"
            " 2026-11-23T08:00"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp())


def dump_moment(moment: float) -> str:
    """`2026-11-23 08:00:05Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def dump_iso(moment: float) -> str:
    """`2026-11-23T08:00:05Z`, for attributes and JSON."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def dump_span(seconds: float, parts: int = 2) -> str:
    """A length of time in one unit or two: `850 ms`, `42 s`, `3 min 5 s`, `2 h`, `5 d 3 h`.

    With `parts=1` in one, rounded down.
    """
    if seconds < 0:
        return f"-{dump_span(-seconds, parts)}"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    for size, unit, smaller, small_unit in _SIZES:
        if whole >= size:
            text = f"{whole // size} {unit}"
            rest = whole % size // smaller
            return f"{text} {rest} {small_unit}" if rest and parts > 1 else text
    return f"{whole} s"
