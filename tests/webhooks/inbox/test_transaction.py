"""A handler's effects, posts and `done`: all of them, or none."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from sqlalchemy import text

from hipflask.database import Claimed, Done, Fenced, Limits, ManualClock, Query, Retry
from hipflask.webhooks.inbox import Inbox, InboxRow, Outgoing
from tests.database.stores import ANY, Stores, arrival, in_thread, states


def outgoing(path: str = "/entries", **other: Any) -> Outgoing:
    fields: dict[str, Any] = {
        "destination": "ledger",
        "method": "POST",
        "path": path,
        "headers": ((b"Content-Type", b"text/plain"),),
        "body": b"body",
        "idempotency_key": f"key of {path}",
        **other,
    }
    return Outgoing(**fields)


@pytest.fixture
def claimed(inbox: Inbox) -> Claimed[InboxRow]:
    with inbox.database.begin() as connection:
        connection.execute(text("CREATE TABLE effect (name TEXT)"))
    inbox.append([arrival(1)])
    return inbox.claim(limit=1, lease_s=30, lanes=ANY)[0]


def effects(inbox: Inbox) -> list[str]:
    with inbox.database.read() as connection:
        return list(connection.scalars(text("SELECT name FROM effect")))


def write(connection: Any, name: str = "paid") -> None:
    connection.execute(text("INSERT INTO effect VALUES (:name)"), {"name": name})


def test_effect_post_and_end_are_one(inbox: Inbox, claimed: Claimed[InboxRow]) -> None:
    with inbox.transaction(claimed) as tx:
        write(tx.connection)
        seq = tx.post(outgoing(inbox_seq=claimed.seq, handler="paid"))
        tx.handled("paid")
        inbox.finish(claimed, Done(), tx.connection)
    assert effects(inbox) == ["paid"]
    row = inbox.outbox.read(seq)
    assert row is not None and (row.body, row.handler) == (b"body", "paid")
    assert row.headers == ((b"Content-Type", b"text/plain"),)
    assert [one.seq for one in inbox.outbox.sent_for(claimed.seq)] == [seq]
    done = inbox.read(claimed.seq)
    assert done is not None and (done.state, done.done_by) == ("done", ("paid",))


def test_an_error_undoes_all(inbox: Inbox, claimed: Claimed[InboxRow]) -> None:
    with pytest.raises(ZeroDivisionError), inbox.transaction(claimed) as tx:
        write(tx.connection)
        tx.post(outgoing())
        tx.handled("paid")
        _ = 1 / 0
    assert effects(inbox) == [] and inbox.outbox.find(Query()) == []
    row = inbox.read(claimed.seq)
    assert row is not None and (row.state, row.done_by) == ("running", ())


def test_it_begins_when_first_touched(stores: Stores, inbox: Inbox) -> None:
    """Until then others may write: a slow handler holds up nobody."""
    inbox.append([arrival(1)])
    [claimed] = inbox.claim(limit=1, lease_s=30, lanes=ANY)
    other = Inbox(stores.open(wait_s=0.5))
    with inbox.transaction(claimed) as tx:
        assert not tx.has_begun
        other.append([arrival(2)])
        tx.handled("h")
        assert tx.has_begun


def test_untouched_it_is_no_transaction_at_all(inbox: Inbox, claimed: Claimed[InboxRow]) -> None:
    inbox.kill([claimed.seq], actor="me")
    with inbox.transaction(claimed):
        pass


def test_handlers_are_remembered_once_each(
    inbox: Inbox, claimed: Claimed[InboxRow], clock: ManualClock
) -> None:
    for name in ("one", "two", "one"):
        with inbox.transaction(claimed) as tx:
            tx.handled(name)
    inbox.finish(claimed, Retry(clock.now(), "third failed"))
    [again] = inbox.claim(limit=1, lease_s=30, lanes=ANY)
    assert again.row.done_by == ("one", "two")
    inbox.finish(again, Done())
    inbox.replay([again.seq], actor="me")
    [replayed] = inbox.claim(limit=1, lease_s=30, lanes=ANY)
    assert replayed.row.done_by == ()


def test_a_lost_lease_is_noticed_at_the_first_touch(
    inbox: Inbox, claimed: Claimed[InboxRow], clock: ManualClock
) -> None:
    clock.advance(31)
    [second] = inbox.claim(limit=1, lease_s=30, lanes=ANY)
    with pytest.raises(Fenced), inbox.transaction(claimed) as tx:
        write(tx.connection)
    assert effects(inbox) == []
    with inbox.transaction(second) as tx:
        write(tx.connection)
    assert effects(inbox) == ["paid"]


def test_a_lease_lost_inside_undoes_the_effect(stores: Stores, clock: ManualClock) -> None:
    """On PostgreSQL others may claim while a handler's transaction is open."""
    if stores.is_sqlite:
        pytest.skip("SQLite's one writer keeps others from claiming")
    inbox, other = Inbox(stores.open()), Inbox(stores.open())
    with inbox.database.begin() as connection:
        connection.execute(text("CREATE TABLE effect (name TEXT)"))
    inbox.append([arrival(1)])
    [zombie] = inbox.claim(limit=1, lease_s=30, lanes=ANY)
    with pytest.raises(Fenced), inbox.transaction(zombie) as tx:
        write(tx.connection, "zombie")
        clock.advance(31)
        import threading

        found: list[Any] = []
        thread = threading.Thread(
            target=lambda: found.extend(other.claim(limit=1, lease_s=30, lanes=ANY))
        )
        thread.start()
        thread.join(30)
        [second] = found
    with other.transaction(second) as tx:
        write(tx.connection, "second")
        other.finish(second, Done(), tx.connection)
    assert effects(inbox) == ["second"]


def test_a_long_transaction_is_told_of(
    stores: Stores, inbox: Inbox, claimed: Claimed[InboxRow], caplog: Any, monkeypatch: Any
) -> None:
    if not stores.is_sqlite:
        pytest.skip("PostgreSQL has many writers")
    monkeypatch.setattr("hipflask.database.engine.LONG_S", 0.0)
    with caplog.at_level(logging.WARNING, "hipflask.database"), inbox.transaction(claimed) as tx:
        tx.handled("slow")
    assert "held the writer for" in caplog.text


# Outbox


def test_posts_outside_a_handler_have_their_own_transaction(inbox: Inbox) -> None:
    told: list[Any] = []
    inbox.outbox.on_ready = lambda connection, rows: told.extend((r.seq, r.lane) for r in rows)
    seqs = inbox.outbox.post([outgoing("/1", key="k"), outgoing("/2", key="k"), outgoing("/3")])
    assert told == [(seqs[0], "ledger"), (seqs[2], "ledger")]
    assert states(inbox.outbox) == dict(zip(seqs, ("received", "queued", "received")))  # type: ignore[arg-type]  # any queue


def test_tries_are_kept_with_the_first_of_their_answers(inbox: Inbox) -> None:
    from hipflask.webhooks.inbox import Attempt

    inbox.outbox.post([outgoing()])
    [claimed] = inbox.outbox.claim(limit=1, lease_s=30, lanes={"ledger": Limits()})
    first = Attempt(at=time.time(), duration_s=0.25, status=None, error="refused")
    second = Attempt(at=time.time(), duration_s=0.5, status=500, answer=b"x" * 5000)
    inbox.outbox.record(claimed, first)
    with inbox.database.begin() as connection:
        inbox.outbox.record(claimed, second, connection)
        inbox.outbox.finish(claimed, Done(), connection)
    kept = inbox.outbox.attempts(claimed.seq)
    assert kept[0] == first
    assert (kept[1].status, len(kept[1].answer)) == (500, 2048)


def test_an_operator_who_kills_an_event_that_ends_waits_for_it(
    stores: Stores, inbox: Inbox
) -> None:
    """Both lock its key, then its row: in that order, or each would wait for the other."""
    if stores.is_sqlite:
        pytest.skip("SQLite has one writer")
    inbox.append([arrival(1, "k")])
    [claimed] = inbox.claim(limit=1, lease_s=30, lanes=ANY)
    operator = Inbox(stores.open())
    killed: list[int] = []
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    with inbox.transaction(claimed) as tx:
        tx.handled("paid")
        killing = in_thread(lambda: killed.append(operator.kill([claimed.seq], actor="me")))
        with stores.open().read() as looking:
            while not looking.scalar(waiting):
                assert killing.is_alive()
                looking.rollback()
        inbox.finish(claimed, Done(), tx.connection)
    killing.join(30)
    assert (killed, states(inbox)) == ([0], {claimed.seq: "done"})
