"""Claims, leases and fences, retries, order per key, what operators do."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sqlalchemy import event, text

from hipflask.database import (
    Claimed,
    Dead,
    Done,
    Ending,
    Fenced,
    Filtered,
    Limits,
    ManualClock,
    Query,
    Retry,
    State,
)
from hipflask.database.states import WhenDead
from hipflask.database.table import _FIRST_OF_KEY, _STANDING
from hipflask.webhooks.inbox import Inbox, InboxRow

from .stores import ANY, Stores, arrival, in_thread, start_child, states


def claim(inbox: Inbox, limit: int = 10, lease_s: float = 30) -> list[Claimed[InboxRow]]:
    return inbox.claim(limit=limit, lease_s=lease_s, lanes=ANY)


def ids(claims: list[Claimed[InboxRow]]) -> list[str]:
    return [one.row.event_id for one in claims]


def end(inbox: Inbox, ending: Ending) -> str:
    """Claim one row and end it; returns its id."""
    [claimed] = claim(inbox, 1)
    inbox.finish(claimed, ending)
    return claimed.row.event_id


# Claims


def test_the_oldest_are_claimed_first_and_once(inbox: Inbox) -> None:
    inbox.append([arrival(n) for n in range(5)])
    assert ids(claim(inbox, 2)) == ["0", "1"]
    assert ids(claim(inbox, 9)) == ["2", "3", "4"]
    assert claim(inbox) == []


def test_a_claimed_row_is_whole_and_running(inbox: Inbox) -> None:
    inbox.append([arrival("e", body=b"body")])
    [claimed] = claim(inbox)
    assert (claimed.row.body, claimed.row.state) == (b"body", State.RUNNING)
    assert (claimed.fence, claimed.attempt, claimed.queue) == (1, 0, "inbox")


def test_lanes_are_served_in_turn(inbox: Inbox) -> None:
    """A thousand old rows of one source do not keep the one of another waiting."""
    inbox.append([arrival(n) for n in range(20)] + [arrival("b1", source="b")])
    first_two = [*claim(inbox, 1), *claim(inbox, 1)]
    assert "b1" in ids(first_two)


def test_one_row_can_be_claimed_by_its_number(inbox: Inbox) -> None:
    receipts = inbox.append([arrival(1), arrival(2, "k"), arrival(3, "k")])
    wanted = receipts[1].seq
    found = inbox.claim(limit=1, lease_s=9, lanes=ANY, seq=wanted)
    assert [one.seq for one in found] == [wanted]
    for seq in (wanted, receipts[2].seq, 12345):
        assert inbox.claim(limit=1, lease_s=9, lanes=ANY, seq=seq) == []


@pytest.mark.parametrize("lease_s", [0, -1, 4000])
def test_an_impossible_lease_is_refused(inbox: Inbox, lease_s: float) -> None:
    with pytest.raises(ValueError, match="lease_s"):
        claim(inbox, lease_s=lease_s)


def test_nothing_asked_for_is_nothing_taken(inbox: Inbox) -> None:
    inbox.append([arrival(1)])
    assert inbox.claim(limit=0, lease_s=9, lanes=ANY) == []
    assert inbox.claim(limit=9, lease_s=9, lanes={}) == []
    inbox.pause("a")
    inbox.pause("b")
    assert claim(inbox) == []


def test_concurrency_holds_over_all_claims(inbox: Inbox) -> None:
    inbox.append([arrival(n) for n in range(5)])
    lanes = {"a": Limits(concurrency=2)}
    taken = inbox.claim(limit=10, lease_s=30, lanes=lanes)
    assert len(taken) == 2
    assert inbox.claim(limit=10, lease_s=30, lanes=lanes) == []
    inbox.finish(taken[0], Done())
    assert len(inbox.claim(limit=10, lease_s=30, lanes=lanes)) == 1


def test_rate_saves_up_for_a_second_at_most(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(n) for n in range(50)])
    lanes = {"a": Limits(rate_per_s=10)}

    def take() -> int:
        return len(inbox.claim(limit=100, lease_s=30, lanes=lanes))

    assert [take(), take()] == [10, 0]
    clock.advance(0.25)
    assert [take(), take()] == [2, 0]
    clock.advance(100)
    assert take() == 10


def test_slow_rate_gives_one_after_its_time(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(n) for n in range(5)])
    lanes = {"a": Limits(rate_per_s=0.1)}
    taken = []
    for _ in range(4):
        taken.append(len(inbox.claim(limit=9, lease_s=60, lanes=lanes)))
        clock.advance(5)
    assert taken == [1, 0, 1, 0]


def test_rate_survives_a_clock_set_back(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(n) for n in range(50)])
    lanes = {"a": Limits(rate_per_s=10)}
    assert len(inbox.claim(limit=100, lease_s=30, lanes=lanes)) == 10
    clock.jump(-3600)
    assert len(inbox.claim(limit=100, lease_s=30, lanes=lanes)) == 10


def test_a_paused_lane_gives_nothing_until_its_time(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1), arrival(2, source="b")])
    inbox.pause("a", clock.now() + 60)
    assert ids(claim(inbox, lease_s=600)) == ["2"]
    assert (inbox.paused_until("a"), inbox.paused_until("b")) == (clock.now() + 60, None)
    clock.advance(61)
    assert inbox.paused_until("a") is None
    assert ids(claim(inbox)) == ["1"]


def test_a_pause_without_end_is_ended_by_resume(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1)])
    inbox.pause("a")
    clock.advance(10 * 365 * 86400)
    assert claim(inbox) == []
    assert inbox.figures()[0].paused_until == inbox.paused_until("a") == float("inf")
    inbox.resume("a")
    assert ids(claim(inbox)) == ["1"]
    assert inbox.figures()[0].paused_until is inbox.paused_until("a") is None


def test_next_due(inbox: Inbox, clock: ManualClock) -> None:
    assert inbox.next_due(ANY) is None
    inbox.append([arrival(1)])
    assert inbox.next_due(ANY) == 0
    end(inbox, Retry(clock.now() + 60, "later"))
    assert inbox.next_due(ANY) == clock.now() + 60
    assert inbox.next_due(["b"]) is None


def test_a_row_that_ends_while_others_wait_for_it_is_told_of_once(
    stores: Stores, inbox: Inbox, clock: ManualClock
) -> None:
    if stores.is_sqlite:
        pytest.skip("SQLite has one writer")
    [receipt] = inbox.append([arrival(1)])
    [claimed] = claim(inbox, lease_s=10)
    clock.advance(11)
    sweeper = Inbox(stores.open())
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    with inbox.database.begin() as connection:
        inbox.finish(claimed, Done(), connection)
        sweeping = in_thread(sweeper.sweep)
        with stores.open().read() as looking:
            while not looking.scalar(waiting):
                assert sweeping.is_alive()
                looking.rollback()
    sweeping.join(30)
    assert [move.new for move in inbox.audit(receipt.seq)] == ["running", "done"]


CLAIMER = """
import sys
from hipflask.database import Database, Limits
from hipflask.webhooks.inbox import Inbox
inbox = Inbox(Database(sys.argv[1]))
inbox.backlog(0)
print("ready")
sys.stdin.readline()
while found := inbox.claim(limit=3, lease_s=600, lanes={"a": Limits()}):
    print(*[one.seq for one in found])
"""


def test_two_processes_never_claim_the_same_row(stores: Stores) -> None:
    inbox = Inbox(stores.open(clock=None))
    inbox.append([arrival(n) for n in range(60)])
    children = [start_child(CLAIMER, stores.url) for _ in range(2)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    taken = [child.communicate(timeout=60)[0].split() for child in children]
    assert (
        sorted(map(int, taken[0] + taken[1]))
        == [row.seq for row in inbox.find(Query(limit=99))][::-1]
    )


def test_threads_never_claim_the_same_row(stores: Stores) -> None:
    inboxes = [Inbox(stores.open()) for _ in range(3)]
    inboxes[0].append([arrival(n, f"k{n % 20}") for n in range(40)])
    seen: list[int] = []

    def work(inbox: Inbox) -> None:
        for _ in range(30):
            for claimed in claim(inbox, 4):
                seen.append(claimed.seq)
                inbox.finish(claimed, Done())

    threads = [in_thread(lambda one=one: work(one)) for one in inboxes]
    for thread in threads:
        thread.join(120)
    while rest := claim(inboxes[0]):
        for claimed in rest:
            seen.append(claimed.seq)
            inboxes[0].finish(claimed, Done())
    assert len(seen) == len(set(seen)) == 40
    assert set(states(inboxes[0]).values()) == {"done"}


# Endings


@pytest.mark.parametrize(
    ("ending", "state", "error"),
    [
        (Done(), State.DONE, None),
        (Filtered("nobody"), State.FILTERED, None),
        (Dead("bad data"), State.DEAD, "bad data"),
    ],
)
def test_endings(
    inbox: Inbox, clock: ManualClock, ending: Ending, state: State, error: str | None
) -> None:
    [receipt] = inbox.append([arrival(1)])
    end(inbox, ending)
    row = inbox.read(receipt.seq)
    assert row is not None
    assert (row.state, row.error, row.attempt) == (state, error, 1)
    assert row.finished_at == clock.now()


def test_a_retry_waits_for_its_time_and_counts(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1)])
    end(inbox, Retry(clock.now() + 30, "busy"))
    assert claim(inbox) == []
    clock.advance(31)
    [claimed] = claim(inbox)
    assert (claimed.attempt, claimed.row.error) == (1, "busy")
    inbox.finish(claimed, Retry(clock.now(), "breaker open", counts=False))
    [claimed] = claim(inbox)
    assert claimed.attempt == 1


def test_each_move_has_its_line_of_audit(inbox: Inbox, clock: ManualClock) -> None:
    [receipt] = inbox.append([arrival(1)])
    end(inbox, Retry(clock.now(), "busy"))
    end(inbox, Done())
    inbox.replay([receipt.seq], actor="ann", note="once more")
    moves = inbox.audit(receipt.seq)
    assert [(move.old, move.new, move.attempt) for move in moves] == [
        ("received", "running", 0),
        ("running", "waiting", 1),
        ("waiting", "running", 1),
        ("running", "done", 2),
        ("done", "received", 0),
    ]
    assert (moves[-1].actor, moves[-1].note, moves[0].actor) == ("ann", "once more", "tester")


def test_finish_in_the_callers_transaction_is_undone_with_it(inbox: Inbox) -> None:
    [receipt] = inbox.append([arrival(1)])
    [claimed] = claim(inbox)
    with pytest.raises(ZeroDivisionError), inbox.database.begin() as connection:
        inbox.finish(claimed, Done(), connection)
        _ = 1 / 0
    assert states(inbox)[receipt.seq] == "running"
    inbox.finish(claimed, Done())
    assert states(inbox)[receipt.seq] == "done"


def test_given_back_is_as_if_never_claimed(inbox: Inbox) -> None:
    inbox.append([arrival(1), arrival(2)])
    taken = claim(inbox)
    inbox.finish(taken[0], Done())
    inbox.give_back(taken)
    inbox.give_back([])
    [again] = claim(inbox)
    assert (again.row.event_id, again.attempt, again.row.kills) == ("2", 0, 0)
    with pytest.raises(Fenced):
        inbox.finish(taken[1], Done())


# Leases


def test_an_expired_lease_is_a_kill_and_the_zombie_is_fenced(
    inbox: Inbox, clock: ManualClock
) -> None:
    inbox.append([arrival(1)])
    [zombie] = claim(inbox, lease_s=30)
    clock.advance(29)
    assert claim(inbox) == []
    clock.advance(1)
    [second] = claim(inbox)
    assert (second.row.kills, second.attempt, second.fence > zombie.fence) == (1, 0, True)
    with pytest.raises(Fenced, match="lease was lost"):
        inbox.finish(zombie, Done())
    assert inbox.renew([zombie], 30) == [zombie]
    inbox.finish(second, Done())


def test_three_kills_are_death(inbox: Inbox, clock: ManualClock) -> None:
    [receipt, follower] = inbox.append([arrival(1, "k"), arrival(2, "k")])
    for _ in range(3):
        assert len(claim(inbox, lease_s=10)) == 1
        clock.advance(11)
    assert claim(inbox) == []
    row = inbox.read(receipt.seq)
    assert row is not None
    assert (row.state, row.kills, row.attempt) == (State.DEAD, 3, 0)
    assert "3 times" in (row.error or "")
    assert states(inbox)[follower.seq] == "parked"


def test_renewed_leases_last(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1)])
    held = claim(inbox, lease_s=10)
    for _ in range(5):
        clock.advance(9)
        assert inbox.renew(held, 10) == []
    assert claim(inbox) == []
    assert inbox.renew([], 10) == []


@pytest.mark.parametrize("jump_s", [-3600, 3600])
def test_a_wall_clock_jump_neither_ends_nor_prolongs_a_lease(
    inbox: Inbox, clock: ManualClock, jump_s: float
) -> None:
    inbox.append([arrival(1), arrival(2)])
    [held] = claim(inbox, 1, lease_s=30)
    clock.jump(jump_s)
    assert ids(claim(inbox, 1)) == ["2"], "what was received before the jump is still due"
    assert claim(inbox) == []
    clock.advance(31)
    assert "1" in ids(claim(inbox))
    with pytest.raises(Fenced):
        inbox.finish(held, Done())


def test_a_restarted_machine_voids_leases(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1)])
    claim(inbox, lease_s=3000)
    clock.restart()
    assert ids(claim(inbox)) == ["1"]


def test_a_lease_of_another_clock_is_void(inbox: Inbox, clock: ManualClock) -> None:
    """Where a machine cannot tell its starts apart, time goes back at a start."""
    inbox.append([arrival(1)])
    clock.advance(1_000_000)
    claim(inbox, lease_s=3000)
    clock.advance(-1_000_000)
    assert ids(claim(inbox)) == ["1"]


def test_leases_by_the_systems_clock(stores: Stores) -> None:
    """On PostgreSQL this is the server's clock."""
    inbox = Inbox(stores.open(clock=None))
    inbox.append([arrival(1)])
    assert len(claim(inbox, lease_s=600)) == 1
    assert claim(inbox) == []
    inbox.append([arrival(2)])
    [short] = claim(inbox, lease_s=0.001)
    found: list[Claimed[InboxRow]] = []
    while not found:
        found = claim(inbox)
    assert (found[0].seq, found[0].row.kills) == (short.seq, 1)


# Order


def test_rows_of_a_key_go_one_after_the_other(inbox: Inbox, clock: ManualClock) -> None:
    inbox.append([arrival(1, "k"), arrival(2, "k"), arrival(3, "x"), arrival(4, "k")])
    first = claim(inbox, lease_s=600)
    assert ids(first) == ["1", "3"]
    inbox.finish(first[0], Retry(clock.now() + 60, "busy"))
    assert claim(inbox) == [], "a head that waits holds back the others"
    clock.advance(61)
    assert [end(inbox, Done()) for _ in range(3)] == ["1", "2", "4"]


@pytest.mark.parametrize("policy", ["park", "block", "skip"])
def test_what_a_dead_head_does(inbox: Inbox, policy: WhenDead) -> None:
    inbox.when_dead["a"] = policy
    receipts = inbox.append([arrival(n, "k") for n in (1, 2, 3)] + [arrival("other", "x")])
    [head, other] = claim(inbox)
    inbox.finish(head, Dead("no"))
    inbox.finish(other, Done())
    expected = {
        "park": ["dead", "parked", "parked", "done"],
        "block": ["dead", "queued", "queued", "done"],
        "skip": ["dead", "received", "queued", "done"],
    }[policy]
    assert list(states(inbox).values())[::-1] == expected
    if policy == "skip":
        return
    assert claim(inbox) == []
    inbox.sweep()
    assert claim(inbox) == [], "a sweep does not heal what is meant to stand"
    assert inbox.resolve([receipts[0].seq], actor="me") == 1
    assert [end(inbox, Done()) for _ in range(2)] == ["2", "3"]


@pytest.mark.parametrize("policy", ["park", "block"])
def test_a_replayed_head_goes_first(inbox: Inbox, policy: WhenDead) -> None:
    inbox.when_dead["a"] = policy
    receipts = inbox.append([arrival(n, "k") for n in (1, 2)])
    end(inbox, Dead("no"))
    assert inbox.replay([receipts[0].seq], actor="me") == 1
    assert [end(inbox, Done()) for _ in range(2)] == ["1", "2"]


def test_two_dead_ones_of_a_key_stand_one_behind_the_other(inbox: Inbox) -> None:
    receipts = inbox.append([arrival(n, "k") for n in (1, 2, 3)])
    end(inbox, Dead("no"))
    assert inbox.kill([receipts[1].seq], actor="me") == 1
    inbox.resolve([receipts[0].seq], actor="me")
    assert claim(inbox) == []
    assert states(inbox)[receipts[2].seq] == "parked"
    inbox.resolve([receipts[1].seq], actor="me")
    assert end(inbox, Done()) == "3"


def test_a_lane_that_no_longer_parks_goes_on_at_the_next_sweep(inbox: Inbox) -> None:
    inbox.append([arrival(n, "k") for n in (1, 2, 3)])
    end(inbox, Dead("no"))
    inbox.when_dead["a"] = "skip"
    assert inbox.sweep().released == 1
    assert [end(inbox, Done()) for _ in range(2)] == ["2", "3"]


# Operators


def test_replay_of_a_done_row_starts_from_zero(inbox: Inbox, clock: ManualClock) -> None:
    [receipt] = inbox.append([arrival(1)])
    end(inbox, Retry(clock.now(), "busy"))
    end(inbox, Done())
    assert inbox.replay([receipt.seq, receipt.seq, 999], actor="me") == 1
    [claimed] = claim(inbox)
    assert (claimed.attempt, claimed.row.finished_at, claimed.row.body) != (2, None, None)
    assert claimed.attempt == 0


def test_replay_tries_a_waiting_row_at_once(inbox: Inbox, clock: ManualClock) -> None:
    [receipt] = inbox.append([arrival(1, "k")])
    end(inbox, Retry(clock.now() + 3600, "busy"))
    assert inbox.replay([receipt.seq], actor="me") == 1
    assert end(inbox, Done()) == "1"


def test_replay_leaves_alone_what_is_under_way(inbox: Inbox) -> None:
    receipts = inbox.append([arrival(1, "k"), arrival(2, "k"), arrival(3)])
    claim(inbox, 1)
    assert inbox.replay([one.seq for one in receipts], actor="me") == 0


def test_a_killed_row_fences_its_worker(inbox: Inbox) -> None:
    receipts = inbox.append([arrival(1, "k"), arrival(2, "k")])
    [claimed] = claim(inbox)
    assert inbox.kill([claimed.seq], actor="me", note="harmful") == 1
    with pytest.raises(Fenced):
        inbox.finish(claimed, Done())
    row = inbox.read(claimed.seq)
    assert row is not None and (row.state, row.error) == (State.DEAD, "harmful")
    assert states(inbox)[receipts[1].seq] == "parked"
    assert inbox.kill([claimed.seq], actor="me") == 0


@pytest.mark.parametrize("policy", ["park", "block", "skip"])
def test_a_parked_row_waits_for_a_person(inbox: Inbox, policy: WhenDead) -> None:
    inbox.when_dead["a"] = policy
    receipts = inbox.append([arrival(1, "k"), arrival(2, "k"), arrival(3)])
    assert inbox.park([receipts[0].seq, receipts[2].seq], actor="me") == 2
    row = inbox.read(receipts[0].seq)
    assert row is not None and (row.state, row.is_held) == (State.PARKED, True)
    inbox.sweep()
    assert ids(claim(inbox)) == (["2"] if policy == "skip" else [])
    found = inbox.find(Query(states=[State.PARKED]))
    assert {one.event_id for one in found if one.is_held} == {"1", "3"}
    assert inbox.replay([receipts[2].seq], actor="me") == 1
    assert inbox.resolve([receipts[0].seq], actor="me") == 1
    assert "3" in ids(claim(inbox))


def test_resolve_leaves_others_alone(inbox: Inbox) -> None:
    receipts = inbox.append([arrival(1), arrival(2)])
    end(inbox, Done())
    assert inbox.resolve([one.seq for one in receipts], actor="me") == 0


def test_hundreds_are_replayed_in_small_transactions(inbox: Inbox) -> None:
    receipts = inbox.append([arrival(n, f"k{n % 7}") for n in range(120)])
    inbox.kill([one.seq for one in receipts], actor="me")
    calls: list[int] = []
    inbox.on_ready = lambda connection, rows: calls.append(len(rows))
    assert inbox.replay([one.seq for one in receipts], actor="me") == 120
    assert len(calls) >= 1
    order: dict[str | None, list[int]] = {}
    while taken := claim(inbox, 50):
        for one in taken:
            order.setdefault(one.key, []).append(one.seq)
            inbox.finish(one, Done())
    assert all(seqs == sorted(seqs) for seqs in order.values())
    assert sum(map(len, order.values())) == 120


# Schedulers


def test_the_scheduler_is_told_of_every_way_to_become_claimable(
    inbox: Inbox, clock: ManualClock
) -> None:
    told: list[tuple[int, float]] = []
    inbox.on_ready = lambda connection, rows: told.extend((row.seq, row.run_at) for row in rows)

    def news() -> list[tuple[int, float]]:
        found = told[:]
        told.clear()
        return found

    first, second = (one.seq for one in inbox.append([arrival(1, "k"), arrival(2, "k")]))
    assert news() == [(first, 0)]
    end(inbox, Retry(clock.now() + 5, "busy"))
    assert news() == [(first, clock.now() + 5)]
    clock.advance(6)
    [claimed] = claim(inbox, lease_s=10)
    clock.advance(11)
    inbox.sweep()
    assert news() == [(first, 0)]
    [claimed] = claim(inbox)
    inbox.give_back([claimed])
    assert news() == [(first, 0)]
    end(inbox, Done())
    assert news() == [(second, 0)]
    end(inbox, Dead("no"))
    assert news() == []
    inbox.replay([second], actor="me")
    assert news() == [(second, 0)]


def test_nothing_is_told_by_a_transaction_that_fails(inbox: Inbox) -> None:
    woken: list[Any] = []
    inbox.append([arrival(1, "k"), arrival(2, "k")])
    [claimed] = claim(inbox)
    inbox.wake = lambda: woken.append(1)
    with pytest.raises(ZeroDivisionError), inbox.database.begin() as connection:
        inbox.finish(claimed, Done(), connection)
        _ = 1 / 0
    assert woken == []
    with inbox.database.begin() as connection:
        inbox.finish(claimed, Done(), connection)
        assert woken == []
    assert woken == [1]


def test_claims_do_not_scan_what_is_blocked(stores: Stores, inbox: Inbox) -> None:
    """Two thousand rows behind one head: the plan meets the index of what is due, only."""
    if not stores.is_sqlite:
        pytest.skip("SQLite's plan; PostgreSQL chooses by statistics")
    inbox.append([arrival(n, "k") for n in range(2000)])
    statements: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    event.listen(inbox.database.engine, "before_cursor_execute", note)
    [claimed] = claim(inbox)
    looks = [one for one in statements if "ORDER BY run_at" in one]
    assert len(looks) == 2 and claimed.row.event_id == "0"
    with inbox.database.read() as connection:
        for look in looks:
            plain = look.replace("?", "1")
            plan = connection.execute(text(f"EXPLAIN QUERY PLAN {plain}")).all()
            assert "USING COVERING INDEX hipflask_inbox_open (lane=? AND state=?" in str(plan)
            assert "TEMP B-TREE" not in str(plan)


def test_finishing_does_not_scan_what_is_behind(stores: Stores, inbox: Inbox) -> None:
    if not stores.is_sqlite:
        pytest.skip("SQLite's plan; PostgreSQL chooses by statistics")
    with inbox.database.read() as connection:
        for statement in (_FIRST_OF_KEY, _STANDING):
            filled = inbox.sql("EXPLAIN QUERY PLAN " + statement)
            values = {"lane": "a", "key": "k", "above": ""}
            plan = str(connection.execute(filled, values).all())
            assert "SCAN hipflask" not in plan and "TEMP" not in plan
            assert "hipflask_inbox_key (lane=? AND key=?" in plan


def test_writes_inside_writes_are_refused(inbox: Inbox) -> None:
    with inbox.database.begin(), pytest.raises(RuntimeError, match="connection="):
        inbox.append([arrival(1)])
    inbox.append([arrival(1)])


def test_keys_are_locked_apart(inbox: Inbox) -> None:
    """A slow transaction on one key does not keep those of others, where stores allow it."""
    if inbox.database.is_sqlite:
        pytest.skip("SQLite has one writer")
    inbox.append([arrival(1, "slow"), arrival(2, "other")])
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with inbox.database.begin() as connection:
            inbox.lock_keys(connection, [("a", "slow")])
            locked.set()
            done.wait(30)

    thread = in_thread(hold)
    assert locked.wait(30)
    [other] = inbox.append([arrival(3, "other")])
    done.set()
    thread.join(30)
    assert states(inbox)[other.seq] == "queued"
