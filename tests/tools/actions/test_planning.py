"""Plan mode: nothing comes of it, and what tries is named. What cannot work is refused early."""

from __future__ import annotations

import os
import random
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from hipflask import Flask
from hipflask.database import Database
from hipflask.forward import Client
from hipflask.forward.client import Request
from hipflask.forward.deadlines import Deadlines
from hipflask.scaffold import SetupError
from hipflask.security import Identity
from hipflask.settings import Secret
from hipflask.tools.actions import PlanError, Run, declare
from hipflask.tools.actions.planning import make_plan
from hipflask.tools.actions.undoing import dump_undo, load_undo

ANN = Identity("ann", roles={"support"})


class Bare:
    """As much of a tool as a declaration needs."""

    name = "ops"

    def __init__(self) -> None:
        self.app = Flask("shop")
        self.actions: dict[str, Any] = {}


def plan(function: Any, values: dict[str, Any] | None = None, **options: Any) -> list[str]:
    action = declare(Bare(), None, function, roles="support", **options)
    made = make_plan(action, values or {}, [], ANN, {})
    return [line.sentence for line in made.lines]


def nothing(*args: Any) -> None:
    raise AssertionError("called while planning")


def test_a_plan_calls_nothing() -> None:
    def act(run: Run, count: int) -> None:
        assert run.planning
        run.progress(1)
        for number in range(count):
            assert run.do(f"step {number}", nothing, number) is None

    assert plan(act, {"count": 3}) == ["step 0", "step 1", "step 2"]


def test_whatever_reaches_out_raises_and_is_named(tmp_path: Path, database: Database) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        url = f"http://127.0.0.1:{address[1]}/"
        client = Client()

        def connects() -> None:
            socket.create_connection(address, timeout=5).close()

        def calls() -> None:
            client.send(Request("POST", url), Deadlines(5))

        def mails() -> None:
            (spool / "mail").write_text("to: everybody")

        def removes() -> None:
            spool.rmdir()

        def runs() -> None:
            subprocess.run(["true"], check=True)

        def hides() -> None:
            thread = threading.Thread(target=nothing)
            thread.start()

        def writes() -> None:
            with database.begin() as connection:
                connection.execute(text("UPDATE hipflask_lane SET version = 1"))

        def catches() -> None:
            try:
                connects()
            except OSError:
                pass

        server.settimeout(0)
        reaches = [connects, calls, mails, removes, runs, writes, catches]
        if sys.version_info >= (3, 13):
            reaches.append(hides)  # 3.11 tells nobody of a new thread
        for reach in reaches:

            def act(run: Run, reach: Any = reach) -> None:
                run.do("fine", nothing)
                reach()

            action = declare(Bare(), None, _without(act, reach), roles="support")
            with pytest.raises(PlanError, match=r"run\.do|reaches out|writes"):
                make_plan(action, {}, [], ANN, {})
        with pytest.raises(BlockingIOError):
            server.accept()
    assert list(tmp_path.rglob("mail")) == [] and spool.is_dir()
    # Outside of a plan all of it is as before.
    writes()
    mails()


def _without(act: Any, reach: Any) -> Any:
    def one(run: Run) -> None:
        act(run, reach)

    return one


def test_bytes_of_the_database_stay_as_they_are(tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE t (n INTEGER)")
    made.close()
    engine = create_engine(f"sqlite:///{path}")
    before = path.read_bytes()

    def insert() -> None:
        with engine.begin() as connection:
            connection.execute(text("INSERT INTO t VALUES (1)"))

    def act(run: Run) -> None:
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM t")) == 0
        insert()

    with pytest.raises(PlanError, match="writes to the database"):
        plan(act)
    assert path.read_bytes() == before
    insert()  # the pooled connection is no longer read-only
    engine.dispose()
    assert path.read_bytes() != before


def test_a_plan_that_says_two_things_is_none() -> None:
    def act(run: Run) -> None:
        run.do(f"at {random.random()}", nothing)

    with pytest.raises(PlanError, match="two different things"):
        plan(act)

    def empty(run: Run) -> None:
        pass

    with pytest.raises(PlanError, match="nothing to do"):
        plan(empty)

    def refuses(run: Run) -> None:
        raise ValueError("The customer is blocked.")

    with pytest.raises(PlanError, match=r"^The customer is blocked\.$"):
        plan(refuses)


def test_a_promise_of_undo_is_kept_by_each_step() -> None:
    def act(run: Run) -> None:
        run.do("do it", nothing)

    with pytest.raises(PlanError, match="does not say how it is undone"):
        plan(act, undo_for="1h")

    def hidden(run: Run) -> None:
        run.do("do it", nothing, undo=(lambda: None,))

    with pytest.raises(PlanError, match="has no name"):
        plan(hidden, undo_for="1h")

    def odd(run: Run) -> None:
        run.do("do it", nothing, undo=(nothing, object()))

    with pytest.raises(PlanError, match="type object"):
        plan(odd, undo_for="1h")


def test_a_secret_is_not_there_while_planning() -> None:
    def act(run: Run, password: Secret) -> None:
        run.do(f"log in with {password}", nothing, password)

    assert plan(act, {"password": None}) == ["log in with Secret(...)"]

    def reveals(run: Run, password: Secret) -> None:
        run.do("log in", nothing, password.reveal())

    with pytest.raises(PlanError, match="only there while running"):
        plan(reveals, {"password": None})


def test_arguments_of_an_undo_come_back_as_they_were() -> None:
    from datetime import UTC, date, datetime, time, timedelta
    from decimal import Decimal
    from uuid import UUID

    def act(run: Run) -> None:
        nothing()

    values = (
        None, True, 3, 2.5, "text", b"\0\xff", Decimal("1.50"), UUID(int=7), date(2026, 1, 2),
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC), time(5, 6), timedelta(hours=1.5),
        [1, (2, "x")], {"a": {"type": "decimal", "value": "1"}},
    )  # fmt: skip
    function, args = load_undo(act, dump_undo(act, (nothing, *values)))
    assert function is nothing
    assert tuple(args) == values
    assert [type(value) for value in args] == [type(value) for value in values]
    assert load_undo(act, dump_undo(act, (os.getpid,)))[0] is os.getpid
    with pytest.raises(LookupError, match="no 'gone'"):
        load_undo(act, '["gone", []]')


def _async() -> Any:
    async def act(run: Run) -> None: ...

    return act


def _without_run() -> Any:
    def act(amount: int) -> None: ...

    return act


def _with_secret() -> Any:
    def act(run: Run, password: Secret) -> None: ...

    return act


def _plain() -> Any:
    def act(run: Run, amount: int = 1) -> None: ...

    return act


@pytest.mark.parametrize(
    ("make", "options", "words"),
    [
        (_async, {"roles": "a"}, "is async"),
        (_without_run, {"roles": "a"}, "takes no run"),
        (_with_secret, {"roles": "a", "approve": "b"}, "would have to be stored"),
        (_plain, {"roles": ()}, "nobody could run it"),
        (_plain, {"roles": "a", "limit": 0}, "limit=0"),
        (_plain, {"roles": "a", "undo_for": "soon"}, "length of time"),
        (_plain, {"roles": "a", "approve_within": "0h"}, "length of time"),
        (_plain, {"roles": [3]}, "roles are names"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_declared(
    make: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(SetupError, match=words) as refused:
        declare(Bare(), None, make(), **options)
    assert "test_planning.py" in str(refused.value)
    tool = Bare()
    declare(tool, None, _plain(), roles="a")
    with pytest.raises(SetupError, match="already"):
        declare(tool, None, _plain(), roles="a")
