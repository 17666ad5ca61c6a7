"""Puts a checked copy in the place of SQLite's file, while nobody has that open.

Whether somebody has is asked of SQLite itself: a process that has the file open in WAL mode holds
a lock on it as long as it runs, whether it writes or not, and leaving WAL mode needs that lock
alone. The writer's turn is ours meanwhile, and who opens the file at this very moment notices that
it is another one by then (`engine`).
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..scaffold import SetupError
from . import failpoints
from .backup import (
    Manifest,
    Progress,
    clear_leftovers,
    connect,
    put_in_place,
    read_manifest,
    schema_in,
    sync,
    verify,
)
from .engine import Database
from .errors import StoreUnavailable
from .schema import VERSION
from .writerlock import WriterLock

# How long a writer may take to end before it counts as a running service.
_WAIT_S = 2.0
_CHUNK_BYTES = 1024 * 1024


class Restored(NamedTuple):
    """What was put in place."""

    manifest: Manifest | None
    sha256: str
    #: Where the store is that was there before; None if there was none.
    before: Path | None


def restore(
    backup: Path, database: Database, *, replace: bool = False, progress: Progress | None = None
) -> Restored:
    """Check the copy, and make it the store; the store that was there is kept under another name.

    At each moment the store is the old one as a whole, or the new one as a whole. Raises
    SetupError, with nothing changed, for a copy that is not good or of a newer hipflask, if there
    is a store and not `replace`, and if somebody has it open.
    """
    target = database.path
    if target is None:
        raise SetupError(
            f"{database.name}: PostgreSQL has its own tools: 'pg_restore --clean --if-exists"
            " --single-transaction --dbname=URL NAME.dump'."
        )
    manifest = _checked(backup, progress)
    is_there = target.exists()
    if is_there and not replace:
        raise SetupError(
            f"{target} is there. Stop the service and say --replace: the store that is there is"
            " kept beside it under another name."
        )
    partial = target.with_name(f".{target.name}.restoring-{os.getpid()}")
    clear_leftovers(target, "restoring")
    before: Path | None = None
    try:
        sha256 = _copy(backup, partial, progress or (lambda what, done, of: None))
        if manifest is not None and sha256 != manifest.sha256:
            raise StoreUnavailable(f"{partial}: the disk did not keep what was written to it.")
        failpoints.hit("P26")
        with _turn(target):
            if is_there:
                with _held(target):
                    before = _keep_old(target)
                    _move_logs(target, before)
                    failpoints.hit("P27")
                    partial.replace(target)
                    sync(target.parent)
            else:
                _refuse_logs(target)
                put_in_place(partial, target)
    except OSError as error:
        raise StoreUnavailable(f"{target}: {error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return Restored(manifest, sha256, before)


def _checked(backup: Path, progress: Progress | None) -> Manifest | None:
    if not backup.is_file():
        raise SetupError(f"{backup}: there is no such file.")
    manifest = read_manifest(backup)
    flaws, _ = verify(backup, manifest, progress)
    if flaws:
        raise SetupError(f"{backup} is not restored: {'; '.join(flaws)}. Take an older copy.")
    schema = schema_in(backup)
    if schema is None:
        raise SetupError(
            f"{backup} is a database, and no copy of a store: it has none of hipflask's tables."
            " Name a file that 'hipflask db backup' made."
        )
    if schema > VERSION:
        raise SetupError(
            f"{backup} has the schema {schema}, and this hipflask knows up to {VERSION}:"
            " it was made by a newer one. Upgrade hipflask here."
        )
    return manifest


def _copy(backup: Path, partial: Path, tell: Progress) -> str:
    """Copy the file beside the store, on the disk; its SHA-256 as it was written."""
    digest, done, size = hashlib.sha256(), 0, backup.stat().st_size
    descriptor = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with backup.open("rb") as source, os.fdopen(descriptor, "wb") as copy:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            copy.write(chunk)
            done += len(chunk)
            tell("Copying", done, size)
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest()


@contextlib.contextmanager
def _turn(target: Path) -> Iterator[None]:
    """Inside, no process that goes through `Database` writes."""
    writer = WriterLock(target)
    try:
        writer.acquire(_WAIT_S)
    except StoreUnavailable:
        raise _is_running(target) from None
    try:
        yield
    finally:
        writer.release()
        writer.close()


@contextlib.contextmanager
def _held(target: Path) -> Iterator[None]:
    """Inside, the file is one file without a log, and nobody else has it open."""
    with contextlib.closing(connect(target, "rw")) as connection:
        connection.execute(f"PRAGMA busy_timeout={int(_WAIT_S * 1000)}")
        try:
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
            if mode != "delete":
                raise _is_running(target)
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (5, 6):
                raise _is_running(target) from None
            raise StoreUnavailable(f"{target}: {error}") from error
        except sqlite3.DatabaseError:
            # Damaged, which is why it is restored: nobody can have it open for long.
            yield
            return
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def _keep_old(target: Path) -> Path:
    """Give the store that is there a second name; those of restores that were killed go."""
    for name in target.parent.glob(f"{glob.escape(target.name)}.before-*"):
        if name.samefile(target):
            name.unlink()
    when = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    for number in range(1, 100):
        kept = target.with_name(f"{target.name}.before-{when}{f'-{number}' if number > 1 else ''}")
        with contextlib.suppress(FileExistsError):
            os.link(target, kept)
            return kept
    raise SetupError(f"{target.parent} has 99 stores that were replaced at {when}.")


def _move_logs(target: Path, before: Path) -> None:
    """A damaged store may have kept its log, which must not be played into the new one."""
    for ending in ("-wal", "-shm", "-journal"):
        log = target.with_name(target.name + ending)
        if log.exists():
            log.replace(before.with_name(before.name + ending))


def _refuse_logs(target: Path) -> None:
    """A log of another file of that name would be played into the new one."""
    for ending in ("-wal", "-journal"):
        log = target.with_name(target.name + ending)
        if log.exists():
            raise SetupError(
                f"{log} lies where {target.name} is to be, and belongs to a store that is gone."
                " Move it away."
            )


def _is_running(target: Path) -> SetupError:
    return SetupError(
        f"{target} is open in another process: a service or a worker runs, or somebody looks at it"
        " with sqlite3. Stop them, then restore."
    )
