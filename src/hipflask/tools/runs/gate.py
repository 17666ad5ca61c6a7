"""The one gate: page, JSON, command and schedule all ask here, and nowhere else is decided.

A run is planned, asked for, perhaps approved by a second person, and queued. Persons are told
apart by the id of their identity, never by the name that is shown. Every call may be made any
number of times, from any number of processes: the digest is unique, and a run is moved by
statements that name the state it has to come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, delete

from ...database import Database
from ...database.schema import RUN
from ...security import Identity
from ...settings import Secret
from .. import audit
from ..actions.declaring import Action
from . import retiring, rows
from .drafting import (
    Draft,
    chosen_by,
    difference,
    draft,
    draft_again,
    draft_undo,
    pack_files,
    texts_of,
    values_of,
)
from .inline import run_here
from .jobs import WORKER, Jobs
from .notices import Notice, notify
from .refusing import GateError
from .rows import Gone, RunRow, Step
from .states import ENDED, HAS_RUN, RunState

#: Plans that nobody has asked for are forgotten after this.
FORGET_AFTER_S = 86400.0
LONGEST_NOTE = 500


class Gate:
    """Who may do what with the runs of one tool."""

    def __init__(self, tool: Any, jobs: Jobs) -> None:
        self.tool = tool
        self.jobs = jobs
        self.database: Database = jobs.database
        self._retires_at = 0.0

    # What may be seen

    def action(self, name: str, by: Identity) -> Action:
        """The action, if `by` has a part in it; 404 as for one that there is none of."""
        found = self.tool.actions.get(name)
        if found is None or by.roles.isdisjoint(found.roles | found.approve):
            raise GateError(f"There is no action {name[:80]!r} for you.", 404)
        return found  # type: ignore[no-any-return]

    def mine(self, name: str, by: Identity) -> Action:
        """The action, if `by` may ask for it; GateError 404 or 403."""
        action = self.action(name, by)
        if by.roles.isdisjoint(action.roles):
            raise GateError(f"You may not ask for {action.label}.", 403)
        return action

    def actions(self, by: Identity) -> list[Action]:
        """Those that `by` has a part in."""
        found = self.tool.actions.values()
        return [each for each in found if not by.roles.isdisjoint(each.roles | each.approve)]

    def read(self, id: int, by: Identity) -> tuple[RunRow, Action]:
        """A run and its action; 404 where `by` has no part in it."""
        with self.database.read() as connection:
            run = rows.read(connection, id)
        if run is None or run.tool != self.tool.name:
            raise GateError(f"There is no run {id} for you.", 404)
        try:
            return run, self.action(run.action, by)
        except GateError:
            raise GateError(f"There is no run {id} for you.", 404) from None

    def find(self, by: Identity, **wanted: Any) -> list[RunRow]:
        """Runs of the actions that `by` has a part in, the newest first."""
        names = [action.name for action in self.actions(by)]
        with self.database.read() as connection:
            return rows.find(connection, self.tool.name, actions=names, **wanted)

    def steps(self, run: RunRow) -> list[Step]:
        """What was begun of a run."""
        with self.database.read() as connection:
            return rows.steps(connection, run.id)

    def may(self, what: str, run: RunRow, action: Action, by: Identity) -> bool:
        """Whether a button for it makes sense: `submit`, `decide`, `cancel`, `undo`, `again`."""
        now = self.database.clock.now()
        may_ask = not by.roles.isdisjoint(action.roles)
        if what == "submit":
            return may_ask and run.state is RunState.PLANNED
        if what == "decide":
            is_other = by.name != run.requester and not by.roles.isdisjoint(action.approve)
            return is_other and run.state is RunState.AWAITING and not _is_late(run, now)
        if what == "cancel":
            return may_ask and run.state in _CANCELLABLE and run.cancelled_by is None
        if what == "undo":
            return may_ask and _can_be_undone(run, now)
        return may_ask and run.state in ENDED and run.undo_of is None

    # Planning

    def plan(
        self,
        name: str,
        values: Mapping[str, Any],
        by: Identity,
        via: str,
        *,
        keys: Sequence[str] = (),
        filter: str | None = None,
        occasion: str = "",
        slot: str | None = None,
    ) -> RunRow:
        """Plan an action; the run of this very plan where there is one. Changes nothing else.

        `values` are those of the action's form. GateError: 404, 403 where `by` may not ask for
        it, 422 where it cannot be planned.
        """
        action = self.mine(name, by)
        if action.table is not None and not action.table.may("read", by, None):
            raise GateError(f"You may not read {action.table.title}.", 403)
        made = draft(action, values, by, keys=keys, filter=filter, occasion=occasion)
        stored = {
            "parameters": texts_of(action, values),
            "files": pack_files(action, values),
            "occasion": occasion,
            "slot": slot,
        }
        return self._add(action, made, by, via, stored)

    def plan_again(self, id: int, by: Identity, via: str) -> RunRow:
        """Plan an ended run once more, as another one: its digest tells which run it repeats."""
        run, action = self.read(id, by)
        self.mine(action.name, by)
        if run.state not in ENDED or run.undo_of is not None:
            raise GateError(f"Run {id} is {run.state}: it has not ended.", 409)
        with self.database.read() as connection:
            files = rows.read_files(connection, id)
        values = values_of(action, run, files)
        filter = run.chosen.filter
        keys = run.chosen.keys if filter is None else ()
        return self.plan(
            action.name, values, by, via, keys=keys, filter=filter, occasion=f"after {id}"
        )

    def plan_undo(self, id: int, by: Identity, via: str) -> RunRow:
        """Plan what takes a run back; it is asked for, and approved, as any other."""
        run, action = self.read(id, by)
        self.mine(action.name, by)
        if not _can_be_undone(run, self.database.clock.now()):
            raise GateError(f"Run {id} cannot be undone: {self._why_not(run, action)}", 409)
        with self.database.read() as connection:
            earlier = rows.find(connection, self.tool.name, undo_of=id)
            # One that was rejected, or failed half-way, does not stand in the way of another.
            ended = [each for each in earlier if each.state in ENDED]
            occasion = f"after {ended[0].id}" if ended else ""
            made = draft_undo(connection, action, run, occasion)
        made = msgspec.structs.replace(made, chosen=chosen_by(made.chosen, action, by))
        stored = {"parameters": {}, "occasion": occasion, "undo_of": id, "slot": None}
        return self._add(action, made, by, via, stored)

    def check(self, run: RunRow, action: Action) -> str:
        """What has moved since the run was planned; "" where it would run as it stands."""
        try:
            with self.database.read() as connection:
                files = rows.read_files(connection, run.id)
                if run.undo_of is not None:
                    original = rows.read(connection, run.undo_of)
                    if original is None:
                        return "The run to undo is gone."
                    now = draft_undo(connection, action, original, run.occasion)
            if run.undo_of is None:
                now = draft_again(action, run, values_of(action, run, files))
        except GateError as error:
            return difference(action, run, None, str(error))
        return "" if now.plan.digest == run.digest else difference(action, run, now)

    # Deciding

    def submit(
        self,
        id: int,
        digest: str,
        by: Identity,
        via: str,
        *,
        secrets: Mapping[str, Any] | None = None,
    ) -> RunRow:
        """Ask for the planned run: it is queued, or waits for a second person.

        Asked for once more, the run is returned as it stands. GateError 403, 404, 409 for another
        digest, 422 for secrets that are missing.
        """
        run, action = self.read(id, by)
        self.mine(action.name, by)
        _check_digest(run, digest)
        given = self._secrets(action, run, secrets or {})
        if run.state is not RunState.PLANNED:
            return run
        if by.name != run.requester and run.undo_of is None:
            # Somebody else's plan: it must be the very same for this person.
            mine = draft_again(action, _asked_for(run, action, by), self._values(action, run))
            if mine.plan.digest != run.digest:
                raise GateError("Planned by you it is another plan: plan it yourself.", 409)
        now = self.database.clock.now()
        asked: dict[str, Any] = {
            "requester": by.name,
            "requester_name": audit.name_of(by),
            "via": via,
            "submitted_at": now,
            "chosen": chosen_by(run.chosen, action, by),
        }
        claimed = None
        try:
            with self.jobs.writing() as connection:
                # Or by now: the plan may be older than the rule.
                if run.needs_approval or action.approve:
                    asked |= {"needs_approval": 1, "expires_at": now + action.approve_within_s}
                    run = rows.move(connection, id, RunState.AWAITING, **asked)
                else:
                    old = [RunState.PLANNED]
                    run = rows.move(connection, id, RunState.QUEUED, old=old, **asked)
                    if given:
                        claimed = self.jobs.add_claimed(connection, run.tool, id, _LEASE_S)
                    else:
                        self.jobs.add(connection, run.tool, id)
                detail = {"action": action.name, "digest": run.digest, "undo_of": run.undo_of}
                self._audit("submit", run, by, via, connection, detail)
        except Gone:
            return self.read(id, by)[0]
        if claimed is not None:
            run_here(self.tool, self.jobs, claimed, given)
            run = self.read(id, by)[0]
        if run.state is RunState.AWAITING:
            notify(self.tool, Notice("awaiting", run))
        return run

    def approve(self, id: int, digest: str, by: Identity, via: str, note: str = "") -> RunRow:
        """Let a run go that a second person has to agree to; it is queued at once.

        GateError: 403 for whoever asked for it, and without the role; 409 for another digest, one
        that has expired, or was decided.
        """
        asked, _ = self._decidable(id, digest, by)
        now = self.database.clock.now()
        decided = _decided(by, now, note)
        roles = tuple(sorted(by.roles))
        decided["chosen"] = msgspec.structs.replace(asked.chosen, approver_roles=roles)
        try:
            with self.jobs.writing() as connection:
                rows.move(connection, id, RunState.APPROVED, **decided)
                run = rows.move(connection, id, RunState.QUEUED, old=[RunState.APPROVED])
                self.jobs.add(connection, run.tool, id)
                self._audit("approve", run, by, via, connection, {"note": note, "digest": digest})
        except Gone as gone:
            raise GateError(str(gone), 409) from None
        notify(self.tool, Notice("approve", run))
        return run

    def reject(self, id: int, digest: str, by: Identity, via: str, note: str = "") -> RunRow:
        """Refuse a run, for good; GateError as for `approve`."""
        self._decidable(id, digest, by)
        now = self.database.clock.now()
        try:
            with self.jobs.writing() as connection:
                run = rows.move(
                    connection, id, RunState.REJECTED, ended_at=now, **_decided(by, now, note)
                )
                self._audit("reject", run, by, via, connection, {"note": note, "digest": digest})
        except Gone as gone:
            raise GateError(str(gone), 409) from None
        notify(self.tool, Notice("reject", run))
        return run

    def cancel(self, id: int, by: Identity, via: str) -> RunRow:
        """End a run before it begins, or before its next step."""
        action = self.read(id, by)[1]
        self.mine(action.name, by)
        now = self.database.clock.now()
        with self.jobs.writing() as connection:
            found = rows.read(connection, id)
            if found is None or found.state not in _CANCELLABLE:
                state = "gone" if found is None else found.state
                raise GateError(f"Run {id} is {state}: it cannot be cancelled.", 409)
            is_begun = found.state is RunState.RUNNING or (
                found.state is RunState.QUEUED and not self.jobs.take_back(connection, id)
            )
            try:
                if is_begun:
                    connection.execute(
                        RUN.update().where(RUN.c.id == id).values(cancelled_by=by.name)
                    )
                else:
                    rows.move(
                        connection, id, RunState.CANCELLED, ended_at=now, cancelled_by=by.name
                    )
            except Gone as gone:
                raise GateError(str(gone), 409) from None
            self._audit("cancel", found, by, via, connection, {})
        return self.read(id, by)[0]

    # By itself

    def sweep(self) -> None:
        """Expire what nobody has approved in time, and forget plans that nobody asked for.

        Now and then remove runs that ended longer ago than the tool keeps them.
        """
        now = self.database.clock.now()
        with self.database.read() as connection:
            awaiting = rows.find(connection, self.tool.name, states=[RunState.AWAITING], limit=1000)
        for run in awaiting:
            if _is_late(run, now):
                self._expire(run)
        old = (RUN.c.tool == self.tool.name) & (RUN.c.state == str(RunState.PLANNED))
        with self.database.read() as connection:
            is_any = rows.find(connection, self.tool.name, states=[RunState.PLANNED], limit=1)
        if is_any:
            with self.jobs.writing() as connection:
                before = now - FORGET_AFTER_S
                connection.execute(delete(RUN).where(old, RUN.c.created_at < before))
        keep_s = self.tool.keep_runs_s
        if keep_s is not None and now >= self._retires_at:
            self._retires_at = now + retiring.EVERY_S
            schedules = [each for a in self.tool.actions.values() for each in a.schedules.values()]
            slots = {schedule.slot(now) for schedule in schedules}
            retiring.retire(self.jobs, self.tool.name, now - keep_s, slots)

    def _expire(self, run: RunRow) -> None:
        now = self.database.clock.now()
        try:
            with self.jobs.writing() as connection:
                rows.move(
                    connection, run.id, RunState.EXPIRED, old=[RunState.AWAITING], ended_at=now
                )
                self._audit("expired", run, WORKER, "worker", connection, {})
        except Gone:
            return

    # What they share

    def _decidable(self, id: int, digest: str, by: Identity) -> tuple[RunRow, Action]:
        run, action = self.read(id, by)
        if by.roles.isdisjoint(action.approve):
            raise GateError(f"You may not decide about {action.label}.", 403)
        if by.name == run.requester:
            raise GateError("Who asked for a run does not approve it: ask a second person.", 403)
        _check_digest(run, digest)
        if run.state is RunState.AWAITING and _is_late(run, self.database.clock.now()):
            self._expire(run)
            raise GateError(f"Run {id} has expired: it was not approved in time.", 409)
        if run.state is not RunState.AWAITING:
            raise GateError(f"Run {id} is {run.state}: there is nothing to decide.", 409)
        return run, action

    def _add(
        self, action: Action, made: Draft, by: Identity, via: str, stored: Mapping[str, Any]
    ) -> RunRow:
        values = {
            "tool": self.tool.name,
            "action": action.name,
            "state": str(RunState.PLANNED),
            "digest": made.plan.digest,
            "code": action.code,
            "chosen": made.chosen,
            "lines": made.plan.lines,
            "needs_approval": int(bool(action.approve)),
            "requester": by.name,
            "requester_name": audit.name_of(by),
            "via": via,
            "note": "",
            "message": "",
            "created_at": self.database.clock.now(),
            "total": len(made.plan.lines),
            **stored,
        }
        with self.jobs.writing() as connection:
            run, is_new = rows.add(connection, values)
            if is_new:
                detail = {
                    "parameters": stored["parameters"],
                    "rows": list(made.chosen.keys)[:100],
                    "filter": made.chosen.filter,
                    "steps": len(made.plan.lines),
                    "undo_of": stored.get("undo_of"),
                }
                self._audit("plan", run, by, via, connection, detail)
        return run

    def _values(self, action: Action, run: RunRow) -> dict[str, Any]:
        with self.database.read() as connection:
            files = rows.read_files(connection, run.id)
        return values_of(action, run, files)

    @staticmethod
    def _secrets(action: Action, run: RunRow, given: Mapping[str, Any]) -> dict[str, Any]:
        """The secrets of the action, each given now, as they are stored nowhere."""
        if not action.has_secrets or run.undo_of is not None:
            return {}
        found: dict[str, Any] = {}
        errors = {}
        for field in action.form.fields:
            if not field.is_secret:
                continue
            value = given.get(field.name)
            if isinstance(value, str):
                value = Secret(value) if value else None
            if value is None and field.is_required:
                errors[field.name] = "Enter it now: it is not kept with the plan."
            found[field.name] = value
        if errors and run.state is RunState.PLANNED:
            raise GateError("A secret is missing.", 422, errors)
        return found

    @staticmethod
    def _why_not(run: RunRow, action: Action) -> str:
        if run.undo_of is not None:
            return "it is an undo itself."
        if action.undo_for_s is None:
            return "its action does not say how."
        if run.state not in HAS_RUN:
            return f"it is {run.state}."
        return "its time for that is over."

    def _audit(
        self,
        event: str,
        run: RunRow,
        by: Identity,
        via: str,
        connection: Connection,
        detail: Mapping[str, Any],
    ) -> None:
        audit.write(
            self.database,
            self.tool.name,
            event,
            run.action,
            by=by,
            via=via,
            run_id=run.id,
            detail=detail,
            connection=connection,
        )


_CANCELLABLE = frozenset({RunState.PLANNED, RunState.AWAITING, RunState.QUEUED, RunState.RUNNING})
_LEASE_S = 10.0


def _asked_for(run: RunRow, action: Action, by: Identity) -> RunRow:
    """The run as if `by` had planned it."""
    chosen = chosen_by(run.chosen, action, by)
    return msgspec.structs.replace(run, requester=by.name, chosen=chosen)


def _decided(by: Identity, now: float, note: str) -> dict[str, Any]:
    return {
        "approver": by.name,
        "approver_name": audit.name_of(by),
        "decided_at": now,
        "note": note.strip()[:LONGEST_NOTE].replace("\0", ""),
    }


def _check_digest(run: RunRow, digest: str) -> None:
    if run.digest != digest:
        raise GateError(f"Run {run.id} has another plan than the one you have read.", 409)


def _is_late(run: RunRow, now: float) -> bool:
    return run.expires_at is not None and run.expires_at <= now


def _can_be_undone(run: RunRow, now: float) -> bool:
    is_in_time = run.undo_until is not None and now < run.undo_until
    return run.state in HAS_RUN and run.undo_of is None and is_in_time
