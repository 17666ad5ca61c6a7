"""The gate: plans, approvals, refusals, undo; the same on both stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from hipflask.database import ManualClock
from hipflask.security import Identity
from hipflask.tools import audit
from hipflask.tools.runs.refusing import GateError
from hipflask.tools.runs.rows import RunRow
from hipflask.tools.runs.states import RunState

from .desk_app import Shop

Who = Callable[[str], Identity]
FIVE = {"amount": Decimal(5), "reason": "asked"}


def refund(shop: Shop, by: Identity, *keys: str, **values: Any) -> RunRow:
    run: RunRow = shop.gate.plan(
        "payments.refund", {**FIVE, **values}, by, "page", keys=keys or ("1", "2")
    )
    return run


def asked(shop: Shop, by: Identity, *keys: str, **values: Any) -> RunRow:
    run = refund(shop, by, *keys, **values)
    found: RunRow = shop.gate.submit(run.id, run.digest, by, "page")
    return found


def state_of(shop: Shop, run: RunRow, by: Identity) -> RunState:
    found: RunState = shop.gate.read(run.id, by)[0].state
    return found


def test_what_is_done_is_what_was_planned_and_approved(shop: Shop, who: Who) -> None:
    run = refund(shop, who("sue"))
    assert [line.sentence for line in run.lines] == [
        "refund 5 on #1: asked",
        "refund 5 on #2: asked",
    ]
    run = shop.gate.submit(run.id, run.digest, who("sue"), "page")
    assert run.state is RunState.AWAITING
    shop.tool.runs.work()
    assert shop.effects() == []
    shop.gate.approve(run.id, run.digest, who("max"), "page", "fine")
    assert shop.tool.runs.work() == 1
    run, _ = shop.gate.read(run.id, who("sue"))
    assert (run.state, run.done, run.approver, run.note) == (RunState.DONE, 2, "max", "fine")
    assert shop.effects() == ["refund 1 5", "refund 2 5"]
    assert [step.sentence for step in shop.gate.steps(run)] == [line.sentence for line in run.lines]
    events = [line.event for line in audit.read(shop.gate.database, "ops")][::-1]
    assert events == ["plan", "submit", "approve", "start", "step", "step", "done"]
    assert shop.told == ["awaiting", "approve", "done"]


def test_a_plan_asked_for_again_is_the_same_run(shop: Shop, who: Who) -> None:
    first, second = refund(shop, who("sue")), refund(shop, who("sam"))
    assert (first.id, first.digest) == (second.id, second.digest)
    assert refund(shop, who("sue"), amount=Decimal(6)).digest != first.digest
    run = shop.gate.submit(first.id, first.digest, who("sue"), "page")
    assert shop.gate.submit(first.id, first.digest, who("sue"), "page") == run


def test_who_asked_does_not_approve_whatever_they_are_called(shop: Shop, who: Who) -> None:
    run = asked(shop, who("lea"))
    renamed = Identity("lea", roles={"lead"}, claims={"name": "Somebody else"}, via="other")
    for decide in (shop.gate.approve, shop.gate.reject):
        with pytest.raises(GateError, match="second person") as refused:
            decide(run.id, run.digest, renamed, "page")
        assert refused.value.code == 403
    for name, code in (("sue", 403), ("tom", 404)):
        with pytest.raises(GateError) as refused:
            shop.gate.approve(run.id, run.digest, who(name), "page")
        assert refused.value.code == code
    with pytest.raises(GateError, match="another plan") as refused:
        shop.gate.approve(run.id, "0" * 64, who("max"), "page")
    assert refused.value.code == 409
    assert state_of(shop, run, who("lea")) is RunState.AWAITING


def test_what_was_not_approved_in_time_has_expired(
    shop: Shop, who: Who, clock: ManualClock
) -> None:
    run = asked(shop, who("sue"))
    clock.advance(86_400)
    with pytest.raises(GateError, match="expired"):
        shop.gate.approve(run.id, run.digest, who("max"), "page")
    assert state_of(shop, run, who("sue")) is RunState.EXPIRED
    other = asked(shop, who("sue"), "3")
    clock.advance(86_400)
    shop.gate.sweep()
    assert state_of(shop, other, who("sue")) is RunState.EXPIRED
    third = asked(shop, who("sue"), "4")
    shop.gate.approve(third.id, third.digest, who("max"), "page")
    clock.advance(86_400)
    shop.tool.runs.work()
    assert state_of(shop, third, who("sue")) is RunState.EXPIRED
    assert shop.effects() == []


def test_rejected_is_told_from_approved_and_is_the_end(shop: Shop, who: Who) -> None:
    run = asked(shop, who("sue"))
    shop.gate.reject(run.id, run.digest, who("max"), "page", "too much")
    with pytest.raises(GateError, match="nothing to decide"):
        shop.gate.approve(run.id, run.digest, who("max"), "page")
    assert shop.gate.submit(run.id, run.digest, who("sue"), "page").state is RunState.REJECTED
    shop.tool.runs.work()
    assert shop.effects() == []
    events = [line.event for line in audit.read(shop.gate.database, "ops", run_id=run.id)]
    assert events == ["reject", "submit", "plan"]
    again = shop.gate.plan_again(run.id, who("sue"), "page")
    assert (again.state, again.id != run.id) == (RunState.PLANNED, True)


def test_nothing_is_done_where_a_row_was_edited(shop: Shop, who: Who) -> None:
    run = asked(shop, who("sue"))
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    shop.edit(2, amount=7)
    shop.tool.runs.work()
    run, _ = shop.gate.read(run.id, who("sue"))
    assert (run.state, run.difference) == (RunState.FAILED, "row 2 has been edited")
    assert shop.effects() == []
    assert "refused" in [line.event for line in audit.read(shop.gate.database, "ops")]


def test_nothing_is_done_where_the_code_is_another(shop: Shop, who: Who) -> None:
    run = asked(shop, who("sue"))
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    action = shop.tool.actions["payments.refund"]
    shop.tool.actions["payments.refund"] = replace(action, code="another")
    shop.tool.runs.work()
    run, _ = shop.gate.read(run.id, who("sue"))
    assert run.difference == (
        "The code of payments.refund is another than the one that was planned with."
    )
    assert shop.effects() == []


def test_nothing_is_done_where_the_list_has_grown(shop: Shop, who: Who) -> None:
    run = shop.gate.plan(
        "payments.refund", FIVE, who("sue"), "page", filter="customer.has=customer+1"
    )
    assert run.chosen.keys == ("1",)
    shop.gate.submit(run.id, run.digest, who("sue"), "page")
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    shop.edit(3, customer="customer 13")
    shop.tool.runs.work()
    run, _ = shop.gate.read(run.id, who("sue"))
    assert (run.difference or "").splitlines() == [
        "+ row 3 is chosen now as well",
        "--- planned",
        "+++ now",
        "@@ -1 +1,2 @@",
        " refund 5 on #1: asked",
        "+refund 5 on #3: asked",
    ]
    assert shop.effects() == []


def test_selections_are_limited_and_narrowed(shop: Shop, who: Who) -> None:
    for keys, filter, code, words in (
        (("1", "2", "3", "4"), None, 422, "4 rows were chosen"),
        ((), "", 422, "more than 3 rows match"),
        (("5",), None, 404, "not there for you"),
        (("nonsense",), None, 404, "not there for you"),
        ((), None, 422, "No rows"),
        ((), "customer.has=nobody", 422, "No rows"),
        ((), "colour.is=red", 422, "cannot be read"),
    ):
        with pytest.raises(GateError, match=words) as refused:
            shop.gate.plan("payments.refund", FIVE, who("sue"), "page", keys=keys, filter=filter)
        assert refused.value.code == code
    # The lead sees the fifth; who does not see it cannot ask for the lead's plan either.
    run = refund(shop, who("lea"), "5")
    with pytest.raises(GateError, match="not there for you"):
        shop.gate.submit(run.id, run.digest, who("sue"), "page")


def test_undo_takes_back_in_reverse_with_an_approval_of_its_own(
    shop: Shop, who: Who, clock: ManualClock
) -> None:
    run = asked(shop, who("sue"))
    with pytest.raises(GateError, match="cannot be undone"):
        shop.gate.plan_undo(run.id, who("sue"), "page")
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    shop.tool.runs.work()
    undo = shop.gate.plan_undo(run.id, who("sue"), "page")
    assert undo.id == shop.gate.plan_undo(run.id, who("sue"), "json").id
    assert shop.gate.submit(undo.id, undo.digest, who("sue"), "page").state is RunState.AWAITING
    with pytest.raises(GateError, match="second person"):
        shop.gate.approve(undo.id, undo.digest, Identity("sue", roles={"lead"}), "page")
    shop.gate.approve(undo.id, undo.digest, who("max"), "page")
    shop.tool.runs.work()
    assert shop.effects()[2:] == ["take back 2", "take back 1"]
    assert state_of(shop, run, who("sue")) is RunState.UNDONE
    assert state_of(shop, undo, who("sue")) is RunState.DONE
    with pytest.raises(GateError, match="cannot be undone"):
        shop.gate.plan_undo(run.id, who("sue"), "page")
    other = asked(shop, who("sue"), "3")
    shop.gate.approve(other.id, other.digest, who("max"), "page")
    shop.tool.runs.work()
    clock.advance(86_400)
    with pytest.raises(GateError, match="time for that is over"):
        shop.gate.plan_undo(other.id, who("sue"), "page")


def test_what_fails_half_way_is_told_and_can_be_undone_so_far(shop: Shop, who: Who) -> None:
    shop.engine.dispose()
    run = asked(shop, who("sue"))
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    wrote, count = shop.write, iter(range(9))

    def breaks(what: str) -> None:
        if next(count) == 1:
            raise OSError("the bank does not answer")
        wrote(what)

    shop.write = breaks  # type: ignore[method-assign]
    shop.tool.runs.work()
    run, _ = shop.gate.read(run.id, who("sue"))
    assert (run.state, run.done, run.error) == (
        RunState.FAILED,
        1,
        "OSError: the bank does not answer",
    )
    undo = shop.gate.plan_undo(run.id, who("sue"), "page")
    assert [line.sentence for line in undo.lines] == ["undo: refund 5 on #1: asked"]


def test_cancelled_before_it_begins_it_never_does(shop: Shop, who: Who) -> None:
    run = shop.gate.plan("remind", {"whom": "Ada"}, who("sue"), "page")
    run = shop.gate.submit(run.id, run.digest, who("sue"), "page")
    assert run.state is RunState.QUEUED
    shop.gate.cancel(run.id, who("sam"), "page")
    shop.tool.runs.work()
    run, _ = shop.gate.read(run.id, who("sue"))
    assert (run.state, run.cancelled_by, shop.effects()) == (RunState.CANCELLED, "sam", [])
    with pytest.raises(GateError, match="cannot be cancelled"):
        shop.gate.cancel(run.id, who("sue"), "page")


def test_a_secret_is_nowhere_but_in_the_function(
    shop: Shop, who: Who, caplog: pytest.LogCaptureFixture, stores: Any
) -> None:
    from sqlalchemy import text

    caplog.set_level("DEBUG")
    canary = "canary-6f1c2b"
    values = {"host": "broken", "password": None}
    run = shop.gate.plan("connect", values, who("sue"), "json")
    with pytest.raises(GateError, match="secret is missing"):
        shop.gate.submit(run.id, run.digest, who("sue"), "json")
    run = shop.gate.submit(run.id, run.digest, who("sue"), "json", secrets={"password": canary})
    assert (run.state, run.error) == (
        RunState.FAILED,
        "RuntimeError: broken refused [secret]",
    )
    fine = shop.gate.plan("connect", {**values, "host": "bank"}, who("sue"), "json")
    fine = shop.gate.submit(fine.id, fine.digest, who("sue"), "json", secrets={"password": canary})
    assert (fine.state, shop.effects()) == (RunState.DONE, ["logged in at bank"])
    with shop.gate.database.read() as connection:
        for table in ("run", "run_step", "tool_audit", "job", "job_body", "audit"):
            for row in connection.execute(text(f"SELECT * FROM hipflask_{table}")):
                assert canary not in repr(tuple(row)), table
    assert canary not in caplog.text


def test_rules_that_came_later_hold_for_plans_that_were_made_before(shop: Shop, who: Who) -> None:
    """A plan may be a day old; what is asked when it is asked for is what the code says now."""
    run = shop.gate.plan("remind", {"whom": "Ada"}, who("sue"), "page")
    action = shop.tool.actions["remind"]
    shop.tool.actions["remind"] = replace(action, approve=frozenset({"lead"}))
    run = shop.gate.submit(run.id, run.digest, who("sue"), "page")
    assert (run.state, run.needs_approval) == (RunState.AWAITING, True)
    shop.tool.runs.work()
    assert shop.effects() == []
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    shop.tool.runs.work()
    assert shop.effects() == ["remind Ada"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"roles": frozenset({"lead"})}, "sue has none of the roles that may ask for"),
        ({"approve": frozenset({"cfo"})}, "max has none of the roles that approve"),
    ],
    ids=["roles", "approve"],
)
def test_nothing_is_done_that_the_rules_of_today_refuse(
    shop: Shop, who: Who, changes: Any, said: str
) -> None:
    run = asked(shop, who("sue"))
    shop.gate.approve(run.id, run.digest, who("max"), "page")
    action = shop.tool.actions["payments.refund"]
    shop.tool.actions["payments.refund"] = replace(action, **changes)
    shop.tool.runs.work()
    with_part = Identity("boss", roles={"support", "lead", "cfo"})
    run, _ = shop.gate.read(run.id, with_part)
    assert run.state is RunState.FAILED
    assert said in (run.difference or "")
    assert shop.effects() == []
    assert "refused" in [line.event for line in audit.read(shop.gate.database, "ops")]


def test_nothing_is_done_for_want_of_an_approval_that_came_later(shop: Shop, who: Who) -> None:
    run = shop.gate.plan("remind", {"whom": "Ada"}, who("sue"), "page")
    shop.gate.submit(run.id, run.digest, who("sue"), "page")
    action = shop.tool.actions["remind"]
    shop.tool.actions["remind"] = replace(action, approve=frozenset({"lead"}))
    shop.tool.runs.work()
    run, _ = shop.gate.read(run.id, who("sue"))
    assert run.difference == "By now a second person has to approve remind, and nobody has."
    assert shop.effects() == []


def test_somebody_elses_plan_is_asked_for_in_ones_own_name(shop: Shop, who: Who) -> None:
    """What is stored of the one who plans must not let the one who asks do more."""
    run = refund(shop, who("lea"), "1")
    run = shop.gate.submit(run.id, run.digest, who("sue"), "page")
    assert (run.requester, run.asked_by.roles) == ("sue", {"support"})
    # The lead sees payment 5, and support does not.
    theirs = refund(shop, who("lea"), "5")
    with pytest.raises(GateError) as refused:
        shop.gate.submit(theirs.id, theirs.digest, who("sue"), "page")
    assert refused.value.code == 404
    whole = shop.gate.plan(
        "payments.refund", FIVE, who("lea"), "page", filter="id.from=4&sort=id.asc"
    )
    with pytest.raises(GateError, match="plan it yourself") as refused:
        shop.gate.submit(whole.id, whole.digest, who("sue"), "page")
    assert refused.value.code == 409
