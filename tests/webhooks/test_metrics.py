"""Figures of what is worked on, and of what stands in the store."""

from __future__ import annotations

import asyncio
import math

import pytest

from hipflask.database import StoreUnavailable
from hipflask.ops import metrics as registry
from hipflask.ops.probes import Readiness
from hipflask.webhooks import metrics
from hipflask.webhooks.metrics import usual_gap, watch

from .shop import Shop


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock(shop):
    clock = Clock()
    watch(shop.hooks, monotonic=clock)
    return clock


def collected(name):
    """The samples of a metric, by the values of their labels."""
    return {
        tuple(value for _, value in sample.labels): sample.value
        for metric, samples in registry.collect()
        for sample in samples
        if sample.name == f"hipflask_webhooks_{name}"
    }


def test_what_stands_in_the_store_is_asked_when_somebody_collects(shop, clock):
    shop.deliver("a", repository={"id": 1}, do="permanent")
    shop.deliver("b", repository={"id": 1})
    shop.deliver("c", event="issues")
    shop.hooks.work()
    shop.deliver("d")
    rows = collected("rows")
    assert rows["inbox", "github", "dead"] == 1
    assert rows["inbox", "github", "parked"] == 1
    assert rows["inbox", "github", "filtered"] == 1
    assert rows["inbox", "github", "received"] == 1
    assert rows["inbox", "stripe", "dead"] == 0
    assert collected("parked_keys")["inbox", "github"] == 1
    assert collected("oldest_unprocessed_seconds")["inbox", "stripe"] == 0
    assert collected("oldest_unprocessed_seconds")["inbox", "github"] > 0
    assert collected("breaker_open")["chat",] == 0
    assert collected("store_up")[()] == 1


def test_the_store_is_asked_once_in_a_while(shop, clock, monkeypatch):
    asked = []
    figures = shop.hooks.inbox.figures
    monkeypatch.setattr(shop.hooks.inbox, "figures", lambda: asked.append(1) or figures())
    collected("rows")
    collected("oldest_unprocessed_seconds")
    assert len(asked) == 1
    clock.time += metrics.KEPT_S
    collected("rows")
    assert len(asked) == 2


def test_while_the_store_is_away_its_figures_are_nan(shop, clock, monkeypatch):
    def away(*args):
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(shop.hooks.inbox, "figures", away)
    monkeypatch.setattr(shop.hooks.inbox, "find", away)
    assert collected("store_up")[()] == 0
    assert math.isnan(collected("rows")["inbox", "github", "dead"])
    assert math.isnan(collected("silence_seconds")["github",])
    monkeypatch.undo()
    clock.time += metrics.GAPS_KEPT_S
    assert collected("store_up")[()] == 1


def test_a_paused_lane_is_told(shop, clock):
    shop.hooks.inbox.pause("github")
    assert collected("paused")["inbox", "github"] == 1
    assert collected("paused")["inbox", "stripe"] == 0


def test_silence_is_the_time_since_the_last_event(shop):
    clock = Clock()
    for number in range(12):
        shop.deliver(f"id{number}")
    last = shop.rows()[-1].created_at
    watch(shop.hooks, now=lambda: last + 90, monotonic=clock)
    assert collected("silence_seconds")["github",] == 90
    assert 0 <= collected("usual_gap_seconds")["github",] < 90
    assert math.isnan(collected("silence_seconds")["stripe",])


def test_the_usual_gap_is_one_that_few_exceed():
    even = [10.0 * number for number in range(101)]
    assert usual_gap(even) == usual_gap(even[::-1]) == 10
    # A night without events is not usual, five of a hundred gaps are.
    assert usual_gap([*even, 9000.0]) == 10
    times = [0.0]
    for number in range(100):
        times.append(times[-1] + (60 if number % 10 == 0 else 1))
    assert usual_gap(times) == 60
    assert math.isnan(usual_gap(even[:10]))


def test_attempts_and_deliveries_are_counted_by_how_they_ended(shop):
    before = collected("attempts_total")
    sent = collected("delivery_answers_total")
    shop.deliver("a")
    shop.deliver("b", do="permanent")
    shop.deliver("c", do="fails")
    shop.deliver("d", event="issues")
    shop.hooks.work()

    def more(name, *labels, since=before):
        return collected(name)[labels] - since.get(labels, 0)

    for outcome in ("done", "dead", "retry", "filtered"):
        assert more("attempts_total", "inbox", "github", outcome) == 1, outcome
    assert more("attempts_total", "outbox", "chat", "retry") == 1
    assert more("delivery_answers_total", "chat", "connect", since=sent) == 1
    assert collected("attempt_seconds_count")["inbox", "github"] >= 4


def test_answers_are_counted_by_their_hundreds():
    metrics.delivered("somewhere", 503, 0.2)
    metrics.delivered("somewhere", 201, 0.2)
    metrics.delivered("somewhere", None, 5.0, failure="timeout")
    metrics.delivered("somewhere", None, 5.0)
    counts = collected("delivery_answers_total")
    found = {answer for destination, answer in counts if destination == "somewhere"}
    assert found == {"5xx", "2xx", "timeout", "failed"}


def test_a_service_is_ready_while_its_store_can_be_written(tmp_path, monkeypatch):
    shop = Shop(tmp_path)
    watch(shop.hooks)
    readiness = Readiness(shop.app)
    assert asyncio.run(readiness.failing()) == []

    def away():
        raise StoreUnavailable("read-only")

    monkeypatch.setattr(shop.hooks.database, "begin", away)
    assert asyncio.run(Readiness(shop.app).failing()) == ["webhooks_store"]
    shop.close()
