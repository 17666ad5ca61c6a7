"""A person's side of a queue: replay, kill, park, resolve, pause."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, Row

from . import failpoints
from .claiming import NO_LEASE, lane_name
from .rows import ReadyRow
from .states import State
from .table import HELD, QueueTable

# Rows in one transaction: some ten milliseconds of the writer.
BATCH = 50
# Infinity, in a column that PostgreSQL and JSON take as well.
FOREVER = 9e15
_UNLEASED = f"{NO_LEASE}, fence = fence + 1, run_at = 0"

# Moves one row and returns what may be claimed by it; None if it is not in a state to move.
_Mover = Callable[[Connection, Row[Any]], list[ReadyRow] | None]


def replay(queue: QueueTable, seqs: Iterable[int], actor: str, note: str) -> int:
    """See `Queue.replay`."""
    states = "('done', 'filtered', 'dead', 'conflict', 'held', 'waiting')"
    also = ", attempt = 0, kills = 0, run_at = 0, finished_at = NULL" + queue.set_by_replay

    def again(connection: Connection, row: Row[Any]) -> list[ReadyRow] | None:
        # A row with a key goes behind the others; `release` below says whether it is the next.
        stays_head = row.key is None or row.state == "waiting"
        new = State.RECEIVED if stays_head else State.QUEUED
        where = f"seq = :seq AND is_purged = 0 AND state IN {states}"
        values = {"seq": row.seq}
        moved = queue.move(
            connection, where, values, new, actor=actor, note=note, also=also, attempt="0"
        )
        if not moved:
            return None
        return [ReadyRow(queue.name, row.seq, row.lane, row.key, 0.0)] if stays_head else []

    return _each(queue, seqs, actor, again)


def kill(queue: QueueTable, seqs: Iterable[int], actor: str, note: str) -> int:
    """See `Queue.kill`."""

    def die(connection: Connection, row: Row[Any]) -> list[ReadyRow] | None:
        now = queue.database.clock.now()
        moved = queue.move(
            connection,
            "seq = :seq AND {unfinished}",
            {"seq": row.seq, "error": note or f"given up by {actor}", "ended": now},
            State.DEAD,
            actor=actor,
            note=note,
            also=", error = :error, finished_at = :ended" + _UNLEASED,
        )
        return [] if moved else None

    return _each(queue, seqs, actor, die)


def park(queue: QueueTable, seqs: Iterable[int], actor: str, note: str) -> int:
    """See `Queue.park`."""

    def hold(connection: Connection, row: Row[Any]) -> list[ReadyRow] | None:
        where = "seq = :seq AND {unfinished} AND state <> 'held'"
        values = {"seq": row.seq}
        moved = queue.move(connection, where, values, HELD, actor=actor, note=note, also=_UNLEASED)
        return [] if moved else None

    return _each(queue, seqs, actor, hold)


def resolve(queue: QueueTable, seqs: Iterable[int], actor: str, note: str) -> int:
    """See `Queue.resolve`."""

    def settle(connection: Connection, row: Row[Any]) -> list[ReadyRow] | None:
        moved = queue.move(
            connection,
            "seq = :seq AND state IN ('dead', 'parked', 'held')",
            {"seq": row.seq, "ended": queue.database.clock.now()},
            State.DONE,
            actor=actor,
            note=note or "dealt with by hand",
            also=", finished_at = :ended",
        )
        return [] if moved else None

    return _each(queue, seqs, actor, settle)


def _each(queue: QueueTable, seqs: Iterable[int], actor: str, move: _Mover) -> int:
    """Move the rows in small transactions, so that thousands do not hold up the writer."""
    numbers = sorted(set(seqs))
    total = 0
    for start in range(0, len(numbers), BATCH):
        batch = numbers[start : start + BATCH]
        with queue.writing() as connection:
            statement = "SELECT seq, lane, key, state FROM {table} WHERE seq IN :seqs ORDER BY seq"
            rows = connection.execute(queue.sql(statement), {"seqs": batch}).all()
            keys = queue.lock_keys(connection, [(row.lane, row.key) for row in rows])
            if keys and not queue.database.is_sqlite:
                # They may have moved while we waited for their keys.
                rows = connection.execute(queue.sql(statement), {"seqs": batch}).all()
            ready: list[ReadyRow] = []
            for row in rows:
                moved = move(connection, row)
                if moved is not None:
                    total += 1
                    ready += moved
            for lane, key in keys:
                ready += queue.release(connection, lane, key, actor)
            failpoints.hit("P15")
            queue.announce(connection, ready)
    return total


def pause(queue: QueueTable, lane: str, until: float | None, connection: Connection | None) -> None:
    """See `Queue.pause`."""
    _set_pause(queue, lane, FOREVER if until is None else min(until, FOREVER), connection)


def hold(queue: QueueTable, lane: str, until: float | None) -> None:
    """See `Queue.hold`."""
    values = {"name": lane_name(queue, lane), "until": until, "forever": FOREVER}
    with queue.writing() as writing:
        writing.execute(queue.sql(_PAUSE + _NOT_FOREVER), values)
    if queue.wake is not None and until is None:
        queue.wake()


def resume(queue: QueueTable, lane: str, connection: Connection | None) -> None:
    """See `Queue.resume`."""
    _set_pause(queue, lane, None, connection)
    if queue.wake is not None and connection is None:
        queue.wake()


def _set_pause(
    queue: QueueTable, lane: str, until: float | None, connection: Connection | None
) -> None:
    values = {"name": lane_name(queue, lane), "until": until}
    with queue.writing(connection) as writing:
        writing.execute(queue.sql(_PAUSE), values)


_PAUSE = (
    "INSERT INTO hipflask_lane (name, paused_until, settings, version)"
    " VALUES (:name, :until, '{{}}', 0) ON CONFLICT (name) DO UPDATE SET"
    " paused_until = excluded.paused_until"
)
_NOT_FOREVER = " WHERE hipflask_lane.paused_until IS NULL OR hipflask_lane.paused_until < :forever"
