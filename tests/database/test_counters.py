"""Counts of rate limits in a store, for all processes that use it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from hipflask.guards.counters import DatabaseCounters


def test_a_database_counts_for_all_of_its_users(stores):
    now = [1000.0]
    several = [DatabaseCounters(stores.open(), lambda: now[0]) for _ in range(3)]
    start = threading.Barrier(6)

    def count(number):
        start.wait(20)
        return [several[number % 3].hit("a", 60)[0] for _ in range(10)]

    with ThreadPoolExecutor(6) as pool:
        seen = [n for numbers in pool.map(count, range(6)) for n in numbers]
    assert sorted(seen) == list(range(1, 61))
    now[0] = 1059.0
    assert several[0].hit("a", 60) == (61, 1)
    assert several[1].hit("b", 10) == (1, 10)
    now[0] = 1061.0
    assert several[2].hit("a", 60) == (1, 60)


def test_a_clock_that_was_set_back_locks_nobody_out(stores):
    now = [1_000_000.0]
    counters = DatabaseCounters(stores.open(), lambda: now[0])
    counters.hit("a", 60)
    now[0] -= 86_400
    assert counters.hit("a", 60) == (1, 60)


def test_counters_that_are_over_are_swept_away(stores, monkeypatch):
    monkeypatch.setattr("hipflask.guards.counters.SWEEP_EVERY", 10)
    now = [1000.0]
    database = stores.open()
    counters = DatabaseCounters(database, lambda: now[0])
    for number in range(9):
        counters.hit(str(number), 60)
    now[0] = 2000.0
    counters.hit("last", 60)
    with database.read() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM hipflask_rate").all()
    assert [row[0] for row in rows] == ["last"]
