"""Runs that ended long ago go, with their files and steps; the audit stays."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import func, select

from hipflask import Flask
from hipflask.database import ManualClock
from hipflask.database.schema import RUN, RUN_STEP
from hipflask.scaffold import SetupError
from hipflask.security import Identity
from hipflask.tools import Tool, audit
from hipflask.tools.runs import retiring

from .desk_app import Shop

DAY_S = 86_400.0


def reminded(shop: Shop, by: Identity, whom: str) -> Any:
    run = shop.gate.plan("remind", {"whom": whom}, by, "page")
    return shop.gate.submit(run.id, run.digest, by, "page")


def stored(shop: Shop) -> tuple[list[int], int]:
    """The numbers of runs that are there, and how many steps."""
    with shop.gate.database.read() as connection:
        ids = list(connection.scalars(select(RUN.c.id).order_by(RUN.c.id)))
        return ids, connection.scalar(select(func.count()).select_from(RUN_STEP)) or 0


def test_what_has_ended_goes_after_its_time(
    shop: Shop, who: Callable[[str], Identity], clock: ManualClock, monkeypatch: Any
) -> None:
    monkeypatch.setattr(retiring, "BATCH", 3)
    for number in range(8):
        reminded(shop, who("sue"), f"customer {number}")
    shop.tool.runs.work()
    values = {"amount": Decimal(5), "reason": "asked"}
    waiting = shop.gate.plan("payments.refund", values, who("sue"), "page", keys=["1"])
    clock.advance(399 * DAY_S)
    shop.gate.submit(waiting.id, waiting.digest, who("sue"), "page")
    late = reminded(shop, who("sue"), "late")
    shop.tool.runs.work()
    assert len(stored(shop)[0]) == 10
    lines = audit.count(shop.gate.database, "ops")
    clock.advance(0.9 * DAY_S)
    shop.gate.sweep()
    assert len(stored(shop)[0]) == 10, "each has its 400 days"
    clock.advance(0.2 * DAY_S)
    shop.gate.sweep()
    ids, steps = stored(shop)
    assert (late.id in ids, len(ids), steps) == (True, 2, 1)
    found = audit.read(shop.gate.database, "ops")
    removed = [line for line in found if line.event == "remove"]
    assert sorted(id for line in removed for id in line.detail["runs"]) == list(range(1, 9))
    assert len(found) >= lines, "no line has gone"
    # The number of a run that is gone is nobody else's.
    assert reminded(shop, who("sue"), "new").id > max(ids)


def test_what_can_be_undone_stays(
    shop: Shop, who: Callable[[str], Identity], clock: ManualClock
) -> None:
    shop.tool.keep_runs_s = 3600.0
    values = {"amount": Decimal(5), "reason": "asked"}
    run = shop.gate.plan("payments.refund", values, who("sue"), "page", keys=["1"])
    shop.gate.submit(run.id, run.digest, who("sue"), "page")
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    shop.tool.runs.work()
    clock.advance(20 * 3600)
    shop.gate.sweep()
    assert stored(shop)[0] == [run.id]
    clock.advance(5 * 3600)
    shop.gate.sweep()
    assert stored(shop) == ([], 0)


def test_how_long_is_said_of_the_tool() -> None:
    assert Tool(name="a").keep_runs_s == 400 * DAY_S
    assert Tool(name="b", keep_runs="30d").keep_runs_s == 30 * DAY_S
    assert Tool(name="c", keep_runs=None).keep_runs_s is None
    with pytest.raises(SetupError, match="ages"):
        Tool(Flask("shop"), "d", keep_runs="ages")


def test_what_a_schedule_would_ask_for_again_stays(
    shop: Shop, who: Callable[[str], Identity], clock: ManualClock
) -> None:
    shop.tool.keep_runs_s = 3600.0
    clock.advance(DAY_S - clock.now() % DAY_S)
    action = shop.tool.actions["remind"]
    action.schedule("daily", every="1d", by=who("sue"), values={"whom": "all"})
    (schedule,) = action.schedules.values()
    first = schedule.ask(shop.gate, clock.now())
    shop.tool.runs.work()
    clock.advance(DAY_S / 2)
    shop.gate.sweep()
    assert stored(shop)[0] == [first.id]
    assert schedule.ask(shop.gate, clock.now()).id == first.id
    clock.advance(DAY_S / 2)
    second = schedule.ask(shop.gate, clock.now())
    shop.gate.sweep()
    assert stored(shop)[0] == [second.id]


def test_two_processes_at_it_remove_each_run_once(
    shop: Shop, who: Callable[[str], Identity], clock: ManualClock
) -> None:
    run = reminded(shop, who("sue"), "Ada")
    shop.tool.runs.work()
    clock.advance(DAY_S)
    jobs = shop.gate.jobs
    # The other one has looked before this one removed.
    seen = list(retiring._planned_before(jobs.database, "ops", clock.now()))
    assert [[row.id for row in batch] for batch in seen] == [[run.id]]
    assert retiring.retire(jobs, "ops", clock.now()) == 1
    assert retiring._remove(jobs, "ops", [run.id], clock.now()) == 0
    told = [line.event for line in audit.read(jobs.database, "ops")]
    assert told.count("remove") == 1
