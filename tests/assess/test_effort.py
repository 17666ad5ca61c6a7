"""The band: as wide as what is known allows, and right as often as it says."""

from __future__ import annotations

import math
import random

import pytest

from hipflask.assess.effort import SEEDS, estimate, said, student_90
from hipflask.assess.model import Band, Dimension, Gap
from hipflask.checks.decisions import Decision, parse_decision


def gaps(**counts: int) -> list[Dimension]:
    made = [
        Gap(where=f"{n}", what="x", unit=unit.replace("_", " "))
        for unit, count in counts.items()
        for n in range(count)
    ]
    return [Dimension(name="all", unit="x", lines=[], gaps=made)]


def closed(days: float, band: tuple[float, float] | None = None, **counts: int) -> Decision:
    named = {unit.replace("_", " "): count for unit, count in counts.items()}
    return Decision(file="decisions/0001-harden.md", number=1, days=days, gaps=named, band=band)


WORK = gaps(test_case=10, host=3)
SEEDED = 10 * SEEDS["test case"][1] + 3 * SEEDS["host"][1]


def history(chance: random.Random, number: int, bias: float, spread: float) -> list[Decision]:
    made = []
    for _ in range(number):
        counts = {"test_case": chance.randint(1, 20), "host": chance.randint(0, 4)}
        seeded = counts["test_case"] * SEEDS["test case"][1] + counts["host"] * SEEDS["host"][1]
        made.append(closed(seeded * bias * math.exp(chance.gauss(0, spread)), **counts))
    return made


@pytest.mark.parametrize("number", [10, 15, 40])
def test_the_band_of_500_histories_holds_four_times_of_five(number: int) -> None:
    """Each with a team of its own: how far the seeds are off for it, and how much it varies."""
    chance = random.Random(20261123 + number)
    held = 0
    for _ in range(500):
        bias = math.exp(chance.uniform(-1.5, 1.5))
        spread = chance.uniform(0.2, 1.0)
        made = estimate(WORK, history(chance, number, bias, spread))
        assert made.is_calibrated
        came = SEEDED * bias * math.exp(chance.gauss(0, spread))
        held += made.band.low <= came <= made.band.high
    assert 0.72 <= held / 500 <= 0.88


@pytest.mark.parametrize("number", range(10))
def test_below_ten_records_the_band_is_a_factor_of_four_at_least(number: int) -> None:
    chance = random.Random(number)
    for work in (WORK, gaps(stance=1), gaps(restore_drill=2, identity=1)):
        made = estimate(work, history(chance, number, 3.0, 0.01))
        assert not made.is_calibrated
        assert made.band.high / made.band.low >= 4 - 1e-9
        assert made.band.low < made.band.middle < made.band.high


def test_bands_that_did_not_hold_make_the_next_one_wider() -> None:
    chance = random.Random(1)
    good = history(chance, 12, 1.0, 0.3)
    right = [closed(5, band=(2, 8)) for _ in range(6)]
    wrong = [closed(20, band=(2, 8)) for _ in range(4)] + [closed(5, band=(2, 8))]
    held = estimate(WORK, good + right)
    missed = estimate(WORK, good + wrong)
    assert (held.held, held.told, held.widened) == (6, 6, 1)
    assert (missed.held, missed.told) == (1, 5)
    assert missed.widened > 2
    assert missed.band.high / missed.band.low > 2 * held.band.high / held.band.low
    assert missed.band.middle == pytest.approx(held.band.middle)


def test_no_gaps_take_nothing() -> None:
    made = estimate(gaps(), [])
    assert made.band == Band(low=0, middle=0, high=0) and said(made.band) == "nothing"


def test_the_band_is_told_in_days_or_weeks_and_its_drivers_named() -> None:
    made = estimate(gaps(test_case=30, identity=2, stance=1), [])
    assert made.drivers == ["30 x test case", "2 x identity", "1 x stance"]
    assert "week" in said(made.band)
    assert "days" in said(Band(low=1, middle=2, high=4))
    assert "hour" not in said(Band(low=0.1, middle=0.2, high=0.4))


@pytest.mark.parametrize(("freedom", "known"), [(9, 1.383), (14, 1.345), (39, 1.304)])
def test_student_is_that_of_the_tables(freedom: int, known: float) -> None:
    assert student_90(freedom) == pytest.approx(known, abs=0.001)


def test_a_decision_is_read_of_what_people_write() -> None:
    text = """# 3. Harden

- **From**: prototype
- To: pilot
- Commit: `abc1234`
- Days spent: 12.5
- Gaps: test case 4, host 2
- Band: 5 to 40 days

## Why
- Days spent: 99
"""
    one = parse_decision(text, "decisions/0003-harden.md")
    assert (one.number, one.outcome, one.from_, one.to) == (3, "harden", "prototype", "pilot")
    assert (one.commit, one.days, one.band) == ("abc1234", 12.5, (5.0, 40.0))
    assert one.gaps == {"test case": 4, "host": 2}
