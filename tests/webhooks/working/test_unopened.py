"""A handler's `tx` begins when it is used, and ends with the event alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.orm import Session

from hipflask.webhooks.working.unopened import UnopenedConnection


class Opener:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.times = 0

    def __call__(self) -> Connection:
        self.times += 1
        return self.connection


@pytest.fixture
def opener() -> Iterator[Opener]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE effect (id INTEGER)"))
        yield Opener(connection)
    engine.dispose()


def test_begins_at_the_first_use_and_once(opener: Opener) -> None:
    tx = UnopenedConnection(opener)
    assert isinstance(tx, Connection)
    assert opener.times == 0
    tx.execute(text("INSERT INTO effect VALUES (1)"))
    assert tx.execute(text("SELECT count(*) FROM effect")).scalar() == 1
    assert opener.times == 1
    assert opener.connection.execute(text("SELECT count(*) FROM effect")).scalar() == 1


def test_savepoints_sessions_and_inspection_work_with_it(opener: Opener) -> None:
    tx = UnopenedConnection(opener)
    with pytest.raises(ValueError), tx.begin_nested():
        tx.execute(text("INSERT INTO effect VALUES (1)"))
        raise ValueError
    with Session(bind=tx) as session:
        session.execute(text("INSERT INTO effect VALUES (2)"))
        session.commit()
    assert opener.connection.execute(text("SELECT id FROM effect")).scalars().all() == [2]
    assert inspect(tx).get_table_names() == ["effect"]
    assert opener.connection.in_transaction()


@pytest.mark.parametrize("method", ["commit", "rollback", "close"])
def test_what_would_end_it_is_refused(opener: Opener, method: str) -> None:
    tx = UnopenedConnection(opener)
    with pytest.raises(RuntimeError, match=rf"tx\.{method}\(\) in a handler: .*begin_nested"):
        getattr(tx, method)()
    assert opener.times == 0
