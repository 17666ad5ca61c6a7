"""What to know of a store before it fails: damage, disk, log, leases, clocks."""

from __future__ import annotations

import shutil
import time
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, text

from ..scaffold import SetupError
from .backup import file_of
from .engine import Database
from .migrating import read_version
from .schema import VERSION

Level = Literal["ok", "warning", "bad"]

_MB = 1_000_000
# A log of this size means that somebody reads for long, or that nobody writes it back.
_LARGE_LOG_BYTES = 128 * _MB
_LITTLE_BYTES, _TOO_LITTLE_BYTES = 1000 * _MB, 100 * _MB
# What clocks may differ by before a wait or an expiry goes wrong.
_CLOCK_S = 5.0
_FUTURE_S = 60.0


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    level: Level
    text: str


def check(database: Database, *, is_quick: bool = False) -> list[Finding]:
    """Look at everything, changing nothing; `is_quick` leaves out what reads the whole file.

    Raises StoreUnavailable, and SetupError where there is no store.
    """
    if database.is_sqlite:
        file_of(database)
    with database.read() as connection:
        found = [_schema(connection)]
        if database.is_sqlite:
            found += [_integrity(connection, is_quick), _disk(database), _log(database)]
            found.append(_mode(database))
        if found[0].level == "ok":
            found += _leases(database, connection)
            found.append(_clock(database, connection))
    return found


def _schema(connection: Connection) -> Finding:
    version = read_version(connection)
    if version == VERSION:
        return Finding("schema", "ok", f"version {version}")
    if version is None:
        return Finding("schema", "warning", "no tables yet: 'hipflask db migrate' makes them")
    if version < VERSION:
        text = f"version {version}, and {VERSION} is due: 'hipflask db migrate'"
        return Finding("schema", "warning", text)
    text = f"version {version}, and this hipflask knows up to {VERSION}: upgrade hipflask"
    return Finding("schema", "bad", text)


def _integrity(connection: Connection, is_quick: bool) -> Finding:
    name = "quick_check" if is_quick else "integrity_check"
    lines = [str(row[0]) for row in connection.exec_driver_sql(f"PRAGMA {name}(10)")]
    if lines == ["ok"]:
        return Finding("integrity", "ok", name)
    return Finding("integrity", "bad", f"{lines[0]}: stop the service and restore a backup")


def _disk(database: Database) -> Finding:
    path = file_of(database)
    free, size = shutil.disk_usage(path.parent).free, path.stat().st_size
    text = f"{free // _MB} MB free, the store has {size // _MB} MB"
    if free < _TOO_LITTLE_BYTES:
        return Finding("disk", "bad", f"{text}: soon nothing more is accepted")
    # A copy beside it, and the log while it is made.
    if free < max(_LITTLE_BYTES, 2 * size):
        return Finding("disk", "warning", f"{text}: too little for a backup beside it")
    return Finding("disk", "ok", text)


def _log(database: Database) -> Finding:
    path = file_of(database)
    log = path.with_name(f"{path.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    text = f"{size // _MB} MB in the log"
    if size > _LARGE_LOG_BYTES:
        return Finding("log", "warning", f"{text}: somebody reads for long, or a backup runs")
    return Finding("log", "ok", text)


def _mode(database: Database) -> Finding:
    mode = file_of(database).stat().st_mode & 0o777
    if mode & 0o007:
        text = f"mode {mode:o}: every user of the machine may read it; chmod 600"
        return Finding("access", "warning", text)
    return Finding("access", "ok", f"mode {mode:o}")


def _leases(database: Database, connection: Connection) -> list[Finding]:
    """Rows that are taken by nobody who could still be at work on them."""
    boot, now = database.lease_now(connection)
    values = {"boot": boot, "now": now}
    over = "lease_boot <> :boot OR lease_until <= :now"
    found = []
    for name in ("inbox", "outbox", "idempotency"):
        statement = (
            f"SELECT count(*), coalesce(sum(CASE WHEN {over} THEN 1 ELSE 0 END), 0)"
            f" FROM hipflask_{name} WHERE state = 'running'"
        )
        running, orphans = connection.execute(text(statement), values).one()
        line = f"{running} at work in {name}"
        if orphans:
            line += f", {orphans} of them left by a process that is gone"
            if name != "idempotency":
                line += ": a worker takes them over, is one running?"
        # The next request with that key takes it over.
        is_bad = orphans and name != "idempotency"
        found.append(Finding("leases", "warning" if is_bad else "ok", line))
    return found


def _clock(database: Database, connection: Connection) -> Finding:
    now = database.clock.now()
    if not database.is_sqlite:
        there: Any = connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
        off = float(there) - now
        line = f"PostgreSQL's clock is {off:+.1f} s from this one"
        return Finding("clock", "warning" if abs(off) > _CLOCK_S else "ok", line)
    latest = 0.0
    for name in ("inbox", "outbox"):
        statement = f"SELECT created_at FROM hipflask_{name} ORDER BY seq DESC LIMIT 1"
        latest = max(latest, float(connection.scalar(text(statement)) or 0.0))
    if latest > now + _FUTURE_S:
        ahead = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(latest))
        text_ = f"the newest row is of {ahead}, which is still to come: was the clock set back?"
        return Finding("clock", "warning", text_)
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def migrate(database: Database) -> tuple[str | None, str]:
    """Bring the schema to this version; returns the one before, and this.

    SetupError for a store of a newer hipflask.
    """
    if database.path is not None and not database.path.parent.is_dir():
        raise SetupError(f"{database.path.parent} does not exist: make it first.")
    with database.read() as connection:
        before = read_version(connection)
    database.prepare()
    return before, VERSION
