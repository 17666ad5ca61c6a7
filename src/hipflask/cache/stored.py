"""Entries in the store, for all processes and machines. A store that is away is an empty cache."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

from sqlalchemy import text

from ..database import Database, StoreUnavailable
from ..database.expiring import Purger
from .memory import Found

_log = logging.getLogger("hipflask.cache")
# Longer ones are told by their hash.
_KEY_CHARACTERS = 200

_GET = text("SELECT value, fresh_until FROM hipflask_cache WHERE id = :id AND expires_at > :now")
_SET = text(
    "INSERT INTO hipflask_cache (id, value, fresh_until, expires_at, size)"
    " VALUES (:id, :value, :fresh_until, :expires_at, :size) ON CONFLICT (id) DO UPDATE SET"
    " value = excluded.value, fresh_until = excluded.fresh_until,"
    " expires_at = excluded.expires_at, size = excluded.size"
)
_DELETE = text("DELETE FROM hipflask_cache WHERE id = :id")
_CLEAR = text("DELETE FROM hipflask_cache WHERE substr(id, 1, :length) = :prefix")


class StoredEntries:
    """Values of at most `max_bytes` each. `name` keeps caches in one store apart.

    Each `set` is a write to the disk, with fsync: for what is costly to make and asked for often.
    """

    waits = True

    def __init__(
        self, database: Callable[[], Database], name: str, max_bytes: int = 1024 * 1024
    ) -> None:
        self._database = database
        self._prefix = f"{name}:"
        self._max_bytes = max_bytes
        self._purger = Purger("hipflask_cache")

    def get(self, key: str, /) -> Found | None:
        """What is kept and has not expired."""
        try:
            database = self._database()
            now = database.clock.now()
            with database.read() as connection:
                row = connection.execute(_GET, {"id": self._id(key), "now": now}).one_or_none()
        except StoreUnavailable as error:
            _log.warning("The cache is not asked: %s", error)
            return None
        return None if row is None else Found(bytes(row.value), now < row.fresh_until)

    def set(self, key: str, value: bytes, ttl_s: float, stale_s: float, /) -> None:
        """Keep it; what is larger than `max_bytes` is not kept, nor what was there before."""
        if len(value) > self._max_bytes:
            self.delete(key)
            return
        try:
            database = self._database()
            fresh_until = database.clock.now() + ttl_s
            values = {
                "id": self._id(key),
                "value": value,
                "fresh_until": fresh_until,
                "expires_at": fresh_until + stale_s,
                "size": len(value),
            }
            with database.begin() as connection:
                connection.execute(_SET, values)
        except StoreUnavailable as error:
            _log.warning("A value is not cached: %s", error)
            return
        self._purger.wrote(database)

    def delete(self, key: str, /) -> None:
        """Keep it no longer. Raises StoreUnavailable: whoever deletes must know that it worked."""
        with self._database().begin() as connection:
            connection.execute(_DELETE, {"id": self._id(key)})

    def clear(self) -> None:
        """Keep nothing of this name. Raises StoreUnavailable."""
        values = {"prefix": self._prefix, "length": len(self._prefix)}
        with self._database().begin() as connection:
            connection.execute(_CLEAR, values)

    def _id(self, key: str) -> str:
        # Printable, as PostgreSQL takes no NUL for text, and nobody half a surrogate.
        if len(key) > _KEY_CHARACTERS or not key.isprintable():
            key = "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return self._prefix + key
