"""What several processes know in common: small records, changed by compare-and-set."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any, Protocol

Record = dict[str, Any]
Change = Callable[[Record], Record | None]


class Shared(Protocol):
    """The port; `database.shared` is one, and `MemoryShared` one for a single process.

    Records are what JSON can say. Safe from any thread.
    """

    def get(self, name: str) -> Record:
        """The record; empty where there is none."""

    def update(self, name: str, change: Change) -> Record:
        """Replace the record by what `change` makes of it, and return that.

        Nobody else changes it in between. `change` gets a copy, does nothing but compute, and
        may be called again; None leaves the record as it is.
        """


class MemoryShared:
    """Records of one process, which end with it."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Record:
        """The record; empty where there is none."""
        return copy.deepcopy(self._records.get(name, {}))

    def update(self, name: str, change: Change) -> Record:
        """Replace the record by what `change` makes of it, and return that."""
        with self._lock:
            record = self._records.get(name, {})
            made = change(copy.deepcopy(record))
            if made is not None:
                record = self._records[name] = made
            return copy.deepcopy(record)
