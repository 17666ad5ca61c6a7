"""The store: one URL, its connections, and the one writer at a time that SQLite allows."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import TimeoutError as PoolTimeout

from ..ops.pools import watch_pool
from . import failpoints
from .clock import Clock, SystemClock
from .errors import StoreUnavailable
from .faults import unavailable
from .location import read_url
from .schema import VERSION
from .shared import Shared
from .writerlock import WriterLock

_log = logging.getLogger("hipflask.database")
# Holding SQLite's writer for longer than this holds up everybody who answers a sender.
LONG_S = 1.0
_WRITE = {"hipflask_write": True}
_MIGRATION_LOCK = 0x68697066


class Database:
    """A store by its URL: `sqlite:///inbox.db`, `postgresql://user@host/name`. Thread-safe.

    Opens nothing until used. SQLite is WAL with `synchronous=FULL`; a file on a network file
    system is refused. `wait_s` bounds how long anything waits for the writer, for a locked row,
    or for a connection. SetupError for a URL that cannot work. `instance_path` is where a
    relative path of SQLite counts from, instead of the current folder.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        instance_path: str | None = None,
        clock: Clock | None = None,
        wait_s: float = 5.0,
        pool_size: int = 10,
    ) -> None:
        self._url = read_url(url, instance_path)
        self.url: str = self._url.render_as_string(hide_password=False)
        self.clock: Clock = clock or SystemClock()
        self.wait_s = wait_s
        self.is_sqlite: bool = self._url.get_backend_name() == "sqlite"
        self.shared: Shared = Shared(self)
        self._pool_size = pool_size
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._writer: WriterLock | None = None
        self._pid = 0
        self._local = _Local()

    def __repr__(self) -> str:
        return f"Database({self.name!r})"

    @property
    def name(self) -> str:
        """The URL without its password: for messages and logs."""
        return self._url.render_as_string(hide_password=True)

    @property
    def path(self) -> Path | None:
        """SQLite's file; None for PostgreSQL."""
        return Path(str(self._url.database)) if self.is_sqlite else None

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine; write through `begin`, which is fair."""
        # A child of fork must not share its parent's connections, nor its locks.
        if self._engine is None or self._pid != os.getpid():
            with self._lock:
                if self._engine is not None and self._pid != os.getpid():
                    self._engine.dispose(close=False)
                    self._engine = None
                if self._engine is None:
                    self._writer = self._new_writer()
                    self._engine = self._create_engine()
                    self._pid = os.getpid()
        return self._engine

    def prepare(self) -> None:
        """Bring the schema to this version. Cheap where it is; safe to call in each process.

        SetupError for a schema that is newer than this code.
        """
        from . import migrating  # after the engine's own import: it is needed once

        with self.read() as connection:
            if migrating.read_version(connection) == VERSION:
                return
        self._local.may_be_long = True
        try:
            with self.begin("P17") as connection:
                if not self.is_sqlite:
                    connection.execute(
                        text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
                    )
                migrating.upgrade(connection, self.name)
        finally:
            self._local.may_be_long = False

    @contextmanager
    def begin(self, failpoint: str = "") -> Iterator[Connection]:
        """A write transaction: committed (and on disk) when the block ends, undone if it raises.

        On SQLite one process and thread at a time is inside, in the order they came. Raises
        StoreUnavailable. A block inside another on one thread is refused with RuntimeError.
        `failpoint` names the inside of COMMIT.
        """
        if self._local.is_writing:
            raise RuntimeError(
                "A write transaction inside another one on the same thread would wait for"
                " itself: pass the outer one's connection on (connection=)."
            )
        # An async handler may begin on another thread (`asyncio.to_thread(tx.execute, ...)`) than
        # the one that ends: what was said of the first is taken back there.
        began_on = vars(self._local)
        with self._alone(), self._connect(_WRITE) as connection:
            began_on["is_writing"] = True
            self._local.after = []
            try:
                with connection.begin() as transaction:
                    yield connection
                    with failpoints.during(failpoint):
                        transaction.commit()
                after = self._local.after
            finally:
                began_on["is_writing"] = False
                self._local.after = []
        for call in after:
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Call this once after this thread's transaction has been committed; never if it is not."""
        if call not in self._local.after:
            self._local.after.append(call)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for reading; waits for nobody's write. Writes through it are undone."""
        with self._connect({}) as connection:
            yield connection

    def lease_now(self, connection: Connection) -> tuple[str, float]:
        """The id and seconds of the clock that leases are in: boot time, or PostgreSQL's."""
        if self.is_sqlite or not isinstance(self.clock, SystemClock):
            return self.clock.boot()
        now = connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())"))
        return "database", float(now or 0)

    def checkpoint(self) -> None:
        """Write SQLite's log back into its file, as far as readers allow; on PostgreSQL nothing.

        Beside the writer, who then seldom has to do it inside a COMMIT. Part of each sweep.
        """
        if not self.is_sqlite:
            return
        with self._connect({}) as connection:
            driver: Any = connection.connection.driver_connection
            with failpoints.during("P16"):
                driver.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the connections; the next use opens new ones."""
        with self._lock:
            if self._engine is not None:
                self._engine.dispose(close=self._pid == os.getpid())
                self._engine = None
            if self._writer is not None:
                self._writer.close()

    @contextmanager
    def _connect(self, options: dict[str, Any]) -> Iterator[Connection]:
        try:
            connection = self.engine.connect()
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"{self.name}: all {self._pool_size * 2} connections have been in use for more"
                f" than {self.wait_s:g} s."
            ) from error
        with connection:
            try:
                yield connection.execution_options(**options) if options else connection
            except Exception as error:
                # Raised by a driver that somebody has called directly, as appending does.
                translated = unavailable(self.name, error)
                if translated is None:
                    raise
                raise translated from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Inside, this is SQLite's only writer among processes that come through here."""
        self.engine  # noqa: B018 - makes the lock, and a new one after fork
        writer = self._writer
        if writer is None:
            yield
            return
        writer.acquire(self.wait_s)
        began = time.monotonic()
        try:
            yield
        finally:
            writer.release()
            held_s = time.monotonic() - began
            if held_s > LONG_S and not self._local.may_be_long:
                _log.warning(
                    "%s: one transaction held the writer for %.1f s; everybody else waited.",
                    self.name,
                    held_s,
                )

    def _bound_waiting(self, driver: Any, record: Any) -> None:
        """Have PostgreSQL give up for us, and on us: what we had locked, others may want.

        A client that was stopped or cut off inside a transaction is noticed within a minute.
        """
        settings = {
            "lock_timeout": f"{int(self.wait_s * 1000)}ms",
            "idle_in_transaction_session_timeout": "60s",
            "tcp_keepalives_idle": "10s",
            "tcp_keepalives_interval": "5s",
            "tcp_keepalives_count": "3",
        }
        with driver.cursor() as cursor:
            for name, value in settings.items():
                cursor.execute("SELECT set_config(%s, %s, false)", (name, value))
        driver.commit()

    def _new_writer(self) -> WriterLock | None:
        return WriterLock(Path(str(self._url.database))) if self.is_sqlite else None

    def _create_engine(self) -> Engine:
        if self.is_sqlite:
            # What senders wrote is not for every user of the machine to read.
            with suppress(OSError):
                os.close(os.open(str(self._url.database), os.O_CREAT | os.O_EXCL, 0o600))
        options: dict[str, Any] = {
            "pool_size": self._pool_size,
            "max_overflow": self._pool_size,
            "pool_timeout": self.wait_s,
            # The one used last: its cache is warm, and the others may be closed meanwhile.
            "pool_use_lifo": True,
            # They come from senders: not for a log, nor for what a row says of its error.
            "hide_parameters": True,
        }
        if self.is_sqlite:
            from sqlalchemy.pool import QueuePool

            # Autocommit for the driver: SQLAlchemy's events below say BEGIN themselves.
            connect: dict[str, Any] = {
                "isolation_level": None,
                "timeout": self.wait_s,
                "check_same_thread": False,
            }
            options.update(poolclass=QueuePool, connect_args=connect)
        else:
            connect = {
                "connect_timeout": max(2, int(self.wait_s)),
                "tcp_user_timeout": max(2000, int(self.wait_s * 1000)),
            }
            options.update(connect_args=connect, pool_pre_ping=True)
        engine = create_engine(self._url, **options)
        store = self.name
        watch_pool(store, engine.pool)
        if self.is_sqlite:
            event.listen(engine, "do_connect", _note_file)
            event.listen(engine, "connect", _open_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            event.listen(engine, "connect", _open_postgres)
            event.listen(engine, "connect", self._bound_waiting)

        @event.listens_for(engine, "handle_error")
        def translate(context: Any) -> None:
            error = unavailable(store, context.original_exception)
            if error is not None:
                raise error from context.original_exception

        return engine


def open_database(url: str | None = None, **options: Any) -> Database:
    """Open `url`, else HIPFLASK_DATABASE_URL, else `hipflask.db` in the instance folder, prepared.

    `options` are those of `Database`.
    """
    database = Database(url, **options)
    database.prepare()
    return database


class _Local(threading.local):
    is_writing = False
    may_be_long = False

    def __init__(self) -> None:
        self.after: list[Callable[[], None]] = []


def _note_file(dialect: Any, record: Any, arguments: Any, options: dict[str, Any]) -> None:
    record.info["file"] = arguments[0], _file_number(arguments[0])


def _file_number(path: str) -> int:
    try:
        return os.stat(path).st_ino
    except OSError:  # gone, and made by the driver
        return 0


def _open_sqlite(driver: Any, record: Any) -> None:
    """Make a new connection keep what it was told before it says so; checked, not hoped."""
    cursor = driver.cursor()
    # Decided when the file is made: three bodies of 2 kB to a page instead of one. Batches of
    # 128 then take 1.05 to 1.10 times as long as in a bare table, with 4096 bytes 1.15 to 1.25.
    cursor.execute("PRAGMA page_size=8192")
    mode = cursor.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # The log is cut back to this after a checkpoint, where a long reader let it grow.
    cursor.execute("PRAGMA journal_size_limit=67108864")
    level = cursor.execute("PRAGMA synchronous").fetchone()[0]
    cursor.close()
    if (mode, level) != ("wal", 2):
        raise StoreUnavailable(
            f"SQLite refuses journal_mode=WAL or synchronous=FULL here ({mode}, {level}), so it"
            " could lose what it has confirmed: use a local disk."
        )
    path, number = record.info["file"]
    if number and _file_number(path) != number:
        # What is written to the old file, nobody would find again. From here on our lock keeps
        # a restore from beginning.
        raise StoreUnavailable(f"{path} was being replaced by another file: open it again.")


def _begin_sqlite(connection: Connection) -> None:
    is_writing = connection.get_execution_options().get("hipflask_write")
    # To the driver itself: through SQLAlchemy it takes 30 us more, a third of a transaction.
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _open_postgres(driver: Any, record: Any) -> None:
    """Make a new connection wait for the disk at COMMIT; checked, not hoped."""
    with driver.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        if cursor.fetchone()[0] not in ("on", "remote_apply"):
            cursor.execute("SET synchronous_commit TO on")
        cursor.execute("SHOW synchronous_commit")
        level = cursor.fetchone()[0]
        cursor.execute("SHOW fsync")
        fsync = cursor.fetchone()[0]
    driver.commit()
    if level not in ("on", "remote_apply"):
        raise StoreUnavailable(f"PostgreSQL keeps synchronous_commit={level}: it has to be on.")
    if fsync != "on":
        _log.warning("PostgreSQL runs with fsync=off: a power cut loses what it has confirmed.")
