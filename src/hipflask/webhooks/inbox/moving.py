"""Moves a store from SQLite to PostgreSQL, in steps that may be killed and begun again.

First the old store refuses arrivals and claims: senders hear 503 and try again, what is under way
ends. Then it refuses everything, and its rows are copied in the order of their numbers. How far
that has come stands in the new store, written in the transaction that copies.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Table, func, select, text
from sqlalchemy.dialects.postgresql import insert

from ...database import failpoints, schema
from ...database.engine import Database
from ...database.errors import StoreUnavailable
from ...database.table import MOVED
from ...scaffold import SetupError

Progress = Callable[[str, int, int], None]

# Rows in one transaction; of bodies fewer, as each may be of 25 MB.
BATCH = 500
BATCH_OF_BODIES = 20
_ARRIVING = "store:arriving"
_TABLES: tuple[tuple[Table, str], ...] = (
    (schema.INBOX, "seq"),
    (schema.INBOX_BODY, "seq"),
    (schema.OUTBOX, "seq"),
    (schema.OUTBOX_BODY, "seq"),
    (schema.ATTEMPT, "id"),
    (schema.AUDIT, "id"),
    (schema.RUN, "id"),
    (schema.RUN_STEP, "id"),
    (schema.JOB, "seq"),
    (schema.JOB_BODY, "seq"),
    (schema.TOOL_AUDIT, "id"),
)
_COUNTED = {"hipflask_inbox": "seq", "hipflask_outbox": "seq"}
_COUNTED |= {"hipflask_attempt": "id", "hipflask_audit": "id", "hipflask_job": "seq"}
_COUNTED |= {"hipflask_run": "id", "hipflask_run_step": "id", "hipflask_tool_audit": "id"}
# Rows in one of these were made in the new store itself.
_IN_USE = (schema.INBOX, schema.OUTBOX, schema.RUN, schema.TOOL_AUDIT)
# A run may have files.
_LARGE = {"hipflask_inbox_body", "hipflask_outbox_body", "hipflask_run"}


def move(
    old: Database, new: Database, *, progress: Progress | None = None, wait_s: float = 60.0
) -> dict[str, int]:
    """Copy everything from `old` (SQLite) to `new` (PostgreSQL); returns rows by table.

    From the first step on `old` refuses arrivals and claims (StoreUnavailable), so senders try
    again until they reach `new`: start the application on `new` when this has returned. Killed
    anywhere, it is called again and goes on. `progress(table, copied, of)` is called after each
    batch. Waits up to `wait_s` for handlers to end, then raises StoreUnavailable; SetupError if
    the stores are not of these kinds, or `new` is in use.
    """
    if not old.is_sqlite or new.is_sqlite:
        raise SetupError(f"{old.name} to {new.name}: only from SQLite to PostgreSQL.")
    old.prepare()
    new.prepare()
    _begin(old, new)
    _wait_for_handlers(old, wait_s)
    old.shared.update(MOVED, lambda record: {**record, "phase": "copying"})
    counts = {
        table.name: _copy(old, new, table, column, progress or _say_nothing)
        for table, column in _TABLES
    }
    _copy_lanes(old, new)
    counts[schema.TOOL_VIEW.name] = _copy_views(old, new)
    _check(old, new, counts)
    new.shared.update(_ARRIVING, lambda record: {**record, "is_complete": True})
    old.shared.update(MOVED, lambda record: {**record, "phase": "moved"})
    return counts


def _say_nothing(table: str, copied: int, of: int) -> None:
    return None


def _begin(old: Database, new: Database) -> None:
    """Mark both stores, unless an earlier call has."""
    record = new.shared.get(_ARRIVING)
    if not record:
        with new.read() as connection:
            found = sum(_rows_in(connection, table) for table in _IN_USE)
        if found:
            raise SetupError(f"{new.name} holds {found} rows already: move to an empty database.")
        new.shared.update(_ARRIVING, lambda _: {"from": old.name, "copied": {}})
    elif record["from"] != old.name:
        raise SetupError(f"{new.name} is where {record['from']} was moved to, not {old.name}.")
    first = {"phase": "draining", "to": new.name}
    old.shared.update(MOVED, lambda record: record or first)


def _rows_in(connection: Connection, table: Table) -> int:
    return int(connection.scalar(select(func.count()).select_from(table)) or 0)


def _wait_for_handlers(old: Database, wait_s: float) -> None:
    """Until no row is under way with a lease that still holds."""
    stop_at = time.monotonic() + wait_s
    while True:
        with old.read() as connection:
            boot, boot_s = old.lease_now(connection)
            values = {"boot": boot, "boot_s": boot_s}
            running = connection.scalar(text(_RUNNING), values)
        if not running:
            return
        if time.monotonic() >= stop_at:
            raise StoreUnavailable(
                f"{old.name}: {running} rows are still being worked on. Nothing was copied; call"
                " this again when their handlers have ended."
            )
        time.sleep(0.05)


_RUNNING = "SELECT " + " + ".join(
    f"(SELECT count(*) FROM {table} WHERE state = 'running' AND lease_boot = :boot AND"
    " lease_until > :boot_s)"
    for table in ("hipflask_inbox", "hipflask_outbox", "hipflask_job")
)


def _copy(old: Database, new: Database, table: Table, column: str, progress: Progress) -> int:
    """Copy what has not been copied of one table; returns how many rows it has."""
    key = table.c[column]
    with old.read() as reading:
        total = _rows_in(reading, table)
        last = int(reading.scalar(select(func.max(key))) or 0)
    if table.name in _COUNTED:
        _count_from(new, table.name, column, last)
    record = new.shared.get(_ARRIVING)["copied"].get(table.name, {"up_to": 0, "rows": 0})
    limit = BATCH_OF_BODIES if table.name in _LARGE else BATCH
    while True:
        with old.read() as reading:
            rest = select(table).where(key > record["up_to"]).order_by(key).limit(limit)
            rows = [dict(row) for row in reading.execute(rest).mappings()]
        if not rows:
            return total
        record = {"up_to": rows[-1][column], "rows": record["rows"] + len(rows)}
        with new.begin("P18") as writing:
            writing.execute(insert(table), rows)
            _remember(new, writing, table.name, record)
            failpoints.hit("P18")
        progress(table.name, record["rows"], total)


def _remember(new: Database, writing: Connection, table: str, record: dict[str, int]) -> None:
    def change(arriving: dict[str, Any]) -> dict[str, Any]:
        return {**arriving, "copied": {**arriving["copied"], table: record}}

    new.shared.update(_ARRIVING, change, writing)


def _count_from(new: Database, table: str, column: str, last: int) -> None:
    """New numbers follow the old ones, also those of rows that were deleted."""
    with new.begin() as writing:
        writing.execute(
            text("SELECT setval(pg_get_serial_sequence(:table, :column), :last)"),
            {"table": table, "column": column, "last": max(last, 1)},
        )


def _copy_lanes(old: Database, new: Database) -> None:
    with old.read() as reading:
        found = reading.execute(select(schema.LANE).where(schema.LANE.c.name != MOVED))
        rows = [dict(row) for row in found.mappings()]
    with new.begin() as writing:
        for row in rows:
            put = insert(schema.LANE).values(row)
            writing.execute(put.on_conflict_do_update(index_elements=["name"], set_=row))


def _copy_views(old: Database, new: Database) -> int:
    """What people keep of tools' tables, in one go: of each person and table there are 50."""
    with old.read() as reading:
        rows = [dict(row) for row in reading.execute(select(schema.TOOL_VIEW)).mappings()]
    if rows:
        with new.begin() as writing:
            writing.execute(insert(schema.TOOL_VIEW).on_conflict_do_nothing(), rows)
    return len(rows)


def _check(old: Database, new: Database, counts: dict[str, int]) -> None:
    """Compare the numbers of rows before anybody is told that all is there."""
    with new.read() as reading:
        for table, _ in _TABLES:
            there = _rows_in(reading, table)
            if there != counts[table.name]:
                raise RuntimeError(
                    f"{table.name}: {counts[table.name]} rows in {old.name}, {there} in"
                    f" {new.name}. The old store is untouched and stays closed."
                )
