"""A store moves from SQLite to PostgreSQL, whole, also when the mover is killed on its way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask.database import Database, Dead, Done, ManualClock, Query, StoreUnavailable
from hipflask.scaffold import SetupError
from hipflask.webhooks.inbox import Attempt, Inbox, Kind, Outgoing
from hipflask.webhooks.inbox.moving import move
from tests.database.stores import ANY, arrival, new_database, run_child, states


@pytest.fixture
def old(tmp_path: Path, clock: ManualClock) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/old.db", clock=clock)
    database.prepare()
    yield database
    database.close()


@pytest.fixture
def new(postgres: Any, clock: ManualClock) -> Iterator[Database]:
    database = Database(new_database(postgres), clock=clock)
    yield database
    database.close()


def fill(old: Database) -> Inbox:
    """Rows in several states, with an audit, a body of odd bytes, an outbox and a pause."""
    inbox = Inbox(old)
    inbox.append([arrival(n, f"k{n % 3}", body=bytes([n, 0, 255])) for n in range(50)])
    first, second, third = inbox.claim(limit=3, lease_s=30, lanes=ANY)
    outgoing = Outgoing(
        destination="d",
        method="POST",
        path="/x",
        headers=((b"a", b"b"),),
        body=b"out",
        idempotency_key="i",
        inbox_seq=first.seq,
    )
    with inbox.transaction(first) as tx:
        tx.post(outgoing)
        tx.handled("h")
        inbox.finish(first, Done(), tx.connection)
    [sending] = inbox.outbox.claim(limit=1, lease_s=30, lanes={"d": ANY["a"]})
    inbox.outbox.record(sending, Attempt(at=1.0, duration_s=0.5, status=200, answer=b"ok"))
    inbox.outbox.finish(sending, Done())
    inbox.finish(second, Dead("no"))
    inbox.give_back([third])
    inbox.pause("b")
    return inbox


def test_everything_is_there_afterwards(old: Database, new: Database) -> None:
    inbox = fill(old)
    told: list[tuple[str, int, int]] = []
    counts = move(old, new, progress=lambda *news: told.append(news))
    assert counts["hipflask_inbox"] == counts["hipflask_inbox_body"] == 50
    assert ("hipflask_inbox", 50, 50) in told
    moved = Inbox(new)
    for row in inbox.find(Query(limit=99)):
        assert moved.read(row.seq) == inbox.read(row.seq)
        assert moved.audit(row.seq) == inbox.audit(row.seq)
    assert moved.figures() == inbox.figures()
    assert moved.outbox.attempts(1) == inbox.outbox.attempts(1) != []
    assert moved.outbox.read(1) == inbox.outbox.read(1)


def test_the_new_store_goes_on_where_the_old_stopped(old: Database, new: Database) -> None:
    last = fill(old).append([arrival("last")])[0].seq
    move(old, new)
    moved = Inbox(new)
    again, fresh = moved.append([arrival(3, body=bytes([3, 0, 255])), arrival("new", "k2")])
    assert (again.kind, fresh.kind) == (Kind.DUPLICATE, Kind.STORED)
    assert fresh.seq > last and states(moved)[fresh.seq] == "queued"
    assert len(moved.claim(limit=9, lease_s=30, lanes=ANY)) == 3


def test_the_old_store_refuses(old: Database, new: Database) -> None:
    inbox = fill(old)
    move(old, new)
    for call in (
        lambda: inbox.append([arrival("late")]),
        lambda: inbox.claim(limit=1, lease_s=9, lanes=ANY),
        lambda: inbox.replay([1], actor="me"),
        lambda: inbox.outbox.post([]),
    ):
        with pytest.raises(StoreUnavailable, match="moved"):
            call()
    assert len(inbox.find(Query(limit=99))) == 50, "it can still be looked at"
    assert move(old, new)["hipflask_inbox"] == 50, "moving it again does nothing"


def test_what_is_under_way_may_end_first(old: Database, new: Database) -> None:
    inbox = fill(old)
    [claimed] = inbox.claim(limit=1, lease_s=30, lanes=ANY)
    with pytest.raises(StoreUnavailable, match="1 rows are still"):
        move(old, new, wait_s=0)
    with pytest.raises(StoreUnavailable, match="moved"):
        inbox.append([arrival("late")])
    inbox.finish(claimed, Done())
    move(old, new)
    assert states(Inbox(new))[claimed.seq] == "done"


def test_a_dead_workers_row_is_claimed_in_the_new_store(
    old: Database, new: Database, clock: ManualClock
) -> None:
    [claimed] = fill(old).claim(limit=1, lease_s=30, lanes=ANY)
    clock.advance(31)
    move(old, new)
    moved = Inbox(new)
    again = {one.seq: one for one in moved.claim(limit=9, lease_s=30, lanes=ANY)}
    assert again[claimed.seq].row.kills == 1


def test_only_to_an_empty_store_of_the_right_kind(
    old: Database, new: Database, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match="only from SQLite"):
        move(old, old)
    new.prepare()
    Inbox(new).append([arrival(1)])
    with pytest.raises(SetupError, match="holds 1 rows already"):
        move(old, new)
    Inbox(old).append([arrival(1)])


def test_a_store_takes_rows_of_one_other(old: Database, new: Database, tmp_path: Path) -> None:
    move(old, new)
    third = Database(f"sqlite:///{tmp_path}/third.db")
    try:
        with pytest.raises(SetupError, match="is where"):
            move(third, new)
    finally:
        third.close()


MOVER = """
import sys
from hipflask.database import Database
from hipflask.webhooks.inbox import moving
moving.BATCH = moving.BATCH_OF_BODIES = 7
moving.move(Database(sys.argv[1]), Database(sys.argv[2]))
"""


def test_killed_movers_are_followed_by_one_that_ends(old: Database, new: Database) -> None:
    """P18: before COMMIT and inside it, a little further each time."""
    inbox = fill(old)
    killed = 0
    for time in (1, 2, 3, 5, 8):
        done = run_child(MOVER, old.url, new.url, HIPFLASK_FAILPOINT=f"P18:{time}")
        killed += done.returncode == -9
    done = run_child(MOVER, old.url, new.url)
    assert done.returncode == 0, done.stderr
    assert killed >= 3
    moved = Inbox(new)
    for row in inbox.find(Query(limit=99)):
        assert moved.read(row.seq) == inbox.read(row.seq)
        assert moved.audit(row.seq) == inbox.audit(row.seq)
