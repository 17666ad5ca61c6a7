"""The store fails: it says so within a bounded time, keeps what it confirmed, and heals."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError

from hipflask.database import Database, Done, Query, StoreUnavailable
from hipflask.database.faults import unavailable, why_unavailable
from hipflask.webhooks.inbox import Inbox, Kind

from .stores import ANY, Stores, arrival, in_thread, run_child, running_postgres, start_child

BIG = b"x" * 50_000


@pytest.fixture
def file(prepared_file: Path, tmp_path: Path) -> Path:
    """A SQLite store of the test's own."""
    import shutil

    return Path(shutil.copyfile(prepared_file, tmp_path / "store.db"))


def stored(inbox: Inbox) -> set[str]:
    return {row.event_id for row in inbox.find(Query(limit=100_000))}


def is_whole(file: Path) -> bool:
    with sqlite3.connect(file) as connection:
        found = connection.execute("PRAGMA integrity_check").fetchall()
    connection.close()
    return bool(found == [("ok",)])


def on_each_connection(database: Database, pragma: str) -> None:
    """Run a pragma on connections as they are handed out."""

    def run(driver: Any, record: Any, proxy: Any) -> None:
        driver.execute(pragma[0] if isinstance(pragma, list) else pragma)

    event.listen(database.engine, "checkout", run)


def test_a_full_disk(file: Path) -> None:
    """As many pages as the file may have: room for one batch and a bit."""
    database = Database(f"sqlite:///{file}")
    inbox = Inbox(database)
    with database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    limit = [f"PRAGMA max_page_count={pages + 60}"]
    on_each_connection(database, limit)  # type: ignore[arg-type]  # changed below
    acked: set[str] = set()
    with pytest.raises(StoreUnavailable, match="the disk is full"):
        for n in range(100):
            batch = [arrival(f"{n}-{m}", body=BIG + bytes([m])) for m in range(3)]
            inbox.append(batch)
            acked |= {one.event_id for one in batch}
    assert acked and stored(inbox) == acked, "half a batch, or a batch unsaid"
    with pytest.raises(StoreUnavailable):
        inbox.append(batch)
    limit[0] = "PRAGMA max_page_count=100000"
    inbox.append([arrival("healed", body=BIG)])
    database.close()
    assert is_whole(file)


FILLING = """
import resource, sys
from hipflask.database import Database, StoreUnavailable, Query
from hipflask.webhooks.inbox import Inbox
from tests.database.stores import arrival
inbox = Inbox(Database(sys.argv[1]))
inbox.backlog(0)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, resource.RLIM_INFINITY))
acked, refused, n = set(), 0, 0
while refused < 5:
    n += 1
    batch = [arrival(f"{n}-{m}", body=b"x" * 20_000 + bytes([m])) for m in range(5)]
    try:
        inbox.append(batch)
        acked |= {one.event_id for one in batch}
    except StoreUnavailable as error:
        refused += 1
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
inbox.append([arrival("healed")])
stored = {row.event_id for row in inbox.find(Query(limit=100_000))}
print(len(acked) > 0, sorted(acked - stored), sorted(stored - acked))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_disk_that_takes_no_more_bytes(file: Path) -> None:
    """What the system refuses to write: the log's file may not grow."""
    done = run_child(FILLING, f"sqlite:///{file}")
    assert done.stdout.strip() == "True [] ['healed']", done.stderr
    assert is_whole(file)


def test_a_read_only_store(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    inbox = Inbox(database)
    inbox.append([arrival("before")])
    switch = ["PRAGMA query_only=ON"]
    on_each_connection(database, switch)  # type: ignore[arg-type]  # changed below
    with pytest.raises(StoreUnavailable, match="it is read-only"):
        inbox.append([arrival("refused")])
    with pytest.raises(StoreUnavailable, match="it is read-only"):
        inbox.claim(limit=1, lease_s=30, lanes=ANY)
    assert stored(inbox) == {"before"}, "it can still be looked at"
    switch[0] = "PRAGMA query_only=OFF"
    [receipt] = inbox.append([arrival("after")])
    assert receipt.kind is Kind.STORED
    database.close()


LOCKER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held")
sys.stdin.readline()
connection.execute("ROLLBACK")
print("released")
sys.stdin.readline()
"""


def test_a_lock_of_a_program_that_is_not_ours(file: Path) -> None:
    """Somebody's shell has the file open with BEGIN IMMEDIATE."""
    database = Database(f"sqlite:///{file}", wait_s=0.1)
    inbox = Inbox(database)
    child = start_child(LOCKER, str(file))
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "held\n"
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="another program has locked it"):
            inbox.append([arrival(1)])
    child.stdin.write("\n")
    child.stdin.flush()
    assert child.stdout.readline() == "released\n"
    assert inbox.append([arrival(1)])[0].kind is Kind.STORED
    child.communicate("\n", timeout=30)
    database.close()


HOLDER = """
import sys
from hipflask.database import Database
with Database(sys.argv[1]).begin():
    print("held")
    sys.stdin.readline()
"""


def test_a_process_that_stops_inside_its_transaction(stores: Stores) -> None:
    database = stores.open(wait_s=0.2)
    inbox = Inbox(database)
    inbox.append([arrival(1, "k")])
    holder = HOLDER
    if not stores.is_sqlite:
        lock = "from sqlalchemy import text\nwith Database(sys.argv[1]).begin() as connection:\n"
        lock += "    connection.execute(text('LOCK TABLE hipflask_inbox'))"
        holder = HOLDER.replace("with Database(sys.argv[1]).begin():", lock)
    child = start_child(holder, stores.url)
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    os.kill(child.pid, signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="for more than|locked for too long"):
            inbox.append([arrival(2, "k")])
    child.kill()
    child.communicate(timeout=30)
    kinds = set()
    while Kind.STORED not in kinds:
        # PostgreSQL may take a moment to notice that its client is gone.
        try:
            kinds = {one.kind for one in inbox.append([arrival(2, "k")])}
        except StoreUnavailable:
            continue
    assert stored(inbox) == {"1", "2"}


def test_a_lost_file_is_unavailable_not_a_crash(file: Path) -> None:
    database = Database(f"sqlite:///{file}")
    database.close()
    file.rename(file.with_name("gone.db"))
    file.mkdir()
    with pytest.raises(StoreUnavailable, match="cannot be opened"), database.read():
        pass
    file.rmdir()
    file.with_name("gone.db").rename(file)
    assert stored(Inbox(database)) == set()
    database.close()


def test_what_is_not_the_stores_fault_is_raised_as_it_is(database: Database) -> None:
    with pytest.raises(IntegrityError), database.begin() as connection:
        for _ in range(2):
            connection.execute(text("INSERT INTO hipflask_lane VALUES ('x', 0, 0, '{}', 0)"))
    assert unavailable("store", ValueError("x")) is None
    assert why_unavailable(sqlite3.OperationalError("no such table: x")) is None


def start_again(server: Any) -> None:
    """Its package gives up where the server is still recovering."""
    for _ in range(20):
        with contextlib.suppress(AssertionError, subprocess.SubprocessError):
            server.ensure_postgres_running()
            return
    raise AssertionError("PostgreSQL does not start again")


def test_postgres_goes_away_in_the_middle_and_comes_back(tmp_path_factory: Any) -> None:
    """Stopped as by a crash while batches are written: what was confirmed is there afterwards."""
    import tempfile

    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        running_postgres(Path(folder) / "d") as server,
    ):
        database = Database(server.get_uri(), wait_s=2)
        database.prepare()
        inbox = Inbox(database)
        acked: set[str] = set()
        errors: list[str] = []
        enough, healed, stop = threading.Event(), threading.Event(), threading.Event()

        def write() -> None:
            n = 0
            while not stop.is_set():
                n += 1
                batch = [arrival(f"{n}-{m}", f"k{m}") for m in range(5)]
                try:
                    inbox.append(batch)
                except StoreUnavailable as error:
                    errors.append(str(error))
                    continue
                acked.update(one.event_id for one in batch)
                if n > 20:
                    enough.set()
                if errors:
                    healed.set()

        thread = in_thread(write)
        assert enough.wait(60)
        os.kill(server.get_pid(), signal.SIGQUIT)
        while not errors:
            assert thread.is_alive()
        start_again(server)
        assert healed.wait(60)
        stop.set()
        thread.join(60)
        there = stored(inbox)
        assert acked <= there
        batches = {one.partition("-")[0] for one in there}
        assert len(there) == 5 * len(batches), "half a batch"
        [claimed, *_] = inbox.claim(limit=9, lease_s=30, lanes=ANY)
        inbox.finish(claimed, Done())
        database.close()
    assert "server" in errors[0]
