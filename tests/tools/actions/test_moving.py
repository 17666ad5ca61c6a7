"""A store with runs, their audit and kept views: moved to PostgreSQL, and brought back whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from hipflask.database import Database, Limits, ManualClock, StoreUnavailable
from hipflask.database.backup import back_up
from hipflask.database.restoring import restore
from hipflask.database.schema import TOOL_AUDIT
from hipflask.scaffold import SetupError
from hipflask.security import Identity
from hipflask.tools import audit
from hipflask.tools.runs.states import RunState
from hipflask.tools.saving import read_views, save_view
from hipflask.webhooks.inbox.moving import move
from tests.database.stores import new_database

from .desk_app import ROLES, Shop

SUE, MAX = (Identity(name, roles=ROLES[name]) for name in ("sue", "max"))
Made = Callable[[Database], Shop]


@pytest.fixture
def old(tmp_path: Path, clock: ManualClock) -> Iterator[Database]:
    database = Database(f"sqlite:///{tmp_path}/old.db", clock=clock)
    database.prepare()
    yield database
    database.close()


@pytest.fixture
def new(postgres: Any, clock: ManualClock) -> Iterator[Database]:
    database = Database(new_database(postgres), clock=clock)
    yield database
    database.close()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """A shop on a store; all of them have the same payments."""
    shops: list[Shop] = []

    def make(store: Database) -> Shop:
        shops.append(Shop(store, f"sqlite:///{tmp_path}/shop.db"))
        if len(shops) == 1:
            shops[0].seed()
        return shops[-1]

    yield make
    for shop in shops:
        shop.close()


def fill(shop: Shop) -> dict[str, Any]:
    """A run that is done, one that waits for approval, one that is queued, and a kept view."""
    runs = {}
    for name, key in (("done", "1"), ("awaiting", "2"), ("queued", "3")):
        values = {"amount": Decimal(5), "reason": "asked"}
        run = shop.gate.plan("payments.refund", values, SUE, "page", keys=[key])
        runs[name] = shop.gate.submit(run.id, run.digest, SUE, "page")
        if name != "awaiting":
            shop.gate.approve(run.id, run.digest, MAX, "page")
        if name == "done":
            shop.tool.runs.work()
    save_view(shop.tool.store, "ops", "payments", "sue", "Mine", "id.is=1")
    return runs


def check(shop: Shop, runs: dict[str, Any], lines: list[audit.Line]) -> None:
    """All is there, what waits can go on, and the audit still only grows."""
    store = shop.tool.store
    assert audit.read(store, "ops") == lines
    assert [view.name for view in read_views(store, "ops", "payments", "sue")] == ["Mine"]
    assert shop.gate.steps(runs["done"])[0].state == "done"
    waiting = runs["awaiting"]
    shop.gate.approve(waiting.id, waiting.digest, MAX, "page")
    assert shop.tool.runs.work() == 2
    assert sorted(shop.effects()) == ["refund 1 5", "refund 2 5", "refund 3 5"]
    undo = shop.gate.plan_undo(runs["done"].id, SUE, "page")
    assert undo.id > runs["queued"].id
    for statement in (TOOL_AUDIT.delete(), TOOL_AUDIT.update().values(subject="nobody")):
        with pytest.raises(DBAPIError, match="append-only"), store.begin() as connection:
            connection.execute(statement)


def test_what_waits_in_the_old_store_goes_on_in_the_new(
    old: Database, new: Database, made: Made
) -> None:
    shop = made(old)
    runs = fill(shop)
    lines = audit.read(old, "ops")
    counts = move(old, new)
    assert counts["hipflask_run"] == 3
    assert counts["hipflask_tool_audit"] == len(lines)
    assert counts["hipflask_tool_view"] == 1
    assert move(old, new) == counts, "moving it again does nothing"
    check(made(new), runs, lines)


def test_the_old_store_takes_neither_runs_nor_lines(
    old: Database, new: Database, made: Made
) -> None:
    shop = made(old)
    runs = fill(shop)
    lines = audit.count(old, "ops")
    move(old, new)
    with pytest.raises(StoreUnavailable, match="moved"):
        shop.gate.plan("remind", {"whom": "Ada"}, SUE, "page")
    with pytest.raises(StoreUnavailable, match="moved"):
        shop.gate.approve(runs["awaiting"].id, runs["awaiting"].digest, MAX, "page")
    with pytest.raises(StoreUnavailable, match="moved"):
        audit.write(old, "ops", "export", "payments", by=SUE)
    with pytest.raises(StoreUnavailable, match="moved"):
        shop.gate.jobs.claim(limit=1, lease_s=9, lanes={"ops": Limits()})
    assert audit.count(old, "ops") == lines
    assert shop.gate.read(runs["queued"].id, SUE)[0].state is RunState.QUEUED


def test_a_store_with_runs_of_its_own_is_in_use(old: Database, new: Database, made: Made) -> None:
    made(old)
    new.prepare()
    audit.write(new, "ops", "export", "payments", by=SUE)
    with pytest.raises(SetupError, match="holds 1 rows already"):
        move(old, new)


def test_a_copy_that_is_restored_is_the_store(
    old: Database, made: Made, tmp_path: Path, clock: ManualClock
) -> None:
    shop = made(old)
    runs = fill(shop)
    lines = audit.read(old, "ops")
    back_up(old, tmp_path / "copy.db")
    shop.close()
    old.close()
    again = Database(f"sqlite:///{tmp_path}/old.db", clock=clock)
    restore(tmp_path / "copy.db", again, replace=True)
    try:
        check(made(again), runs, lines)
    finally:
        again.close()
