"""A copy of SQLite's file while others write to it, and whether a copy is good.

The copy is of one moment: the reading connection stands in one transaction from the first page
to the last, so no writer waits for it, and none makes it begin anew. Until it ends the log cannot
be cut back, and grows by what is written meanwhile.

Under its own name a copy appears only when it was checked and is on the disk. Beside it lies a
manifest, `<name>.json`, with what the copy has to be like.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec

from ..scaffold import SetupError
from . import failpoints
from .engine import Database
from .errors import StoreUnavailable
from .faults import unavailable
from .migrating import VERSION_TABLE

# Called with what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]

#: Pages of 8 kB in one step, between which somebody may stop us: some 2 MB.
STEP_PAGES = 256
_CHUNK_BYTES = 1024 * 1024


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy has to be like."""

    #: Seconds since 1970.
    made_at: float
    #: The URL of the store it was made of, without a password.
    store: str
    #: The version of the schema; None for a store without one.
    schema: str | None
    size_bytes: int
    #: Of the file, in hexadecimal.
    sha256: str
    #: How many there are, by table.
    rows: dict[str, int]


def back_up(
    database: Database, target: Path, *, progress: Progress | None = None, pause_s: float = 0.0
) -> Manifest:
    """Copy the store to `target`, check the copy, and put it in place; nobody waits meanwhile.

    `pause_s` is left between steps of some 2 MB, for a disk that others need. Raises SetupError
    if the store is no SQLite file or `target` is there already, StoreUnavailable if the store or
    the disk fails, or the copy is not good.
    """
    tell = progress or _say_nothing
    source_path = file_of(database)
    manifest_path = manifest_of(target)
    _check_target(source_path, target)
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    clear_leftovers(target, "partial")
    clear_leftovers(manifest_path, "partial")
    try:
        with _failures(database.name):
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            rows, schema = _copy(source_path, partial, tell, pause_s)
            flaws = _flaws_inside(partial, rows, tell)
            if flaws:
                raise StoreUnavailable(f"{database.name}: the copy is not good: {flaws[0]}")
            sync(partial)
            manifest = Manifest(
                made_at=time.time(),
                store=database.name,
                schema=schema,
                size_bytes=partial.stat().st_size,
                sha256=digest_of(partial, tell),
                rows=rows,
            )
            failpoints.hit("P25")
            _write_manifest(manifest_path, manifest)
            put_in_place(partial, target)
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            partial.with_name(partial.name + ending).unlink(missing_ok=True)
    return manifest


def verify(
    path: Path, manifest: Manifest | None, progress: Progress | None = None
) -> tuple[list[str], str]:
    """What is wrong with a copy, as lines, and its SHA-256. Without a manifest less is known."""
    tell = progress or _say_nothing
    found = digest_of(path, tell)
    flaws: list[str] = []
    if manifest is not None and found != manifest.sha256:
        flaws.append(f"its SHA-256 is {found}, and {manifest.sha256} in its manifest")
    try:
        flaws += _flaws_inside(path, None if manifest is None else manifest.rows, tell)
    except sqlite3.Error as error:
        flaws.append(f"SQLite cannot read it: {error}")
    return flaws, found


def manifest_of(path: Path) -> Path:
    """Where the manifest of a copy is."""
    return path.with_name(f"{path.name}.json")


def read_manifest(path: Path) -> Manifest | None:
    """The manifest of the copy at `path`; None without one. SetupError for one that is damaged."""
    try:
        return msgspec.json.decode(manifest_of(path).read_bytes(), type=Manifest)
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise SetupError(
            f"{manifest_of(path)} is damaged ({error}). If the copy itself is to be trusted,"
            " take the manifest away."
        ) from None


def file_of(database: Database) -> Path:
    """SQLite's file, which is there; SetupError where it is not, or for PostgreSQL."""
    path = database.path
    if path is None:
        raise SetupError(
            f"{database.name}: PostgreSQL has its own tools, which know its files. Back up with"
            " 'pg_dump --format=custom --file=NAME.dump URL' and restore with 'pg_restore"
            " --clean --if-exists --single-transaction --dbname=URL NAME.dump'; for a copy to"
            " any second, archive its log."
        )
    if not path.is_file():
        raise SetupError(f"{path}: there is no such store. Name one with --database.")
    return path


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A plain connection to a file that is there; `mode` is `ro` or `rw`."""
    name = f"file:{quote(str(path))}?mode={mode}"
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=5.0)


def digest_of(path: Path, tell: Progress) -> str:
    """The SHA-256 of a file, read from beginning to end."""
    digest, done, size = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            tell("Reading", done, size)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    if path.is_dir() and os.name == "nt":  # pragma: no cover - Windows syncs no folder
        return
    descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(partial: Path, target: Path) -> None:
    """Give a finished file its name, unless another one has it: SetupError then."""
    try:
        os.link(partial, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # a file system without links
        if target.exists():
            raise _exists(target) from None
        partial.rename(target)
    partial.unlink(missing_ok=True)
    sync(target.parent)


def clear_leftovers(target: Path, word: str) -> None:
    """Remove what runs that were killed have left beside `target`."""
    prefix = f".{target.name}.{word}-"
    for path in target.parent.iterdir():
        number = path.name.removeprefix(prefix).partition("-")[0]
        if path.name.startswith(prefix) and number.isdecimal() and not _is_alive(int(number)):
            path.unlink(missing_ok=True)


def _say_nothing(what: str, done: int, of: int) -> None:
    return None


def _check_target(source: Path, target: Path) -> None:
    if target.exists():
        raise _exists(target)
    if not target.parent.is_dir():
        raise SetupError(f"{target}: the folder {target.parent} does not exist: make it first.")
    need = source.stat().st_size
    free = shutil.disk_usage(target.parent).free
    if free < need:
        raise SetupError(
            f"{target.parent} has {free // 1_000_000} MB free, and the copy takes some"
            f" {need // 1_000_000} MB. Name another place."
        )


def _exists(target: Path) -> SetupError:
    return SetupError(
        f"{target} is there already, and no copy is ever written over. Name another file, such as"
        " one with the date in it."
    )


def _copy(
    source_path: Path, partial: Path, tell: Progress, pause_s: float
) -> tuple[dict[str, int], str | None]:
    """Copy page by page; the rows by table, and the schema's version, at that moment."""

    def told(status: int, remaining: int, total: int) -> None:
        tell("Copying", total - remaining, total)
        failpoints.hit("P24")
        if pause_s and remaining:
            time.sleep(pause_s)

    with (
        contextlib.closing(connect(source_path, "rw")) as source,
        contextlib.closing(connect(partial, "rw")) as copy,
    ):
        # From the first read on this is one moment, whatever others write.
        source.execute("BEGIN")
        schema = _schema_of(source)
        source.backup(copy, pages=STEP_PAGES, progress=told)
        rows = _count_rows(source)
        source.execute("ROLLBACK")
    # In one file: a copy that is opened must not need a log beside it. Opened anew, as the
    # connection that was copied through does not know yet what mode its file is in.
    with contextlib.closing(connect(partial, "rw")) as copy:
        mode = copy.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        if mode != "delete":
            raise StoreUnavailable(f"{partial}: its log could not be closed ({mode}).")
    return rows, schema


def _flaws_inside(path: Path, rows: dict[str, int] | None, tell: Progress) -> list[str]:
    tell("Checking", 0, 1)
    with contextlib.closing(connect(path, "ro")) as copy:
        lines = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(10)")]
        flaws = [] if lines == ["ok"] else [f"integrity_check says: {' '.join(lines[0].split())}"]
        flaws += [
            f"a row of {row[0]} refers to a missing one"
            for row in copy.execute("PRAGMA foreign_key_check").fetchmany(1)
        ]
        if rows is not None and not flaws:
            there = _count_rows(copy)
            flaws += [
                f"{table} has {there.get(table)} rows, and had {count}"
                for table, count in rows.items()
                if there.get(table) != count
            ]
    tell("Checking", 1, 1)
    return flaws


def _count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' ORDER BY name"
    ).fetchall()
    counts = {}
    for (name,) in names:
        quoted = name.replace('"', '""')
        counts[name] = connection.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()[0]
    return counts


def schema_in(path: Path) -> str | None:
    """The version of the schema in a file that SQLite can read; None without one."""
    with contextlib.closing(connect(path, "ro")) as copy:
        return _schema_of(copy)


def _schema_of(connection: sqlite3.Connection) -> str | None:
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    if connection.execute(known, (VERSION_TABLE,)).fetchone() is None:
        return None
    found = connection.execute(f"SELECT version_num FROM {VERSION_TABLE}").fetchone()
    return None if found is None else str(found[0])


def _write_manifest(path: Path, manifest: Manifest) -> None:
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
    descriptor = os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    # One that is there belongs to no copy: `target` was not there, or this would not go on.
    partial.replace(path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def _failures(store: str) -> Iterator[None]:
    """Turns what disk and driver say into StoreUnavailable."""
    try:
        yield
    except sqlite3.Error as error:
        found = unavailable(store, error) or StoreUnavailable(f"{store}: {error}")
        raise found from error
    except OSError as error:
        raise StoreUnavailable(f"{store}: {error}") from error
