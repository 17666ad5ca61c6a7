"""Workers of one process and of several: what they take, give back, renew, and survive."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from hipflask.database import Query, State
from hipflask.webhooks.working.holding import Held
from hipflask.webhooks.working.lines import Line
from hipflask.webhooks.working.workers import Crew
from tests.forward.servers import answer_bytes, raw_server

from .bench import Bench
from .stores import arrival, effects
from .storm import open_inbox, run_storm, start_worker

WAIT_S = 60
# Long enough for a busy machine to renew them.
LEASE_S = 4.0


def wait_until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.02)


@pytest.fixture
def line(bench: Bench) -> Line:
    """The inbox's line, with whatever source the test declares."""
    from hipflask.database import Limits

    bench.source()
    return Line("inbox", bench.inbox, bench.processor.process, {"orders": Limits()})


def test_a_crew_works_until_nothing_is_due(bench: Bench, line: Line) -> None:
    @bench.hooks.sources["orders"].on()
    def take(event: Any) -> None: ...

    seqs = bench.append(*(arrival(n, key=f"k{n % 3}") for n in range(20)))
    crew = Crew([line], threads=3)
    crew.start(once=True)
    crew.join()
    assert {bench.state(seq) for seq in seqs} == {State.DONE}
    assert crew.done == 20


def test_wake_ends_the_wait(bench: Bench, line: Line) -> None:
    handled = threading.Event()

    @bench.hooks.sources["orders"].on()
    def take(event: Any) -> None:
        handled.set()

    # Idle for longer than the test may take: only `wake` can bring the event.
    crew = Crew([line], threads=1, idle_s=(3600, 3600))
    bench.inbox.wake = crew.wake
    crew.start()
    try:
        bench.store()
        assert handled.wait(WAIT_S)
    finally:
        crew.stop()


def test_a_stop_gives_back_what_was_not_begun_and_lets_the_rest_finish(
    bench: Bench, line: Line
) -> None:
    begun, may_end = threading.Event(), threading.Event()

    @bench.hooks.sources["orders"].on()
    def take(event: Any) -> None:
        begun.set()
        may_end.wait(WAIT_S)

    seqs = bench.append(*(arrival(n) for n in range(4)))
    crew = Crew([line], threads=1)
    crew.start()
    assert begun.wait(WAIT_S)
    stopped: list[bool] = []
    stopping = threading.Thread(target=lambda: stopped.append(crew.stop(WAIT_S)))
    stopping.start()
    wait_until(
        lambda: [bench.state(seq) for seq in seqs].count(State.RUNNING) == 1, "the rest is back"
    )
    may_end.set()
    stopping.join()
    assert stopped == [True]
    states = [bench.state(seq) for seq in seqs]
    assert states.count(State.DONE) == 1 and states.count(State.RECEIVED) == 3
    assert {(bench.row(seq).attempt, bench.row(seq).kills) for seq in seqs} == {(1, 0), (0, 0)}


def test_a_stop_tells_of_what_does_not_end_in_time(bench: Bench, line: Line) -> None:
    begun, may_end = threading.Event(), threading.Event()

    @bench.hooks.sources["orders"].on()
    def take(event: Any) -> None:
        begun.set()
        may_end.wait(WAIT_S)

    seq = bench.store()
    crew = Crew([line], threads=1)
    crew.start()
    assert begun.wait(WAIT_S)
    assert crew.stop(0.0) is False
    may_end.set()
    wait_until(lambda: bench.state(seq) is State.DONE, "it ends all the same")


def test_leases_are_renewed_and_lost_ones_let_go(bench: Bench, line: Line) -> None:
    @bench.hooks.sources["orders"].on()
    def take(event: Any) -> None: ...

    bench.store()
    held = Held([line], lease_s=10)
    (claimed,) = bench.claim()
    held.take(line, claimed)
    for _ in range(3):
        bench.clock.advance(6)
        held.renew()
        assert bench.claim() == []
    bench.clock.advance(11)
    assert len(bench.claim()) == 1
    held.renew()
    assert not held.has(line, claimed)


def test_an_event_that_was_at_a_killed_worker_runs_alone(bench: Bench, line: Line) -> None:
    """Else three deaths by one event would make its neighbours dead as well."""
    at_work: list[int] = []
    together: list[set[int]] = []
    lock = threading.Lock()

    @bench.hooks.sources["orders"].on()
    def take(event: Any) -> None:
        with lock:
            at_work.append(event["number"])
            together.append(set(at_work))
        with lock:
            at_work.remove(event["number"])

    seqs = bench.append(*(arrival(n) for n in range(12)))
    assert len(bench.claim(4)) == 4
    bench.clock.advance(11)
    crew = Crew([line], threads=4)
    crew.start(once=True)
    crew.join()
    assert {bench.state(seq) for seq in seqs} == {State.DONE}
    for number in range(4):
        assert [group for group in together if number in group] == [{number}]


def test_a_worker_goes_on_when_the_store_is_back(bench: Bench, line: Line) -> None:
    from hipflask.database import StoreUnavailable

    @bench.hooks.sources["orders"].on()
    def take(event: Any) -> None: ...

    claim = bench.inbox.claim
    failures = 3

    def away(**options: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise StoreUnavailable("the disk is full")
        return claim(**options)

    bench.inbox.claim = away  # type: ignore[method-assign]  # a store that is away for a while
    seq = bench.store()
    crew = Crew([line], threads=1, idle_s=(0.01, 0.01))
    crew.start()
    wait_until(lambda: bench.state(seq) is State.DONE, "the event is done")
    crew.stop()
    assert failures == 0


def test_leases_are_renewed_while_a_sweep_takes_long(
    bench: Bench, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store()
    [claimed] = bench.claim(1)
    sweeping, renewed, go = threading.Event(), threading.Event(), threading.Event()
    renew = bench.inbox.renew

    def sweep() -> None:
        sweeping.set()
        go.wait(WAIT_S)

    def note(*args: Any) -> Any:
        if sweeping.is_set():
            renewed.set()
        return renew(*args)

    monkeypatch.setattr(bench.inbox, "sweep", sweep)
    monkeypatch.setattr(bench.inbox, "renew", note)
    held = Held([line], lease_s=0.3, sweep_s=0.1)
    held.take(line, claimed)
    held.start()
    try:
        assert sweeping.wait(WAIT_S)
        assert renewed.wait(WAIT_S)
    finally:
        go.set()
        held.stop()


@pytest.mark.parametrize("is_async", [False, True])
def test_an_event_does_not_see_what_the_last_one_put_into_its_context(
    bench: Bench, line: Line, is_async: bool
) -> None:
    tenant: ContextVar[int] = ContextVar("tenant")
    seen = []

    def take(event: Any) -> None:
        seen.append(tenant.get(None))
        tenant.set(event["number"])

    async def take_async(event: Any) -> None:
        take(event)

    bench.hooks.sources["orders"].on()(take_async if is_async else take)
    bench.append(*(arrival(n) for n in range(3)))
    crew = Crew([line], threads=1)
    crew.start(once=True)
    crew.join()
    assert seen == [None, None, None]


# With real processes.


def test_a_storm_of_kills_loses_doubles_and_disorders_nothing(store_url: str) -> None:
    report = run_storm(
        store_url,
        events=400,
        keys=20,
        workers=2,
        kills=5,
        failpoints=["P8:5", "P9:7", "P10:9", "P13:3"],
        lease_s=LEASE_S,
    )
    assert report.problems == [], report


def test_an_event_that_kills_its_worker_is_dead_after_three(store_url: str) -> None:
    inbox = open_inbox(store_url)
    inbox.append([arrival(0, kills=True), *(arrival(n) for n in range(1, 6))])
    worker = start_worker(store_url, lease_s=LEASE_S)
    deaths = 0
    try:
        end = time.monotonic() + 2 * WAIT_S
        while inbox.figures()[0].backlog:
            assert time.monotonic() < end
            if worker.poll() is not None:
                assert worker.returncode == -signal.SIGKILL
                deaths += 1
                worker = start_worker(store_url, lease_s=LEASE_S)
            time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait()
    assert deaths == 3
    (dead,) = inbox.find(Query(states={State.DEAD}))
    assert (dead.event_id, dead.kills, dead.attempt) == ("evt_0", 3, 0)
    assert sorted(effect.event_id for effect in effects(inbox.database)) == [
        f"evt_{n}" for n in range(1, 6)
    ]
    inbox.database.close()


def test_a_worker_that_was_stopped_past_its_lease_is_refused(store_url: str) -> None:
    """SIGSTOP at the handler; another worker takes over and is done; SIGCONT."""
    inbox = open_inbox(store_url)
    inbox.append([arrival(1, key="k")])
    zombie = start_worker(store_url, threads=1, lease_s=LEASE_S, HIPFLASK_FAILPOINT="P9:1:STOP")
    try:
        wait_until(lambda: is_stopped(zombie.pid), "the first worker is stopped")
        other = start_worker(store_url, threads=1, lease_s=LEASE_S)
        try:
            wait_until(lambda: not inbox.figures()[0].backlog, "the other one is done")
        finally:
            other.terminate()
            other.wait()
        os.kill(zombie.pid, signal.SIGCONT)
        inbox.append([arrival(2, key="k")])
        wait_until(lambda: not inbox.figures()[0].backlog, "the first one works again")
    finally:
        os.kill(zombie.pid, signal.SIGCONT)
        zombie.terminate()
        zombie.wait()
    assert zombie.returncode == 0
    assert [effect.event_id for effect in effects(inbox.database)] == ["evt_1", "evt_2"]
    (second, first) = inbox.find(Query())
    assert (first.kills, first.attempt, second.kills) == (1, 1, 0)
    inbox.database.close()


@pytest.mark.parametrize("point", ["P11", "P12"])
def test_a_request_whose_answer_was_lost_is_sent_again_under_its_key(
    store_url: str, point: str
) -> None:
    """P11: the answer has not come; P12: it has come, and was not written down."""
    answer = answer_bytes("200 OK", b"{}")
    with raw_server(lambda request, peer: answer) as ledger:
        inbox = open_inbox(store_url)
        inbox.append([arrival(n, key="k") for n in range(3)])
        options = {"lease_s": LEASE_S, "threads": 1, "LEDGER_URL": ledger.url}
        worker = start_worker(store_url, **options, HIPFLASK_FAILPOINT=f"{point}:2")  # type: ignore[arg-type]
        assert worker.wait() == -signal.SIGKILL
        worker = start_worker(store_url, **options)  # type: ignore[arg-type]
        try:
            wait_until(
                lambda: is_quiet(inbox) and is_quiet(inbox.outbox), "all events are at the ledger"
            )
        finally:
            worker.terminate()
            worker.wait()
    keys = [request.get("Idempotency-Key") for request in ledger.arrived]
    rows = sorted(inbox.outbox.find(Query()), key=lambda row: row.seq)
    wanted = [row.idempotency_key for row in rows]
    assert keys == [wanted[0], wanted[1], wanted[1], wanted[2]]
    assert [len(inbox.outbox.attempts(row.seq)) for row in rows] == [1, 1, 1]
    assert {row.state for row in rows} == {State.DONE}
    assert len(effects(inbox.database)) == 3
    inbox.database.close()


def test_a_worker_killed_while_it_gives_up_an_event_gives_it_up_later(store_url: str) -> None:
    inbox = open_inbox(store_url)
    inbox.append([arrival(1, key="k", is_bad=True), arrival(2, key="k"), arrival(3)])
    worker = start_worker(store_url, lease_s=LEASE_S, RETRIES="none", HIPFLASK_FAILPOINT="P14")
    assert worker.wait() == -signal.SIGKILL
    worker = start_worker(store_url, lease_s=LEASE_S, RETRIES="none")
    try:
        wait_until(lambda: inbox.find(Query(states={State.DEAD})), "it is dead")
        wait_until(lambda: len(effects(inbox.database)) == 1, "the other key goes on")
    finally:
        worker.terminate()
        worker.wait()
    third, second, first = inbox.find(Query())
    assert (first.state, first.attempt, first.kills) == (State.DEAD, 1, 1)
    assert (second.state, third.state) == (State.PARKED, State.DONE)
    inbox.database.close()


def is_quiet(queue: Any) -> bool:
    return not any(lane.backlog for lane in queue.figures())


def is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        return file.read().rpartition(")")[2].split()[0] == "T"
