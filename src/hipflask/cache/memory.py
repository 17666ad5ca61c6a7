"""Entries in this process: bounded in bytes, the one unused for longest goes first."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A value as bytes; times are seconds of the clock of whoever keeps it."""

    value: bytes
    fresh_until: float
    expires_at: float


class Found(NamedTuple):
    """What was found under a key."""

    value: bytes
    is_fresh: bool


class Entries(Protocol):
    """Where a cache keeps its values."""

    #: Whether asking may wait for a disk or a server, so that it does not belong on a loop.
    waits: bool

    def get(self, key: str, /) -> Found | None:
        """What is kept and has not expired."""
        ...

    def set(self, key: str, value: bytes, ttl_s: float, stale_s: float, /) -> None:
        """Keep it, fresh for `ttl_s` and then stale for `stale_s`."""
        ...

    def delete(self, key: str, /) -> None:
        """Keep it no longer."""
        ...

    def clear(self) -> None:
        """Keep nothing."""
        ...


#: What an entry costs beside its key and value, about.
OVERHEAD_BYTES = 200


class MemoryEntries:
    """At most `max_bytes` of keys and values, overhead counted. Thread-safe, for one process."""

    waits = False

    def __init__(
        self, max_bytes: int = 32 * 1024 * 1024, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if max_bytes <= 0:
            raise ValueError(f"MemoryEntries(max_bytes={max_bytes}): more than 0 bytes.")
        self.max_bytes = max_bytes
        #: How many are kept now.
        self.bytes = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    def get(self, key: str, /) -> Found | None:
        """What is kept and has not expired."""
        now = self._clock()
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            if entry.expires_at <= now:
                self._drop(key)
                return None
            self._entries.move_to_end(key)
        return Found(entry.value, now < entry.fresh_until)

    def set(self, key: str, value: bytes, ttl_s: float, stale_s: float, /) -> None:
        """Keep it; what is larger than everything together may be is not kept."""
        now = self._clock()
        with self._lock:
            self._drop(key)
            if _size(key, value) > self.max_bytes:
                return
            self._entries[key] = Entry(value, now + ttl_s, now + ttl_s + stale_s)
            self.bytes += _size(key, value)
            while self.bytes > self.max_bytes:
                self._drop(next(iter(self._entries)))

    def delete(self, key: str, /) -> None:
        """Keep it no longer."""
        with self._lock:
            self._drop(key)

    def clear(self) -> None:
        """Keep nothing."""
        with self._lock:
            self._entries.clear()
            self.bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= _size(key, entry.value)


def _size(key: str, value: bytes) -> int:
    # A character of text beyond ASCII takes up to four bytes.
    return OVERHEAD_BYTES + len(value) + (len(key) if key.isascii() else 4 * len(key))
