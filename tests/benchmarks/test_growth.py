"""The figures of growth from made-up rows, and the applications that grow."""

from __future__ import annotations

import pytest

from benchmarks.document import Row
from benchmarks.drivers import DRIVERS
from benchmarks.growing import FLAT, GROWING, make, spread
from benchmarks.growth import figures_of, set_growth


def test_growth_is_judged_by_the_best_rounds_of_the_most_and_the_least() -> None:
    rows = [
        Row("hipflask", "static routes", "static routes 10", [5.0, 2.0]),
        Row("hipflask", "static routes", "static routes 10000", [9.0, 2.2]),
        Row("flask", "static routes", "static routes 10", [1.0]),
        Row("flask", "static routes", "static routes 10000", [9.0]),
        Row("hipflask", "hooks before and after", "hooks before and after 1", [1.0]),
        Row("hipflask", "hooks before and after", "hooks before and after 64", [9.0]),
    ]
    set_growth(rows)
    figures = figures_of(rows)
    assert [(one.name, round(one.ours, 2), one.held) for one in figures] == [
        ("static routes 10000: CPU / with 10", 1.1, True)
    ]


def test_growth_past_the_limit_is_missed() -> None:
    rows = [Row("hipflask", what, f"{what} {n}", [n + 9.0]) for what in FLAT for n in (1, 100)]
    set_growth(rows)
    assert [figure.held for figure in figures_of(rows)] == [False] * len(FLAT)


@pytest.mark.parametrize("what", GROWING)
@pytest.mark.parametrize("count", [1, 25])
def test_every_route_that_is_asked_for_answers(what: str, count: int) -> None:
    app, calls = make("hipflask", what, count)
    driver = DRIVERS["wsgi"](app)
    assert {(driver.send(call).status, driver.send(call).body) for call in calls} == {(200, b"ok")}


def test_as_many_different_routes_are_asked_for_whatever_their_number() -> None:
    assert spread(10) == list(range(10))
    places = spread(10_000)
    assert (places[0], places[-1], len(set(places))) == (0, 9999, 10)


def test_falcon_stops_where_adding_routes_takes_minutes() -> None:
    assert make("falcon", "static routes", 10_000) is None
    assert make("falcon", "blueprints", 1) is None  # it has none
