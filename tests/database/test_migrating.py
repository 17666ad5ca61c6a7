"""The schema comes into being whole or not at all, and a newer one is left alone."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from hipflask.database import Database, engine, migrating, schema
from hipflask.database.checking import migrate
from hipflask.database.migrating import VERSION_TABLE, read_version
from hipflask.scaffold import SetupError
from hipflask.webhooks.inbox import Inbox

from .stores import KINDS, Stores, arrival, in_thread, new_database, run_child


@pytest.fixture(params=KINDS)
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a store without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/new.db"
    return new_database(request.getfixturevalue("postgres"))


def tables(url: str) -> set[str]:
    database = Database(url)
    with database.read() as connection:
        found = set(inspect(connection).get_table_names())
    database.close()
    return found


def test_tables_are_as_queries_see_them(database: Database) -> None:
    with database.read() as connection:
        looked = inspect(connection)
        assert read_version(connection) == schema.VERSION
        for table in schema.METADATA.tables.values():
            made = {column["name"] for column in looked.get_columns(table.name)}
            assert made == set(table.columns.keys()), table.name


def test_a_prepared_store_loads_no_alembic(stores: Stores) -> None:
    code = (
        "import sys; from hipflask.database import Database; Database(sys.argv[1]).prepare();"
        " print([name for name in sys.modules if name.startswith('alembic')])"
    )
    stores.open()
    done = run_child(code, stores.url)
    assert done.stdout.strip() == "[]", done.stderr


def test_many_may_prepare_at_once(empty: str) -> None:
    databases = [Database(empty) for _ in range(4)]
    gate = threading.Barrier(4)

    def prepare(database: Database) -> None:
        gate.wait(30)
        database.prepare()

    threads = [in_thread(lambda one=one: prepare(one)) for one in databases]
    for thread in threads:
        thread.join(60)
    for database in databases:
        database.close()
    assert "hipflask_lane" in tables(empty)


PREPARE = "import sys; from hipflask.database import Database; Database(sys.argv[1]).prepare()"


@pytest.mark.parametrize("time", [1, 2, 3])
def test_a_killed_migration_has_done_nothing_and_is_done_again(empty: str, time: int) -> None:
    """P17: between two tables, before COMMIT, inside COMMIT."""
    done = run_child(PREPARE, empty, HIPFLASK_FAILPOINT=f"P17:{time}")
    assert done.returncode == -signal.SIGKILL, done.stderr
    expected = {VERSION_TABLE, *schema.METADATA.tables}
    # The commit that was under way may have come to its end.
    assert tables(empty) in ([set()] if time < 3 else [set(), expected])
    assert run_child(PREPARE, empty).returncode == 0
    assert tables(empty) == expected


@pytest.mark.parametrize("time", [0, 1, 2])
def test_a_store_of_before_keeps_its_rows(
    empty: str, monkeypatch: pytest.MonkeyPatch, time: int
) -> None:
    """From 0001, also where the first attempt is killed before COMMIT, or inside it."""
    with monkeypatch.context() as patch:
        patch.setattr(migrating, "VERSION", "0001")
        patch.setattr(engine, "VERSION", "0001")
        old = Database(empty)
        old.prepare()
        Inbox(old).append([arrival(1)])
        old.close()
    assert "hipflask_inbox" in tables(empty) and "hipflask_session" not in tables(empty)
    if time:
        done = run_child(PREPARE, empty, HIPFLASK_FAILPOINT=f"P17:{time}")
        assert done.returncode == -signal.SIGKILL, done.stderr
    database = Database(empty)
    assert migrate(database)[1] == schema.VERSION
    assert tables(empty) == {VERSION_TABLE, *schema.METADATA.tables}
    assert Inbox(database).read(1) is not None
    test_tables_are_as_queries_see_them(database)
    database.close()


def test_a_newer_schema_is_refused(stores: Stores, database: Database) -> None:
    with database.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(SetupError) as caught:
        stores.open()
    assert str(caught.value) == (
        f"{database.name} has the schema 9999, and this hipflask knows up to {schema.VERSION}:"
        " it was opened by a newer one. Upgrade hipflask here, or use another store."
    )


def test_an_error_half_way_leaves_the_store_as_it_was(empty: str, monkeypatch: Any) -> None:
    done = run_child(PREPARE, empty, HIPFLASK_FAILPOINT="P17:1:RAISE")
    assert "FailpointReached" in done.stderr
    assert tables(empty) == set()


def test_rows_survive_a_second_prepare(stores: Stores, inbox: Any) -> None:
    inbox.append([arrival(1)])
    stores.open()
    assert inbox.read(1) is not None
