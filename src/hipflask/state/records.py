"""Sessions as rows: read, written key by key, moved to another id, ended. Knows no request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, text

from ..database import Database

# Text of JSON for each key of a session: what is compared, and what is stored.
Items = dict[str, str]
Load = Callable[[str], dict[str, str]]
Dump = Callable[[Mapping[str, str]], str]

_READ = text(
    "SELECT id, owner, items, created_at, seen_at, expires_at FROM hipflask_session"
    " WHERE id = :id AND expires_at > :now"
)
_LOCKED = "SELECT items FROM hipflask_session WHERE id = :id AND expires_at > :now"
_INSERT = text(
    "INSERT INTO hipflask_session (id, owner, items, created_at, seen_at, expires_at)"
    " VALUES (:id, :owner, :items, :created_at, :seen_at, :expires_at)"
)
_UPDATE = text(
    "UPDATE hipflask_session SET owner = :owner, items = :items, seen_at = :seen_at,"
    " expires_at = :expires_at WHERE id = :id"
)
_TOUCH = text(
    "UPDATE hipflask_session SET seen_at = :seen_at, expires_at = :expires_at"
    " WHERE id = :id AND expires_at > :seen_at"
)
_DELETE = text("DELETE FROM hipflask_session WHERE id = :id")
_DELETE_OWNED = text("DELETE FROM hipflask_session WHERE owner = :owner AND id <> :kept")
_OWNED = text(
    "SELECT id, owner, items, created_at, seen_at, expires_at FROM hipflask_session"
    " WHERE owner = :owner AND expires_at > :now ORDER BY seen_at DESC LIMIT :limit"
)


class SessionRecord(NamedTuple):
    """A stored session. `handle` names it to people and to `revoke`; it opens nothing."""

    handle: str
    owner: str | None
    items: str
    created_at: float
    seen_at: float
    expires_at: float


class Change(NamedTuple):
    """What a request did to a session: keys that were set, and keys that were taken out."""

    put: Items
    removed: frozenset[str]

    def apply(self, items: Items) -> Items:
        """The items with the change made."""
        kept = {key: value for key, value in items.items() if key not in self.removed}
        return {**kept, **self.put}


def handle_of(session_id: str) -> str:
    """What a session's id is stored as. The id itself is in the visitor's cookie alone."""
    return hashlib.sha256(session_id.encode()).hexdigest()


def read(database: Database, handle: str) -> SessionRecord | None:
    """The session, unless there is none or it has expired."""
    with database.read() as connection:
        values = {"id": handle, "now": database.clock.now()}
        found = connection.execute(_READ, values).one_or_none()
    return None if found is None else SessionRecord(*found)


def insert(database: Database, record: SessionRecord) -> None:
    """Store a new session."""
    with database.begin() as connection:
        _insert(connection, record)


def merge(
    database: Database, record: SessionRecord, change: Change, load: Load, dump: Dump
) -> bool:
    """Make the change in the session as it is now; False if it was ended meanwhile.

    Nobody else changes it in between. Owner and times are those of `record`.
    """
    with database.begin() as connection:
        items = _locked(database, connection, record.handle)
        if items is None:
            return False
        changed = dump(change.apply(load(items)))
        connection.execute(_UPDATE, _values(record._replace(items=changed)))
        return True


def move(
    database: Database, old: str, record: SessionRecord, change: Change, load: Load, dump: Dump
) -> bool:
    """`merge`, and give the session another id; the old one is known no more."""
    with database.begin() as connection:
        items = _locked(database, connection, old)
        if items is None:
            return False
        connection.execute(_DELETE, {"id": old})
        _insert(connection, record._replace(items=dump(change.apply(load(items)))))
        return True


def touch(database: Database, record: SessionRecord) -> None:
    """Note when it was seen, and so when it expires."""
    with database.begin() as connection:
        connection.execute(_TOUCH, _values(record))


def delete(database: Database, handle: str) -> bool:
    """End a session; whether there was one."""
    with database.begin() as connection:
        return connection.execute(_DELETE, {"id": handle}).rowcount > 0


def delete_owned(database: Database, owner: str, kept: str = "") -> int:
    """End all sessions of one owner, but for the one with the handle `kept`; how many."""
    with database.begin() as connection:
        return connection.execute(_DELETE_OWNED, {"owner": owner, "kept": kept}).rowcount


def owned(database: Database, owner: str, limit: int) -> list[SessionRecord]:
    """The sessions of one owner, the one seen last first."""
    with database.read() as connection:
        values = {"owner": owner, "now": database.clock.now(), "limit": limit}
        return [SessionRecord(*row) for row in connection.execute(_OWNED, values)]


def _locked(database: Database, connection: Connection, handle: str) -> str | None:
    # SQLite has one writer; PostgreSQL locks the row.
    lock = "" if database.is_sqlite else " FOR UPDATE"
    found: str | None = connection.scalar(
        text(_LOCKED + lock), {"id": handle, "now": database.clock.now()}
    )
    return found


def _insert(connection: Connection, record: SessionRecord) -> None:
    connection.execute(_INSERT, _values(record))


def _values(record: SessionRecord) -> dict[str, Any]:
    values: dict[str, Any] = record._asdict()
    values["id"] = values.pop("handle")
    return values
