"""Where logins keep what all processes must know."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import text

from hipflask import Flask
from hipflask.database import open_database
from hipflask.scaffold import SetupError
from hipflask.security import (
    SessionLogin,
    Throttle,
    authenticated,
    login,
    logout_everywhere,
    public,
)
from hipflask.security.records import MemoryRecords, is_shared, records_of


def add_one(record):
    return {"count": record.get("count", 0) + 1}


@pytest.mark.parametrize("kind", ["memory", "url", "database", "records", "environment"])
def test_stores_that_may_be_given(kind, tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/x.db"
    monkeypatch.delenv("HIPFLASK_DATABASE_URL", raising=False)
    given = None
    if kind == "url":
        given = url
    elif kind == "database":
        given = open_database(url)
    elif kind == "records":
        given = open_database(url).shared
    elif kind == "environment":
        monkeypatch.setenv("HIPFLASK_DATABASE_URL", url)
    records = records_of(given)
    assert is_shared(records) == (kind != "memory")
    assert records.get("a") == {}
    assert records.update("a", add_one) == {"count": 1}
    assert records.update("a", add_one) == {"count": 2}
    assert records.update("a", lambda record: None) == records.get("a") == {"count": 2}
    assert records.get("b") == {}
    if kind != "memory":
        assert open_database(url).shared.get("a") == {"count": 2}


@pytest.mark.parametrize("place", ["config", "environment"])
def test_without_a_store_the_applications_is_taken(place, tmp_path, monkeypatch):
    """All of one application in one file, also where its name counts from the instance folder."""
    monkeypatch.delenv("HIPFLASK_DATABASE_URL", raising=False)
    app = Flask("store", instance_path=str(tmp_path / "instance"))
    app.secret_key = "a key of the tests, of some length"
    throttle, session = Throttle(account_free=0), SessionLogin()
    app.identities, app.access = [session], authenticated
    if place == "config":
        app.config["HIPFLASK_DATABASE_URL"] = "sqlite:///shop.db"
    else:
        monkeypatch.setenv("HIPFLASK_DATABASE_URL", "sqlite:///shop.db")
        monkeypatch.chdir(tmp_path)

    @app.post("/in", access=public)
    def enter():
        assert throttle.waits
        throttle.begin("ada", "192.0.2.1")
        login("ada")
        return "in"

    @app.post("/out")
    def leave():
        logout_everywhere()
        return "out"

    client = app.test_client()
    assert client.post("/in").status_code == 200
    assert client.post("/out").status_code == 200
    assert client.post("/in").status_code == 429
    assert not session.is_quick
    assert [path.name for path in tmp_path.rglob("*.db")] == ["shop.db"]
    kept = open_database(f"sqlite:///{tmp_path}/instance/shop.db")
    with kept.read() as connection:
        names = set(connection.scalars(text("SELECT name FROM hipflask_lane")))
    assert {name.split(":")[1] for name in names} == {"account", "address", "login"}


@pytest.mark.parametrize("store", [{}, 1, object(), ["sqlite:///x.db"]])
def test_stores_that_are_none(store):
    with pytest.raises(SetupError, match="open_database"):
        records_of(store)


def test_what_is_empty_takes_no_memory():
    records = MemoryRecords()
    records.update("a", add_one)
    records.update("a", lambda record: {})
    assert records._records == {}


def test_threads_change_one_after_the_other(tmp_path):
    for records in (MemoryRecords(), records_of(f"sqlite:///{tmp_path}/x.db")):

        def change(records=records):
            for _ in range(20):
                records.update("a", add_one)

        threads = [threading.Thread(target=change) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert records.get("a") == {"count": 80}
