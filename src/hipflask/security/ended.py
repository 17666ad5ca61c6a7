"""Sessions that ended before their time: logged out of, one by one or all of a user's.

A cookie that was copied says what it said. So each session has a number, and each user a
version, and what has ended is a record of the user in the store that all processes share.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from werkzeug.exceptions import ServiceUnavailable

from .records import Record, is_shared, records_of

# How long what the store said of a user counts, and how long while the store is away.
_FRESH_S = 2.0
_STALE_S = 30.0
_MOST_KNOWN = 10_000
# Sessions of one user; past them all of that user's end.
_MOST_ENDED = 50


class StoreAway(ServiceUnavailable):
    """503: whether somebody has logged out everywhere is not known."""

    description = "Whether you are logged in cannot be told at the moment."

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class Ended:
    """Which sessions have ended before their time, by user, as the store has it."""

    def __init__(self, store: Any, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._records = records_of(store)
        self.waits: bool = is_shared(self._records)
        self._clock = clock
        self._known: dict[str, tuple[Record, float]] = {}
        self._lock = threading.Lock()

    def prepare(self, app: Any) -> None:
        """Without a store of its own, take the application's, if that has one."""
        found = records_of(self._store, app)
        if self._store is None and is_shared(found):
            self._records, self.waits = found, True

    def read(self, name: str, *, anew: bool = False) -> Record:
        """The user's version and ended sessions, two seconds old at most; StoreAway for neither."""
        if not self.waits:
            return self._records.get(_record_name(name))
        now = self._clock()
        record, at = self._known.get(name, (None, 0.0))
        if record is not None and not anew and now - at < _FRESH_S:
            return record
        try:
            record = self._records.get(_record_name(name))
        except Exception as error:
            if record is not None and not anew and now - at < _STALE_S:
                return record
            raise StoreAway from error
        self._keep(name, record)
        return record

    def end(self, name: str, number: str, until: int, now: int) -> None:
        """One session is no longer accepted; told in seconds since 1970 when it ends anyway."""

        def change(record: Record) -> Record:
            out = {each: end for each, end in record.get("out", {}).items() if end > now}
            out[number] = until
            if len(out) > _MOST_ENDED:
                return {"v": record.get("v", 0) + 1}
            return {"v": record.get("v", 0), "out": out}

        self._update(name, change)

    def end_all(self, name: str) -> None:
        """No session of the user made until now is accepted any more."""
        self._update(name, lambda record: {"v": record.get("v", 0) + 1})

    def _update(self, name: str, change: Callable[[Record], Record]) -> None:
        try:
            record = self._records.update(_record_name(name), change)
        except Exception as error:
            raise StoreAway from error
        self._keep(name, record)

    def _keep(self, name: str, record: Record) -> None:
        with self._lock:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[name] = record, self._clock()


@lru_cache(maxsize=4096)
def _record_name(name: str) -> str:
    raw = name.encode("utf-8", "surrogatepass")
    return f"security:login:{hashlib.blake2b(raw, digest_size=16).hexdigest()}"
