"""The story of one event: effects once, retries, dead letters, filters, fences."""

from __future__ import annotations

import asyncio
import logging
import sys
import uuid
from typing import Any

import msgspec
import pytest
from sqlalchemy import Connection, text

from hipflask.database import State, StoreUnavailable
from hipflask.ops.tracing import current_trace
from hipflask.scaffold import SetupError
from hipflask.webhooks import Permanent, Received, Transient
from hipflask.webhooks.fields import dump_headers
from hipflask.webhooks.working.processing import Processor

from .bench import LEASE_S, Bench
from .stores import arrival

ADD = text("INSERT INTO effect (event_id, key, attempt) VALUES (:id, :key, :attempt)")


def write(tx: Connection, delivery: Received) -> None:
    values = {"id": delivery.id, "key": delivery.key, "attempt": delivery.attempt}
    tx.execute(ADD, values)


def test_an_event_is_done_and_its_effect_written(bench: Bench) -> None:
    seen: list[Any] = []

    @bench.source().on()
    def take(event: Any, tx: Connection, delivery: Received) -> None:
        seen.append((event, delivery.id, delivery.attempt, delivery.headers["content-type"]))
        write(tx, delivery)

    seq = bench.store(1, amount=5)
    assert bench.run() == 1
    assert bench.state(seq) is State.DONE
    assert seen == [({"number": 1, "amount": 5}, "evt_1", 1, "application/json")]
    assert [effect.event_id for effect in bench.effects()] == ["evt_1"]
    assert bench.row(seq).done_by == ("take",)
    assert [move.new for move in bench.inbox.audit(seq)] == ["running", "done"]


def test_a_failed_attempt_leaves_nothing_and_is_tried_again_by_the_schedule(bench: Bench) -> None:
    @bench.source(retries="10s, 100s").on()
    def take(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)
        if delivery.attempt < 3:
            raise RuntimeError("not yet")

    seq = bench.store()
    for wait_s in (10, 100):
        bench.run()
        row = bench.row(seq)
        assert row.state is State.WAITING
        assert 0.8 * wait_s <= row.run_at - bench.clock.now() <= 1.2 * wait_s
        assert "take: RuntimeError: not yet" in (row.error or "")
        assert "test_processing.py:" in (row.error or "")
        assert bench.effects() == []
        bench.clock.advance(1.2 * wait_s)
    bench.run()
    assert bench.state(seq) is State.DONE
    assert [effect.attempt for effect in bench.effects()] == [3]


def test_the_last_attempt_makes_it_dead(bench: Bench) -> None:
    @bench.source(retries="1s").on()
    def take() -> None:
        raise RuntimeError("never")

    seq = bench.store()
    bench.run()
    bench.clock.advance(2)
    bench.run()
    row = bench.row(seq)
    assert (row.state, row.attempt) == (State.DEAD, 2)
    assert "attempt 2 was the last" in (row.error or "")


def test_permanent_is_dead_at_once(bench: Bench) -> None:
    @bench.source().on()
    def take(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)
        raise Permanent("version 4 is not known here")

    seq = bench.store()
    bench.run()
    row = bench.row(seq)
    assert (row.state, row.attempt) == (State.DEAD, 1)
    assert row.error == "take: version 4 is not known here"
    assert bench.effects() == []


class Line(msgspec.Struct):
    amount: int


class Order(msgspec.Struct):
    lines: list[Line]


def test_bad_data_is_dead_at_once_with_the_path_of_the_bad_field(bench: Bench) -> None:
    @bench.source().on()
    def take(event: Order) -> None:
        raise AssertionError("must not be called")

    seq = bench.store(1, lines=[{"amount": 1}, {"amount": "two"}])
    bench.run()
    row = bench.row(seq)
    assert row.state is State.DEAD
    assert "lines" in (row.error or "") and "amount" in (row.error or "")


def test_what_the_store_refuses_a_handler_is_a_failed_attempt_and_no_kill(bench: Bench) -> None:
    """A lock that was waited for too long: three of these are no three dead workers."""
    calls: list[str] = []
    source = bench.source(retries="10s, 10s, 10s, 10s")

    @source.on()
    def take(tx: Connection, delivery: Received) -> None:
        calls.append("take")
        write(tx, delivery)
        if delivery.attempt < 5:
            raise StoreUnavailable("a row was locked for too long")

    @source.on()
    def other() -> None:
        calls.append("other")

    seq = bench.store()
    for attempt in range(1, 5):
        bench.run()
        row = bench.row(seq)
        assert (row.state, row.attempt, row.kills) == (State.WAITING, attempt, 0)
        assert "locked for too long" in (row.error or "")
        bench.clock.advance(12)
    bench.run()
    assert bench.state(seq) is State.DONE
    assert calls == [*["take"] * 5, "other"]
    assert len(bench.effects()) == 1


def test_transient_may_say_when(bench: Bench) -> None:
    @bench.source(retries="5s, 5s").on()
    def take() -> None:
        raise Transient("rate limit", retry_after_s=600)

    seq = bench.store()
    bench.run()
    assert 600 <= bench.row(seq).run_at - bench.clock.now() <= 605


def test_handlers_that_have_finished_do_not_run_again(bench: Bench) -> None:
    source = bench.source(retries="1s, 1s")
    calls: list[str] = []

    @source.on()
    def first(tx: Connection, delivery: Received) -> None:
        calls.append("first")
        write(tx, delivery)

    @source.on()
    def second(tx: Connection, delivery: Received) -> None:
        calls.append("second")
        write(tx, delivery)
        if delivery.attempt == 1:
            raise RuntimeError

    @source.on()
    def third(tx: Connection, delivery: Received) -> None:
        calls.append("third")
        write(tx, delivery)

    seq = bench.store()
    bench.run()
    assert calls == ["first", "second", "third"]
    assert bench.row(seq).done_by == ("first", "third")
    bench.clock.advance(2)
    bench.run()
    assert calls == ["first", "second", "third", "second"]
    assert bench.state(seq) is State.DONE
    assert len(bench.effects()) == 3


def test_what_nobody_wants_is_filtered(bench: Bench) -> None:
    source = bench.source()

    @source.on("push")
    def by_type() -> None:
        raise AssertionError

    @source.on(when=lambda event: event["number"] > 10)
    def by_content(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)

    small, large = bench.store(1), bench.store(11)
    bench.run()
    assert bench.state(small) is State.FILTERED
    assert bench.state(large) is State.DONE
    assert [effect.event_id for effect in bench.effects()] == ["evt_11"]


def test_async_handlers_write_too(bench: Bench) -> None:
    @bench.source().on()
    async def take(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)

    seq = bench.store()
    bench.run()
    assert bench.state(seq) is State.DONE
    assert len(bench.effects()) == 1


def test_a_handler_runs_in_the_application_context(bench: Bench) -> None:
    from hipflask import current_app

    names: list[str] = []

    @bench.source().on()
    def take() -> None:
        names.append(current_app.name)

    bench.store()
    bench.run()
    assert names == ["shop"]


def test_even_sys_exit_is_only_a_failure(bench: Bench) -> None:
    @bench.source().on()
    def take() -> None:
        sys.exit(3)

    seq = bench.store()
    bench.run()
    assert bench.state(seq) is State.WAITING


def test_a_commit_in_a_handler_is_refused(bench: Bench) -> None:
    @bench.source().on()
    def take(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)
        tx.commit()

    seq = bench.store()
    bench.run()
    assert bench.state(seq) is State.WAITING
    assert "begin_nested" in (bench.row(seq).error or "")
    assert bench.effects() == []


def test_posts_are_stored_with_the_end_and_not_without(bench: Bench) -> None:
    ledger = bench.hooks.destination("ledger", url="http://127.0.0.1:1")

    @bench.source(retries="1s, 1s").on()
    def take(event: Any, delivery: Received) -> None:
        ledger.post("/a", event)
        ledger.post("/b", event)
        if delivery.attempt == 1:
            raise RuntimeError

    seq = bench.store(1, key="k")
    bench.run()
    assert bench.posted() == []
    bench.clock.advance(2)
    bench.run()
    one, two = bench.posted()
    assert (one.path, two.path) == ("/a", "/b")
    assert (one.inbox_seq, one.handler, one.key) == (seq, "take", "k")
    assert one.idempotency_key != two.idempotency_key
    keys = {one.idempotency_key, two.idempotency_key}
    bench.inbox.replay([seq], actor="test")
    bench.run()
    assert {row.idempotency_key for row in bench.posted()} == keys


def test_a_worker_whose_lease_is_over_changes_nothing(bench: Bench) -> None:
    ledger = bench.hooks.destination("ledger", url="http://127.0.0.1:1")

    @bench.source().on()
    def take(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)
        ledger.post("/a")

    seq = bench.store()
    (zombie,) = bench.claim()
    bench.clock.advance(LEASE_S + 1)
    bench.clock.jump(-3600)
    (other,) = bench.claim()
    bench.processor.process(other)
    bench.processor.process(zombie)
    assert len(bench.effects()) == 1
    assert len(bench.posted()) == 1
    row = bench.row(seq)
    assert (row.state, row.attempt, row.kills) == (State.DONE, 1, 1)


def test_a_zombie_that_is_first_to_finish_is_refused_too(bench: Bench) -> None:
    @bench.source().on()
    def take(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)

    seq = bench.store()
    (zombie,) = bench.claim()
    bench.clock.advance(LEASE_S + 1)
    (other,) = bench.claim()
    bench.processor.process(zombie)
    assert bench.effects() == []
    bench.processor.process(other)
    assert len(bench.effects()) == 1
    assert bench.state(seq) is State.DONE


@pytest.mark.parametrize(
    ("when_dead", "follower"),
    [("park", State.PARKED), ("block", State.QUEUED), ("skip", State.DONE)],
)
def test_a_dead_head_holds_up_its_key_as_declared(
    bench: Bench, when_dead: str, follower: State
) -> None:
    @bench.source(when_dead=when_dead).on()
    def take(event: Any, tx: Connection, delivery: Received) -> None:
        if event["number"] == 1:
            raise Permanent("no")
        write(tx, delivery)

    seqs = bench.append(arrival(1, key="a"), arrival(2, key="a"), arrival(3, key="b"))
    bench.run()
    assert [bench.state(seq) for seq in seqs] == [State.DEAD, follower, State.DONE]
    bench.inbox.resolve([seqs[0]], actor="test")
    bench.run()
    assert bench.state(seqs[1]) is State.DONE


def test_replay_of_what_is_dead_runs_what_has_not_finished(bench: Bench) -> None:
    source = bench.source(retries="none")
    is_repaired = False

    @source.on()
    def first(tx: Connection, delivery: Received) -> None:
        write(tx, delivery)

    @source.on()
    def second(tx: Connection, delivery: Received) -> None:
        if not is_repaired:
            raise RuntimeError
        write(tx, delivery)

    seq = bench.store()
    bench.run()
    assert bench.state(seq) is State.DEAD
    is_repaired = True
    assert bench.inbox.replay([seq], actor="test", note="repaired") == 1
    bench.run()
    assert bench.state(seq) is State.DONE
    assert len(bench.effects()) == 2


def test_log_lines_name_the_event(
    bench: Bench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hipflask.webhooks.working.telling import name_events

    before = logging.getLogRecordFactory()
    monkeypatch.setattr(logging, "_logRecordFactory", before)
    name_events()

    @bench.source().on()
    def take() -> None:
        bench.app.logger.warning("hello")

    seq = bench.store()
    bench.run()
    record = next(record for record in caplog.records if record.message == "hello")
    about = (record.hook_source, record.hook_id, record.hook_seq, record.hook_attempt)
    assert about == ("orders", "evt_1", seq, 1)


def test_the_work_goes_on_in_the_trace_of_its_delivery_and_hands_it_on(bench: Bench) -> None:
    bench.app.config["LEDGER_URL"] = "http://127.0.0.1:9"
    ledger = bench.hooks.destination("ledger", env="LEDGER_URL")
    traces: list[Any] = []

    @bench.source().on()
    def take(event: Any) -> None:
        traces.append(current_trace())
        ledger.post("/entries", event)

    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    parent = f"00-{trace_id}-{span_id}-01".encode()
    fields = [(b"Content-Type", b"application/json"), (b"Traceparent", parent)]
    bench.append(msgspec.structs.replace(arrival(1), headers=dump_headers(fields)))
    bench.store(2)
    assert bench.run() == 2
    first, second = traces
    assert (first.trace_id, first.parent_id) == (trace_id, span_id)
    assert second is None
    posted, other = bench.posted()
    sent = dict(posted.headers or ())
    assert sent[b"traceparent"] == f"00-{trace_id}-{first.span_id}-01".encode()
    assert b"traceparent" not in dict(other.headers or ())


def test_an_async_handler_may_write_on_another_thread(bench: Bench) -> None:
    @bench.source().on()
    async def take(tx: Connection, delivery: Received) -> None:
        await asyncio.to_thread(write, tx, delivery)

    bench.append(*(arrival(n) for n in range(3)))
    bench.run()
    assert [effect.event_id for effect in bench.effects()] == ["evt_0", "evt_1", "evt_2"]


def test_retries_that_are_no_schedule_are_told_before_any_event_fails(bench: Bench) -> None:
    bench.source(retries="5 times").on(name="take")(lambda event: None)
    with pytest.raises(SetupError, match=r"The source 'orders' .* 'take': The retries '5 times'"):
        Processor(bench.app, bench.inbox, bench.hooks.sources)


def test_the_keys_of_all_posts_are_locked_at_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, two handlers that post in another order would wait for each other."""
    ledger = bench.hooks.destination("ledger", url="http://127.0.0.1:1")
    lock_keys = bench.outbox.lock_keys
    locked = []

    def note(connection: Connection, keys: Any) -> Any:
        locked.append(sorted(keys))
        return lock_keys(connection, keys)

    @bench.source().on()
    def take() -> None:
        ledger.post("/", key="b")
        ledger.post("/", key="a")

    monkeypatch.setattr(bench.outbox, "lock_keys", lambda one, keys: note(one, list(keys)))
    seq = bench.store()
    bench.run()
    assert bench.state(seq) is State.DONE
    assert locked == [[("ledger", "a"), ("ledger", "b")]]
    assert [row.key for row in bench.posted()] == ["b", "a"]


def test_what_a_statement_was_given_is_not_told(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    secret = str(uuid.uuid4())

    @bench.source().on()
    def take(tx: Connection) -> None:
        tx.execute(text("INSERT INTO nowhere VALUES (:card)"), {"card": secret})

    seq = bench.store()
    bench.run()
    error = bench.row(seq).error or ""
    assert "INSERT INTO" in error
    assert secret not in error and secret not in caplog.text
