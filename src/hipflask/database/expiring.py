"""Rows that end at a time: taken out in small batches, so that no one holds up the writer."""

from __future__ import annotations

import threading
import time

from sqlalchemy import text

from .engine import Database

#: Rows in one transaction: a few milliseconds of the writer.
BATCH = 100
#: How often a process looks for what has expired.
EVERY_S = 60.0

_TABLES = ("hipflask_session", "hipflask_cache", "hipflask_idempotency")


def purge(database: Database, table: str, *, limit: int | None = None) -> int:
    """Delete rows of `table` that have expired, at most `limit`; returns how many.

    In transactions of 100 rows each, between which others write.
    """
    if table not in _TABLES:
        raise ValueError(f"{table!r} has no rows that expire: {', '.join(_TABLES)}.")
    now = database.clock.now()
    look = text(f"SELECT id FROM {table} WHERE expires_at <= :now LIMIT :limit")
    drop = text(f"DELETE FROM {table} WHERE id = :id AND expires_at <= :now")
    deleted = 0
    while limit is None or deleted < limit:
        size = BATCH if limit is None else min(BATCH, limit - deleted)
        # Found outside of the transaction, so that looking in vain costs no writer.
        with database.read() as connection:
            found = list(connection.scalars(look, {"now": now, "limit": size}))
        if not found:
            break
        with database.begin() as connection:
            # Again with the time: somebody may have prolonged it meanwhile.
            connection.execute(drop, [{"id": each, "now": now} for each in sorted(found)])
        deleted += len(found)
    return deleted


class Purger:
    """Purges one table now and then, on the thread that has just written to it. Thread-safe."""

    def __init__(self, table: str, every_s: float = EVERY_S) -> None:
        self._table = table
        self._every_s = every_s
        self._lock = threading.Lock()
        self._next_at = time.monotonic() + every_s

    def wrote(self, database: Database) -> None:
        """Called after a write; once in a while it deletes one batch. Never raises."""
        now = time.monotonic()
        with self._lock:
            if now < self._next_at:
                return
            self._next_at = now + self._every_s
        try:
            deleted = purge(database, self._table, limit=BATCH)
        except Exception:  # the store is away: what has expired waits
            return
        if deleted == BATCH:
            with self._lock:  # there is more
                self._next_at = now
