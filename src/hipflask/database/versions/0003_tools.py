"""Runs of tools' actions with their steps, the jobs that work on them, and the tools' audit."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_UNFINISHED = (
    "(state = 'received' OR state = 'queued' OR state = 'running' OR state = 'waiting' OR"
    " state = 'parked' OR state = 'held')"
)
_KEYED = (
    "key IS NOT NULL AND (state = 'dead' OR state = 'held' OR state = 'parked' OR"
    " state = 'queued' OR state = 'received' OR state = 'running' OR state = 'waiting')"
)
_REFUSAL = "The audit of tools is append-only: its lines are neither changed nor removed."


def _text(name: str, *, is_optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=is_optional)


def _whole(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0")


def _time(name: str, *, is_optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Double(), nullable=is_optional)


def _bytes(name: str, *, is_optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=is_optional)


def _counted(name: str) -> sa.Column[Any]:
    return sa.Column(name, _NUMBER, primary_key=True, autoincrement=True)


def upgrade() -> None:
    """Make the tables; the audit's refuses to be changed."""
    _create_runs()
    _create_jobs()
    _create_audit()
    _create_views()


def _create_views() -> None:
    names = ("tool", "target", "subject", "name")
    op.create_table(
        "hipflask_tool_view",
        *(_text(name) for name in (*names, "query")),
        sa.PrimaryKeyConstraint(*names),
    )


def _create_runs() -> None:
    op.create_table(
        "hipflask_run",
        _counted("id"),
        _text("tool"),
        _text("action"),
        sa.Column("undo_of", _NUMBER, nullable=True),
        _text("state"),
        _text("digest"),
        _text("slot", is_optional=True),
        _text("occasion"),
        _text("code"),
        _text("parameters"),
        _text("chosen"),
        _text("lines"),
        _bytes("files", is_optional=True),
        _whole("needs_approval"),
        _text("requester"),
        _text("requester_name"),
        _text("via"),
        _text("approver", is_optional=True),
        _text("approver_name", is_optional=True),
        _text("note"),
        _time("created_at"),
        _time("submitted_at", is_optional=True),
        _time("decided_at", is_optional=True),
        _time("expires_at", is_optional=True),
        _time("started_at", is_optional=True),
        _time("ended_at", is_optional=True),
        _time("undo_until", is_optional=True),
        _whole("done"),
        _whole("total"),
        _text("message"),
        _text("error", is_optional=True),
        _text("difference", is_optional=True),
        _text("cancelled_by", is_optional=True),
        sqlite_autoincrement=True,
    )
    # Each plan runs at most once, and each slot of a schedule.
    op.create_index("hipflask_run_digest", "hipflask_run", ["digest"], unique=True)
    op.create_index("hipflask_run_slot", "hipflask_run", ["slot"], unique=True)
    op.create_index("hipflask_run_state", "hipflask_run", ["tool", "state", "id"])
    op.create_index("hipflask_run_undo", "hipflask_run", ["undo_of"])
    op.create_table(
        "hipflask_run_step",
        _counted("id"),
        sa.Column("run_id", _NUMBER, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        _text("sentence"),
        _text("state"),
        _time("at"),
        _time("took_s", is_optional=True),
        _text("error", is_optional=True),
        _text("undo", is_optional=True),
        sqlite_autoincrement=True,
    )
    op.create_index("hipflask_run_step_of", "hipflask_run_step", ["run_id", "number"], unique=True)


def _create_jobs() -> None:
    """A queue as those of the inbox, whose rows are claimed by the same workers."""
    name = "hipflask_job"
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
        sa.Column("run_id", _NUMBER, nullable=False),
        sqlite_autoincrement=True,
    )
    for index, columns, condition in (
        ("open", ["lane", "state", "run_at", "seq", "size"], _UNFINISHED),
        ("key", ["lane", "key", "state", "seq"], _KEYED),
        ("ended", ["lane", "state", "is_purged", "finished_at"], "finished_at IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(
            f"{name}_{index}", name, columns, sqlite_where=where, postgresql_where=where
        )
    op.create_index(f"{name}_run", name, ["run_id"], unique=True)
    op.create_table(
        f"{name}_body",
        sa.Column("seq", _NUMBER, primary_key=True, autoincrement=False),
        _bytes("headers"),
        _bytes("body"),
    )


def _create_audit() -> None:
    name = "hipflask_tool_audit"
    op.create_table(
        name,
        _counted("id"),
        _time("at"),
        _text("tool"),
        _text("subject"),
        _text("subject_name"),
        _text("via"),
        _text("event"),
        _text("target"),
        sa.Column("run_id", _NUMBER, nullable=True),
        _text("detail"),
        sqlite_autoincrement=True,
    )
    op.create_index(f"{name}_of", name, ["tool", "id"])
    op.create_index(f"{name}_run", name, ["run_id", "id"])
    if op.get_bind().dialect.name == "sqlite":
        _guard_sqlite(name)
    else:
        _guard_postgres(name)


def _guard_sqlite(name: str) -> None:
    # The last one: INSERT OR REPLACE removes a row without asking the triggers of DELETE.
    for event, when in (
        ("UPDATE", ""),
        ("DELETE", ""),
        ("INSERT", f" WHEN EXISTS (SELECT 1 FROM {name} WHERE id = NEW.id)"),
    ):
        op.execute(
            f"CREATE TRIGGER {name}_no_{event.lower()} BEFORE {event} ON {name}{when}"
            f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        )


def _guard_postgres(name: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE EXCEPTION '{_REFUSAL}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name}_no_change BEFORE UPDATE OR DELETE ON {name}"
        f" FOR EACH ROW EXECUTE FUNCTION {name}_refuse()"
    )
    op.execute(
        f"CREATE TRIGGER {name}_no_truncate BEFORE TRUNCATE ON {name}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION {name}_refuse()"
    )
