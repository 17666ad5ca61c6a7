"""Stored requests are sent: by the schedule, under one key, and not while the breaker is open."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from hipflask.database import Limits, State, StoreUnavailable
from hipflask.webhooks.inbox import Outgoing
from tests.forward.servers import Arrived, RawServer, answer_bytes, raw_server

from .bench import LEASE_S, Bench

HOUR_S = 3600.0
FROM_5S_TO_24H = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 86400.0)
KEY = "Idempotency-Key"


class Ledger:
    """A destination that is down when told so."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.fields: tuple[tuple[str, str], ...] = ()
        self.server: RawServer

    def __call__(self, request: Arrived, peer: socket.socket) -> bytes:
        return answer_bytes(self.status, b"{}", *self.fields)

    def keys(self) -> list[str | None]:
        return [request.get(KEY) for request in self.server.arrived]


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    made = Ledger()
    with raw_server(made) as server:
        made.server = server
        yield made


def posts(bench: Bench, number: int, **options: object) -> list[int]:
    """So many requests in the outbox, each with a key of its own."""
    return bench.outbox.post(
        [
            Outgoing(
                destination="ledger",
                method="POST",
                path="/entries",
                headers=[(b"X-Number", str(n).encode())],
                body=b'{"n":%d}' % n,
                idempotency_key=f"key-{n}",
            )
            for n in range(number)
        ]
    )


def state(bench: Bench, seq: int) -> State:
    row = bench.outbox.read(seq)
    assert row is not None
    return row.state


def test_a_request_arrives_as_it_was_posted(bench: Bench, ledger: Ledger) -> None:
    target = bench.hooks.destination("ledger", url=ledger.server.url + "/v2", headers={"X-A": "b"})
    assert bench.outbox.next_due(["ledger"]) is None
    (seq,) = bench.outbox.post(
        [
            Outgoing(
                destination="ledger",
                method="PUT",
                path="/entries/1?x=1",
                headers=[(b"Content-Type", b"text/plain; charset=utf-8"), (b"X-C", b"d\xe9")],
                body="é".encode(),
                idempotency_key="k1",
            )
        ]
    )
    assert bench.send(bench.deliverer()) == 1
    assert state(bench, seq) is State.DONE
    (request,) = ledger.server.arrived
    assert request.line == "PUT /v2/entries/1?x=1 HTTP/1.1"
    assert request.body == "é".encode()
    assert request.get("x-a") == "b"
    assert request.get("x-c") == "d\xe9"
    assert request.all(KEY) == ["k1"]
    (attempt,) = bench.outbox.attempts(seq)
    assert (attempt.status, attempt.answer, attempt.error) == (200, b"{}", None)
    assert target.name == "ledger"


def test_attempts_keep_the_schedule_and_the_key(bench: Bench, ledger: Ledger) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url, breaker=None)
    (seq,) = posts(bench, 1)
    ledger.status = "503 Down"
    deliverer = bench.deliverer()
    for _ in range(len(FROM_5S_TO_24H) + 1):
        bench.send(deliverer)
        row = bench.outbox.read(seq)
        assert row is not None
        bench.clock.advance(max(0.0, row.run_at - bench.clock.now()))
    attempts = bench.outbox.attempts(seq)
    gaps = [later.at - one.at for one, later in pairwise(attempts)]
    assert len(gaps) == len(FROM_5S_TO_24H)
    for gap, step in zip(gaps, FROM_5S_TO_24H, strict=True):
        assert 0.8 * step <= gap <= 1.2 * step
    assert state(bench, seq) is State.DEAD
    assert set(ledger.keys()) == {"key-0"}


def test_retry_after_is_kept(bench: Bench, ledger: Ledger) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url, breaker=None)
    (seq,) = posts(bench, 1)
    ledger.status, ledger.fields = "429 Slow down", (("Retry-After", "120"),)
    bench.send(bench.deliverer())
    row = bench.outbox.read(seq)
    assert row is not None
    assert 120 <= row.run_at - bench.clock.now() <= 121


@pytest.mark.parametrize("status", ["400 Bad", "410 Gone", "301 Moved"])
def test_what_no_attempt_can_better_is_dead_at_once(
    bench: Bench, ledger: Ledger, status: str
) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url)
    (seq,) = posts(bench, 1)
    ledger.status = status
    bench.send(bench.deliverer())
    row = bench.outbox.read(seq)
    assert row is not None
    assert (row.state, row.attempt) == (State.DEAD, 1)
    assert status[:3] in (row.error or "")


def test_down_for_an_hour_burns_no_attempts_and_loses_nothing(bench: Bench, ledger: Ledger) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url, breaker=0.5)
    seqs = posts(bench, 30)
    ledger.status = "503 Down"
    deliverer = bench.deliverer()
    began = bench.clock.now()
    while bench.clock.now() < began + HOUR_S:
        bench.send(deliverer)
        bench.clock.advance(5)
    made = len(ledger.server.arrived)
    rows = [bench.outbox.read(seq) for seq in seqs]
    # Ten open it; then one probe in 30 s looks whether it is back, and is nobody's attempt.
    assert 10 + HOUR_S / 30 - 2 <= made <= 10 + HOUR_S / 30 + 1
    assert sum(row.attempt for row in rows if row) == 10
    assert {row.state for row in rows if row} <= {State.RECEIVED, State.WAITING}

    ledger.status = "200 OK"
    back = bench.clock.now()
    latest = max(row.run_at for row in rows if row)
    while any(state(bench, seq) is not State.DONE for seq in seqs):
        assert bench.clock.now() < max(back + 2 * 30, latest + 2 * 30)
        bench.send(deliverer)
        bench.clock.advance(5)
    for seq in seqs:
        after = [one for one in bench.outbox.attempts(seq) if one.at >= back]
        assert len(after) == 1
    assert set(ledger.keys()) == {f"key-{n}" for n in range(30)}


def test_a_breaker_does_not_end_what_a_person_paused(bench: Bench, ledger: Ledger) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url, breaker=0.5)
    seqs = posts(bench, 30)
    ledger.status = "503 Down"
    deliverer = bench.deliverer()
    lanes = {"ledger": Limits()}
    under_way = bench.outbox.claim(limit=12, lease_s=LEASE_S, lanes=lanes)
    bench.outbox.pause("ledger")
    for claimed in under_way:  # the tenth opens the breaker
        deliverer.deliver(claimed)
    bench.clock.advance(31)
    assert bench.send(deliverer) == 0
    ledger.status = "200 OK"
    bench.outbox.resume("ledger")
    (probe,) = bench.outbox.claim(limit=1, lease_s=LEASE_S, lanes=lanes)
    bench.outbox.pause("ledger")
    deliverer.deliver(probe)  # closes it
    assert bench.send(deliverer) == 0
    bench.outbox.resume("ledger")
    bench.clock.advance(60)
    bench.send(deliverer)
    assert {state(bench, seq) for seq in seqs} == {State.DONE}


def test_requests_of_one_key_keep_their_order(bench: Bench, ledger: Ledger) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url, retries="10s", breaker=None)
    rows = [
        Outgoing(
            destination="ledger",
            method="POST",
            path=f"/{n}",
            headers=[],
            body=b"",
            idempotency_key=f"key-{n}",
            key="cus_1",
        )
        for n in range(3)
    ]
    bench.outbox.post(rows)
    deliverer = bench.deliverer()
    ledger.status = "503 Down"
    bench.send(deliverer)
    assert ledger.keys() == ["key-0"]
    ledger.status = "200 OK"
    bench.clock.advance(13)
    bench.send(deliverer)
    assert ledger.keys() == ["key-0", "key-0", "key-1", "key-2"]


def test_a_row_that_another_worker_has_by_now_is_left_to_it(bench: Bench, ledger: Ledger) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url)
    (seq,) = posts(bench, 1)
    deliverer = bench.deliverer()
    lanes = {"ledger": Limits()}
    (zombie,) = bench.outbox.claim(limit=1, lease_s=LEASE_S, lanes=lanes)
    bench.clock.advance(LEASE_S + 1)
    (other,) = bench.outbox.claim(limit=1, lease_s=LEASE_S, lanes=lanes)
    deliverer.deliver(other)
    deliverer.deliver(zombie)
    assert len(bench.outbox.attempts(seq)) == 1
    assert ledger.keys() == ["key-0", "key-0"]
    assert state(bench, seq) is State.DONE


def test_an_answer_that_the_store_does_not_take_is_no_kill(
    bench: Bench, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url)
    (seq,) = posts(bench, 1)
    deliverer = bench.deliverer()
    record = bench.outbox.record
    failures = 4

    def refuse(*args: Any) -> None:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise StoreUnavailable("a row was locked for too long")
        record(*args)

    monkeypatch.setattr(bench.outbox, "record", refuse)
    for _ in range(5):
        assert bench.send(deliverer) == 1
        bench.clock.advance(6)
    row = bench.outbox.read(seq)
    assert row is not None
    assert (row.state, row.attempt, row.kills) == (State.DONE, 1, 0)
    assert ledger.keys() == ["key-0"] * 5


def test_a_request_that_cannot_be_sent_is_dead(bench: Bench, ledger: Ledger) -> None:
    bench.hooks.destination("ledger", url=ledger.server.url)
    (seq,) = bench.outbox.post(
        [
            Outgoing(
                destination="ledger",
                method="POST",
                path="/../admin",
                headers=[],
                body=b"",
                idempotency_key="k",
            )
        ]
    )
    bench.send(bench.deliverer())
    row = bench.outbox.read(seq)
    assert row is not None and row.state is State.DEAD
    assert "dot segment" in (row.error or "")
    assert ledger.server.arrived == []
