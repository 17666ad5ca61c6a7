"""Inbox and outbox, their audit, tries, and the lanes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from hipflask.database import failpoints

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# Chains of OR: SQLite sees that `state = 'received'` implies one, but not that it implies IN.
_UNFINISHED = (
    "(state = 'received' OR state = 'queued' OR state = 'running' OR state = 'waiting' OR"
    " state = 'parked' OR state = 'held')"
)
_KEYED = (
    "key IS NOT NULL AND (state = 'dead' OR state = 'held' OR state = 'parked' OR"
    " state = 'queued' OR state = 'received' OR state = 'running' OR state = 'waiting')"
)


def _text(name: str, *, is_optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=is_optional)


def _whole(name: str, default: str | None = "0") -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default=default)


def _time(name: str, *, is_optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Double(), nullable=is_optional)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _counted(name: str) -> sa.Column[Any]:
    return sa.Column(name, _NUMBER, primary_key=True, autoincrement=True)


def _create_queue(name: str, *own: sa.Column[Any]) -> None:
    op.create_table(
        name,
        _counted("seq"),
        _text("lane"),
        _text("key", is_optional=True),
        _text("state"),
        _whole("attempt"),
        _whole("kills"),
        _time("run_at"),
        _time("lease_until", is_optional=True),
        _text("lease_boot", is_optional=True),
        _whole("fence"),
        _text("error", is_optional=True),
        _time("created_at"),
        _time("finished_at", is_optional=True),
        _whole("size"),
        _whole("is_purged"),
        *own,
        # Numbers are never used again, also when the newest row was deleted.
        sqlite_autoincrement=True,
    )
    # Claims: what is due in a lane, without meeting what is behind another row. Figures and the
    # backlog are read from this index alone.
    _create_index(name, "open", ["lane", "state", "run_at", "seq", "size"], _UNFINISHED)
    # Order: what else there is of a key.
    _create_index(name, "key", ["lane", "key", "state", "seq"], _KEYED)
    # Retention, and figures of what has ended.
    ended = ["lane", "state", "is_purged", "finished_at"]
    _create_index(name, "ended", ended, "finished_at IS NOT NULL")
    op.create_table(
        f"{name}_body",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        _bytes("headers"),
        _bytes("body"),
    )


def _create_index(
    table: str, name: str, columns: list[str], where: str, *, is_unique: bool = False
) -> None:
    condition = sa.text(where)
    op.create_index(
        f"{table}_{name}",
        table,
        columns,
        unique=is_unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def upgrade() -> None:
    """Make the tables of the first version."""
    _create_queue(
        "hipflask_inbox",
        _text("event_id"),
        _text("event_type", is_optional=True),
        _text("scheme"),
        _whole("secret_no"),
        _whole("is_id_signed"),
        _text("method"),
        _text("query"),
        _bytes("digest"),
        _whole("is_twin"),
        _whole("dup_count"),
        _text("done_by"),
    )
    op.create_index("hipflask_inbox_id", "hipflask_inbox", ["lane", "event_id"], unique=True)
    # The same bytes under another id, where anybody could have written the id.
    unsigned = "is_id_signed = 0 AND is_twin = 0"
    _create_index("hipflask_inbox", "digest", ["lane", "digest"], unsigned, is_unique=True)
    _create_index("hipflask_inbox", "dups", ["lane", "dup_count"], "dup_count > 0")
    failpoints.hit("P17")
    _create_queue(
        "hipflask_outbox",
        _text("method"),
        _text("path"),
        _text("idempotency_key"),
        sa.Column("inbox_seq", _NUMBER, nullable=True),
        _text("handler", is_optional=True),
    )
    op.create_index("hipflask_outbox_inbox", "hipflask_outbox", ["inbox_seq"])
    op.create_table(
        "hipflask_attempt",
        _counted("id"),
        sa.Column("outbox_seq", _NUMBER, nullable=False),
        _time("at"),
        _time("duration_s"),
        sa.Column("status", sa.Integer(), nullable=True),
        _bytes("answer"),
        _text("error", is_optional=True),
    )
    op.create_index("hipflask_attempt_row", "hipflask_attempt", ["outbox_seq", "id"])
    op.create_table(
        "hipflask_audit",
        _counted("id"),
        _text("queue"),
        sa.Column("seq", _NUMBER, nullable=False),
        _time("at"),
        _text("actor"),
        _text("old"),
        _text("new"),
        _whole("attempt"),
        _text("note"),
    )
    op.create_index("hipflask_audit_row", "hipflask_audit", ["queue", "seq", "id"])
    op.create_table(
        "hipflask_lane",
        sa.Column("name", sa.Text(), primary_key=True),
        _time("paused_until", is_optional=True),
        _time("next_at", is_optional=True),
        _text("settings"),
        _whole("version"),
    )
