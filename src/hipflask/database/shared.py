"""Small records that all processes share: a breaker's state, a canary's percentage."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from sqlalchemy import Connection, text

Record = dict[str, Any]

_ADD = text(
    "INSERT INTO hipflask_lane (name, settings, version) VALUES (:name, '{}', 0)"
    " ON CONFLICT (name) DO NOTHING"
)
_GET = "SELECT settings FROM hipflask_lane WHERE name = :name"
_PUT = text(
    "UPDATE hipflask_lane SET settings = :settings, version = version + 1 WHERE name = :name"
)


class Opens(Protocol):
    """What gives connections: a `Database`."""

    def begin(self, failpoint: str = ...) -> AbstractContextManager[Connection]:
        """A write transaction."""
        ...

    def read(self) -> AbstractContextManager[Connection]:
        """A connection for reading."""
        ...


class Shared:
    """Records of JSON by name, changed one writer after the other; `database.shared`."""

    def __init__(self, database: Opens) -> None:
        self._database = database

    def get(self, name: str) -> Record:
        """The record as it stands, empty if there is none. Waits for nobody."""
        with self._database.read() as connection:
            return _parse(connection.scalar(text(_GET), {"name": name}))

    def update(
        self,
        name: str,
        change: Callable[[Record], Record | None],
        connection: Connection | None = None,
    ) -> Record:
        """Put what `change(record)` returns in the record's place, and return it.

        Nobody else changes the record in between. None from `change` leaves it as it is.
        """
        with nullcontext(connection) if connection else self._database.begin() as writing:
            writing.execute(_ADD, {"name": name})
            # SQLite has one writer; PostgreSQL locks the row.
            lock = "" if writing.dialect.name == "sqlite" else " FOR UPDATE"
            record = _parse(writing.scalar(text(_GET + lock), {"name": name}))
            changed = change(dict(record))
            if changed is None:
                return record
            writing.execute(_PUT, {"name": name, "settings": json.dumps(changed)})
            return changed


def _parse(settings: str | None) -> Record:
    record: Record = json.loads(settings) if settings else {}
    return record
