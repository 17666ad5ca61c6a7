"""Retention in small batches, keys that stand still, and dedupe for thirty days."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import text

from hipflask.database import Dead, Done, ManualClock, Query, State, Swept, sweeping
from hipflask.webhooks.inbox import Attempt, Inbox, Kind, Outgoing

from .stores import ANY, Stores, arrival, in_thread, states

DAY = 86400.0


def finish_all(inbox: Inbox) -> None:
    while taken := inbox.claim(limit=100, lease_s=60, lanes=ANY):
        for one in taken:
            inbox.finish(one, Done())


def bodies(inbox: Inbox) -> int:
    with inbox.database.read() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM hipflask_inbox_body")) or 0)


def test_nothing_to_do_is_nothing_done(inbox: Inbox) -> None:
    assert inbox.sweep() == Swept()


def test_bodies_go_after_seven_days_and_rows_after_thirty(inbox: Inbox, clock: ManualClock) -> None:
    receipts = inbox.append([arrival(n) for n in range(50)])
    finish_all(inbox)
    inbox.append([arrival("open")])
    clock.advance(7 * DAY - 1)
    assert inbox.sweep() == Swept()
    clock.advance(2)
    assert inbox.sweep(60).purged == 50
    assert bodies(inbox) == 1
    row = inbox.read(receipts[0].seq)
    assert row is not None and (row.body, row.headers, row.is_purged) == (None, None, True)
    assert inbox.replay([receipts[0].seq], actor="me") == 0, "there is nothing left to replay"
    clock.advance(23 * DAY)
    assert inbox.sweep(60).deleted == 50
    assert [row.event_id for row in inbox.find(Query())] == ["open"]
    assert inbox.audit(receipts[0].seq) == []


def test_a_copy_is_known_after_29_days_and_new_after_30(inbox: Inbox, clock: ManualClock) -> None:
    [first] = inbox.append([arrival(1)])
    finish_all(inbox)
    for _ in range(29):
        clock.advance(DAY)
        inbox.sweep()
    [copy] = inbox.append([arrival(1)])
    assert (copy.kind, copy.seq) == (Kind.DUPLICATE, first.seq)
    [other] = inbox.append([arrival(1, body=b"forged")])
    assert other.kind is Kind.CONFLICT
    clock.advance(2 * DAY)
    inbox.sweep(60)
    inbox.sweep(60)
    assert inbox.append([arrival(1)])[0].kind is Kind.STORED


def test_dead_rows_keep_their_bodies_for_thirty_days(inbox: Inbox, clock: ManualClock) -> None:
    [receipt] = inbox.append([arrival(1)])
    [claimed] = inbox.claim(limit=1, lease_s=60, lanes=ANY)
    inbox.finish(claimed, Dead("no"))
    clock.advance(29 * DAY)
    inbox.sweep()
    row = inbox.read(receipt.seq)
    assert row is not None and row.body is not None
    clock.advance(2 * DAY)
    inbox.sweep(60)
    inbox.sweep(60)
    assert inbox.read(receipt.seq) is None


def test_a_dead_row_is_kept_while_others_wait_behind_it(inbox: Inbox, clock: ManualClock) -> None:
    head, follower = (one.seq for one in inbox.append([arrival(1, "k"), arrival(2, "k")]))
    [claimed] = inbox.claim(limit=1, lease_s=60, lanes=ANY)
    inbox.finish(claimed, Dead("no"))
    clock.advance(400 * DAY)
    inbox.sweep(60)
    assert inbox.read(head) is not None and states(inbox)[follower] == "parked"
    assert inbox.replay([head], actor="me") == 1


def test_what_is_unfinished_never_goes(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1), arrival(2, "k"), arrival(3, "k")])
    clock.advance(1000 * DAY)
    assert inbox.sweep(60) == Swept()


def test_tries_go_with_their_row(inbox: Inbox, clock: ManualClock) -> None:
    outbox = inbox.outbox
    [seq] = outbox.post(
        [
            Outgoing(
                destination="a",
                method="GET",
                path="/",
                headers=(),
                body=b"",
                idempotency_key="i",
            )
        ]
    )
    [claimed] = outbox.claim(limit=1, lease_s=60, lanes=ANY)
    outbox.record(claimed, Attempt(at=1.0, duration_s=1.0, status=200))
    outbox.finish(claimed, Done())
    clock.advance(31 * DAY)
    outbox.sweep(60)
    outbox.sweep(60)
    assert outbox.read(seq) is None and outbox.attempts(seq) == []


def test_batches_are_short_and_others_write_between_them(
    stores: Stores, inbox: Inbox, clock: ManualClock, monkeypatch: Any
) -> None:
    """A batch looks at the clock after each few rows; here after the first already."""
    monkeypatch.setattr(sweeping, "HOLD_S", 1e-9)
    inbox.append([arrival(n) for n in range(100)])
    finish_all(inbox)
    clock.advance(8 * DAY)
    other = Inbox(stores.open())
    done = threading.Event()
    appended: list[int] = []

    def write() -> None:
        number = 0
        while not done.is_set() or not appended:
            number += 1
            other.append([arrival(f"n{number}")])
            appended.append(number)

    thread = in_thread(write)
    swept = inbox.sweep(120)
    done.set()
    thread.join(60)
    assert swept.purged == 100 and appended


def test_a_budget_ends_a_sweep(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(n) for n in range(3)])
    finish_all(inbox)
    clock.advance(8 * DAY)
    assert inbox.sweep(0).purged == 0
    assert inbox.sweep(60).purged == 3


def test_a_key_that_stands_still_goes_on(inbox: Inbox) -> None:
    """As if somebody had ended the head by hand, in SQL."""
    head, second = (one.seq for one in inbox.append([arrival(1, "k"), arrival(2, "k")]))
    with inbox.database.begin() as connection:
        connection.execute(text(f"UPDATE hipflask_inbox SET state = 'done' WHERE seq = {head}"))
    assert inbox.claim(limit=9, lease_s=60, lanes=ANY) == []
    told: list[int] = []
    inbox.on_ready = lambda connection, rows: told.extend(row.seq for row in rows)
    assert inbox.sweep().released == 1
    assert told == [second]
    assert [one.seq for one in inbox.claim(limit=9, lease_s=60, lanes=ANY)] == [second]


def test_keys_that_stand_behind_a_dead_row_are_not_looked_at(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There may be thousands, at each sweep; they move on with the dead row."""
    inbox.append([arrival(n, f"k{n // 2}") for n in range(6)])
    for one in inbox.claim(limit=9, lease_s=60, lanes=ANY):
        inbox.finish(one, Dead("no"))
    looked: list[str] = []
    release = inbox.release

    def note(connection: Any, lane: str, key: str, *rest: Any) -> Any:
        looked.append(key)
        return release(connection, lane, key, *rest)

    monkeypatch.setattr(inbox, "release", note)
    assert (inbox.sweep().released, looked) == (0, [])
    inbox.when_dead["a"] = "skip"
    assert (inbox.sweep().released, sorted(looked)) == (3, ["k0", "k1", "k2"])


def test_leases_of_all_lanes_are_taken_back(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1, source="b"), arrival(2)])
    inbox.claim(limit=9, lease_s=60, lanes=ANY)
    clock.advance(61)
    assert inbox.sweep().expired == 2
    inbox.claim(limit=9, lease_s=60, lanes=ANY)
    clock.advance(61)
    inbox.sweep()
    inbox.claim(limit=9, lease_s=60, lanes=ANY)
    clock.advance(61)
    assert inbox.sweep().died == 2


@pytest.mark.parametrize("state", [State.CONFLICT, State.FILTERED])
def test_other_endings_go_too(inbox: Inbox, clock: ManualClock, state: State) -> None:
    inbox.append([arrival(1), arrival(1, body=b"other")])
    finish_all(inbox)
    if state is State.FILTERED:
        with inbox.database.begin() as connection:
            connection.execute(text("UPDATE hipflask_inbox SET state = 'filtered'"))
    clock.advance(61 * DAY)
    inbox.sweep(60)
    inbox.sweep(60)
    assert inbox.find(Query()) == []
