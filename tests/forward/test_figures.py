from __future__ import annotations

import random

import pytest

from hipflask.forward.figures import MOST_PLACES, SLOT_S, SLOTS, Latency, Stage, excess


def test_a_quantile_is_right_within_a_tenth() -> None:
    numbers = random.Random(1)
    given = [numbers.lognormvariate(-3, 1) for _ in range(5000)]
    latency = Latency()
    for seconds in given:
        latency.add(seconds)
    for share in (0.5, 0.95, 0.99):
        exact = sorted(given)[int(share * len(given))]
        assert latency.quantile_s(share) == pytest.approx(exact, rel=0.1)
    assert Latency().quantile_s(0.5) is None


def test_counts_of_processes_add_up() -> None:
    one, other, both = Stage(), Stage(), Stage()
    for number in range(100):
        part = one if number % 2 else other
        for stage in (part, both):
            stage.answered("old" if number % 3 else "new", number / 1000, number % 10 == 0, 1000.0)
            stage.differed({"a": 1, "b": 1} if number % 4 else {}, {"a": 1}, {"b": {"old": "1"}})
            stage.skip("busy")
    one.merge(other)
    for name in ("old", "new"):
        assert one.sides[name] == both.sides[name]
    assert (one.compared, one.skipped, one.slots) == (both.compared, both.skipped, both.slots)
    assert {k: (p.new_only, p.noise_only, p.both) for k, p in one.places.items()} == {
        "a": (0, 25, 75),
        "b": (75, 0, 0),
    }
    assert len(one.places["b"].samples) == 3


def test_the_last_seconds_count_by_themselves_and_the_last_minutes() -> None:
    stage = Stage()
    stage.answered("new", 0.1, True, 0.0)
    stage.answered("old", 0.1, False, 3 * SLOT_S)
    counts = [(old.requests, new.requests) for old, new in stage.lately(3 * SLOT_S)]
    assert counts == [(1, 0), (1, 0), *[(1, 1)] * (len(counts) - 2)]
    assert len(counts) == 7
    counts = [(old.requests, new.requests) for old, new in stage.lately(SLOT_S * SLOTS)]
    assert counts[-1] == (1, 0)
    assert all(side.requests == 0 for pair in Stage().lately(0.0) for side in pair)


def test_places_have_an_end() -> None:
    stage = Stage()
    for number in range(MOST_PLACES + 50):
        stage.differed({f"p{number}": 1}, {}, {})
    assert (len(stage.places), stage.places_left_out) == (MOST_PLACES, 50)


@pytest.mark.parametrize(
    ("new_only", "noise_only", "counts"),
    [
        (0, 0, 0),
        (5, 0, 0),
        (13, 0, 13),
        (1000, 950, 0),
        (1000, 1000, 0),
        (0, 500, 0),
        (300, 100, 200),
    ],
)
def test_noise_does_not_count(new_only: int, noise_only: int, counts: int) -> None:
    assert excess(new_only, noise_only) == counts


def test_looking_again_and_again_rarely_takes_noise_for_more() -> None:
    """A place that only changes by itself, looked at after each comparison, 300 times over."""
    numbers = random.Random(7)
    wrong = 0
    for _ in range(300):
        new_only = noise_only = 0
        for _ in range(1000):
            if numbers.random() < 0.5:
                new_only += 1
            else:
                noise_only += 1
            if excess(new_only, noise_only):
                wrong += 1
                break
    assert wrong <= 6


def test_a_change_of_one_in_a_hundred_is_found() -> None:
    numbers = random.Random(3)
    stage = Stage()
    for _ in range(3000):
        raw = {"now": 1} if numbers.random() < 0.99 else {}
        if numbers.random() < 0.01:
            raw["price"] = 1
        stage.differed(raw, {"now": 1} if numbers.random() < 0.99 else {}, {})
    ((name, _, share),) = stage.beyond_noise()
    assert name == "price" and 0.005 < share < 0.02


def test_an_answer_that_breaks_off_after_its_slot_is_one_error_and_no_more() -> None:
    stage = Stage()
    stage.answered("new", 0.01, True, 0.0)
    stage.cut("new", SLOT_S)
    assert (stage.sides["new"].requests, stage.sides["new"].errors) == (1, 2)
    assert stage.sides["new"].error_ratio == stage.sides["new"].sure_error_ratio == 1.0
    assert [(new.requests, new.errors) for _, new in stage.lately(SLOT_S)][:2] == [(0, 1), (1, 2)]
