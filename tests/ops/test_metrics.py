from __future__ import annotations

import threading

import pytest

from hipflask.ops.metrics import Registry


def figures(registry: Registry) -> dict[str, float]:
    return {
        " ".join([sample.name, *(value for _, value in sample.labels)]): sample.value
        for _, samples in registry.collect()
        for sample in samples
    }


def test_counters_and_gauges_keep_a_value_for_each_set_of_labels() -> None:
    registry = Registry()
    orders = registry.counter("orders_total", "Orders.", ["kind"])
    orders.add(1, "web")
    orders.add(2, "web")
    orders.add(1, "shop")
    depth = registry.gauge("depth", "Depth.")
    depth.set(5)
    depth.add(-2)
    assert figures(registry) == {"orders_total web": 3, "orders_total shop": 1, "depth": 3}


def test_a_function_is_asked_when_somebody_collects() -> None:
    registry = Registry()
    asked: list[int] = []
    registry.gauge("g", "G.", ["of"]).ask(lambda: asked.append(1) or 7, "a")
    assert asked == []
    assert figures(registry) == {"g a": 7}


def test_a_histogram_counts_what_is_at_most_each_bound() -> None:
    registry = Registry()
    histogram = registry.histogram("took", "Took.", ["route"], bounds=(0.1, 1))
    for value in (0.05, 0.1, 0.5, 3):
        histogram.observe(value, "/")
    assert figures(registry) == {
        "took_bucket / 0.1": 2,
        "took_bucket / 1.0": 3,
        "took_bucket / +Inf": 4,
        "took_sum /": pytest.approx(3.65),
        "took_count /": 4,
    }


def test_the_same_name_is_the_same_metric_and_another_kind_is_refused() -> None:
    registry = Registry()
    assert registry.counter("a", "A.") is registry.counter("a", "A.")
    with pytest.raises(ValueError, match="a is a counter"):
        registry.gauge("a", "A.")
    with pytest.raises(ValueError, match="labels"):
        registry.counter("a", "A.", ["x"])


@pytest.mark.parametrize("name", ["", "1a", "a b", "a-b"])
def test_a_name_that_no_exporter_could_write_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        Registry().counter(name, "")
    with pytest.raises(ValueError, match="no name"):
        Registry().counter("a", "", [name])


def test_a_counter_does_not_go_down_and_wants_its_labels() -> None:
    counter = Registry().counter("a", "A.", ["x"])
    with pytest.raises(ValueError, match="cannot go down"):
        counter.add(-1, "x")
    with pytest.raises(ValueError, match="has the labels"):
        counter.add(1)


def test_threads_lose_no_count() -> None:
    counter = Registry().counter("a", "A.")
    threads = [
        threading.Thread(target=lambda: [counter.add() for _ in range(2000)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value() == 16000


def test_a_function_that_fails_leaves_the_others() -> None:
    registry = Registry()
    gauge = registry.gauge("g", "G.", ["of"])
    gauge.ask(lambda: 1 / 0, "a")
    gauge.ask(lambda: 2, "b")
    registry.gauge("h", "H.").ask_all(lambda: {}[0])
    assert figures(registry) == {"g b": 2, "h": 0}


def test_all_values_come_from_one_function_and_those_gone_are_0() -> None:
    registry = Registry()
    found = {("a",): 1.0}
    registry.gauge("g", "G.", ["of"]).ask_all(lambda: found)
    assert figures(registry) == {"g a": 1}
    del found["a",]
    found["b",] = 2
    assert figures(registry) == {"g a": 0, "g b": 2}


def test_more_sets_of_labels_than_are_kept_apart_are_counted_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("hipflask.ops.metrics.MOST_SERIES", 3)
    counter = Registry().counter("a_total", "A.", ["x"])
    for number in range(10):
        counter.add(1, str(number))
    counter.add(1, "0")
    assert [counter.value(x) for x in ("0", "2", "3", "_OTHER")] == [2, 1, 0, 7]


def test_what_several_processes_make_of_a_gauge_is_said_in_words_that_there_are() -> None:
    with pytest.raises(ValueError, match="each, sum, max"):
        Registry().gauge("a", "A.", across="mean")
    with pytest.raises(ValueError, match="'worker' is added"):
        Registry().gauge("a", "A.", ["worker"])
