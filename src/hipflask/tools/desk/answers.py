"""The same for programs: JSON in, JSON out, problem details (RFC 9457) for what is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec
from werkzeug.exceptions import HTTPException

from ...database import StoreUnavailable
from ...globals import request
from ...wrappers import Response
from ..runs.gate import Gate
from ..runs.refusing import GateError
from ..runs.states import OPEN, RunState
from ..views import refuse_forged
from .asking import DOINGS, LAST_ID, caller, do, dump_run

MOST_RUNS = 200


class Answers:
    """The JSON of one tool's actions and runs, below `/api`."""

    def __init__(self, tool: Any) -> None:
        self._tool = tool

    @property
    def _gate(self) -> Gate:
        gate: Gate = self._tool.runs.gate
        return gate

    def register(self, blueprint: Any) -> None:
        """Give the blueprint its rules."""
        run = f"/api/runs/<int(max={LAST_ID}):id>"
        rules: list[tuple[str, str, Callable[..., Any], str]] = [
            ("/api/actions", "api_actions", self.actions, "GET"),
            ("/api/actions/<name>", "api_plan", self.plan, "POST"),
            ("/api/runs", "api_runs", self.runs, "GET"),
            (run, "api_run", self.run, "GET"),
            (f"{run}/<any({', '.join(DOINGS)}):what>", "api_do", self.do, "POST"),
        ]
        for rule, endpoint, view, method in rules:
            blueprint.add_url_rule(rule, endpoint, self._answered(view), methods=[method])

    def _answered(self, view: Callable[..., Any]) -> Callable[..., Response]:
        @functools.wraps(view)
        def run(**arguments: Any) -> Response:
            try:
                refuse_forged(self._tool)
                return self._json(view(**arguments))
            except GateError as error:
                return self._problem(error.code, str(error), error.errors)
            except StoreUnavailable:
                return self._problem(503, "The store does not answer.")
            except HTTPException as error:
                return self._problem(error.code or 500, error.description or error.name)

        return run

    def actions(self) -> Any:
        """The actions that somebody has a part in, and what they take."""
        return [
            {
                "name": action.name,
                "label": action.label,
                "help": action.help,
                "takes": action.takes or None,
                "limit": action.limit,
                "needs_approval": bool(action.approve),
                "parameters": [
                    {
                        "name": field.name,
                        "is_required": field.is_required,
                        "expected": field.expected,
                        "is_secret": field.is_secret,
                    }
                    for field in action.form.fields
                ],
            }
            for action in self._gate.actions(caller())
        ]

    def plan(self, name: str) -> Any:
        """Plan an action: `{"parameters": {}, "rows": [], "filter": null}`."""
        by = caller()
        action = self._gate.mine(name, by)
        sent = _body()
        _only(sent, {"parameters", "rows", "filter"})
        secrets = action.form.secrets
        given = sent.get("parameters", {})
        if not isinstance(given, dict) or any(each in given for each in secrets):
            raise GateError("parameters is an object without secrets: send those to submit.", 422)
        form = type(action.form)(field for field in action.form.fields if not field.is_secret)
        filled = form.read_builtins(given)
        if not filled.is_valid:
            raise GateError("Parameters are missing or wrong.", 422, filled.errors)
        keys, filter = sent.get("rows", []), sent.get("filter")
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise GateError("rows is a list of keys, as text.", 422)
        if filter is not None and not isinstance(filter, str):
            raise GateError("filter is the query string of a list, or null.", 422)
        values = {**dict.fromkeys(secrets), **filled.values}
        return dump_run(self._gate.plan(name, values, by, "json", keys=keys, filter=filter))

    def runs(self) -> Any:
        """Runs, the newest first: `?state=awaiting&before=12`."""
        wanted = request.args.get("state", "")
        if wanted and wanted != "open" and wanted not in [str(state) for state in RunState]:
            raise GateError(f"There is no state {wanted[:40]!r}.", 422)
        states = OPEN if wanted == "open" else [state for state in RunState if state == wanted]
        before = request.args.get("before", type=int)
        found = self._gate.find(caller(), states=states, before=before, limit=MOST_RUNS)
        return [dump_run(run) for run in found]

    def run(self, id: int) -> Any:
        """One run with its steps."""
        run, _ = self._gate.read(id, caller())
        return dump_run(run, self._gate.steps(run))

    def do(self, id: int, what: str) -> Any:
        """What was asked of a run: `{"digest": "...", "note": "", "secrets": {}}`."""
        sent = _body()
        _only(sent, {"digest", "note", "secrets"})
        texts = [sent.get(name, "") for name in ("digest", "note")]
        secrets = sent.get("secrets", {})
        if not all(isinstance(text, str) for text in texts) or not isinstance(secrets, dict):
            raise GateError("digest and note are texts, secrets is an object.", 422)
        run = do(self._gate, what, id, texts[0], caller(), "json", note=texts[1], secrets=secrets)
        return dump_run(run)

    def _json(self, value: Any) -> Response:
        return Response(
            msgspec.json.encode(value), mimetype="application/json", headers=self._headers()
        )

    def _problem(self, code: int, detail: str, errors: Any = None) -> Response:
        body: dict[str, Any] = {"type": "about:blank", "status": code, "detail": detail}
        if errors:
            body["errors"] = errors
        return Response(
            msgspec.json.encode(body),
            code,
            content_type="application/problem+json",
            headers=self._headers(),
        )

    def _headers(self) -> Any:
        return self._tool.look.headers()


def _body() -> dict[str, Any]:
    # Forms of other sites can send text/plain without asking; what they send is no JSON here.
    if not request.is_json:
        raise GateError("Send JSON, as application/json.", 415)
    try:
        sent = msgspec.json.decode(request.get_data() or b"{}")
    except msgspec.DecodeError:
        raise GateError("The body is no JSON.", 400) from None
    if not isinstance(sent, dict):
        raise GateError("The body is a JSON object.", 422)
    return sent


def _only(sent: dict[str, Any], known: set[str]) -> None:
    for name in sent:
        if name not in known:
            raise GateError(f"{name[:80]!r} is not known; {', '.join(sorted(known))} are.", 422)
