"""Removes runs that ended long ago, with their files and steps. Their lines of audit stay."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Row, delete, select

from ...database import Database
from ...database.schema import RUN, RUN_STEP
from .. import audit
from .jobs import WORKER, Jobs
from .states import ENDED

#: Looked at, and removed in one transaction, at most.
BATCH = 100
#: How often a process looks.
EVERY_S = 3600.0
_ENDED = frozenset(map(str, ENDED))


def retire(jobs: Jobs, tool: str, before: float, slots: Collection[str] = ()) -> int:
    """Remove the tool's runs that ended before that moment; returns how many.

    What can still be undone stays until it cannot; so do those of `slots`, which a schedule would
    ask for once more.
    """
    now = jobs.database.clock.now()
    removed = 0
    for batch in _planned_before(jobs.database, tool, before):
        old = [
            row.id
            for row in batch
            if row.state in _ENDED
            and row.ended_at < before
            and (row.undo_until is None or row.undo_until <= now)
            and row.slot not in slots
        ]
        removed += _remove(jobs, tool, old, before) if old else 0
    return removed


def _planned_before(database: Database, tool: str, before: float) -> Iterator[Sequence[Row[Any]]]:
    """Runs in the order they were planned in: none of the others can have ended before."""
    columns = ("id", "state", "slot", "created_at", "ended_at", "undo_until")
    found = (
        select(*(RUN.c[name] for name in columns))
        .where(RUN.c.tool == tool)
        .order_by(RUN.c.id)
        .limit(BATCH)
    )
    last = 0
    while True:
        with database.read() as connection:
            batch = connection.execute(found.where(RUN.c.id > last)).all()
        if not batch:
            return
        yield batch
        if batch[-1].created_at >= before:
            return
        last = batch[-1].id


def _remove(jobs: Jobs, tool: str, old: list[int], before: float) -> int:
    with jobs.writing() as connection:
        gone = delete(RUN).where(RUN.c.id.in_(old)).returning(RUN.c.id)
        # Fewer where another process is at it as well.
        removed = sorted(connection.scalars(gone))
        if removed:
            connection.execute(delete(RUN_STEP).where(RUN_STEP.c.run_id.in_(removed)))
            audit.write(
                jobs.database,
                tool,
                "remove",
                "runs",
                by=WORKER,
                via="worker",
                detail={"runs": removed, "ended_before": before},
                connection=connection,
            )
    return len(removed)
