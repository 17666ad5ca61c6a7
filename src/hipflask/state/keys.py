"""Answers by idempotency key, as rows: taken, kept, given back. Knows no request."""

from __future__ import annotations

import json
import secrets
from enum import Enum
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, text

from ..database import Database

_COLUMNS = "state, fingerprint, holder, lease_until, lease_boot, status, headers, body, expires_at"
_READ = f"SELECT {_COLUMNS} FROM hipflask_idempotency WHERE id = :id"
_INSERT = text(
    "INSERT INTO hipflask_idempotency (id, state, fingerprint, holder, lease_until, lease_boot,"
    " headers, body, created_at, expires_at) VALUES (:id, 'running', :fingerprint, :holder,"
    " :lease_until, :lease_boot, :nothing, :nothing, :now, :expires_at)"
    " ON CONFLICT (id) DO NOTHING"
)
_TAKE = text(
    "UPDATE hipflask_idempotency SET state = 'running', fingerprint = :fingerprint,"
    " holder = :holder, lease_until = :lease_until, lease_boot = :lease_boot, status = NULL,"
    " headers = :nothing, body = :nothing, created_at = :now, expires_at = :expires_at"
    " WHERE id = :id"
)
_KEEP = text(
    "UPDATE hipflask_idempotency SET state = :state, status = :status, headers = :headers,"
    " body = :body, lease_until = NULL, lease_boot = NULL"
    " WHERE id = :id AND holder = :holder AND state = 'running'"
)
_GIVE_BACK = text(
    "DELETE FROM hipflask_idempotency WHERE id = :id AND holder = :holder AND state = 'running'"
)


class Claim(NamedTuple):
    """The right to make one attempt."""

    id: str
    holder: str


class Kept(NamedTuple):
    """An answer that is kept; `is_whole` is false where its body was too large or streamed."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_whole: bool = True


class Refusal(Enum):
    """Why there is neither an answer nor a right to make one."""

    #: Another request with this key is at work.
    RUNNING = "running"
    #: The key belongs to a request with another body.
    DIFFERENT = "different"


class Overtaken(Exception):
    """The lease was over, and another attempt has begun: what this one did is undone."""


def claim(
    database: Database, id: str, fingerprint: str, *, lease_s: float, keep_s: float
) -> Claim | Kept | Refusal:
    """Take the key, unless there is an answer or somebody at work on one."""
    # What is kept is found without the writer: repetitions come when there is load already.
    with database.read() as connection:
        found = connection.execute(text(_READ), {"id": id}).one_or_none()
        if found is not None and found.state != "running":
            known = _known(database, connection, found, fingerprint)
            if known is not None:
                return known
    taken = Claim(id, secrets.token_hex(16))
    # The name of the test's failpoint: inside this COMMIT.
    with database.begin("P20") as connection:
        boot, lease_now = database.lease_now(connection)
        now = database.clock.now()
        values = {
            "id": id,
            "fingerprint": fingerprint,
            "holder": taken.holder,
            "lease_until": lease_now + lease_s,
            "lease_boot": boot,
            "nothing": b"",
            "now": now,
            "expires_at": now + keep_s,
        }
        if connection.execute(_INSERT, values).rowcount:
            return taken
        lock = "" if database.is_sqlite else " FOR UPDATE"
        found = connection.execute(text(_READ + lock), {"id": id}).one()
        known = _known(database, connection, found, fingerprint)
        if known is not None:
            return known
        connection.execute(_TAKE, values)
        return taken


def keep(connection: Connection, claim: Claim, kept: Kept) -> None:
    """Keep the answer in the caller's transaction; Overtaken if it is another's by now."""
    values = {
        "id": claim.id,
        "holder": claim.holder,
        "state": "done" if kept.is_whole else "unkept",
        "status": kept.status,
        "headers": json.dumps(kept.headers).encode(),
        "body": kept.body,
    }
    if not connection.execute(_KEEP, values).rowcount:
        raise Overtaken("Another attempt has taken this key: the lease is shorter than the view.")


def give_back(database: Database, claim: Claim) -> None:
    """Have the next request with the key make its attempt, as if this one had not been."""
    with database.begin() as connection:
        connection.execute(_GIVE_BACK, {"id": claim.id, "holder": claim.holder})


def _known(
    database: Database, connection: Connection, row: Row[Any], fingerprint: str
) -> Kept | Refusal | None:
    """What the row says to a request; None if it may make an attempt."""
    if row.expires_at <= database.clock.now():
        return None
    if row.fingerprint != fingerprint:
        return Refusal.DIFFERENT
    if row.state == "running":
        boot, lease_now = database.lease_now(connection)
        is_at_work = row.lease_boot == boot and row.lease_until > lease_now
        return Refusal.RUNNING if is_at_work else None
    headers = tuple((name, value) for name, value in json.loads(row.headers))
    return Kept(row.status, headers, bytes(row.body), row.state == "done")
