"""The table of runs and that of their steps: read, added to, and moved from state to state.

A run is moved by a statement that names the states it may come from, so that of two who move it
at once one does and the other is told. All functions take a connection: the line of audit is in
the same transaction.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ...database.schema import RUN, RUN_STEP
from ...security import Identity
from ..actions.planning import PlanLine
from .states import ENDED, NEXT, RunState, StepState

PAGE = 50
_FILES = {"files"}
_COLUMNS = [column for column in RUN.c if column.name not in _FILES]


class Chosen(msgspec.Struct, frozen=True):
    """The rows a run is for: the list's address as it was filtered, and what that came to."""

    #: The query string of the list, "" for all of it; None where rows were picked one by one.
    filter: str | None = None
    keys: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    #: Who chose them: for a table that shows each person their own rows.
    roles: tuple[str, ...] = ()
    claims: Mapping[str, Any] = {}
    #: Of whoever approved.
    approver_roles: tuple[str, ...] = ()


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run. Times are in seconds since 1970."""

    id: int
    tool: str
    action: str
    undo_of: int | None
    state: RunState
    digest: str
    slot: str | None
    occasion: str
    code: str
    #: Texts by parameter, as a form writes them; never a secret.
    parameters: Mapping[str, list[str]]
    chosen: Chosen
    lines: tuple[PlanLine, ...]
    needs_approval: bool
    requester: str
    requester_name: str
    via: str
    approver: str | None
    approver_name: str | None
    note: str
    created_at: float
    submitted_at: float | None
    decided_at: float | None
    expires_at: float | None
    started_at: float | None
    ended_at: float | None
    undo_until: float | None
    done: int
    total: int
    message: str
    error: str | None
    difference: str | None
    cancelled_by: str | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in ENDED

    @property
    def asked_by(self) -> Identity:
        """Who asked for it, as they were known then."""
        return Identity(self.requester, roles=set(self.chosen.roles), claims=self.chosen.claims)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step that was begun."""

    run_id: int
    number: int
    sentence: str
    state: StepState
    at: float
    took_s: float | None
    error: str | None
    undo: str | None


class Gone(Exception):
    """The run is in another state by now than the caller believed; the text says in which."""

    def __init__(self, id: int, state: RunState | None) -> None:
        super().__init__(f"Run {id} is {state or 'gone'} by now.")
        self.id = id
        self.state = state


def add(connection: Connection, values: Mapping[str, Any]) -> tuple[RunRow, bool]:
    """Add a planned run, unless one of this digest or slot is there; that one then, and False."""
    dialect: Any = sqlite if connection.dialect.name == "sqlite" else postgresql
    fields = {
        **values,
        "parameters": _dump(values["parameters"]),
        "chosen": _dump(values["chosen"]),
        "lines": _dump(values["lines"]),
    }
    statement = dialect.insert(RUN).values(fields).on_conflict_do_nothing().returning(RUN.c.id)
    id = connection.scalar(statement)
    if id is not None:
        made = read(connection, id)
        assert made is not None
        return made, True
    where = RUN.c.digest == values["digest"]
    if values.get("slot") is not None:
        where = where | (RUN.c.slot == values["slot"])
    record = connection.execute(select(*_COLUMNS).where(where)).mappings().first()
    if record is None:
        raise Gone(0, None)
    return _row(record), False


def read(connection: Connection, id: int) -> RunRow | None:
    """The run of that number."""
    record = connection.execute(select(*_COLUMNS).where(RUN.c.id == id)).mappings().first()
    return None if record is None else _row(record)


def read_files(connection: Connection, id: int) -> bytes | None:
    """The files that were sent with it, as `parameters` packs them."""
    found: bytes | None = connection.scalar(select(RUN.c.files).where(RUN.c.id == id))
    return found


def find_digest(connection: Connection, digest: str) -> RunRow | None:
    """The run of that digest."""
    found = connection.execute(select(*_COLUMNS).where(RUN.c.digest == digest)).mappings().first()
    return None if found is None else _row(found)


def find(
    connection: Connection,
    tool: str,
    *,
    actions: Collection[str] | None = None,
    states: Collection[RunState] = (),
    undo_of: int | None = None,
    before: int | None = None,
    limit: int = PAGE,
) -> list[RunRow]:
    """Runs of a tool, the newest first."""
    found = select(*_COLUMNS).where(RUN.c.tool == tool)
    if actions is not None:
        found = found.where(RUN.c.action.in_(list(actions)))
    if states:
        found = found.where(RUN.c.state.in_([str(state) for state in states]))
    if undo_of is not None:
        found = found.where(RUN.c.undo_of == undo_of)
    if before is not None:
        found = found.where(RUN.c.id < before)
    found = found.order_by(RUN.c.id.desc()).limit(limit)
    return [_row(record) for record in connection.execute(found).mappings()]


def count_awaiting(connection: Connection, tool: str) -> int:
    """How many runs wait for a second person."""
    where = (RUN.c.tool == tool) & (RUN.c.state == str(RunState.AWAITING))
    return int(connection.scalar(select(func.count()).select_from(RUN).where(where)) or 0)


def move(
    connection: Connection,
    id: int,
    new: RunState,
    *,
    old: Collection[RunState] | None = None,
    **values: Any,
) -> RunRow:
    """Put a run into another state, and set `values`; Gone where it is in none of `old`.

    Without `old` it may come from every state that the new one may follow.
    """
    sources = [state for state in RunState if new in NEXT[state]] if old is None else list(old)
    if "chosen" in values:
        values["chosen"] = _dump(values["chosen"])
    statement = (
        update(RUN)
        .where(RUN.c.id == id, RUN.c.state.in_([str(state) for state in sources]))
        .values(state=str(new), **values)
    )
    changed = connection.execute(statement).rowcount
    row = read(connection, id)
    if not changed or row is None:
        raise Gone(id, None if row is None else row.state)
    return row


def note(connection: Connection, id: int, **values: Any) -> bool:
    """Set values of a run that is under way; whether it still is."""
    statement = update(RUN).where(RUN.c.id == id, RUN.c.state == str(RunState.RUNNING))
    return bool(connection.execute(statement.values(**values)).rowcount)


def begin_step(connection: Connection, step: Mapping[str, Any]) -> None:
    """Add a step as running."""
    connection.execute(insert(RUN_STEP).values(**step, state=str(StepState.RUNNING)))


def end_step(connection: Connection, run_id: int, number: int, **values: Any) -> None:
    """Say how a step ended."""
    where = (RUN_STEP.c.run_id == run_id) & (RUN_STEP.c.number == number)
    connection.execute(update(RUN_STEP).where(where).values(**values))


def steps(connection: Connection, run_id: int) -> list[Step]:
    """The steps that were begun, in order."""
    columns = [column for column in RUN_STEP.c if column.name != "id"]
    found = select(*columns).where(RUN_STEP.c.run_id == run_id).order_by(RUN_STEP.c.number)
    return [
        Step(**{**record, "state": StepState(record["state"])})
        for record in connection.execute(found).mappings()
    ]


def _dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _row(record: Any) -> RunRow:
    fields = dict(record)
    fields["state"] = RunState(fields["state"])
    fields["needs_approval"] = bool(fields["needs_approval"])
    fields["parameters"] = json.loads(fields["parameters"])
    fields["chosen"] = msgspec.json.decode(fields["chosen"], type=Chosen)
    fields["lines"] = msgspec.json.decode(fields["lines"], type=tuple[PlanLine, ...])
    return RunRow(**fields)
