"""Small records that logins need: how often somebody failed, who logged out of everything.

They stand in the store that all processes share, a `hipflask.database`, or in the memory of this
process where there is none.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ..scaffold import SetupError

Record = dict[str, Any]
Change = Callable[[Record], Record | None]

SETTING = "HIPFLASK_DATABASE_URL"


class Records(Protocol):
    """The port: `database.shared` is one. Records are what JSON can say. Safe from any thread."""

    def get(self, name: str) -> Record:
        """The record; empty where there is none."""

    def update(self, name: str, change: Change) -> Record:
        """Replace the record by what `change` makes of it, and return that.

        Nobody else changes it in between. None leaves it as it is.
        """


class MemoryRecords:
    """Records of one process, which end with it."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Record:
        """The record; empty where there is none. Not to be changed."""
        return self._records.get(name, {})

    def update(self, name: str, change: Change) -> Record:
        """Replace the record by what `change` makes of it, and return that."""
        with self._lock:
            record = self._records.get(name, {})
            made = change(dict(record))
            if made is None:
                return record
            if made:
                self._records[name] = made
            else:
                self._records.pop(name, None)
            return made


class _Opened:
    """The records of a database that is opened, and brought to its version, when first used."""

    def __init__(self, open_: Callable[[], Any]) -> None:
        self._open_database = open_
        self._records: Records | None = None
        self._lock = threading.Lock()

    def get(self, name: str) -> Record:
        return self._open().get(name)

    def update(self, name: str, change: Change) -> Record:
        return self._open().update(name, change)

    def _open(self) -> Records:
        if self._records is None:
            with self._lock:
                if self._records is None:
                    self._records = self._open_database().shared
        return self._records


def records_of(store: Any, app: Any = None) -> Records:
    """What was given as a store: a URL, a `Database`, records; None is the application's store.

    That is the setting HIPFLASK_DATABASE_URL of `app` or of the environment, or the memory of
    this process without it. Raises SetupError for anything else.
    """
    if store is None:
        url = (app and app.config.get(SETTING)) or os.environ.get(SETTING)
        if not url:
            return MemoryRecords()
        return _Opened(partial(_open, url) if app is None else partial(_open_of, app))
    if isinstance(store, str):
        return _Opened(partial(_open, store))
    found = getattr(store, "shared", store)
    if not (hasattr(found, "get") and hasattr(found, "update")) or isinstance(found, dict):
        raise SetupError(
            f"store={store!r} keeps nothing for several processes. Give open_database(...) of"
            " hipflask.database, its URL as a text, or None for the memory of this process."
        )
    records: Records = found
    return records


def is_shared(records: Records) -> bool:
    """Whether other processes see them, so that reading them may take waiting."""
    return not isinstance(records, MemoryRecords)


# Both load the database's libraries, which who has no store needs not.


def _open(url: str) -> Any:
    from ..database import open_database

    return open_database(url)


def _open_of(app: Any) -> Any:
    from ..database.opened import database_of

    return database_of(app)
