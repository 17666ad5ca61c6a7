"""The stores that an application has open, one for each URL and process, shared by what uses them.

Sessions, cache and idempotency keys of one application are in one store, with one pool of
connections, unless they are told another URL.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from .engine import Database

_KEY = "hipflask.databases"
_lock = threading.Lock()


def database_of(app: Any, given: str | Database | None = None) -> Database:
    """The application's store, opened and prepared once in each process.

    `given` is a URL, or a `Database` (prepared here, and used as it is). None is the setting
    HIPFLASK_DATABASE_URL of the application or of the environment, else `hipflask.db` in the
    instance folder. Raises StoreUnavailable, or SetupError for a URL that cannot work.
    """
    kept: dict[Any, Database] = app.extensions.setdefault(_KEY, {})
    where = (os.getpid(), given)
    found = kept.get(where)
    if found is None:
        with _lock:
            found = kept.get(where)
            if found is None:
                found = kept[where] = _open(app, given)
    return found


def _open(app: Any, given: str | Database | None) -> Database:
    if isinstance(given, Database):
        database = given
    else:
        url = given or app.config.get("HIPFLASK_DATABASE_URL")
        database = Database(url, instance_path=getattr(app, "instance_path", None))
    database.prepare()
    return database
