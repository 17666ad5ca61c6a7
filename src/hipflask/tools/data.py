"""The database that a tool's tables are in: somebody's own, which the tool changes by edits only.

The tool's runs and its audit are in the application's store (`hipflask.database`), which may be
another database.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from ..database import Database
from ..scaffold import SetupError

#: What may be given for a database.
Given = str | Engine | Database | Callable[[], Engine]
#: How long a write waits for another one.
WAIT_S = 5.0


class Data:
    """A database by its URL, SQLAlchemy's engine, a store, or a function that gives an engine.

    Opened when first used; thread-safe. Of a URL the engine is made here, and closed by
    `close`; SQLite's file has to be there. SetupError for what cannot be opened.
    """

    def __init__(self, given: Given, store: Callable[[], Database]) -> None:
        self._given = given
        self._store = store
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        if isinstance(given, str):
            _parsed(given)

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine."""
        given = self._given
        if isinstance(given, Engine):
            return given
        if isinstance(given, Database):
            return given.engine
        if not isinstance(given, str):
            return given()
        if self._engine is None:
            with self._lock:
                if self._engine is None:
                    self._engine = _engine(given)
        return self._engine

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @cached_property
    def is_store(self) -> bool:
        """Whether the tool's store is the same database, so that one transaction does for both.

        SQLite has one writer at a time: two transactions would wait for one another.
        """
        given, store = self._given, self._store()
        if isinstance(given, Database):
            return given is store
        if self.engine is store.engine:
            return True
        path = self.engine.url.database
        if not (self.is_sqlite and store.path and path):
            return False
        return os.path.realpath(path) == os.path.realpath(store.path)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; what is written through it is undone."""
        if isinstance(self._given, Database):
            with self._given.read() as connection:
                yield connection
            return
        with self.engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that nobody else's write comes between; committed at the end."""
        if self.is_store:
            with self._store().begin() as connection:
                yield connection
            return
        with self.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                _lock_sqlite(connection)
            yield connection

    def close(self) -> None:
        """Close the engine that was made of a URL."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose()
                self._engine = None


def _lock_sqlite(connection: Connection) -> None:
    """Take the write lock now: a row that is read and then written must not change between."""
    driver: Any = connection.connection.driver_connection
    # Where somebody's engine has begun already, SQLite itself refuses to write after a read that
    # is no longer true (SQLITE_BUSY_SNAPSHOT).
    if not getattr(driver, "in_transaction", True):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _parsed(url: str) -> Any:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise SetupError(
            f"{url!r} is not the URL of a database: write sqlite:///shop.db or"
            " postgresql+psycopg://user:password@host/name."
        ) from None


def _engine(url: str) -> Engine:
    parsed = _parsed(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, hide_parameters=True, pool_pre_ping=True)
    path = parsed.database
    if path and path != ":memory:" and not parsed.query and not os.path.exists(path):
        raise SetupError(
            f"{os.path.abspath(path)}: there is no such file. A tool works on a database that is"
            " there; a relative path counts from the current folder."
        )
    engine = create_engine(parsed, hide_parameters=True, connect_args={"timeout": WAIT_S})

    @event.listens_for(engine, "connect")
    def open_sqlite(driver: Any, record: Any) -> None:
        # Bytes that are no UTF-8 in a column of text are to be seen, not to end the page.
        driver.text_factory = _decode
        driver.execute("PRAGMA foreign_keys=ON")

    return engine


def _decode(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
