from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from hipflask.ops.gathering import Gathered
from hipflask.ops.metrics import Family, Registry


def process(done: float = 0, took: tuple[float, ...] = (), **gauges: float) -> list[Family]:
    registry = Registry()
    registry.counter("done_total", "Done.").add(done)
    histogram = registry.histogram("took", "Took.", bounds=(1, 2))
    for value in took:
        histogram.observe(value)
    for name, value in gauges.items():
        registry.gauge(name, "A gauge.", across=name).set(value)
    return registry.families()


def values(families: list[Family]) -> dict[str, list[float]]:
    return {
        " ".join((family.name, *labels)): numbers
        for family in families
        for labels, numbers in family.series.items()
    }


def test_counters_and_histograms_are_summed_and_gauges_as_they_say() -> None:
    found = values(
        Gathered().total(
            [
                ("1", process(2, (0.5, 3), each=1, sum=2, max=3)),
                ("2", process(3, (1.5,), each=4, sum=5, max=6)),
            ]
        )
    )
    assert found == {
        "done_total": [5],
        "took": [1, 1, 1, 5],
        "each 1": [1],
        "each 2": [4],
        "sum": [7],
        "max": [6],
    }


def test_what_ended_is_counted_still_and_its_gauges_are_not() -> None:
    gathered = Gathered()
    gathered.keep(process(2, (0.5,), each=1, sum=2, max=9))
    found = values(gathered.total([("1", process(1, (0.5,), sum=5))]))
    assert found == {"done_total": [3], "took": [2, 0, 0, 1], "sum": [5]}
    assert values(gathered.total([])) == {"done_total": [2], "took": [1, 0, 0, 0.5]}


def test_the_store_that_one_process_cannot_reach_is_told_by_another() -> None:
    found = Gathered().total([("1", process(max=math.nan)), ("2", process(max=4))])
    assert values(found)["max"] == [4]
    found = Gathered().total([("1", process(max=math.nan))])
    assert math.isnan(values(found)["max"][0])


def test_newer_code_says_what_a_name_means() -> None:
    gathered = Gathered()
    old, new = Registry(), Registry()
    old.counter("a", "A.").add(5)
    new.gauge("a", "A.", ["x"], across="sum").set(1, "y")
    gathered.keep(old.families())
    assert values(gathered.total([("1", new.families())])) == {"a y": [1]}


@given(st.lists(st.tuples(st.sampled_from(["count", "end", "start"]), st.integers(0, 3))))
def test_counters_never_go_backwards(steps: list[tuple[str, int]]) -> None:
    gathered = Gathered()
    workers: dict[int, float] = {}
    counted = 0.0
    for step, number in steps:
        if step == "start":
            workers.setdefault(number, 0)
        elif step == "count" and number in workers:
            workers[number] += 1
            counted += 1
        elif number in workers:
            gathered.keep(process(workers.pop(number)))
        total = gathered.total([(str(n), process(done)) for n, done in workers.items()])
        assert sum(family.series[()][0] for family in total if family.name == "done_total") == (
            counted
        )
