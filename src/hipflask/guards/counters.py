"""Where a rate limit counts: in this process, in the database, or wherever `limits` can.

A counter's window begins with its first hit, so twice the rate may pass around its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from ..scaffold import SetupError

# Counters kept in memory; past this number those that are over go, and then all.
KEPT = 100_000
# Hits between two sweeps of counters that are over, in a database.
SWEEP_EVERY = 1000


class Counters(Protocol):
    """The port. Thread-safe; raises what it likes when it cannot count."""

    #: Whether it never waits, so that it may be asked on an event loop.
    is_quick: bool

    def hit(self, key: str, window_s: int) -> tuple[int, float]:
        """Count one more; returns the number in this window and the seconds until it ends."""
        ...


class MemoryCounters:
    """Counts for one process, by the monotonic clock.

    `limits` has such a store too; it starts a thread every 10 ms while it is used, and follows
    the wall clock.
    """

    is_quick = True

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # The number, and when the window ends.
        self._known: dict[str, list[Any]] = {}

    def hit(self, key: str, window_s: int) -> tuple[int, float]:
        """See `Counters.hit`."""
        clock = self._clock
        now = clock()
        # `with` takes 1,100 instructions more.
        self._lock.acquire()
        try:
            counter = self._known.get(key)
            if counter is None or counter[1] <= now:
                if len(self._known) >= KEPT:
                    self._sweep(now)
                counter = self._known[key] = [0, now + window_s]
            counter[0] = number = counter[0] + 1
            return number, counter[1] - now
        finally:
            self._lock.release()

    def _sweep(self, now: float) -> None:
        self._known = {k: counter for k, counter in self._known.items() if counter[1] > now}
        if len(self._known) >= KEPT:
            self._known.clear()


class DatabaseCounters:
    """Counts for all processes in `hipflask_rate`, a table of its own in the store."""

    is_quick = False

    def __init__(self, database: Any, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._is_made = False
        self._hits = 0

    def hit(self, key: str, window_s: int) -> tuple[int, float]:
        """See `Counters.hit`."""
        from sqlalchemy import text  # who counts here has it

        now = self._clock()
        if not self._is_made:
            self._make(text)
        with self._database.begin() as connection:
            row = connection.execute(
                text(_HIT), {"name": key, "now": now, "until": now + window_s}
            ).one()
            self._hits += 1
            if self._hits % SWEEP_EVERY == 0:
                connection.execute(text(_SWEEP), {"now": now})
        # A window that seems to last longer than it can was begun before the clock went back.
        return int(row[0]), min(max(float(row[1]) - now, 0.0), float(window_s))

    def close(self) -> None:
        """Close the connections; the next count opens new ones."""
        self._database.close()

    def _make(self, text: Any) -> None:
        with self._lock:
            if self._is_made:
                return
            try:
                with self._database.begin() as connection:
                    connection.execute(text(_TABLE))
            except Exception:
                # Two processes may make it at once, which PostgreSQL lets one of them fail for.
                with self._database.begin() as connection:
                    connection.execute(text(_TABLE))
            self._is_made = True


_TABLE = """CREATE TABLE IF NOT EXISTS hipflask_rate (
    name VARCHAR(200) PRIMARY KEY, hits BIGINT NOT NULL, until DOUBLE PRECISION NOT NULL)"""
_HIT = """INSERT INTO hipflask_rate (name, hits, until) VALUES (:name, 1, :until)
    ON CONFLICT (name) DO UPDATE SET
        hits = CASE WHEN hipflask_rate.until <= :now OR hipflask_rate.until > :until
            THEN 1 ELSE hipflask_rate.hits + 1 END,
        until = CASE WHEN hipflask_rate.until <= :now OR hipflask_rate.until > :until
            THEN :until ELSE hipflask_rate.until END
    RETURNING hits, until"""
_SWEEP = "DELETE FROM hipflask_rate WHERE until <= :now"


class LimitsCounters:
    """Counts where the library `limits` can: `redis://host`, `memcached://host`, ..."""

    is_quick = False

    def __init__(self, url: str) -> None:
        try:
            from limits.storage import storage_from_string  # optional

            self._storage: Any = storage_from_string(url)
        except ImportError:
            raise SetupError(MISSING) from None
        except Exception as error:
            # ConfigurationError for a scheme it does not know, or whose client is missing.
            told = str(error).replace(url, _safe(url))
            raise SetupError(f"RATE_LIMIT_STORE={_safe(url)!r}: {told}") from None

    def hit(self, key: str, window_s: int) -> tuple[int, float]:
        """See `Counters.hit`."""
        number: int = self._storage.incr(key, window_s)
        return number, max(self._storage.get_expiry(key) - time.time(), 0.0)


MISSING = "Rate limits need the library limits: pip install 'hipflask[limits]'."


def open_counters(url: str) -> Counters:
    """The counters at a URL: `memory://`, `database://`, `sqlite:///rates.db`, `redis://host`.

    `database://` is the store of HIPFLASK_DATABASE_URL. Raises SetupError.
    """
    scheme = url.partition(":")[0]
    if scheme == "memory":
        return MemoryCounters()
    if scheme in ("database", "sqlite", "postgresql", "postgres"):
        from ..database import open_database  # needs SQLAlchemy, which memory does not

        return DatabaseCounters(open_database(None if scheme == "database" else url))
    return LimitsCounters(url)


def _safe(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"
