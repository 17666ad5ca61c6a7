"""What an arrival becomes: stored, duplicate, conflict; in one transaction that is on disk."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import text

from hipflask.database import Dead, Done, Limits, ManualClock, Query, State, StoreUnavailable
from hipflask.webhooks.fields import parse_headers
from hipflask.webhooks.inbox import Inbox, Kind
from tests.database.stores import ANY, Stores, arrival, in_thread, start_child, states


def test_arrival_is_read_back_as_it_came(inbox: Inbox) -> None:
    body = bytes(range(256))
    sent = arrival("e1", "k", body=body, query="a=1", secret_no=2)
    [receipt] = inbox.append([sent])
    row = inbox.read(receipt.seq)
    assert row is not None
    headers = parse_headers(sent.headers)
    assert (row.body, row.headers, row.query, row.secret_no) == (body, headers, "a=1", 2)
    assert (row.source, row.event_id, row.digest) == ("a", "e1", sent.digest)
    assert (row.state, row.size, row.received_at) == (State.RECEIVED, 256, sent.received_at)


def test_no_arrivals_are_no_transaction(inbox: Inbox) -> None:
    assert inbox.append([]) == []


def test_arrivals_write_no_audit(inbox: Inbox) -> None:
    [receipt] = inbox.append([arrival(1)])
    assert inbox.audit(receipt.seq) == []


def test_same_id_and_bytes_are_a_duplicate(inbox: Inbox) -> None:
    first, second = inbox.append([arrival(1), arrival(1)])
    [third] = inbox.append([arrival(1)])
    assert [first.kind, second.kind, third.kind] == [Kind.STORED, Kind.DUPLICATE, Kind.DUPLICATE]
    assert first.seq == second.seq == third.seq
    row = inbox.read(first.seq)
    assert row is not None and row.dup_count == 2


def test_the_same_id_at_another_source_is_another_event(inbox: Inbox) -> None:
    receipts = inbox.append([arrival(1), arrival(1, source="b")])
    assert {receipt.kind for receipt in receipts} == {Kind.STORED}


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_same_id_with_other_bytes_is_kept_beside_and_not_processed(
    inbox: Inbox, in_one_batch: bool
) -> None:
    batch = [arrival(1), arrival(1, body=b"other"), arrival(1, body=b"other")]
    if in_one_batch:
        first, second, third = inbox.append(batch)
    else:
        first, second, third = [inbox.append([one])[0] for one in batch]
    assert [first.kind, second.kind, third.kind] == [Kind.STORED, Kind.CONFLICT, Kind.CONFLICT]
    assert second.seq == third.seq
    beside = inbox.read(second.seq)
    assert beside is not None and beside.state is State.CONFLICT
    assert beside.event_id == f"1#{beside.digest.hex()[:16]}" and beside.body == b"other"
    assert [one.seq for one in inbox.claim(limit=9, lease_s=9, lanes=ANY)] == [first.seq]


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_known_bytes_under_another_unsigned_id_are_a_conflict(
    inbox: Inbox, in_one_batch: bool
) -> None:
    batch = [
        arrival("one", body=b"same", is_id_signed=False),
        arrival("two", body=b"same", is_id_signed=False),
        arrival("two", body=b"same", is_id_signed=False),
        arrival("one", body=b"same", is_id_signed=False),
    ]
    if in_one_batch:
        receipts = inbox.append(batch)
    else:
        receipts = [inbox.append([one])[0] for one in batch]
    kinds = [Kind.STORED, Kind.CONFLICT, Kind.DUPLICATE, Kind.DUPLICATE]
    assert [receipt.kind for receipt in receipts] == kinds
    assert receipts[1].seq == receipts[2].seq and receipts[0].seq == receipts[3].seq
    assert [one.seq for one in inbox.claim(limit=9, lease_s=9, lanes=ANY)] == [receipts[0].seq]


def test_known_bytes_under_another_signed_id_are_another_event(inbox: Inbox) -> None:
    receipts = inbox.append([arrival("one", body=b"same"), arrival("two", body=b"same")])
    assert {receipt.kind for receipt in receipts} == {Kind.STORED}


def test_a_conflict_can_be_replayed_by_a_person(inbox: Inbox) -> None:
    twins = [arrival(n, body=b"same", is_id_signed=False) for n in ("one", "two")]
    _, second = inbox.append(twins)
    assert inbox.replay([second.seq], actor="me") == 1
    assert second.seq in {one.seq for one in inbox.claim(limit=9, lease_s=9, lanes=ANY)}


def test_arrivals_of_a_key_queue_behind_the_first(inbox: Inbox) -> None:
    inbox.append([arrival(1, "k"), arrival(2, "k"), arrival(3, "other"), arrival(4)])
    inbox.append([arrival(5, "k"), arrival(6, "k", source="b")])
    found = {row.event_id: row.state.value for row in inbox.find(Query())}
    assert found == {
        "1": "received",
        "2": "queued",
        "3": "received",
        "4": "received",
        "5": "queued",
        "6": "received",
    }


def test_a_duplicate_leaves_nobody_behind_it(inbox: Inbox) -> None:
    """The first of the batch is known and done; the second must not wait for it."""
    [first] = inbox.append([arrival(1, "k")])
    [claimed] = inbox.claim(limit=1, lease_s=9, lanes=ANY)
    inbox.finish(claimed, Done())
    again, second, third = inbox.append([arrival(1, "k"), arrival(2, "k"), arrival(3, "k")])
    assert again.seq == first.seq
    found = states(inbox)
    assert (found[second.seq], found[third.seq]) == ("received", "queued")


@pytest.mark.parametrize(
    ("policy", "expected"), [("park", "parked"), ("block", "queued"), ("skip", "received")]
)
def test_newcomers_behind_a_dead_head(inbox: Inbox, policy: Any, expected: str) -> None:
    inbox.when_dead["a"] = policy
    inbox.append([arrival(1, "k")])
    [claimed] = inbox.claim(limit=1, lease_s=9, lanes=ANY)
    inbox.finish(claimed, Dead("no"))
    [receipt] = inbox.append([arrival(2, "k")])
    assert states(inbox)[receipt.seq] == expected


def test_numbers_are_never_used_again(inbox: Inbox, clock: ManualClock) -> None:
    [first] = inbox.append([arrival(1)])
    [claimed] = inbox.claim(limit=1, lease_s=9, lanes=ANY)
    inbox.finish(claimed, Done())
    for days in (8, 31):
        clock.advance(days * 86400)
        inbox.sweep()
    assert inbox.read(first.seq) is None
    [second] = inbox.append([arrival(1)])
    assert second.seq > first.seq


def test_a_failure_stores_none_of_the_batch(inbox: Inbox, monkeypatch: Any) -> None:
    def refuse(*rows: Any) -> None:
        raise StoreUnavailable("scheduler away")

    inbox.on_ready = refuse
    with pytest.raises(StoreUnavailable):
        inbox.append([arrival(1), arrival(2)])
    inbox.on_ready = None
    assert inbox.find(Query()) == []
    assert {receipt.kind for receipt in inbox.append([arrival(1)])} == {Kind.STORED}


def test_ready_rows_are_told_in_the_transaction_and_workers_after_it(inbox: Inbox) -> None:
    told: list[Any] = []
    inbox.on_ready = lambda connection, rows: told.append([(row.seq, row.key) for row in rows])
    inbox.wake = lambda: told.append(states(inbox))
    first, second, _ = inbox.append([arrival(1, "k"), arrival(2), arrival(3, "k")])
    ready, after = told
    assert ready == [(first.seq, "k"), (second.seq, None)]
    assert len(after) == 3, "woken before the rows could be seen"


def test_backlog_counts_what_is_unfinished(inbox: Inbox, clock: ManualClock) -> None:
    assert inbox.backlog(0) == inbox.backlog(0)
    assert (inbox.backlog(0).rows, inbox.backlog(0).oldest_age_s) == (0, 0.0)
    inbox.append([arrival(1, body=b"x" * 10), arrival(2, "k", body=b"y" * 5), arrival(3, "k")])
    clock.advance(7)
    found = inbox.backlog(0)
    assert (found.rows, found.oldest_age_s) == (3, 7.0)
    [claimed] = inbox.claim(limit=1, lease_s=9, lanes=ANY)
    inbox.finish(claimed, Done())
    assert inbox.backlog(0).bytes == found.bytes - 10
    assert inbox.backlog(60) == inbox.backlog(60)


def test_copies_that_race_are_one_row(stores: Stores) -> None:
    """Two writers at once, as two processes on PostgreSQL are."""
    inboxes = [Inbox(stores.open()) for _ in range(4)]
    gate = threading.Barrier(4)
    receipts: list[Any] = []

    def send(inbox: Inbox) -> None:
        gate.wait(30)
        for start in range(0, 40, 10):
            batch = [arrival(n, f"k{n % 3}") for n in range(start, start + 10)]
            receipts.extend(inbox.append(batch))

    threads = [in_thread(lambda one=one: send(one)) for one in inboxes]
    for thread in threads:
        thread.join(60)
    kinds = [receipt.kind for receipt in receipts]
    assert (kinds.count(Kind.STORED), kinds.count(Kind.DUPLICATE)) == (40, 120)
    rows = inboxes[0].find(Query(limit=100))
    assert len(rows) == 40 and sum(row.dup_count for row in rows) == 120
    assert_one_active_each(inboxes[0])


def test_the_same_ids_in_another_order_do_not_wait_for_each_other(stores: Stores) -> None:
    inboxes = [Inbox(stores.open()) for _ in range(3)]
    gate = threading.Barrier(3)
    errors: list[BaseException] = []

    def send(inbox: Inbox, is_backwards: bool) -> None:
        gate.wait(30)
        for start in range(0, 200, 20):
            batch = [arrival(n, is_id_signed=False) for n in range(start, start + 20)]
            try:
                inbox.append(batch[::-1] if is_backwards else batch)
            except StoreUnavailable as error:
                errors.append(error)

    threads = [in_thread(lambda n=n: send(inboxes[n], n == 1)) for n in range(3)]
    for thread in threads:
        thread.join(120)
    rows = inboxes[0].find(Query(limit=1000))
    assert (len(rows), sum(row.dup_count for row in rows), errors) == (200, 400, [])


def test_a_batch_that_a_deadlock_ended_is_tried_again(inbox: Inbox) -> None:
    class Deadlock(Exception):
        sqlstate = "40P01"

    left = [2]

    def refuse(*rows: Any) -> None:
        left[0] -= 1
        if left[0] >= 0:
            raise StoreUnavailable("two waited") from Deadlock()

    inbox.on_ready = refuse
    assert inbox.append([arrival(1)])[0].kind is Kind.STORED
    left[0] = 3
    with pytest.raises(StoreUnavailable):
        inbox.append([arrival(2)])
    assert left[0] == 0


def assert_one_active_each(inbox: Inbox) -> None:
    active: dict[str | None, int] = {}
    for row in inbox.find(Query(limit=1000)):
        if row.key is not None and row.state in (State.RECEIVED, State.RUNNING, State.WAITING):
            active[row.key] = active.get(row.key, 0) + 1
    assert set(active.values()) == {1}


WRITER = """
import sys
from hipflask.database import Database, Limits
from hipflask.webhooks.inbox import Inbox
from tests.database.stores import arrival
inbox = Inbox(Database(sys.argv[1]))
inbox.database.prepare()
print("ready")
sys.stdin.readline()
kinds = []
for start in range(0, 60, 20):
    kinds += [r.kind for r in inbox.append([arrival(n, "k") for n in range(start, start + 20)])]
print(kinds.count("stored"), kinds.count("duplicate"))
"""


def test_copies_from_several_processes_are_one_row(stores: Stores, inbox: Inbox) -> None:
    children = [start_child(WRITER, stores.url) for _ in range(2)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    outputs = [child.communicate(timeout=60)[0].split() for child in children]
    assert sum(int(stored) for stored, _ in outputs) == 60
    assert sum(int(duplicates) for _, duplicates in outputs) == 60
    rows = inbox.find(Query(limit=100))
    assert sum(row.dup_count for row in rows) == 60
    assert sum(row.state is State.RECEIVED for row in rows) == 1


def test_on_postgres_a_repetition_of_a_locked_row_is_counted_later(
    stores: Stores, inbox: Inbox
) -> None:
    if stores.is_sqlite:
        pytest.skip("SQLite has one writer")
    [first] = inbox.append([arrival(1, "k")])
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with inbox.database.begin() as connection:
            connection.execute(text("SELECT 1 FROM hipflask_inbox FOR UPDATE"))
            locked.set()
            done.wait(30)

    thread = in_thread(hold)
    assert locked.wait(30)
    counting = in_thread(lambda: inbox.append([arrival(1, "k"), arrival(2, "k")]))
    other = Inbox(stores.open())
    while len(states(other)) < 2:
        pass  # stored although the first row is locked
    done.set()
    thread.join(30)
    counting.join(30)
    row = inbox.read(first.seq)
    assert row is not None and row.dup_count == 1


def test_a_repetition_that_cannot_be_counted_is_stored_all_the_same(
    stores: Stores, inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    if stores.is_sqlite:
        pytest.skip("SQLite has one writer")
    [first] = inbox.append([arrival(1)])
    hurried = Inbox(stores.open(wait_s=0.2))
    with inbox.database.begin() as connection:
        connection.execute(text("SELECT 1 FROM hipflask_inbox FOR UPDATE"))
        receipts = hurried.append([arrival(1), arrival(2)])
    assert [receipt.kind for receipt in receipts] == [Kind.DUPLICATE, Kind.STORED]
    assert receipts[0].seq == first.seq and len(states(inbox)) == 2
    assert "uncounted" in caplog.text


def test_only_its_limits_name_a_lane(inbox: Inbox) -> None:
    inbox.append([arrival(1, source="c")])
    assert inbox.claim(limit=9, lease_s=9, lanes=ANY) == []
    assert len(inbox.claim(limit=9, lease_s=9, lanes={"c": Limits()})) == 1
