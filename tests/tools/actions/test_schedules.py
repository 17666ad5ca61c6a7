"""Actions asked for by the clock: once a slot, whoever is there, through the gate."""

from __future__ import annotations

from typing import Any

import pytest

from hipflask.database import ManualClock
from hipflask.scaffold import SetupError
from hipflask.security import Identity
from hipflask.tools.runs.schedules import Clockwork

from .desk_app import Shop

NIGHTLY = Identity("nightly", roles={"support"})


def test_each_slot_is_asked_for_once_by_however_many(shop: Shop, clock: ManualClock) -> None:
    shop.tool.actions["remind"].schedule("hourly", every="1h", by=NIGHTLY, values={"whom": "all"})
    works = [Clockwork(shop.tool, shop.gate) for _ in range(2)]
    works[0].tick(clock.now())
    # The slot that had begun before there was the schedule is none of its.
    assert shop.gate.find(NIGHTLY) == []
    for _ in range(3):
        clock.advance(3600)
        for one in works:
            one.tick(clock.now())
            one.tick(clock.now())
    shop.tool.runs.work()
    assert shop.effects() == ["remind all"] * 3
    runs = shop.gate.find(NIGHTLY)
    assert [(run.via, run.requester) for run in runs] == [("schedule", "nightly")] * 3
    # Slots nobody was there for are not made up for.
    clock.advance(36_000)
    works[0].tick(clock.now())
    shop.tool.runs.work()
    assert len(shop.effects()) == 4


def test_a_daily_slot_begins_at_its_time_of_day(shop: Shop) -> None:
    action = shop.tool.actions["remind"]
    action.schedule("daily", daily="03:30", by=NIGHTLY, values={"whom": "all"})
    schedule = action.schedules["daily"]
    day = 1_700_006_400.0  # 2023-11-15T00:00Z
    at = 3.5 * 3600
    assert schedule.latest(day + at - 1) == day + at - 86_400
    assert schedule.latest(day + at) == schedule.latest(day + at + 86_399) == day + at


def test_what_was_scheduled_still_needs_its_approval(shop: Shop, clock: ManualClock) -> None:
    action = shop.tool.actions["payments.refund"]
    action.schedule("nightly", every="1d", by=NIGHTLY, values={"amount": "5"}, filter="id.is=1")
    run = action.schedules["nightly"].ask(shop.gate, clock.now())
    assert run.state == "awaiting_approval"
    action.schedules["nightly"].filter = "id.is=999"
    clock.advance(86_400)
    assert action.schedules["nightly"].ask(shop.gate, clock.now()) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": "1h"}, "has none of"),
        ({"by": NIGHTLY}, "say every="),
        ({"by": NIGHTLY, "every": "1h", "daily": "03:00"}, "say every="),
        ({"by": NIGHTLY, "daily": "25:00"}, "no time of day"),
        ({"by": NIGHTLY, "every": "soon"}, "length of time"),
        ({"by": NIGHTLY, "every": "1h", "values": {}}, "whom"),
        ({"by": NIGHTLY, "every": "1h", "filter": "a=b"}, "filter= says"),
    ],
)
def test_a_schedule_that_cannot_work_is_refused(
    shop: Shop, options: dict[str, Any], words: str
) -> None:
    given = {"by": Identity("tom", roles={"stock"}), "values": {"whom": "x"}, **options}
    with pytest.raises(SetupError, match=words):
        shop.tool.actions["remind"].schedule("one", **given)
