"""Stores for these tests, what is put into them, and what is found there."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import text

from hipflask.database import Database
from hipflask.webhooks.fields import dump_headers
from hipflask.webhooks.inbox import Arrival

KINDS = ("sqlite", "postgresql")


@dataclass
class Effect:
    """A row that a handler has written."""

    number: int
    event_id: str
    key: str | None
    attempt: int


def make_tables(database: Database) -> None:
    """The table that handlers of `program` write to."""
    number = "INTEGER PRIMARY KEY AUTOINCREMENT" if database.is_sqlite else "BIGSERIAL PRIMARY KEY"
    with database.begin() as connection:
        connection.execute(
            text(
                f"CREATE TABLE IF NOT EXISTS effect (number {number}, event_id TEXT NOT NULL,"
                " key TEXT, attempt INTEGER, pid INTEGER)"
            )
        )


def effects(database: Database) -> list[Effect]:
    """What handlers have written, in order."""
    with database.read() as connection:
        rows = connection.execute(
            text("SELECT number, event_id, key, attempt FROM effect ORDER BY number")
        )
        return [Effect(*row) for row in rows]


def arrival(
    number: int, *, key: str | None = None, source: str = "orders", **event: Any
) -> Arrival:
    """The event of that number; its id tells the number."""
    body = msgspec.json.encode({"number": number, **event})
    return Arrival(
        source=source,
        event_id=f"evt_{number}",
        key=key,
        event_type=None,
        scheme="hookdeck",
        secret_no=1,
        is_id_signed=True,
        method="POST",
        query="",
        headers=dump_headers([(b"Content-Type", b"application/json")]),
        body=body,
        digest=hashlib.sha256(body).digest(),
        received_at=1_700_000_000.0 + number,
    )


def out_of_order(found: Iterable[Effect]) -> dict[str, list[str]]:
    """The keys whose effects are not in the order their events were stored in."""
    by_key: dict[str, list[str]] = defaultdict(list)
    for effect in found:
        if effect.key is not None:
            by_key[effect.key].append(effect.event_id)
    return {
        key: ids
        for key, ids in by_key.items()
        if ids != sorted(ids, key=lambda id: int(id.partition("_")[2]))
    }
