"""Connections that keep what they were told, one writer at a time, and URLs."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hipflask.database import Database, StoreUnavailable, open_database
from hipflask.database import engine as engine_module
from hipflask.database.location import file_system, read_url, refuse_network
from hipflask.scaffold import SetupError

from .stores import Stores, in_thread, run_child


def versions(database: Database) -> Any:
    with database.read() as connection:
        return connection.scalar(text("SELECT count(*) FROM hipflask_lane"))


def add_lane(connection: Any, name: str = "x") -> None:
    connection.execute(
        text("INSERT INTO hipflask_lane (name, settings, version) VALUES (:name, '{}', 0)"),
        {"name": name},
    )


def test_every_connection_waits_for_the_disk(stores: Stores, database: Database) -> None:
    gate = threading.Barrier(4)
    found: list[Any] = []

    def ask() -> None:
        with database.read() as connection:
            if stores.is_sqlite:
                mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
                found.append((mode, connection.exec_driver_sql("PRAGMA synchronous").scalar()))
            else:
                found.append(connection.exec_driver_sql("SHOW synchronous_commit").scalar())
            gate.wait(30)

    threads = [in_thread(ask) for _ in range(4)]
    for thread in threads:
        thread.join(30)
    assert found == [("wal", 2) if stores.is_sqlite else "on"] * 4


def test_a_connection_that_would_not_wait_is_refused(
    stores: Stores, database: Database, monkeypatch: Any
) -> None:
    """Where the pragma did nothing, or the role has another setting, we say so at once."""

    class Lazy:
        def execute(self, statement: str, *rest: Any) -> Any:
            self.answer = ("off",) if "SHOW" in statement else ("wal",)
            if statement == "PRAGMA synchronous":
                self.answer = (1,)  # type: ignore[assignment]  # NORMAL
            return self

        def fetchone(self) -> Any:
            return self.answer

        def close(self) -> None: ...
        def cursor(self) -> Any:
            return self

        def commit(self) -> None: ...
        def __enter__(self) -> Any:
            return self

        def __exit__(self, *rest: Any) -> None: ...

    check = engine_module._open_sqlite if stores.is_sqlite else engine_module._open_postgres
    with pytest.raises(StoreUnavailable, match="synchronous"):
        check(Lazy(), None)


def test_a_role_that_does_not_wait_is_made_to(postgres: Any, stores: Stores) -> None:
    if stores.is_sqlite:
        pytest.skip("about PostgreSQL")
    name = stores.url.partition("?")[0].rpartition("/")[2]
    with stores.open().begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))
    with stores.open().read() as connection:
        assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"


def test_a_block_commits_or_undoes(database: Database) -> None:
    with database.begin() as connection:
        add_lane(connection, "kept")
    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        add_lane(connection, "undone")
        _ = 1 / 0
    assert versions(database) == 1


def test_readers_do_not_wait_for_the_writer(database: Database) -> None:
    with database.begin() as connection:
        add_lane(connection)
        found: list[int] = []
        thread = in_thread(lambda: found.append(versions(database)))
        thread.join(30)
        assert found == [0]


def test_what_is_written_while_reading_is_undone(database: Database) -> None:
    with database.read() as connection:
        add_lane(connection)
    assert versions(database) == 0


def test_a_write_inside_a_write_is_refused_not_waited_for(database: Database) -> None:
    with database.begin():
        with pytest.raises(RuntimeError, match="pass the outer one's connection"):
            with database.begin():
                raise AssertionError("entered")
    with database.begin() as connection:
        add_lane(connection)


def test_after_commit_is_called_once_and_only_then(database: Database) -> None:
    told: list[int] = []

    def tell() -> None:
        told.append(versions(database))

    with pytest.raises(ZeroDivisionError), database.begin() as connection:
        database.after_commit(tell)
        _ = 1 / 0
    with database.begin() as connection:
        add_lane(connection)
        database.after_commit(tell)
        database.after_commit(tell)
    with database.begin():
        pass
    assert told == [1]


def test_all_connections_in_use_is_unavailable_for_now(stores: Stores) -> None:
    database = stores.open(pool_size=1, wait_s=0.05)
    with database.read(), database.read():
        with pytest.raises(StoreUnavailable, match="all 2 connections"), database.read():
            pass
    assert versions(database) == 0


def test_a_closed_database_opens_again(database: Database) -> None:
    assert versions(database) == 0
    database.close()
    with database.begin() as connection:
        add_lane(connection)
    assert versions(database) == 1


FORKING = """
import os, sys, threading
from hipflask.database import Database
from sqlalchemy import text
database = Database(sys.argv[1])
def write(n):
    with database.begin() as connection:
        connection.execute(text("INSERT INTO hipflask_lane (name, settings, version)"
            " VALUES (:name, '{}', 0)"), {"name": f"{os.getpid()} {n}"})
write(0)
children = []
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        for n in range(20):
            write(n + 1)
        os._exit(0)
    children.append(pid)
for n in range(20):
    write(n + 1)
print([os.waitpid(pid, 0)[1] for pid in children])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork there")
def test_children_of_fork_have_connections_and_locks_of_their_own(
    stores: Stores, database: Database
) -> None:
    done = run_child(FORKING, stores.url)
    assert done.stdout.strip() == "[0, 0]", done.stderr
    assert versions(database) == 61


def test_nothing_is_opened_before_it_is_used(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/new.db")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such permissions there")
def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    open_database(f"sqlite:///{tmp_path}/new.db").close()
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600


def test_postgres_gives_up_on_a_client_that_does_nothing(stores: Stores) -> None:
    if stores.is_sqlite:
        pytest.skip("about PostgreSQL")
    database = stores.open()
    with pytest.raises(StoreUnavailable, match="idle for too long|cannot be reached"):
        with database.begin() as connection:
            connection.execute(text("SET idle_in_transaction_session_timeout = '1ms'"))
            add_lane(connection)
            threading.Event().wait(0.2)  # what is tested is that time passes
            add_lane(connection, "y")
    assert versions(database) == 0


# URLs


def test_url_from_the_environment_and_its_default(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIPFLASK_DATABASE_URL", "postgresql://me:secret@host/name")
    assert Database().name == "postgresql+psycopg://me:***@host/name"
    assert "secret" not in repr(Database())
    monkeypatch.delenv("HIPFLASK_DATABASE_URL")
    assert Database().url == f"sqlite+pysqlite:///{tmp_path}/hipflask.db"


def test_relative_paths_count_from_the_instance_folder(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.delenv("HIPFLASK_DATABASE_URL", raising=False)
    instance = tmp_path / "instance"
    database = open_database(instance_path=str(instance))
    database.close()
    assert (instance / "hipflask.db").exists()
    absolute = Database(f"sqlite:///{tmp_path}/other.db", instance_path=str(instance))
    assert absolute.url.endswith(f"{tmp_path}/other.db")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "is not the URL of a database: write sqlite:///name.db"),
        ("postgresql:/me:secret@host/x", "'***@host/x' is not the URL of a database"),
        ("postgresql://me:secret@host:port/x", "'***@host:port/x' is not the URL of a database"),
        ("mysql://me:secret@host/x", "keeps its rows in SQLite"),
        ("sqlite://", "so it is a plain file"),
        ("sqlite:///:memory:", "so it is a plain file"),
        ("sqlite:///a\0b", "so it is a plain file"),
        (f"sqlite:///{'long' * 100}/a.db", "does not exist: make it first"),
        ("sqlite:///file.db?mode=ro", "so it is a plain file"),
        ("sqlite:////nowhere/at/all.db", "the folder /nowhere/at does not exist"),
    ],
)
def test_urls_that_cannot_work(url: str, message: str) -> None:
    with pytest.raises(SetupError) as caught:
        Database(url)
    assert message in str(caught.value) and "secret" not in str(caught.value)


MOUNTS = """\
/dev/vda / ext4 rw 0 0
server:/share /mnt/nfs nfs4 rw 0 0
//server/share /mnt/with\\040space cifs rw 0 0
me@host: /mnt/ssh fuse.sshfs rw 0 0
/dev/vdb /mnt/nfs/local xfs rw 0 0
/dev/vdc /mnt/twice nfs rw 0 0
/dev/vdc /mnt/twice ext4 rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/srv/inbox.db", "ext4"),
        ("/mnt/nfs/inbox.db", "nfs4"),
        ("/mnt/nfs/local/inbox.db", "xfs"),
        ("/mnt/nfsother/inbox.db", "ext4"),
        ("/mnt/with space/inbox.db", "cifs"),
        ("/mnt/ssh/inbox.db", "fuse.sshfs"),
        ("/mnt/twice/inbox.db", "ext4"),
    ],
)
def test_network_file_systems_are_refused(path: str, kind: str) -> None:
    assert file_system(Path(path), MOUNTS) == kind
    if kind in ("ext4", "xfs"):
        refuse_network(Path(path), MOUNTS)
    else:
        with pytest.raises(SetupError) as caught:
            refuse_network(Path(path), MOUNTS)
        assert str(caught.value) == (
            f"{path} is on a network file system ({kind}), where SQLite loses what it has"
            " promised: use a local disk, or postgresql://."
        )


def test_the_tests_own_disk_is_accepted(tmp_path: Path) -> None:
    refuse_network(tmp_path / "store.db")
    assert read_url(f"sqlite:///{tmp_path}/store.db").drivername == "sqlite+pysqlite"
