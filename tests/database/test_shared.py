"""Small records that all processes share."""

from __future__ import annotations

from hipflask.database import Database

from .stores import Stores, in_thread


def test_records_are_empty_until_written(database: Database) -> None:
    assert database.shared.get("breaker:x") == {}
    changed = database.shared.update("breaker:x", lambda record: {**record, "failed": 1})
    assert changed == database.shared.get("breaker:x") == {"failed": 1}


def test_none_changes_nothing(database: Database) -> None:
    database.shared.update("x", lambda record: {"a": [1, "é"]})
    assert database.shared.update("x", lambda record: None) == {"a": [1, "é"]}
    assert database.shared.get("x") == {"a": [1, "é"]}


def test_an_update_may_be_part_of_another_transaction(database: Database) -> None:
    try:
        with database.begin() as connection:
            database.shared.update("x", lambda record: {"a": 1}, connection)
            raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert database.shared.get("x") == {}


def test_no_update_is_lost_between_writers(stores: Stores) -> None:
    databases = [stores.open() for _ in range(3)]

    def count(database: Database) -> None:
        for _ in range(15):
            database.shared.update("n", lambda record: {"n": record.get("n", 0) + 1})

    threads = [in_thread(lambda one=one: count(one)) for one in databases]
    for thread in threads:
        thread.join(60)
    assert databases[0].shared.get("n") == {"n": 45}
