"""Stores for logins: this process's memory, a SQLite file, and a server of PostgreSQL."""

from __future__ import annotations

import pytest

from hipflask.database import open_database

from ..database.fixtures import postgres
from ..database.stores import new_database

__all__ = ["postgres"]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request, tmp_path):
    """What `store=` may be given; None is the memory."""
    if request.param == "memory":
        yield None
        return
    url = f"sqlite:///{tmp_path}/login.db"
    if request.param == "postgres":
        url = new_database(request.getfixturevalue("postgres"))
    database = open_database(url)
    yield database
    database.close()
