"""What a planted fault does to a service: `STORM_FAULT` names some, with commas between.

They show that the programs here would notice. `early` acknowledges before it stores; `outside`
writes effects outside of the transaction that ends the event; `normal` has the store commit without
waiting for the disk.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.sql.elements import TextClause

FAULTS = os.environ.get("STORM_FAULT", "").split(",")
LATE_S = 0.2

Write = Callable[[Connection, TextClause, Mapping[str, Any]], None]


def plant(hooks: Any) -> Write:
    """Make the service wrong in the ways that are wanted; returns how effects are written."""
    if "early" in FAULTS:
        _store_late()
    if "normal" in FAULTS:
        _commit_without_sync()
    if "outside" in FAULTS:
        return _outside(hooks)
    return lambda tx, sql, values: tx.execute(sql, values) and None


def _store_late() -> None:
    from hipflask.webhooks.inbox import Inbox, Kind, Receipt

    store = Inbox.append

    def append(self: Inbox, arrivals: Sequence[Any]) -> list[Receipt]:
        threading.Timer(LATE_S, store, (self, arrivals)).start()
        return [Receipt(0, Kind.STORED) for _ in arrivals]

    Inbox.append = append  # type: ignore[method-assign]


def _commit_without_sync() -> None:
    from hipflask.database import engine

    open_sqlite, open_postgres = engine._open_sqlite, engine._open_postgres

    def sqlite_without_sync(driver: Any, record: Any) -> None:
        open_sqlite(driver, record)
        driver.execute("PRAGMA synchronous = NORMAL")

    def postgres_without_sync(driver: Any, record: Any) -> None:
        open_postgres(driver, record)
        driver.execute("SET synchronous_commit TO off")
        driver.commit()

    engine._open_sqlite = sqlite_without_sync
    engine._open_postgres = postgres_without_sync


def _outside(hooks: Any) -> Write:
    engine = create_engine(hooks.url.replace("postgresql://", "postgresql+psycopg://"))

    @event.listens_for(engine, "connect")
    def wait_for_the_writer(connection: Any, record: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.execute("PRAGMA busy_timeout = 10000")

    def write(tx: Connection, sql: TextClause, values: Mapping[str, Any]) -> None:
        with engine.begin() as own:
            own.execute(sql, values)

    return write
