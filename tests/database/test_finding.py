"""Looking: searches, pages, figures, history."""

from __future__ import annotations

import pytest

from hipflask.database import Dead, Done, ManualClock, Query, Retry, State
from hipflask.webhooks.inbox import Inbox

from .stores import ANY, Stores, arrival


def found(inbox: Inbox, **query: object) -> list[str]:
    return [row.event_id for row in inbox.find(Query(**query))]  # type: ignore[arg-type]  # by name


@pytest.fixture
def filled(inbox: Inbox, clock: ManualClock) -> Inbox:
    """Ten rows a minute apart: 0 done, 1 dead, 2 waiting, others received; 8 and 9 at b."""
    for n in range(10):
        source = "b" if n >= 8 else "a"
        inbox.append(
            [
                arrival(
                    f"evt_{n}",
                    f"k{n}",
                    source=source,
                    event_type="push" if n % 2 else "Pull%",
                    received_at=clock.now(),
                )
            ]
        )
        clock.advance(60)
    done, dead, waiting = inbox.claim(limit=3, lease_s=60, lanes={"a": ANY["a"]})
    inbox.finish(done, Done())
    inbox.finish(dead, Dead("Bad Path $.id"))
    inbox.finish(waiting, Retry(clock.now() + 60, "busy"))
    return inbox


def test_find_newest_first_without_bodies(filled: Inbox) -> None:
    rows = filled.find(Query(limit=3))
    assert [row.event_id for row in rows] == ["evt_9", "evt_8", "evt_7"]
    assert all(row.body is None and row.headers is None and row.size for row in rows)


def test_find_pages(filled: Inbox) -> None:
    seen: list[str] = []
    before = None
    while page := filled.find(Query(limit=4, before_seq=before)):
        seen += [row.event_id for row in page]
        before = page[-1].seq
    assert seen == [f"evt_{n}" for n in range(9, -1, -1)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"lane": "b"}, ["evt_9", "evt_8"]),
        ({"key": "k3"}, ["evt_3"]),
        ({"states": [State.DEAD, State.DONE]}, ["evt_1", "evt_0"]),
        ({"states": [State.WAITING]}, ["evt_2"]),
        ({"states": [State.WAITING, State.DONE]}, ["evt_2", "evt_0"]),
        ({"states": []}, []),
        ({"text": "EVT_4"}, ["evt_4"]),
        ({"text": "bad path $"}, ["evt_1"]),
        ({"text": "pull%", "lane": "b"}, ["evt_8"]),
        ({"text": "evt%"}, []),
        ({"text": "\\"}, []),
    ],
)
def test_find_by(filled: Inbox, query: dict[str, object], expected: list[str]) -> None:
    assert found(filled, **query) == expected


def test_find_by_time(filled: Inbox) -> None:
    start = ManualClock().now()
    assert found(filled, since=start + 120, until=start + 300) == ["evt_4", "evt_3", "evt_2"]
    assert found(filled, since=start + 10_000) == []
    assert found(filled, until=start) == []
    assert len(found(filled, since=0)) == 10


def test_find_by_time_in_an_empty_store(inbox: Inbox) -> None:
    assert found(inbox, since=5, until=6) == []


def test_read_of_nothing(inbox: Inbox) -> None:
    assert inbox.read(77) is None and inbox.audit(77) == []


def test_figures(filled: Inbox, clock: ManualClock) -> None:
    filled.append([arrival("evt_3", "k3", event_type="push"), arrival("evt_3", body=b"forged")])
    filled.append([arrival("late", "k1", received_at=clock.now())])
    clock.advance(5)
    a, b = filled.figures()
    assert (a.lane, b.lane) == ("a", "b")
    assert a.counts[State.DONE] == a.counts[State.DEAD] == a.counts[State.CONFLICT] == 1
    assert (a.dead, a.conflicts, a.duplicates, a.parked_keys) == (1, 1, 1, 1)
    assert a.backlog == 7 and b.backlog == 2
    assert a.oldest_age_s == 605 - 120 and b.oldest_age_s == 605 - 480
    assert a.backlog_bytes == sum(row.size for row in filled.find(Query(lane="a", limit=99))) - sum(
        row.size
        for row in filled.find(
            Query(lane="a", states=[State.DONE, State.DEAD, State.CONFLICT], limit=99)
        )
    )


def test_figures_of_a_lane_that_is_only_paused(inbox: Inbox) -> None:
    inbox.pause("quiet")
    [lane] = inbox.figures()
    assert (lane.lane, lane.backlog, lane.oldest_age_s) == ("quiet", 0, None)
    assert inbox.outbox.figures() == [], "another queue's lane"


def test_history(filled: Inbox, clock: ManualClock) -> None:
    start = ManualClock().now()
    buckets = filled.history(since=start + 120, step_s=300)
    assert [(one.lane, one.start - start, one.received, one.done, one.dead) for one in buckets] == [
        ("a", 120, 5, 0, 0),
        ("a", 420, 1, 1, 1),
        ("b", 420, 2, 0, 0),
    ]
    assert filled.history(since=clock.now() + 999) == []


@pytest.mark.parametrize(
    ("query", "plan"),
    [
        ({}, "SCAN"),
        ({"lane": "a"}, "SCAN"),
        ({"states": [State.DONE]}, "SCAN"),
        ({"lane": "a", "states": [State.DONE, State.FILTERED]}, "SCAN"),
        ({"states": [State.DEAD]}, "hipflask_inbox_ended (lane=? AND state=?)"),
        ({"lane": "a", "states": [State.DEAD]}, "hipflask_inbox_ended (lane=? AND state=?)"),
        ({"states": [State.WAITING]}, "hipflask_inbox_open (lane=? AND state=?)"),
        ({"lane": "a", "key": "k1"}, "hipflask_inbox_"),
    ],
)
def test_few_are_found_by_index_and_of_many_the_newest_come_first(
    stores: Stores, filled: Inbox, query: dict[str, object], plan: str
) -> None:
    if not stores.is_sqlite:
        pytest.skip("SQLite's plan; PostgreSQL chooses by statistics")
    from sqlalchemy import event

    asked = []

    def note(c: object, cursor: object, statement: str, values: object, *rest: object) -> None:
        asked.append((statement, values))

    engine = filled.database.engine
    event.listen(engine, "before_cursor_execute", note)
    filled.find(Query(**query))  # type: ignore[arg-type]  # by name
    event.remove(engine, "before_cursor_execute", note)
    statement, values = asked[-1]
    with filled.database.read() as connection:
        found = str(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all())
    assert plan in found
    assert plan != "SCAN" or "TEMP B-TREE" not in found


def test_lanes(filled: Inbox) -> None:
    assert filled.lanes() == ["a", "b"]


def test_figures_read_indexes_only(stores: Stores, filled: Inbox) -> None:
    if not stores.is_sqlite:
        pytest.skip("SQLite's plan; PostgreSQL chooses by statistics")
    from hipflask.database import finding

    with filled.database.read() as connection:
        for statement in (
            finding._OPEN,
            finding._ENDED,
            finding._PARKED_KEYS,
            finding._DUPLICATES,
        ):
            plan = str(connection.execute(filled.sql("EXPLAIN QUERY PLAN " + statement)).all())
            assert "COVERING INDEX" in plan, (statement, plan)
