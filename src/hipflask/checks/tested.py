"""What the tests reach, and what actions of tools promise: T01 to T03."""

from __future__ import annotations

from collections.abc import Iterator

from .declaring import Check, Found, Level, Look, found
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
        planned = look.probe.plan(action.name)
        if planned.effect:
            yield found(where, f"its plan has an effect: {planned.effect}", action.place)
        elif planned.trouble:
            most: Level = "E" if planned.is_sure else "W"
            yield found(where, f"its plan failed: {planned.trouble}", action.place, most)


def secret_approval(look: Look) -> Iterator[Found]:
    """T03. What promises an undo and gives none is seen when it is planned: T02."""
    for action in look.facts.actions:
        if action.has_secret and action.needs_approval:
            told = "a secret would wait in the queue for the approval"
            yield found(f"action {action.name}", told, action.place)


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
        inspects="the plan of each action of a tool, made of its example, has no effect, and says"
        " of each step how it is undone where that is promised",
        why="whoever looks at a plan believes that nothing has happened yet",
        fix="have every effect go through run.do, with undo= where that is promised, and give the"
        " action an example",
        find=plan_leaks,
    ),
    Check(
        id="T03",
        name="secret-approval",
        levels=("E", "E", "E"),
        needs="app",
        inspects="no action has a secret and an approval",
        why="a secret in a queue is read by whoever reads the queue",
        fix="take the approval away, or have the action look the secret up",
        find=secret_approval,
    ),
]  # fmt: skip
