"""A copy is whole or not there, nobody waits for it, and what is restored goes on working."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hipflask.database import Database, Done, Query, State, StoreUnavailable
from hipflask.database.backup import back_up, manifest_of, read_manifest, verify
from hipflask.database.checking import check, migrate
from hipflask.database.restoring import restore
from hipflask.scaffold import SetupError
from hipflask.webhooks.inbox import Inbox

from .stores import ANY, Stores, arrival, environment, run_child, start_child

WRITER = """
import sys
from tests.database.stores import arrival
from hipflask.database import Database
from hipflask.webhooks.inbox import Inbox
inbox = Inbox(Database(sys.argv[1]))
number = 0
while True:
    inbox.append([arrival(f"{sys.argv[2]}-{number}-{n}", body=b"x" * 2000) for n in range(5)])
    number += 1
    print(number, flush=True)
"""
BACKUP = """
import sys
from pathlib import Path
from hipflask.database import Database
from hipflask.database.backup import back_up
back_up(Database(sys.argv[1]), Path(sys.argv[2]))
"""
RESTORE = """
import sys
from pathlib import Path
from hipflask.database import Database
from hipflask.database.restoring import restore
restore(Path(sys.argv[2]), Database(sys.argv[1]), replace=True)
"""


@pytest.fixture
def file(tmp_path: Path, prepared_file: Path) -> Path:
    """A store with 40 events in it, which nobody has open."""
    path = tmp_path / "store.db"
    shutil.copyfile(prepared_file, path)
    fill(path, "first", 40)
    return path


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def fill(path: Path, word: str, count: int) -> None:
    database = Database(url(path))
    Inbox(database).append([arrival(f"{word}-{n}", body=b"x" * 3000) for n in range(count)])
    database.close()


def count(path: Path) -> int:
    connection = sqlite3.connect(path)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("SELECT count(*) FROM hipflask_inbox").fetchone()[0])
    finally:
        connection.close()


def in_folder(path: Path) -> list[str]:
    """What is beside a store, but for its own files."""
    own = {path.name + ending for ending in ("", "-wal", "-shm", ".turn", ".writer")}
    return sorted(each.name for each in path.parent.iterdir() if each.name not in own)


@pytest.fixture
def writers(file: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Two processes that write all the time, killed at the end."""
    started = [start_child(WRITER, url(file), word) for word in ("x", "y")]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "1"
    yield started
    for process in started:
        process.kill()
        process.communicate()


def test_backup_is_of_one_moment_while_others_write(
    file: Path, tmp_path: Path, writers: list[subprocess.Popen[str]]
) -> None:
    target = tmp_path / "copy.db"
    steps: list[tuple[str, int, int]] = []
    written: list[str] = []

    def tell(what: str, done: int, of: int) -> None:
        steps.append((what, done, of))
        if what == "Copying" and len(written) < 3:
            # Both go on between two pages of ours: nobody waits for the copy.
            for process in writers:
                assert process.stdout is not None
                written.append(process.stdout.readline())

    database = Database(url(file))
    manifest = back_up(database, target, progress=tell)
    database.close()
    assert written
    assert {step[0] for step in steps} == {"Copying", "Checking", "Reading"}
    assert manifest == read_manifest(target)
    assert manifest.size_bytes == target.stat().st_size
    assert manifest.rows["hipflask_inbox"] == count(target)
    # Appended in fives, so a copy of one moment has a multiple of five.
    assert manifest.rows["hipflask_inbox"] % 5 == 0
    assert manifest.rows["hipflask_inbox_body"] == manifest.rows["hipflask_inbox"]
    assert verify(target, manifest) == ([], manifest.sha256)
    assert target.stat().st_mode & 0o777 == 0o600
    assert in_folder(file) == ["copy.db", "copy.db.json"]


@pytest.mark.parametrize("point", ["P24", "P25"])
def test_a_killed_backup_leaves_no_copy_and_is_made_again(
    file: Path, tmp_path: Path, point: str
) -> None:
    """Between two steps, and before the copy gets its name."""
    target = tmp_path / "copy.db"
    killed = run_child(BACKUP, url(file), str(target), HIPFLASK_FAILPOINT=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not target.exists()
    done = run_child(BACKUP, url(file), str(target))
    assert done.returncode == 0, done.stderr
    assert count(target) == count(file) == 40
    assert in_folder(file) == ["copy.db", "copy.db.json"]  # what the killed one left is gone


def test_backup_never_writes_over_anything(file: Path, tmp_path: Path) -> None:
    database = Database(url(file))
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(SetupError, match="is there already"):
        back_up(database, target)
    assert target.read_text() == "precious"
    with pytest.raises(SetupError, match="does not exist"):
        back_up(database, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(SetupError, match="no such store"):
        back_up(Database(url(tmp_path / "other.db")), tmp_path / "c.db")
    assert not (tmp_path / "other.db").exists()
    database.close()


def test_postgres_is_told_its_own_tools(postgres: Any, tmp_path: Path) -> None:
    database = Database(postgres.get_uri("prepared"))
    with pytest.raises(SetupError, match="pg_dump --format=custom"):
        back_up(database, tmp_path / "copy.db")
    with pytest.raises(SetupError, match="pg_restore"):
        restore(tmp_path / "copy.db", database)
    database.close()


def test_restored_inbox_goes_on_working(file: Path, tmp_path: Path) -> None:
    """What was taken when the copy was made is taken again, and what came is known."""
    database = Database(url(file))
    inbox = Inbox(database)
    claimed = inbox.claim(limit=3, lease_s=0.01, lanes=ANY)
    inbox.finish(claimed[0], Done())
    back_up(database, tmp_path / "copy.db")
    database.close()

    other = Database(url(tmp_path / "restored.db"))
    done = restore(tmp_path / "copy.db", other)
    assert done.before is None
    other.prepare()
    inbox = Inbox(other)
    # Known by their ids: what senders repeat is not stored twice.
    [again, new] = inbox.append([arrival("first-0", body=b"x" * 3000), arrival("new")])
    assert (str(again.kind), str(new.kind)) == ("duplicate", "stored")
    while rows := inbox.claim(limit=10, lease_s=30, lanes=ANY):
        for row in rows:
            inbox.finish(row, Done())
    states = [row.state for row in inbox.find(Query(limit=100))]
    assert states == [State.DONE] * 41
    with other.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    other.close()


def test_restore_drill(file: Path, tmp_path: Path, writers: list[subprocess.Popen[str]]) -> None:
    """Load, a copy, more load, refused while it runs; all killed; the copy put in place."""
    database = Database(url(file))
    manifest = back_up(database, tmp_path / "copy.db")
    database.close()
    for process in writers:
        assert process.stdout is not None
        process.stdout.readline()
    with pytest.raises(SetupError, match="open in another process"):
        restore(tmp_path / "copy.db", Database(url(file)), replace=True)
    for process in writers:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    had = count(file)
    store = Database(url(file))
    done = restore(tmp_path / "copy.db", store, replace=True)
    assert done.before is not None
    assert count(file) == manifest.rows["hipflask_inbox"]
    # Nothing of the store that was there is lost, what its log had neither.
    assert count(done.before) == had >= manifest.rows["hipflask_inbox"]
    Inbox(store).append([arrival("after")])
    store.close()
    assert count(file) == manifest.rows["hipflask_inbox"] + 1


def test_restore_is_refused_while_somebody_only_has_it_open(file: Path, tmp_path: Path) -> None:
    idle = Database(url(file))
    back_up(idle, tmp_path / "copy.db")
    with idle.read() as connection:
        connection.execute(text("SELECT count(*) FROM hipflask_inbox"))
    code = RESTORE
    refused = run_child(code, url(file), str(tmp_path / "copy.db"))
    assert "open in another process" in refused.stderr
    assert in_folder(file) == ["copy.db", "copy.db.json"]
    idle.close()
    assert run_child(code, url(file), str(tmp_path / "copy.db")).returncode == 0


@pytest.mark.parametrize("point", ["P26", "P27"])
def test_a_killed_restore_leaves_the_old_store_whole(
    file: Path, tmp_path: Path, point: str
) -> None:
    """Before the old store is touched, and before the new one takes its name."""
    database = Database(url(file))
    back_up(database, tmp_path / "copy.db")
    database.close()
    fill(file, "later", 10)
    killed = run_child(RESTORE, url(file), str(tmp_path / "copy.db"), HIPFLASK_FAILPOINT=point)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert count(file) == 50
    fill(file, "still", 1)  # and may be used
    again = run_child(RESTORE, url(file), str(tmp_path / "copy.db"))
    assert again.returncode == 0, again.stderr
    assert count(file) == 40
    assert not [name for name in in_folder(file) if "restoring" in name]
    assert len([name for name in in_folder(file) if ".before-" in name]) == 1


def test_restore_refuses_what_is_not_good(file: Path, tmp_path: Path) -> None:
    database = Database(url(file))
    copy = tmp_path / "copy.db"
    back_up(database, copy)
    database.close()
    before = file.read_bytes()
    other = Database(url(tmp_path / "new.db"))
    with pytest.raises(SetupError, match="--replace"):
        restore(copy, Database(url(file)))
    with pytest.raises(SetupError, match="no such file"):
        restore(tmp_path / "none.db", other)

    whole = copy.read_bytes()
    copy.write_bytes(whole[:-8192] + bytes(8192))
    with pytest.raises(SetupError, match="SHA-256"):
        restore(copy, other)
    copy.write_bytes(whole[: len(whole) // 2])
    manifest_of(copy).unlink()
    with pytest.raises(SetupError, match="not restored"):
        restore(copy, other)
    copy.write_bytes(b"")  # which SQLite takes for an empty database
    with pytest.raises(SetupError, match="none of hipflask's tables"):
        restore(copy, other)
    copy.write_bytes(b"no database" * 1000)
    with pytest.raises(SetupError, match="not restored"):
        restore(copy, other)

    copy.write_bytes(whole)
    for damaged in (b"{", b'{"store": "\xb6"}', b'{"x": ' + b"[" * 100_000):
        manifest_of(copy).write_bytes(damaged)
        with pytest.raises(SetupError, match="is damaged"):
            restore(copy, other)
    assert file.read_bytes() == before
    manifest_of(copy).unlink()
    (tmp_path / "new.db-wal").write_bytes(b"of another")
    with pytest.raises(SetupError, match="Move it away"):
        restore(copy, other)
    (tmp_path / "new.db-wal").unlink()
    assert restore(copy, other).manifest is None  # its integrity alone was checked
    assert count(tmp_path / "new.db") == 40


def test_a_copy_of_a_newer_hipflask_is_refused(file: Path, tmp_path: Path) -> None:
    database = Database(url(file))
    with database.begin() as connection:
        connection.execute(text("UPDATE hipflask_version SET version_num = '9999'"))
    copy = tmp_path / "copy.db"
    back_up(database, copy)
    database.close()
    with pytest.raises(SetupError, match="newer"):
        restore(copy, Database(url(tmp_path / "new.db")))
    manifest_of(copy).unlink()
    with pytest.raises(SetupError, match="newer"):
        restore(copy, Database(url(tmp_path / "new.db")))


def test_another_database_is_no_copy(tmp_path: Path) -> None:
    other = tmp_path / "cookies.sqlite"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    with pytest.raises(SetupError, match="no copy of a store"):
        restore(other, Database(url(tmp_path / "new.db")))
    assert not (tmp_path / "new.db").exists()


def test_a_damaged_store_can_be_replaced(file: Path, tmp_path: Path) -> None:
    database = Database(url(file))
    back_up(database, tmp_path / "copy.db")
    database.close()
    file.write_bytes(b"\x00" * 20000)
    (tmp_path / "store.db-wal").write_bytes(b"a log of before")
    restore(tmp_path / "copy.db", Database(url(file)), replace=True)
    assert count(file) == 40
    assert [name for name in in_folder(file) if name.endswith("-wal")]


def test_a_connection_to_a_file_that_was_just_replaced_is_refused(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hipflask.database import engine

    shutil.copyfile(file, tmp_path / "other.db")
    database = Database(url(file))
    real, asked = engine._file_number, []

    def number(path: str) -> int:
        found = real(path)
        if not asked:
            os.replace(tmp_path / "other.db", path)
        asked.append(path)
        return found

    monkeypatch.setattr(engine, "_file_number", number)
    with pytest.raises(StoreUnavailable, match="being replaced"), database.read():
        pass
    with database.read() as connection:
        assert connection.scalar(text("SELECT count(*) FROM hipflask_inbox")) == 40
    database.close()


def test_check_tells_of_what_is_wrong(stores: Stores) -> None:
    database = stores.open()
    found = {(each.name, each.text): each for each in check(database)}
    assert {each.level for each in found.values()} <= {"ok", "warning"}  # the disk may be small
    Inbox(database).append([arrival("a"), arrival("b")])
    clock: Any = stores.clock
    Inbox(database).claim(limit=1, lease_s=10, lanes=ANY)
    if not stores.is_sqlite:
        return
    clock.advance(60)
    clock.jump(-86400)
    texts = {each.text: each.level for each in check(database, is_quick=True)}
    assert any("1 of them left" in line for line, level in texts.items() if level == "warning")
    assert any("still to come" in line for line, level in texts.items() if level == "warning")
    assert database.path is not None
    database.path.chmod(0o644)
    assert any(each.name == "access" and each.level == "warning" for each in check(database))


def test_migrate_says_from_where_to_where(tmp_path: Path) -> None:
    database = Database(url(tmp_path / "new.db"))
    before, now = migrate(database)
    assert before is None
    assert migrate(database) == (now, now)
    assert {each.level for each in check(database) if each.name == "schema"} == {"ok"}
    with database.begin() as connection:
        connection.execute(text("UPDATE hipflask_version SET version_num = '9999'"))
    assert {each.level for each in check(database) if each.name == "schema"} == {"bad"}
    with pytest.raises(SetupError, match="newer"):
        migrate(database)
    database.close()


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hipflask", "db", *words]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(**variables), timeout=60
    )


def test_commands(file: Path, tmp_path: Path) -> None:
    copy = str(tmp_path / "copy.db")
    made = run("backup", copy, "--database", url(file), "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["rows"]["hipflask_inbox"] == 40
    again = run("backup", copy, HIPFLASK_DATABASE_URL=url(file))
    assert again.returncode == 2
    assert again.stderr.startswith("Error: ")
    assert "is there already" in again.stderr
    folder = run("backup", str(tmp_path), "--database", url(file))
    assert (folder.returncode, len(folder.stderr.splitlines())) == (2, 1)
    told = run("restore", copy, "--replace", "--database", url(file))
    assert told.returncode == 0, told.stderr
    assert "rows, as its manifest says" in told.stdout
    assert ".before-" in told.stdout
    checked = run("check", "--json", "--database", url(file))
    assert checked.returncode in (0, 1)
    assert {"schema", "integrity", "disk", "log", "access", "leases", "clock"} == {
        each["name"] for each in json.loads(checked.stdout)
    }
    migrated = run("migrate", "--database", url(file))
    assert "up to date" in migrated.stdout
    assert run("check", "--database", url(tmp_path / "none.db")).returncode == 2
    assert run("migrate", "--database", "mysql://x").returncode == 2
