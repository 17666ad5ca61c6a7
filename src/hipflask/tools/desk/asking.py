"""What pages and JSON share: who asks, and what a run looks like for them."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import HTTPException, NotFound, default_exceptions

from ...globals import _cv_request, request
from ...security import Identity, current_identity
from ..runs.gate import Gate
from ..runs.refusing import GateError
from ..runs.rows import RunRow, Step
from ..runs.states import RunState

#: What may be asked of a run.
DOINGS = ("submit", "approve", "reject", "cancel", "undo", "again")
LAST_ID = 2**63 - 1


def caller() -> Identity:
    """Who asks; 404 for nobody, as for a page that there is none of."""
    found = current_identity()
    if found is None:
        raise NotFound
    return found


def may_audit(tool: Any, by: Identity) -> bool:
    """Whether somebody may read the audit."""
    stance = tool.audit_access
    return stance is not None and bool(tool.may(stance, by, _cv_request.get(None) and request))


def do(
    gate: Gate,
    what: str,
    id: int,
    digest: str,
    by: Identity,
    via: str,
    *,
    note: str = "",
    secrets: dict[str, Any] | None = None,
) -> RunRow:
    """What was asked of a run; the run, or the one that was made of it."""
    if what == "submit":
        return gate.submit(id, digest, by, via, secrets=secrets)
    if what == "approve":
        return gate.approve(id, digest, by, via, note)
    if what == "reject":
        return gate.reject(id, digest, by, via, note)
    if what == "cancel":
        return gate.cancel(id, by, via)
    if what == "undo":
        return gate.plan_undo(id, by, via)
    return gate.plan_again(id, by, via)


def as_http(error: GateError) -> HTTPException:
    """The exception that a page answers with."""
    kind = default_exceptions.get(error.code)
    made = kind(str(error)) if kind is not None else HTTPException(str(error))
    made.code = error.code
    return made


def dump_run(run: RunRow, steps: list[Step] | None = None) -> dict[str, Any]:
    """A run for JSON. What its files hold and the roles of who asked are left out."""
    found: dict[str, Any] = {}
    for name in _TOLD:
        value = getattr(run, name)
        found[name] = str(value) if isinstance(value, RunState) else value
    found["rows"] = list(run.chosen.keys)
    found["filter"] = run.chosen.filter
    found["lines"] = [
        {"sentence": line.sentence, "can_be_undone": line.undo is not None} for line in run.lines
    ]
    if steps is not None:
        found["steps"] = [
            {
                "sentence": step.sentence,
                "state": str(step.state),
                "at": step.at,
                "took_s": step.took_s,
                "error": step.error,
            }
            for step in steps
        ]
    return found


_TOLD = (
    "id",
    "tool",
    "action",
    "undo_of",
    "state",
    "digest",
    "parameters",
    "needs_approval",
    "requester",
    "requester_name",
    "via",
    "approver",
    "approver_name",
    "note",
    "created_at",
    "submitted_at",
    "decided_at",
    "expires_at",
    "started_at",
    "ended_at",
    "undo_until",
    "done",
    "total",
    "message",
    "error",
    "difference",
)
