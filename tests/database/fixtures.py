"""Fixtures with both stores; imported by the conftest of each folder that wants them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask.database import Database, ManualClock
from hipflask.webhooks.inbox import Inbox, Outbox

from .stores import KINDS, Stores, new_database, run_sql, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A server, and in it a database `prepared` to copy."""
    # A short path: sockets have names of at most 107 bytes.
    with (
        tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder,
        running_postgres(Path(folder) / "d") as server,
    ):
        run_sql(server, "CREATE DATABASE prepared")
        database = Database(server.get_uri("prepared"))
        database.prepare()
        database.close()
        yield server


@pytest.fixture(scope="session")
def prepared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite store with its tables and nothing in them, to copy."""
    path = tmp_path_factory.mktemp("prepared") / "store.db"
    database = Database(f"sqlite:///{path}")
    database.prepare()
    database.close()
    return path


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=KINDS)
def stores(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Stores]:
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("prepared_file"), tmp_path / "store.db")
        url = f"sqlite:///{tmp_path}/store.db"
    else:
        url = new_database(request.getfixturevalue("postgres"), "prepared")
    made = Stores(request.param, url, clock)
    yield made
    made.close()


@pytest.fixture
def database(stores: Stores) -> Database:
    return stores.open()


@pytest.fixture
def inbox(database: Database) -> Inbox:
    return Inbox(database, actor="tester")


@pytest.fixture
def outbox(inbox: Inbox) -> Outbox:
    return inbox.outbox
