"""What the tests reach, and what actions of tools promise: T01 to T03."""

from __future__ import annotations

from collections.abc import Iterator

from .declaring import Check, Found, Look, found
from .facts import Recorded, Route

NO_RECORD = "there is no record of a test run"


def route_untested(look: Look) -> Iterator[Found]:
    """T01."""
    routes = [one for one in look.facts.routes if one.kind in ("view", "webhook")]
    if not routes:
        return
    if look.record is None:
        yield found("tests", f"{NO_RECORD}: pytest -p hipflask.checks.recorder", "")
        return
    for route in routes:
        missing = missing_states(route, look.record)
        if missing:
            yield found(route.name, f"the tests never {' and never '.join(missing)}", route.place)


def missing_states(route: Route, record: Recorded) -> list[str]:
    """What the tests never did to a route: asked it at all, as somebody, as nobody."""
    hits = [one for one in record.hits if one.rule == route.rule and one.method == route.method]
    if not hits:
        return ["asked it"]
    if route.access is None or route.is_public:
        return []
    missing = []
    if not any(one.stance == "known" for one in hits):
        missing.append("asked it as somebody who may")
    turned_away = {"301", "302", "303", "401", "403"}
    if not any(one.stance == "anonymous" and turned_away & set(one.statuses) for one in hits):
        missing.append("asked it without credentials")
    return missing


def plan_leaks(look: Look) -> Iterator[Found]:
    """T02. The plan of each action that has an example is made, and must write nothing."""
    for action in look.facts.actions:
        where = f"action {action.name}"
        if not action.has_example:
            yield found(where, "has no example to plan with", action.place, "W")
            continue
        before = len(look.probe.confined.attempts)
        if trouble := look.probe.plan(action.name):
            yield found(where, f"its plan failed: {trouble}", action.place)
        elif len(look.probe.confined.attempts) > before:
            did = look.probe.confined.attempts[before]
            yield found(where, f"its plan has an effect: {did}", action.place)


def secret_approval(look: Look) -> Iterator[Found]:
    """T03."""
    for action in look.facts.actions:
        where = f"action {action.name}"
        if action.has_secret and action.needs_approval:
            yield found(where, "a secret would wait in the queue for the approval", action.place)
        if action.promises_undo and action.gives_undo is False:
            yield found(where, "promises to be undone, and no step says how", action.place)


CHECKS = [
    Check(
        id="T01",
        name="route-untested",
        levels=("-", "W", "E"),
        needs="record",
        inspects="the tests ask each route, and a protected one as somebody and as nobody",
        why="what no test ever asked breaks unseen, its protection first",
        fix="a test for it; then pytest -p hipflask.checks.recorder",
        find=route_untested,
    ),
    Check(
        id="T02",
        name="plan-leaks",
        levels=("W", "E", "E"),
        needs="probe",
        inspects="the plan of each action of a tool, made of its example, has no effect",
        why="whoever looks at a plan believes that nothing has happened yet",
        fix="have every effect go through run.do, and give the action an example",
        find=plan_leaks,
    ),
    Check(
        id="T03",
        name="secret-approval",
        levels=("E", "E", "E"),
        needs="app",
        inspects="no action has a secret and an approval; what promises an undo has one",
        why="a secret in a queue is read by whoever reads the queue",
        fix="take the approval away or have the action look the secret up; undo= with each step",
        find=secret_approval,
    ),
]  # fmt: skip
