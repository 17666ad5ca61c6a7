"""What keeps a queue in order: leases that are over, keys that stand still, rows that are old."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Connection

from .claiming import IS_OVER, Turn, expire
from .rows import ReadyRow, Swept
from .table import QueueTable

DAY_S = 86400.0
# Bodies go after this; what is left of a row keeps its id from being taken as new.
BODY_DAYS = {"done": 7, "filtered": 7, "dead": 30, "conflict": 30}
ROW_DAYS = 30
# How long one transaction may hold the writer, and how many rows it takes before it looks.
HOLD_S = 0.02
STEP = 20
_BATCH_OF_KEYS = 50

LANES = (
    "WITH RECURSIVE found(lane) AS (SELECT (SELECT min(lane) FROM {table} WHERE finished_at"
    " IS NOT NULL) UNION ALL SELECT (SELECT min(lane) FROM {table} WHERE lane > found.lane AND"
    " finished_at IS NOT NULL) FROM found WHERE found.lane IS NOT NULL)"
    " SELECT lane FROM found WHERE lane IS NOT NULL"
)
# Behind a dead or held row they stand as they should, except where the lane skips such rows.
_STUCK = (
    "SELECT DISTINCT lane, key FROM {table} AS behind WHERE key IS NOT NULL AND state IN"
    " ('queued', 'parked') AND {unfinished} AND NOT EXISTS (SELECT 1 FROM {table} WHERE"
    " lane = behind.lane AND key = behind.key AND {keyed} AND state IN"
    " ('received', 'running', 'waiting')) AND (lane IN :skipping OR NOT EXISTS (SELECT 1 FROM"
    " {table} WHERE lane = behind.lane AND key = behind.key AND {keyed} AND state IN"
    " ('dead', 'held') AND seq < behind.seq))"
)


def sweep(queue: QueueTable, budget_s: float) -> Swept:
    """See `Queue.sweep`."""
    with queue.database.read() as connection:
        turn = Turn(queue, connection)
        statement = queue.sql("SELECT count(*) FROM {table} WHERE " + IS_OVER)
        values = turn.values()
        values.pop("now")
        has_expired = bool(connection.scalar(statement, values))
        skipping = [lane for lane, policy in queue.when_dead.items() if policy == "skip"]
        found = connection.execute(queue.sql(_STUCK), {"skipping": skipping})
        stuck = [tuple(row) for row in found]
    expired = died = 0
    if has_expired:
        with queue.writing() as connection:
            expired, died = expire(Turn(queue, connection), None)
    released = _release_all(queue, stuck)
    purged, deleted = _retire(queue, time.monotonic() + budget_s)
    queue.database.checkpoint()
    return Swept(expired, died, released, purged, deleted)


def _release_all(queue: QueueTable, stuck: Sequence[tuple[str, ...]]) -> int:
    """Look again, under lock, at keys with rows behind and none under way."""
    released = 0
    for start in range(0, len(stuck), _BATCH_OF_KEYS):
        with queue.writing() as connection:
            ready: list[ReadyRow] = []
            keys = [(lane, key) for lane, key in stuck[start : start + _BATCH_OF_KEYS]]
            for lane, key in queue.lock_keys(connection, keys):
                ready += queue.release(connection, lane, key)
            queue.announce(connection, ready)
            released += len(ready)
    return released


def _retire(queue: QueueTable, stop_at: float) -> tuple[int, int]:
    """Remove bodies, then rows, as long as there are any and it is not `stop_at`."""
    now = queue.database.clock.now()
    purged = deleted = 0
    with queue.database.read() as connection:
        lanes = list(connection.execute(queue.sql(LANES)).scalars())
        due = [
            (lane, state, is_purged)
            for lane in lanes
            for state in BODY_DAYS
            for is_purged in (0, 1)
            if _old(queue, connection, lane, state, is_purged, now)
        ]
    for lane, state, is_purged in due:
        count = 1
        while count and time.monotonic() < stop_at:
            count = _retire_batch(queue, lane, state, is_purged, now)
            purged += count * (1 - is_purged)
            deleted += count * is_purged
    return purged, deleted


def _retire_batch(queue: QueueTable, lane: str, state: str, is_purged: int, now: float) -> int:
    """One transaction's worth of purging or deleting; returns how many rows."""
    count = 0
    with queue.writing() as connection:
        began = time.monotonic()
        while not count or time.monotonic() - began < HOLD_S:
            seqs = _old(queue, connection, lane, state, is_purged, now)
            if not seqs:
                break
            values = {"seqs": seqs}
            if is_purged:
                _delete(queue, connection, seqs)
            else:
                connection.execute(queue.sql("DELETE FROM {bodies} WHERE seq IN :seqs"), values)
                statement = "UPDATE {table} SET is_purged = 1 WHERE seq IN :seqs"
                connection.execute(queue.sql(statement), values)
            count += len(seqs)
    return count


def _old(
    queue: QueueTable, connection: Connection, lane: str, state: str, is_purged: int, now: float
) -> list[int]:
    """Numbers of some rows whose time has come; not of dead ones that others stand behind."""
    days = ROW_DAYS if is_purged else BODY_DAYS[state]
    stands_before = (
        " AND NOT EXISTS (SELECT 1 FROM {table} WHERE lane = row.lane AND key = row.key AND"
        " {keyed} AND state IN ('queued', 'parked') AND seq > row.seq)"
    )
    statement = (
        "SELECT seq FROM {table} AS row WHERE lane = :lane AND state = :state AND is_purged ="
        " :is_purged AND finished_at IS NOT NULL AND finished_at <= :before"
        + (stands_before if state == "dead" else "")
        + " LIMIT :limit"
    )
    values = {"lane": lane, "state": state, "is_purged": is_purged, "limit": STEP}
    found = connection.execute(queue.sql(statement), {**values, "before": now - days * DAY_S})
    return list(found.scalars())


def _delete(queue: QueueTable, connection: Connection, seqs: list[int]) -> None:
    values = {"seqs": seqs}
    for table, column in queue.attached:
        statement = f"DELETE FROM {table} WHERE {column} IN :seqs"
        connection.execute(queue.sql(statement), values)
    statement = "DELETE FROM hipflask_audit WHERE queue = :queue AND seq IN :seqs"
    connection.execute(queue.sql(statement), {**values, "queue": queue.name})
    connection.execute(queue.sql("DELETE FROM {table} WHERE seq IN :seqs"), values)
