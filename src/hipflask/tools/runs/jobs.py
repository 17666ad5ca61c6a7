"""The queue of runs: claimed by the same workers as the inbox, and never tried twice.

A job that has taken its worker with it, or whose worker stood still for longer than the lease,
is given up at once: half of its steps may have happened, and only a person can tell. Its run is
`interrupted` in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import Connection, update

from ...database import Claimed, Database, Queue, ReadyRow, Row, State
from ...database.claiming import IS_OURS
from ...database.schema import RUN_STEP
from ...security import Identity
from .. import audit
from . import rows
from .rows import RunRow
from .states import RunState, StepState

#: Who moves runs that nobody has asked for.
WORKER = Identity("worker")


class JobRow(Row, frozen=True, kw_only=True):
    """A run that is to be worked on."""

    run_id: int


class Jobs(Queue[JobRow]):
    """What is to be worked on; its lanes are the tools."""

    name = "job"
    row_type = JobRow
    own_columns = ("run_id",)
    most_kills = 1
    #: Told of each run that has lost its worker, once that is committed.
    on_interrupt: Callable[[RunRow], None] | None = None

    def add(self, connection: Connection, tool: str, run_id: int) -> None:
        """Queue a run, in the transaction that says it is queued."""
        seq = self._insert(connection, tool, run_id)
        self.announce(connection, [ReadyRow(self.name, seq, tool, None, 0.0)])

    def add_claimed(
        self, connection: Connection, tool: str, run_id: int, lease_s: float
    ) -> Claimed[JobRow]:
        """Queue a run that this process works on itself: nobody else ever sees it waiting."""
        seq = self._insert(connection, tool, run_id)
        boot, boot_s = self.database.lease_now(connection)
        until = boot_s + lease_s
        values = {"until": until, "boot": boot}
        also = ", fence = fence + 1, lease_until = :until, lease_boot = :boot"
        self.move(connection, "seq = :seq", {"seq": seq, **values}, State.RUNNING, also=also)
        record = connection.execute(
            self.sql("SELECT {columns} FROM {table} WHERE seq = :seq"), {"seq": seq}
        )
        row = self.make_row(record.mappings().one(), None, None)
        return Claimed(queue=self.name, row=row, fence=row.fence, lease_until=until)

    def is_ours(self, connection: Connection, claimed: Claimed[Any]) -> bool:
        """Whether the claim still holds; it does to the end of the transaction."""
        lock = "" if self.database.is_sqlite else " FOR UPDATE"
        statement = self.sql("SELECT seq FROM {table} WHERE " + IS_OURS + lock)
        values = {"seq": claimed.seq, "fence": claimed.fence}
        return connection.scalar(statement, values) is not None

    def take_back(self, connection: Connection, run_id: int) -> bool:
        """Take a job out that nobody has begun; whether there was one."""
        values = {"run_id": run_id, "at": self.database.clock.now()}
        where = "run_id = :run_id AND state = 'received'"
        return bool(
            self.move(connection, where, values, State.FILTERED, also=", finished_at = :at")
        )

    def _insert(self, connection: Connection, tool: str, run_id: int) -> int:
        values = {"lane": tool, "run_id": run_id, "at": self.database.clock.now()}
        seq: int = connection.execute(self.sql(_INSERT), values).scalar_one()
        connection.execute(self.sql(_INSERT_BODY), {"seq": seq, "nothing": b""})
        return seq

    def move(
        self,
        connection: Connection,
        where: str,
        values: Mapping[str, Any],
        new: str,
        **options: Any,
    ) -> int:
        """As every queue's; with a job that is given up its run is interrupted."""
        if new == State.DEAD:
            lock = "" if self.database.is_sqlite else " FOR UPDATE"
            found = connection.execute(
                self.sql("SELECT run_id FROM {table} WHERE " + where + lock), values
            )
            for run_id in found.scalars().all():
                run = interrupt(self.database, connection, run_id)
                if run is not None and self.on_interrupt is not None:
                    self.database.after_commit(partial(self.on_interrupt, run))
        return super().move(connection, where, values, new, **options)


_INSERT = (
    "INSERT INTO {table} (lane, state, run_at, created_at, run_id)"
    " VALUES (:lane, 'received', 0, :at, :run_id) RETURNING seq"
)
_INSERT_BODY = "INSERT INTO {bodies} (seq, headers, body) VALUES (:seq, :nothing, :nothing)"
INTERRUPTED = (
    "The process that worked on it died, or stood still for too long. What it had begun may or"
    " may not have happened; nothing is tried again by itself."
)


def interrupt(database: Database, connection: Connection, run_id: int) -> RunRow | None:
    """Say that a run has lost its worker; None where it had ended."""
    now = database.clock.now()
    try:
        run = rows.move(connection, run_id, RunState.INTERRUPTED, ended_at=now, error=INTERRUPTED)
    except rows.Gone:
        return None
    where = (RUN_STEP.c.run_id == run_id) & (RUN_STEP.c.state == str(StepState.RUNNING))
    values = {"state": str(StepState.FAILED), "error": "interrupted"}
    connection.execute(update(RUN_STEP).where(where).values(**values))
    audit.write(
        database,
        run.tool,
        "interrupted",
        run.action,
        by=WORKER,
        via="worker",
        run_id=run_id,
        detail={"done": run.done, "total": run.total},
        connection=connection,
    )
    return run
