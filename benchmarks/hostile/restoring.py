"""`hipflask db restore` of damaged copies, and of what is no copy: refused, the store as it was.

A copy is damaged in a bit, cut, zeroed, longer, of two copies, with its manifest, without it and
with a damaged one. Most go through the library, some through the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.soak.server import ROOT, Soak
from hipflask.database import Database, StoreUnavailable
from hipflask.database.backup import back_up, manifest_of
from hipflask.database.checking import migrate
from hipflask.database.restoring import restore
from hipflask.scaffold import SetupError

from .store import small_disk

PAGE = 8_192
SLOWEST_S = 8.0
COMMAND_S = 60.0


def damages(data: bytes, chance: random.Random, number: int) -> Iterator[tuple[str, bytes]]:
    """A copy in so many damaged forms, and all those that have a name."""
    pages = len(data) // PAGE
    for size in (0, 1, 15, 16, 99, 100, PAGE - 1, PAGE, PAGE + 1, len(data) - PAGE, len(data) - 1):
        yield f"cut to {size}", data[:size]
    yield "text", b"this is no database\n" * 1_000
    yield "zeros", bytes(len(data))
    yield "another magic", b"SQLite format 2\0" + data[16:]
    yield "a page size of 1", data[:16] + b"\0\1" + data[18:]
    yield "a page size of 0", data[:16] + b"\0\0" + data[18:]
    yield "more pages announced", data[:28] + b"\x7f\xff\xff\xff" + data[32:]
    yield "another encoding", data[:56] + b"\0\0\0\3" + data[60:]
    yield "WAL mode", data[:18] + b"\2\2" + data[20:]
    yield "a future version", data[:18] + b"\x09\x09" + data[20:]
    for page in chance.sample(range(pages), min(pages, number)):
        start, end = page * PAGE, (page + 1) * PAGE
        yield f"page {page} zeroed", data[:start] + bytes(PAGE) + data[end:]
        yield f"page {page} random", data[:start] + chance.randbytes(PAGE) + data[end:]
        other = chance.randrange(pages) * PAGE
        yield f"page {page} is another", data[:start] + data[other : other + PAGE] + data[end:]
        yield f"page {page} missing", data[:start] + data[end:]
        at = chance.randrange(start, end)
        bit = bytes([data[at] ^ (1 << chance.randrange(8))])
        yield f"a bit of byte {at}", data[:at] + bit + data[at + 1 :]
        # Where a page says what is in it.
        at = start + (100 if page == 0 else 0) + chance.randrange(12)
        yield f"byte {at}, a header", data[:at] + chance.randbytes(1) + data[at + 1 :]


def manifests(text: str, chance: random.Random, number: int) -> Iterator[tuple[str, bytes]]:
    """A manifest in damaged forms."""
    raw = text.encode()
    for one in (
        "",
        "{}",
        "[]",
        "null",
        "9" * 5_000,
        "[" * 100_000,
        '{"sha256": 1}',
        "\xff",
        "{" * 9,
    ):
        yield f"a manifest of {one[:12]!r}", one.encode("latin-1")
    known = json.loads(text)
    for key, value in (
        ("sha256", "0" * 64), ("sha256", None), ("rows", {}),
        ("rows", {"hipflask_inbox": 10**30}), ("rows", {"a\"b": 1}),
        ("rows", {"hipflask_inbox": -1}), ("schema", "9999"), ("schema", "../x"),
        ("size_bytes", -1), ("made_at", "NaN"), ("store", "\x1b[31m"),
    ):  # fmt: skip
        yield f"a manifest with {key} {value!r}"[:60], json.dumps({**known, key: value}).encode()
    for _ in range(number):
        at = chance.randrange(len(raw))
        yield f"a manifest with byte {at} changed", raw[:at] + chance.randbytes(1) + raw[at + 1 :]


class Drill:
    """A store with events, a copy of it, and what becomes of the store when others are restored."""

    def __init__(self, soak: Soak, folder: Path) -> None:
        self._report: Any = soak.report
        self.folder = folder
        self.store = folder / "store.db"
        self.copy = folder / "copy.db"
        database = Database(f"sqlite:///{self.store}")
        migrate(database)
        with database.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE things (name TEXT, body BLOB)")
            rows = [(f"thing {each}", os.urandom(900)) for each in range(600)]
            connection.exec_driver_sql("INSERT INTO things VALUES (?, ?)", rows)
        database.close()
        database = Database(f"sqlite:///{self.store}")
        back_up(database, self.copy)
        database.close()
        # The store goes on after the copy: who loses it loses something.
        with contextlib.closing(sqlite3.connect(self.store)) as connection:
            connection.execute("INSERT INTO things VALUES ('since', 'x')")
            connection.commit()
        self.known = self._state()
        self.refused = self.taken = 0

    def _state(self) -> str:
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)) as found:
            if found.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                return "damaged"
            rows = found.execute("SELECT name, body FROM things ORDER BY name").fetchall()
        return hashlib.sha256(repr(rows).encode()).hexdigest()

    def try_it(self, what: str, data: bytes, manifest: bytes | None) -> None:
        """Restore a damaged copy: refused, and the store as it was; or a whole store there."""
        damaged = self.folder / "damaged.db"
        for path in (damaged, manifest_of(damaged)):
            path.unlink(missing_ok=True)
        damaged.write_bytes(data)
        if manifest is not None:
            manifest_of(damaged).write_bytes(manifest)
        self.run(what, damaged)

    def run(self, what: str, backup: Path) -> None:
        self._report.cases += 1
        target = self.folder / "target.db"
        shutil.copyfile(self.store, target)
        database = Database(f"sqlite:///{target}")
        began = time.monotonic()
        try:
            restore(backup, database, replace=True)
        except (SetupError, StoreUnavailable) as error:
            self.refused += 1
            if "\n" in str(error) or "\x1b" in str(error):
                self._report.fail(f"{what}: refused in more than a line: {error!r}")
            self._judge(what, target, {self.known})
        except Exception as error:
            self._report.fail(f"{what}: {type(error).__name__}: {error}")
        else:
            self.taken += 1
            self._judge(what, target, None)
        finally:
            database.close()
            if time.monotonic() - began > SLOWEST_S:
                self._report.hang(f"{what} took {time.monotonic() - began:.1f} s")
            left = [path for path in self.folder.iterdir() if ".restoring-" in path.name]
            if left:
                self._report.leak(f"{what} left {left}")
            for path in self.folder.glob("target.db*"):
                path.unlink()

    def _judge(self, what: str, target: Path, wanted: set[str] | None) -> None:
        before, self.store = self.store, target
        try:
            found = self._state()
        except sqlite3.Error as error:
            found = f"damaged: {error}"
        finally:
            self.store = before
        if found.startswith("damaged") or (wanted is not None and found not in wanted):
            self._report.fail(f"{what}: the store is {found} afterwards")


async def restoring(soak: Soak) -> None:
    await asyncio.to_thread(_restoring, soak)


def _restoring(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("restore", "damaged copies of a store, and what is none")
    folder = soak.folder / "restore"
    folder.mkdir()
    drill = Drill(soak, folder)
    chance = random.Random(20)
    data, text = drill.copy.read_bytes(), manifest_of(drill.copy).read_text()
    number = soak.of(60, 8)
    for what, damaged in damages(data, chance, number):
        for manifest in (text.encode(), None):
            before = drill.taken
            drill.try_it(f"{what}{'' if manifest else ', no manifest'}", damaged, manifest)
            if manifest is not None and drill.taken > before and damaged != data:
                report.fail(f"{what}: taken against its manifest")
    for what, manifest in manifests(text, chance, soak.of(200, 30)):
        drill.try_it(what, data, manifest)
    _no_files(drill)
    report.line(f"refused {drill.refused}, taken as they are whole {drill.taken}")
    drill.run("the copy itself", drill.copy)
    report.check("the copy itself is taken", drill.taken, ">=", 1)
    _by_command(soak, drill, data, chance)
    _full(soak, drill)


def _no_files(drill: Drill) -> None:
    """What is no file at all."""
    odd: dict[str, Callable[[Path], object]] = {
        "a folder": lambda path: path.mkdir(),
        "a pipe": os.mkfifo,
        "nothing": lambda path: None,
        "a link to nothing": lambda path: path.symlink_to("missing"),
        "a link to itself": lambda path: path.symlink_to(path.name),
        "a device": lambda path: path.symlink_to("/dev/zero"),
        "the store itself": lambda path: path.symlink_to(drill.folder / "target.db"),
    }
    for number, (what, make) in enumerate(odd.items()):
        path = drill.folder / f"odd-{number}"
        make(path)
        drill.run(what, path)


def _by_command(soak: Soak, drill: Drill, data: bytes, chance: random.Random) -> None:
    """What is damaged ends the command with 2 and one line."""
    report: Any = soak.report
    chosen = list(damages(data, chance, 1))
    wrong = []
    for what, damaged in chosen[:: soak.of(1, 5)]:
        path = drill.folder / "by-command.db"
        path.write_bytes(damaged)
        target = drill.folder / "command.db"
        shutil.copyfile(drill.store, target)
        words = [sys.executable, "-m", "hipflask", "db", "restore", str(path), "--replace"]
        words += ["--database", f"sqlite:///{target}"]
        report.cases += 1
        try:
            done = subprocess.run(
                words, cwd=ROOT, capture_output=True, text=True, timeout=COMMAND_S
            )
        except subprocess.TimeoutExpired:
            report.hang(f"the command, {what}")
            continue
        said = done.stderr.strip().splitlines()
        if done.returncode == 0:
            continue
        if done.returncode != 2 or "Traceback" in done.stderr or len(said) > 2:
            wrong.append(f"{what}: {done.returncode}, {said[-3:]}")
    for one in wrong:
        report.line(f"the command, {one}")
    report.check("commands that end otherwise than with 2 and a line", len(wrong), "=", 0)


def _full(soak: Soak, drill: Drill) -> None:
    """No room for the copy: refused, and the store is as it was."""
    report: Any = soak.report
    folder = soak.folder / "small-restore"
    folder.mkdir()
    with small_disk(folder) as is_mounted:
        if not is_mounted:
            report.skip("no small disk can be mounted")
            return
        full = Drill.__new__(Drill)
        full.__dict__.update(drill.__dict__, folder=folder, refused=0, taken=0)
        # The old store takes its room, and of the rest there is not enough.
        ballast = folder / "ballast"
        free = shutil.disk_usage(folder).free - 2 * drill.store.stat().st_size
        ballast.write_bytes(bytes(free + drill.store.stat().st_size // 2))
        full.run("no room", drill.copy)
        report.check("refused for want of room", full.refused, "=", 1)
