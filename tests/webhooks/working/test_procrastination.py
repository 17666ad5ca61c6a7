"""Rows and procrastinate's jobs: made together, kept together, and healed where they are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from hipflask.database import Limits, ManualClock, Retry, State, SystemClock
from hipflask.scaffold import SetupError
from hipflask.webhooks.working.lines import Line
from hipflask.webhooks.working.procrastinating import ProcrastinateCrew
from hipflask.webhooks.working.procrastination import (
    hand_out,
    install,
    lock_of,
    running,
    sweep,
)

from .bench import LEASE_S, Bench
from .stores import arrival

LANES = {"orders": Limits()}


@pytest.fixture
def bench(new_postgres: Any) -> Iterator[Bench]:
    made = Bench(new_postgres(), ManualClock())
    made.hand_out = hand_out(made.database, (made.inbox, made.outbox))
    yield made
    made.hooks.stop()
    made.database.close()


@pytest.fixture
def real_time(new_postgres: Any) -> Iterator[Bench]:
    """For crews: procrastinate goes by PostgreSQL's clock."""
    made = Bench(new_postgres(), SystemClock())
    hand_out(made.database, (made.inbox, made.outbox))
    yield made
    made.hooks.stop()
    made.database.close()


def jobs(bench: Bench) -> list[Any]:
    """procrastinate's jobs, as (seq, status, lock, is scheduled, attempts, id)."""
    with bench.database.read() as connection:
        return list(
            connection.execute(
                text(
                    "SELECT (args ->> 'seq')::int, status, lock, scheduled_at IS NOT NULL,"
                    " attempts, id FROM procrastinate_jobs ORDER BY id"
                )
            )
        )


def fetch(bench: Bench) -> int:
    """Take a job as procrastinate's worker does; returns its id."""
    with bench.database.begin() as connection:
        worker = connection.scalar(text("SELECT worker_id FROM procrastinate_register_worker_v1()"))
        found = connection.execute(
            text("SELECT id FROM procrastinate_fetch_job_v2(NULL, :worker)"), {"worker": worker}
        )
        return int(found.scalar_one())


def test_each_claimable_row_has_a_job_from_the_first(bench: Bench) -> None:
    one, _, other, free = bench.append(
        arrival(1, key="a"), arrival(2, key="a"), arrival(3, key="b"), arrival(4)
    )
    assert [(job[0], job[1], job[2]) for job in jobs(bench)] == [
        (one, "todo", "inbox:orders:a"),
        (other, "todo", "inbox:orders:b"),
        (free, "todo", None),
    ]
    assert lock_of("inbox", "orders", "a") == "inbox:orders:a"


def test_what_is_rolled_back_has_no_job(bench: Bench) -> None:
    from hipflask.webhooks.inbox import Outgoing

    row = Outgoing(
        destination="ledger", method="POST", path="/", headers=[], body=b"", idempotency_key="k"
    )
    with pytest.raises(ZeroDivisionError), bench.database.begin() as connection:
        bench.outbox.post([row], connection)
        raise ZeroDivisionError
    assert jobs(bench) == []
    bench.outbox.post([row])
    assert len(jobs(bench)) == 1


def test_the_next_of_a_key_gets_its_job_when_it_is_its_turn(bench: Bench) -> None:
    bench.source().on()(lambda event: None)
    one, two = bench.append(arrival(1, key="a"), arrival(2, key="a"))
    (claimed,) = bench.inbox.claim(limit=1, lease_s=LEASE_S, lanes=LANES, seq=one)
    bench.processor.process(claimed)
    assert [job[0] for job in jobs(bench)] == [one, two]


def test_a_row_that_is_put_off_in_its_job_keeps_it(bench: Bench) -> None:
    (seq,) = bench.append(arrival(1, key="a"))
    job_id = fetch(bench)
    (claimed,) = bench.inbox.claim(limit=1, lease_s=LEASE_S, lanes=LANES, seq=seq)
    at = bench.clock.now() + 60
    with running("inbox", seq, job_id) as current:
        bench.inbox.finish(claimed, Retry(at, "later"))
    assert current.again_at == at
    assert [(job[1], job[5]) for job in jobs(bench)] == [("doing", job_id)]


def test_a_replay_outside_of_a_job_makes_a_new_one(bench: Bench) -> None:
    bench.source(retries="100s").on()(fail)
    (seq,) = bench.append(arrival(1))
    (claimed,) = bench.inbox.claim(limit=1, lease_s=LEASE_S, lanes=LANES, seq=seq)
    bench.processor.process(claimed)
    assert bench.state(seq) is State.WAITING
    bench.inbox.replay([seq], actor="test")
    assert [(job[0], job[1]) for job in jobs(bench)] == [(seq, "todo")]


def fail(event: Any) -> None:
    raise RuntimeError


def test_a_lease_that_is_over_frees_the_lock_and_makes_a_new_job(bench: Bench) -> None:
    """As after SIGKILL: procrastinate itself would leave the job and its lock for ever."""
    (seq,) = bench.append(arrival(1, key="a"))
    lost = fetch(bench)
    bench.inbox.claim(limit=1, lease_s=LEASE_S, lanes=LANES, seq=seq)
    bench.clock.advance(LEASE_S + 1)
    assert bench.inbox.sweep().expired == 1
    (job,) = jobs(bench)
    assert (job[0], job[1], job[2]) == (seq, "todo", "inbox:orders:a")
    assert job[5] != lost
    assert fetch(bench) == job[5]


def test_a_row_without_a_job_gets_one(bench: Bench) -> None:
    seqs = bench.append(arrival(1, key="a"), arrival(2, key="a"), arrival(3))
    with bench.database.begin() as connection:
        connection.execute(text("DELETE FROM procrastinate_jobs"))
    assert sweep(bench.database, bench.inbox, bench.hand_out) == 2
    assert [job[0] for job in jobs(bench)] == [seqs[0], seqs[2]]
    assert sweep(bench.database, bench.inbox, bench.hand_out) == 0


def test_a_job_whose_row_has_ended_does_not_block_its_key(bench: Bench) -> None:
    """Killed after the row had ended, before procrastinate knew."""
    bench.source().on()(lambda event: None)
    one, two = bench.append(arrival(1, key="a"), arrival(2, key="a"))
    lost = fetch(bench)
    (claimed,) = bench.inbox.claim(limit=1, lease_s=LEASE_S, lanes=LANES, seq=one)
    bench.processor.process(claimed)
    sweep(bench.database, bench.inbox, bench.hand_out)
    assert [(job[0], job[1]) for job in jobs(bench)] == [(one, "doing"), (two, "todo")]
    with bench.database.begin() as connection:
        connection.execute(
            text("UPDATE procrastinate_events SET at = at - interval '1 min' WHERE job_id = :id"),
            {"id": lost},
        )
    sweep(bench.database, bench.inbox, bench.hand_out)
    assert [(job[0], job[1]) for job in jobs(bench)] == [(two, "todo")]


def test_a_paused_lane_keeps_its_events_and_their_jobs(real_time: Bench) -> None:
    bench = real_time
    bench.source().on()(lambda event: None)
    line = Line("inbox", bench.inbox, bench.processor.process, LANES)
    (seq,) = bench.append(arrival(1))
    bench.inbox.pause("orders")
    crew = ProcrastinateCrew(bench.database, [line], threads=1)
    crew.start(once=True)
    crew.join()
    assert bench.state(seq) is State.RECEIVED
    (job,) = jobs(bench)
    assert (job[0], job[1], job[3]) == (seq, "todo", True)


def test_an_event_that_fails_is_tried_again_by_the_same_job(real_time: Bench) -> None:
    bench = real_time
    bench.source(retries="100s").on()(fail)
    line = Line("inbox", bench.inbox, bench.processor.process, LANES)
    (seq,) = bench.append(arrival(1, key="a"))
    before = jobs(bench)[0]
    crew = ProcrastinateCrew(bench.database, [line], threads=1)
    crew.start(once=True)
    crew.join()
    assert bench.state(seq) is State.WAITING
    (after,) = jobs(bench)
    assert (after[5], after[1], after[4]) == (before[5], "todo", 1)


def test_what_is_done_leaves_no_job(real_time: Bench) -> None:
    bench = real_time
    bench.source().on()(lambda event: None)
    line = Line("inbox", bench.inbox, bench.processor.process, LANES)
    seqs = bench.append(*(arrival(n, key=f"k{n % 2}") for n in range(6)))
    crew = ProcrastinateCrew(bench.database, [line], threads=2)
    crew.start(once=True)
    crew.join()
    assert {bench.state(seq) for seq in seqs} == {State.DONE}
    assert jobs(bench) == []


def test_the_tables_are_made_once_and_brought_to_the_version_installed(bench: Bench) -> None:
    install(bench.database)
    record = bench.database.shared.get("procrastinate")
    assert record["newest"].endswith(".sql")
    # As if they had been made before the newest migration of procrastinate, which adds a trigger.
    trigger = "procrastinate_trigger_status_events_update_v1"
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    assert trigger in files[-1].read_text(encoding="utf-8")
    with bench.database.begin() as connection:
        connection.execute(text(f"DROP TRIGGER {trigger} ON procrastinate_jobs"))
        bench.database.shared.update(
            "procrastinate", lambda old: {"newest": files[-2].name}, connection
        )
    install(bench.database)
    assert bench.database.shared.get("procrastinate") == record
    with bench.database.read() as connection:
        found = connection.scalar(
            text("SELECT count(*) FROM pg_trigger WHERE tgname = :name"), {"name": trigger}
        )
    assert found == 1


def test_tables_of_an_older_procrastinate_are_refused(bench: Bench) -> None:
    with bench.database.begin() as connection:
        connection.execute(text("DROP FUNCTION procrastinate_fetch_job_v2"))
        bench.database.shared.update("procrastinate", lambda old: {}, connection)
    with pytest.raises(SetupError, match="of an older version than the installed"):
        install(bench.database)


def test_a_crew_that_is_just_beginning_can_be_stopped(real_time: Bench) -> None:
    real_time.source()
    line = Line("inbox", real_time.inbox, real_time.processor.process, LANES)
    for _ in range(3):
        crew = ProcrastinateCrew(real_time.database, [line], threads=1)
        crew.start()
        assert crew.stop(30)
