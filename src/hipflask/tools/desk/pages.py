"""The pages of actions. Plain functions: they wait for the store, in the pool."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from werkzeug.exceptions import NotFound

from ...globals import request
from ...helpers import send_file, stream_with_context
from ...security import Identity
from ...wrappers import Response
from .. import audit
from ..actions.declaring import Action
from ..forms import PREFIX
from ..rows import key_of
from ..runs import rows
from ..runs.choosing import choose
from ..runs.drafting import unpack_files
from ..runs.gate import Gate
from ..runs.refusing import GateError
from ..runs.states import OPEN, RunState
from ..views import guarded
from .asking import DOINGS, LAST_ID, as_http, caller, do, may_audit

#: Rows of a selection that a form names.
MOST_NAMED = 10
STATES = (
    ("All", ""),
    ("To approve", str(RunState.AWAITING)),
    ("Open", "open"),
    ("Done", "done"),
    ("Failed", "failed"),
    ("Interrupted", "interrupted"),
)
# Where no page of the tool's own says it.
_EXPORTS = {"csv": "text/csv", "json": "application/json"}


class Entry(NamedTuple):
    """An entry of the navigation, as `Tool` has them."""

    name: str
    title: str
    address: str


class Desk:
    """The pages of one tool's actions, runs and audit."""

    def __init__(self, tool: Any) -> None:
        self._tool = tool

    @property
    def _gate(self) -> Gate:
        gate: Gate = self._tool.runs.gate
        return gate

    def register(self, blueprint: Any) -> None:
        """Give the blueprint its rules."""
        run = f"/runs/<int(max={LAST_ID}):id>"
        rules: list[tuple[str, str, Callable[..., Response], list[str]]] = [
            ("/actions", "actions", self.actions, ["GET"]),
            ("/actions/<name>", "action", self.action, ["GET", "POST"]),
            ("/runs", "runs", self.runs, ["GET"]),
            (run, "run", self.run, ["GET"]),
            (f"{run}/files/<name>/<int:number>", "file", self.file, ["GET"]),
            (f"{run}/<any({', '.join(DOINGS)}):what>", "do", self.do, ["POST"]),
            ("/audit", "audit", self.audit, ["GET"]),
            ("/audit.<any(csv, json):kind>", "audit_export", self.export, ["GET"]),
        ]
        for rule, endpoint, view, methods in rules:
            blueprint.add_url_rule(rule, endpoint, guarded(self._tool, view), methods=methods)

    # Who comes in

    def lets_in(self, by: Identity, request: Any) -> bool:
        """Whether somebody has a part in an action, or in the audit."""
        parts = (action.roles | action.approve for action in self._tool.actions.values())
        return any(not by.roles.isdisjoint(part) for part in parts) or may_audit(self._tool, by)

    def entries(self, by: Identity, request: Any) -> Iterable[Entry]:
        """The navigation's entries for somebody."""
        found = []
        if any(not by.roles.isdisjoint(a.roles | a.approve) for a in self._tool.actions.values()):
            found.append(Entry("actions", "Actions", self._tool.link("actions")))
            found.append(Entry("runs", "Runs", self._tool.link("runs")))
        if may_audit(self._tool, by):
            found.append(Entry("audit", "Audit", self._tool.link("audit")))
        return found

    # Asking for an action

    def actions(self) -> Response:
        """The actions that somebody has a part in."""
        by = caller()
        found = self._gate.actions(by)
        if not found:
            raise NotFound("There is no action for you.")
        return self._page("actions.html", here="actions", actions=found, by=by)

    def action(self, name: str) -> Response:
        """The form of an action; posted, its plan."""
        by = caller()
        try:
            action = self._gate.mine(name, by)
        except GateError as error:
            raise as_http(error) from None
        sent = request.form if request.method == "POST" else request.args
        keys, filter = sent.getlist("key"), sent.get("filter")
        if filter is not None and sent.get("all") != "yes" and keys:
            filter = None
        form = _planned_form(action)
        is_asked = request.method == "POST" and sent.get("choose") is None
        filled = form.read(request.form, request.files) if is_asked else form.blank()
        said, code = "", 200
        if is_asked and filled.is_valid:
            values = {**dict.fromkeys(action.form.secrets), **filled.values}
            try:
                run = self._gate.plan(name, values, by, "page", keys=keys, filter=filter)
                return self._go(self._tool.link("run", id=run.id))
            except GateError as error:
                said, code = str(error), error.code
        elif is_asked:
            code = 422
        return self._form(action, by, filled, keys, filter, said, code)

    def _form(
        self,
        action: Action,
        by: Identity,
        filled: Any,
        keys: list[str],
        filter: str | None,
        said: str,
        code: int,
    ) -> Response:
        found: list[Any] = []
        if action.takes and (keys or filter is not None):
            try:
                found = choose(action, by, keys=keys, filter=filter)[1]
            except GateError as error:
                if not said:
                    said, code = str(error), error.code
        elif action.takes:
            said = said or "Choose rows in the table first."
        return self._page(
            "action.html",
            code,
            here="actions",
            action=action,
            filled=filled,
            keys=keys,
            filter=filter,
            said=said,
            count=len(found),
            names=[key_of(row) for row in found[:MOST_NAMED]],
        )

    # Runs

    def runs(self) -> Response:
        """Runs, the newest first."""
        by = caller()
        if not self._gate.actions(by):
            raise NotFound("There is no action for you.")
        wanted = request.args.get("state", "")
        before = request.args.get("before", type=_id)
        states = OPEN if wanted == "open" else [s for s in RunState if s == wanted]
        found = self._gate.find(by, states=states, before=before, limit=rows.PAGE + 1)
        with self._gate.database.read() as connection:
            awaiting = rows.count_awaiting(connection, self._tool.name)
        return self._page(
            "runs.html",
            here="runs",
            runs=found[: rows.PAGE],
            older=found[rows.PAGE - 1].id if len(found) > rows.PAGE else None,
            before=before,
            wanted=wanted,
            choices=STATES,
            awaiting=awaiting,
            now=self._gate.database.clock.now(),
        )

    def run(self, id: int) -> Response:
        """One run: its plan, what may be done with it, how far it has come."""
        return self._run(id)

    def _run(self, id: int, said: str = "", code: int = 200, errors: Any = None) -> Response:
        by = caller()
        try:
            run, action = self._gate.read(id, by)
        except GateError as error:
            raise as_http(error) from None
        steps = {step.number: step for step in self._gate.steps(run)}
        moved = ""
        if run.state in (RunState.PLANNED, RunState.AWAITING) and "check" in request.args:
            moved = self._gate.check(run, action)
            said = said or ("" if moved else "Planned once more: nothing has moved.")
        with self._gate.database.read() as connection:
            undone_by = rows.find(connection, self._tool.name, undo_of=run.id, limit=1)
        return self._page(
            "run.html",
            code,
            here="runs",
            run=run,
            action=action,
            steps=steps,
            secrets=_secret_fields(action, errors or {}),
            may={what: self._gate.may(what, run, action, by) for what in _MAY},
            is_mine=by.name == run.requester,
            moved=moved,
            said=said,
            undone_by=undone_by[0] if undone_by else None,
            lines=audit.read(self._gate.database, self._tool.name, run_id=run.id),
            now=self._gate.database.clock.now(),
        )

    def file(self, id: int, name: str, number: int) -> Response:
        """A file that a run was given, for whoever is to approve it; saved, and never shown."""
        try:
            self._gate.read(id, caller())
        except GateError as error:
            raise as_http(error) from None
        with self._gate.database.read() as connection:
            found = unpack_files(rows.read_files(connection, id)).get(name, [])
        if number >= len(found):
            raise NotFound("The run has no such file.")
        filename, _, blob = found[number]
        shown = "".join(each for each in filename if each.isprintable()) or name
        response = send_file(
            io.BytesIO(blob), "application/octet-stream", as_attachment=True, download_name=shown
        )
        response.headers.update(self._tool.look.headers())
        return response

    def do(self, id: int, what: str) -> Response:
        """Ask for, approve, reject, cancel, undo a run, or plan it again."""
        by = caller()
        form = request.form
        secrets = {
            name[len(PREFIX) :]: value for name, value in form.items() if name.startswith(PREFIX)
        }
        try:
            run = do(
                self._gate,
                what,
                id,
                form.get("digest", ""),
                by,
                "page",
                note=form.get("note", ""),
                secrets=secrets,
            )
        except GateError as error:
            if error.code == 404:
                raise as_http(error) from None
            return self._run(id, str(error), error.code, error.errors)
        return self._go(self._tool.link("run", id=run.id))

    # The audit

    def audit(self) -> Response:
        """The lines of the audit, the newest first."""
        wanted = self._wanted()
        before = request.args.get("before", type=_id)
        found = audit.read(
            self._gate.database, self._tool.name, before=before, limit=audit.PAGE + 1, **wanted
        )
        return self._page(
            "audit.html",
            here="audit",
            lines=found[: audit.PAGE],
            older=found[audit.PAGE - 1].id if len(found) > audit.PAGE else None,
            wanted=wanted,
            now=self._gate.database.clock.now(),
        )

    def export(self, kind: str) -> Response:
        """All lines as CSV or JSON; to export them is a line itself."""
        wanted = self._wanted()
        database, name = self._gate.database, self._tool.name
        detail = {"kind": kind, **{key: value for key, value in wanted.items() if value}}
        audit.write(database, name, "export", "audit", by=caller(), detail=detail)
        dump = audit.dump_csv if kind == "csv" else audit.dump_json
        text = stream_with_context(dump(audit.every(database, name, **wanted)))
        response = Response(text, mimetype=_EXPORTS[kind], headers=self._tool.look.headers())
        response.headers["Content-Disposition"] = f'attachment; filename="{name}-audit.{kind}"'
        return response

    def _wanted(self) -> dict[str, Any]:
        if not may_audit(self._tool, caller()):
            raise NotFound("There is no audit for you.")
        return {key: request.args.get(key, "")[:200] for key in ("subject", "event", "target")}

    # Answers

    def _page(self, template: str, code: int = 200, **names: Any) -> Response:
        response: Response = self._tool.page(template, code, **names)
        return response

    def _go(self, address: str) -> Response:
        response = Response("", 303, headers=self._tool.look.headers())
        response.headers["Location"] = address
        return response


_MAY = ("submit", "decide", "cancel", "undo", "again")


def _planned_form(action: Action) -> Any:
    """The form without secrets: those are asked for when the plan is to be run."""
    form = type(action.form)
    return form(field for field in action.form.fields if not field.is_secret)


def _secret_fields(action: Action, errors: Mapping[str, str]) -> list[Any]:
    """The fields of the action's secrets, with what was wrong about them."""
    form = type(action.form)(field for field in action.form.fields if field.is_secret)
    filled = form.blank()
    for name, error in errors.items():
        filled.refuse(name, error)
    return filled.shown


def _id(text: str) -> int:
    found = int(text)
    if not 0 < found <= LAST_ID:
        raise ValueError(text)
    return found
