"""Posts: into the handler's transaction, or stored at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from hipflask.forward import UnsafePath, idempotency_key
from hipflask.scaffold import SetupError
from hipflask.webhooks import verify
from hipflask.webhooks.delivery import Delivery
from hipflask.webhooks.inbox import Outgoing
from hipflask.webhooks.working.posting import (
    Handling,
    OutboxDestination,
    handling,
    make_destination,
)

CONFIG = {"LEDGER_URL": "http://127.0.0.1:1", "KEY": "whsec_" + "dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0"}


class Stored:
    def __init__(self) -> None:
        self.rows: list[Outgoing] = []

    def __call__(self, rows: Sequence[Outgoing]) -> None:
        self.rows += rows


def make(stored: Stored, **options: Any) -> OutboxDestination:
    return make_destination("ledger", stored, lambda: CONFIG, env="LEDGER_URL", **options)


def handled(key: str | None = "cus_1") -> Handling:
    return Handling("stripe", "evt_1", 7, key, "paid")


def test_in_a_handler_a_post_waits_for_its_end() -> None:
    stored = Stored()
    ledger = make(stored)
    with handling(handled()) as event:
        first = ledger.post("/entries", {"amount": 5})
        second = ledger.post("/entries", "plain", method="PUT", headers={"X-A": "b"}, key=None)
    assert stored.rows == []
    one, two = event.posts
    assert one == Outgoing(
        destination="ledger",
        method="POST",
        path="/entries",
        headers=[(b"Content-Type", b"application/json")],
        body=b'{"amount":5}',
        idempotency_key=first,
        key="cus_1",
        inbox_seq=7,
        handler="paid",
    )
    assert (two.method, two.body, two.key) == ("PUT", b"plain", None)
    assert (b"X-A", b"b") in two.headers
    assert first == idempotency_key("stripe", "evt_1", "paid", "ledger", 0)
    assert second == idempotency_key("stripe", "evt_1", "paid", "ledger", 1)


def test_keys_are_the_same_at_each_attempt_and_differ_between_posts() -> None:
    ledger = make(Stored())
    attempts = []
    for _ in range(2):
        with handling(handled()) as event:
            ledger.post("/a")
            ledger.post("/b")
        attempts.append([post.idempotency_key for post in event.posts])
    assert attempts[0] == attempts[1]
    assert len(set(attempts[0])) == 2


def test_outside_a_handler_a_post_is_stored_at_once() -> None:
    stored = Stored()
    ledger = make(stored)
    keys = {ledger.post("/entries", b"raw") for _ in range(2)}
    assert len(keys) == 2
    row = stored.rows[0]
    assert (row.inbox_seq, row.handler, row.key) == (None, None, None)
    assert row.headers == [(b"Content-Type", b"application/octet-stream")]


@pytest.mark.parametrize(
    "path", ["//evil.example/", "https://evil.example/", "/../x", "\\\\evil", "/a\r\nX: y"]
)
def test_a_path_that_leads_elsewhere_is_refused_where_it_is_posted(path: str) -> None:
    with handling(handled()) as event, pytest.raises(UnsafePath):
        make(Stored()).post(path)
    assert event.posts == []


def test_fields_that_http_cannot_carry_are_refused_where_they_are_posted() -> None:
    with pytest.raises(ValueError, match="a character that no field can have"):
        make(Stored()).post("/x", headers={"X-A": "b\r\nX-C: d"})


def test_signs_by_a_scheme_with_the_key_as_id() -> None:
    ledger = make(Stored(), sign="standard", secrets="KEY").destination.resolve(CONFIG)
    request = ledger.request("POST", "/entries", b"{}", key="the-key")
    dressed = ledger.dress(request, now=1_700_000_000, deadlines=ledger.deadlines)
    fields = [(n.lower().encode(), v.encode()) for n, v in dressed.headers]
    assert (b"webhook-id", b"the-key") in fields
    verdict = verify(
        "standard", Delivery(fields, b"{}"), secrets=[CONFIG["KEY"]], now=1_700_000_010
    )
    assert verdict


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"when_dead": "stop"}, "none of park, block, skip"),
        ({"concurrency": 0}, "give 1 or more"),
        ({"rate": "fast"}, "write 20/s"),
        ({"sign": "standard"}, "needs secrets="),
        ({"secrets": "KEY"}, "goes with sign="),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(SetupError, match=told):
        make(Stored(), **options)
