"""Stores for each test: SQLite in a file, and PostgreSQL 18 out of a wheel."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask.database import ManualClock
from tests.database.stores import new_database, running_postgres

from .bench import Bench
from .stores import KINDS


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A server of PostgreSQL for this process of the tests, on a socket in its folder.

    Not in pytest's own folder: the server runs as another user where the tests are root's, and
    the next run of pytest there takes its way away.
    """
    folder = Path(tempfile.mkdtemp(prefix="hipflask-working-"))
    with running_postgres(folder / "data") as server:
        yield server
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_postgres(cluster: Any) -> Callable[[], str]:
    """Makes empty databases; returns their URLs."""
    return lambda: new_database(cluster)


@pytest.fixture(params=KINDS)
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    url: str = request.getfixturevalue("new_postgres")()
    return url


@pytest.fixture
def bench(store_url: str) -> Iterator[Bench]:
    """An application with a store, a clock that stands still, and no worker."""
    made = Bench(store_url, ManualClock())
    yield made
    made.hooks.stop()
    made.database.close()
