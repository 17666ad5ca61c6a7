"""Copies that arrive at the same moment at several processes are one event."""

from __future__ import annotations

import threading

import pytest

from tests.database.fixtures import postgres  # noqa: F401
from tests.database.stores import KINDS, new_database

from .serving import running
from .test_receiving import fresh, signed

COPIES = 200


@pytest.fixture(params=KINDS)
def four(request, tmp_path):
    """Four processes that write one inbox."""
    more = {}
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres"), "prepared")
        more["HIPFLASK_DATABASE_URL"] = url
    with running("rsgi", tmp_path, workers=4, **more) as server:
        yield server


def test_200_copies_over_4_processes_are_one_row(four):
    delivery = signed(fresh())
    # Until each process has answered once, so that all of them take part.
    pids = set()
    while len(pids) < 4:
        pids.add(four.ask("GET", "/pid")[1])
    start = threading.Barrier(COPIES)
    answered = []

    def send():
        start.wait()
        answered.append(four.deliver("/github", delivery)[0])

    threads = [threading.Thread(target=send) for _ in range(COPIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answered == [202] * COPIES, four.said
    (row,) = four.rows()
    assert row.dup_count == COPIES - 1 and row.state == "received"


def test_a_key_has_one_head_however_many_processes_store_for_it(four):
    threads = [
        threading.Thread(
            target=four.deliver, args=("/small", signed(fresh(repository={"id": n % 3})))
        )
        for n in range(60)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = four.rows()
    assert len(rows) == 60 and {row.key for row in rows} == {"0", "1", "2"}
    heads = [row for row in rows if row.state == "received"]
    assert len(heads) == 3 and {row.state for row in rows} == {"received", "queued"}
    assert {min(row.seq for row in rows if row.key == head.key) for head in heads} == {
        head.seq for head in heads
    }
