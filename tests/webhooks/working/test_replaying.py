"""The handlers of today on the events of yesterday: told, and nothing done."""

from __future__ import annotations

import hashlib
import socket
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text

from hipflask.database import State
from hipflask.webhooks import Permanent, Received
from hipflask.webhooks.working.replaying import replay_diff

from .bench import Bench
from .stores import arrival


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def write(tx: Connection, delivery: Received) -> None:
    tx.execute(text("INSERT INTO effect (event_id) VALUES (:id)"), {"id": delivery.id})


def contents(bench: Bench) -> str:
    """All that is stored, in short."""
    found = hashlib.sha256()
    with bench.database.read() as connection:
        for table in ("effect", "hipflask_inbox", "hipflask_outbox", "hipflask_audit"):
            for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY 1")):
                found.update(repr(tuple(row)).encode())
    return found.hexdigest()


def register(bench: Bench, function: Any) -> Any:
    """A source whose only handler is `function`, under one name whatever its own is."""
    source = bench.hooks.sources.get("orders") or bench.source(retries="none")
    source.handlers.clear()
    source.on(name="take")(function)
    return source


def test_the_same_handlers_would_change_nothing(bench: Bench) -> None:
    ledger = bench.hooks.destination("ledger", url="http://127.0.0.1:1")

    def take(event: Any, tx: Connection, delivery: Received) -> None:
        write(tx, delivery)
        ledger.post("/a", event)

    register(bench, take)
    bench.append(*(arrival(n) for n in range(5)))
    bench.run()
    before = contents(bench)
    seen: list[tuple[int, int]] = []
    diff = replay_diff(bench.hooks, progress=lambda *at: seen.append(at))
    assert (diff.tried, diff.same, diff.different, diff.skipped) == (5, 5, [], 0)
    assert seen[-1] == (5, 5)
    assert contents(bench) == before


def test_what_would_differ_is_told(bench: Bench) -> None:
    ledger = bench.hooks.destination("ledger", url="http://127.0.0.1:1")

    def before(event: Any, tx: Connection, delivery: Received) -> None:
        ledger.post("/a", event)
        ledger.post("/b", event)
        if event["number"] == 2:
            raise Permanent("no")

    def after(event: Any, tx: Connection, delivery: Received) -> None:
        write(tx, delivery)
        ledger.post("/a", {"number": event["number"], "new": True})
        if event["number"] == 3:
            raise Permanent("never again")

    register(bench, before)
    seqs = bench.append(*(arrival(n) for n in (1, 2, 3)))
    bench.run()
    register(bench, after)
    stored = contents(bench)
    diff = replay_diff(bench.hooks)
    assert contents(bench) == stored
    assert diff.tried == len(diff.different) == 3
    third, second, first = diff.different
    assert [trial.seq for trial in (first, second, third)] == seqs
    assert [(change.kind, change.new and change.new.body) for change in first.changes] == [
        ("other", b'{"number":1,"new":true}'),
        ("gone", None),
    ]
    assert first.writes == ["INSERT INTO effect (event_id) VALUES (?)"] or "%(id)s" in str(
        first.writes
    )
    assert (second.old_state, second.new_state) == (State.DEAD, State.DONE)
    assert [change.kind for change in second.changes] == ["new"]
    assert (third.old_state, third.new_state) == (State.DONE, State.DEAD)
    assert third.new_error == "take: never again"
    assert [change.kind for change in third.changes] == ["gone", "gone"]


def test_nobody_is_reached(bench: Bench, listener: socket.socket) -> None:
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    is_trial = False

    def take(event: Any) -> None:
        if is_trial:
            urllib.request.urlopen(address, timeout=5)

    register(bench, take)
    bench.store()
    bench.run()
    is_trial = True
    diff = replay_diff(bench.hooks)
    (trial,) = diff.different
    assert trial.new_state is State.WAITING
    assert trial.reached
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_async_handlers_are_tried_too(bench: Bench) -> None:
    async def take(event: Any, tx: Connection, delivery: Received) -> None:
        write(tx, delivery)

    register(bench, take)
    bench.store()
    bench.run()
    stored = contents(bench)
    assert replay_diff(bench.hooks).same == 1
    assert contents(bench) == stored


def test_one_source_and_the_last_of_them(bench: Bench) -> None:
    def take(event: Any) -> None: ...

    register(bench, take)
    bench.source("others").on()(take)
    bench.append(*(arrival(n) for n in range(5)))
    bench.append(*(arrival(n, source="others") for n in range(3)))
    bench.run()
    assert replay_diff(bench.hooks, source="others").tried == 3
    assert replay_diff(bench.hooks, last=6).tried == 6
    assert replay_diff(bench.hooks, seqs=[1, 2, 999]).skipped == 1
