"""Gaps -> a band of days. Asked for, last, and as wide as what is known allows.

What one gap takes comes from the team's own closed decision records: days that were counted,
against the gaps that were closed with them. Below ten records that is too little, and the seeds
below stand in, called what they are: an uncalibrated guess.

Errors of gaps in one project are not independent (somebody new to the team is slow everywhere),
so they are not averaged out: one factor stands before the whole sum. It is taken as log-normal.
With n records of which the ratio of days to seeds has the log-mean m and deviation s, the band
is m plus and minus t(n-1) * s * sqrt(1 + 1/n), a prediction's interval, so that 80 % of what
comes lies in it. No random numbers are drawn: the same records give the same band.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..checks.decisions import Decision
from .model import Band, Dimension, Effort, Spread

#: Days that one gap of a kind takes: low, likely, high. Shipped guesses, not measurements.
SEEDS: dict[str, tuple[float, float, float]] = {
    "route contract": (0.1, 0.25, 1.0),
    "model": (0.1, 0.3, 1.0),
    "identity": (1.0, 3.0, 10.0),
    "stance": (0.05, 0.1, 0.4),
    "migration": (0.2, 0.5, 2.0),
    "restore drill": (0.5, 1.0, 3.0),
    "test case": (0.1, 0.25, 0.8),
    "deployment part": (0.5, 1.5, 5.0),
    "monitoring part": (0.5, 1.0, 4.0),
    "host": (0.3, 1.0, 3.0),
    "data rule": (0.5, 2.0, 8.0),
    "finding": (0.1, 0.5, 2.0),
    "operator step": (0.2, 0.5, 2.0),
}
SEEDS_NAME = "shipped with hipflask, 2026-11"
LEAST_RECORDS = 10
#: P90 over P10 below that number of records is never less than this.
LEAST_FACTOR = 4.0
#: Below this share of bands that held, bands are widened.
LEAST_HELD = 0.75
#: Bands told before, from which on their share counts.
LEAST_TOLD = 4
_Z90 = 1.2815515655446004
EXCLUDED = [
    "approvals", "procurement", "migration of data", "training", "meetings", "waiting for others",
]  # fmt: skip


def estimate(dimensions: Sequence[Dimension], decisions: Sequence[Decision]) -> Effort:
    """The band for closing all gaps; zeros where there are none."""
    units = _units(dimensions)
    low, likely, high = (
        sum(one.count * getattr(one, name) for one in units) for name in ("low", "likely", "high")
    )
    usable = [one for one in decisions if one.days and _seeded(one)]
    is_calibrated = len(usable) >= LEAST_RECORDS
    held, told, widened = _past(decisions)
    if not likely:
        band = Band(low=0, middle=0, high=0)
    elif is_calibrated:
        band = _predicted(likely, [math.log((one.days or 0) / _seeded(one)) for one in usable])
    else:
        half = math.sqrt(max(LEAST_FACTOR, high / low))
        # A team that has closed some has a middle of its own, and no width.
        factor = _middle([(one.days or 0) / _seeded(one) for one in usable])
        band = Band(low=likely * factor / half, middle=likely * factor, high=likely * factor * half)
    if widened > 1 and likely:
        band = _widened(band, widened)
    drivers = sorted(units, key=lambda one: (one.count * (one.low - one.high), one.unit))[:3]
    return Effort(
        band=band,
        is_calibrated=is_calibrated,
        records=len(usable),
        held=held,
        told=told,
        widened=round(widened, 2),
        seeds=SEEDS_NAME,
        units=units,
        drivers=[f"{one.count} x {one.unit}" for one in drivers],
        excluded=EXCLUDED,
    )


def _units(dimensions: Sequence[Dimension]) -> list[Spread]:
    counts: dict[str, int] = {}
    for dimension in dimensions:
        for gap in dimension.gaps:
            counts[gap.unit] = counts.get(gap.unit, 0) + 1
    return [
        Spread(unit=unit, count=counts[unit], low=low, likely=likely, high=high)
        for unit, (low, likely, high) in SEEDS.items()
        if unit in counts
    ]


def _seeded(decision: Decision) -> float:
    """What the seeds say of the gaps that a decision closed."""
    return sum(number * SEEDS[unit][1] for unit, number in decision.gaps.items() if unit in SEEDS)


def _predicted(likely: float, ratios: list[float]) -> Band:
    number = len(ratios)
    mean = math.fsum(ratios) / number
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in ratios) / (number - 1))
    half = student_90(number - 1) * deviation * math.sqrt(1 + 1 / number)
    return Band(
        low=likely * math.exp(mean - half),
        middle=likely * math.exp(mean),
        high=likely * math.exp(mean + half),
    )


def student_90(freedom: int) -> float:
    """Student's t at 90 %, for 9 degrees of freedom and more to three digits.

    Abramowitz and Stegun, 26.7.5.
    """
    z = _Z90
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _middle(ratios: list[float]) -> float:
    if not ratios:
        return 1.0
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def _past(decisions: Sequence[Decision]) -> tuple[int, int, float]:
    """Bands that held, bands that were told, and by what factor to widen (of the logarithm)."""
    told = [(one.days, *one.band) for one in decisions if one.days and one.band and one.band[0] > 0]
    held = sum(low <= days <= high for days, low, high in told)
    if len(told) < LEAST_TOLD or held / len(told) >= LEAST_HELD:
        return held, len(told), 1.0
    needed = sorted(
        abs(math.log(days / math.sqrt(low * high))) / max(math.log(high / low) / 2, 0.01)
        for days, low, high in told
    )
    # So wide that four of five would have held.
    return held, len(told), max(1.0, needed[min(len(needed) - 1, math.ceil(0.8 * len(needed)) - 1)])


def _widened(band: Band, by: float) -> Band:
    half = math.log(band.high / band.low) / 2 * by
    middle = math.sqrt(band.low * band.high)
    return Band(low=middle * math.exp(-half), middle=band.middle, high=middle * math.exp(half))


def said(band: Band) -> str:
    """The band in days or weeks, to one digit that means something; never in hours."""
    if band.high == 0:
        return "nothing"
    if band.high >= 10:
        low, middle, high = (_round(one / 5) for one in (band.low, band.middle, band.high))
        unit = "weeks"
    else:
        low, middle, high = (_round(one) for one in (band.low, band.middle, band.high))
        unit = "days"
    return f"{low} to {high} {unit}, as likely below {middle} as above"


def _round(value: float) -> str:
    if value < 1:
        return "less than 1"
    digits = 0 if value < 20 else 1 - math.floor(math.log10(value))
    return f"{round(value, digits):g}"
