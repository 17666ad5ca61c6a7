"""Plans of runs, made when they are asked for and once more before they happen.

Both go through `draft`: an approval is bound to the digest, so what is made now must be the very
thing that was read then.
"""

from __future__ import annotations

import difflib
import hashlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection
from werkzeug.datastructures import FileStorage

from ...api.inputs.uploads import Upload
from ...api.model import NO_DEFAULT
from ...security import Identity
from ..actions.declaring import Action
from ..actions.planning import Plan, PlanError, PlanLine, digest_of, make_plan
from . import rows
from .choosing import choose
from .refusing import GateError
from .rows import Chosen, RunRow
from .states import HAS_RUN, StepState

#: Bytes of all files of one run.
MOST_FILE_BYTES = 8 * 1024 * 1024
_MOST_DIFFERENCES = 200
# Claims that a row narrowing may ask for; others are not kept.
_PLAIN = (str, int, float, bool)


class Draft(msgspec.Struct, frozen=True):
    """A plan with everything that its digest covers."""

    plan: Plan
    chosen: Chosen
    #: The rows themselves, in the order of `chosen`.
    rows: Sequence[Any] = ()


def draft(
    action: Action,
    values: Mapping[str, Any],
    by: Identity,
    *,
    keys: Sequence[str] = (),
    filter: str | None = None,
    occasion: str = "",
) -> Draft:
    """Plan the action for these values and rows; GateError where that cannot be."""
    chosen, found = choose(action, by, keys=keys, filter=filter)
    about = {
        "parameters": action.form.dump(values),
        "files": {name: _digest(blob) for name, blob in blobs_of(action, values).items()},
        "keys": chosen.keys,
        "versions": chosen.versions,
        "occasion": occasion,
    }
    try:
        plan = make_plan(action, values, found, by, about)
    except PlanError as error:
        raise GateError(str(error), 422) from error
    return Draft(plan, chosen_by(chosen, action, by), found)


def chosen_by(chosen: Chosen, action: Action, by: Identity) -> Chosen:
    """What was chosen, with what is known of who chose it."""
    claims = {name: value for name, value in by.claims.items() if isinstance(value, _PLAIN)}
    return msgspec.structs.replace(
        chosen, roles=tuple(sorted(by.roles)), claims=claims if action.table is not None else {}
    )


def draft_again(action: Action, run: RunRow, values: Mapping[str, Any]) -> Draft:
    """The plan of a run, made anew now."""
    filter = run.chosen.filter
    return draft(
        action,
        values,
        run.asked_by,
        keys=run.chosen.keys if filter is None else (),
        filter=filter,
        occasion=run.occasion,
    )


def draft_undo(connection: Connection, action: Action, run: RunRow, occasion: str = "") -> Draft:
    """What would take back the steps of a run that were done, the last one first."""
    if run.state not in HAS_RUN:
        raise GateError(f"Run {run.id} is {run.state}: there is nothing to undo.", 409)
    lines = []
    for step in reversed(rows.steps(connection, run.id)):
        if step.state is StepState.DONE and step.undo is not None:
            lines.append(PlanLine(f"undo: {step.sentence}", step.undo))
    if not lines:
        raise GateError(f"Nothing of run {run.id} was done that could be undone.", 409)
    about = {"undo_of": run.id, "occasion": occasion}
    return Draft(Plan(tuple(lines), digest_of(action, lines, about)), Chosen())


def refused_by_now(action: Action, run: RunRow) -> str:
    """Why the rules of today would not let a run go that was let go by those of its time.

    Roles are those that who asked, and who approved, had then: nobody else's are known here.
    """
    if action.roles.isdisjoint(run.chosen.roles):
        return f"{run.requester_name} has none of the roles that may ask for {action.name} by now."
    if action.table is not None and not action.table.may("read", run.asked_by, None):
        return f"{run.requester_name} may not read {action.table.title} by now."
    if action.approve and run.approver is None:
        return f"By now a second person has to approve {action.name}, and nobody has."
    if action.approve and action.approve.isdisjoint(run.chosen.approver_roles):
        return f"{run.approver_name} has none of the roles that approve {action.name} by now."
    return ""


def difference(action: Action, run: RunRow, now: Draft | None, error: str = "") -> str:
    """What has moved since a run was planned, as lines that begin with `-`, `+` or a word."""
    found = []
    if now is None:
        return f"It cannot be planned any more: {error}"
    if action.code != run.code:
        found.append(f"The code of {action.name} is another than the one that was planned with.")
    old_keys, new_keys = (
        dict(zip(run.chosen.keys, run.chosen.versions, strict=True)),
        dict(zip(now.chosen.keys, now.chosen.versions, strict=True)),
    )
    found += [f"- row {key} is no longer among those chosen" for key in old_keys.keys() - new_keys]
    found += [f"+ row {key} is chosen now as well" for key in new_keys.keys() - old_keys.keys()]
    both = old_keys.keys() & new_keys.keys()
    found += [f"row {key} has been edited" for key in both if old_keys[key] != new_keys[key]]
    found.sort()
    before = [line.sentence for line in run.lines]
    after = [line.sentence for line in now.plan.lines]
    changed = difflib.unified_diff(before, after, "planned", "now", n=1, lineterm="")
    found += list(changed)
    if not found:
        found.append("Its parameters, or how its steps are undone, are other than planned.")
    return "\n".join(found[:_MOST_DIFFERENCES])


# Files among the parameters


def blobs_of(action: Action, values: Mapping[str, Any]) -> dict[str, list[list[Any]]]:
    """Name, type and bytes of the files among the values, by parameter."""
    found: dict[str, list[list[Any]]] = {}
    size = 0
    for field in action.form.fields:
        value = values.get(field.name)
        if field.kind != "file" or not value:
            continue
        parts = []
        for part in value if isinstance(value, list) else [value]:
            part.stream.seek(0)
            blob = part.stream.read()
            part.stream.seek(0)
            size += len(blob)
            parts.append([part.filename or "", part.mimetype or "", blob])
        found[field.name] = parts
    if size > MOST_FILE_BYTES:
        raise GateError(f"The files have {size:,} bytes, and {MOST_FILE_BYTES:,} are kept.", 422)
    return found


def texts_of(action: Action, values: Mapping[str, Any]) -> dict[str, list[str]]:
    """The values as `values_of` reads them; and of files what tells people which they are."""
    told = {
        name: [f"{part[0]}, {len(part[2]):,} bytes, SHA-256 {_sha256(part[2])}" for part in parts]
        for name, parts in blobs_of(action, values).items()
    }
    return action.form.dump(values) | told


def pack_files(action: Action, values: Mapping[str, Any]) -> bytes | None:
    """The files as they are stored; None for none."""
    found = blobs_of(action, values)
    return msgspec.msgpack.encode(found) if found else None


def unpack_files(packed: bytes | None) -> dict[str, list[Any]]:
    """Name, type and bytes of stored files, by parameter."""
    found: dict[str, list[Any]] = msgspec.msgpack.decode(packed) if packed else {}
    return found


def values_of(action: Action, run: RunRow, files: bytes | None) -> dict[str, Any]:
    """The values of a stored run, its files among them; GateError where they fit no more."""
    kinds = {field.name: field for field in action.form.fields}
    values: dict[str, Any] = {
        name: None if field.default is NO_DEFAULT or field.is_secret else field.default
        for name, field in kinds.items()
        if field.kind == "file" or field.is_secret
    }
    for name, parts in unpack_files(files).items():
        if name in kinds:
            made = [
                Upload.of(FileStorage(io.BytesIO(blob), filename, name, content_type=kind))
                for filename, kind, blob in parts
            ]
            values[name] = made if kinds[name].is_several else made[-1]
    # Read on their own: what is neither there nor has a default is told by name.
    texts = {name: text for name, text in run.parameters.items() if name not in values}
    filled = action.form.read_texts(texts)
    errors = {name: text for name, text in filled.errors.items() if name not in values}
    if errors:
        raise GateError(f"The parameters of {action.name} are others by now.", 409, errors)
    given = {name: value for name, value in filled.values.items() if name not in values}
    return {**values, **given}


def _digest(parts: list[list[Any]]) -> list[list[str]]:
    return [[name, kind, _sha256(blob)] for name, kind, blob in parts]


def _sha256(blob: bytes) -> str:
    return hashlib.sha256(blob).hexdigest()
