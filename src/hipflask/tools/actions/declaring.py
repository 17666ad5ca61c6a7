"""What an action is: a function, who may ask for it, who may approve it, and what it takes."""

from __future__ import annotations

import hashlib
import inspect
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...api.signatures.layers import Layer, place_of
from ...scaffold import SetupError
from ..forms import Form, form_of
from ..spans import parse_span
from .run import Run

#: Rows that an action takes at a time, and how long an approval may take, unless told otherwise.
LIMIT = 100
APPROVE_WITHIN = "24h"
_MOST_LIMIT = 10_000
_ROWS = ("row", "rows")


@dataclass(frozen=True, eq=False)
class Action:
    """One declared action. `name` is unique in its tool: `refund`, or `orders.refund`."""

    tool: Any
    table: Any
    name: str
    label: str
    #: What the function's docstring says.
    help: str
    function: Callable[..., Any]
    #: What a person fills in: a field for each parameter beside `run` and `row`.
    form: Form
    roles: frozenset[str]
    #: Roles of whom one has to approve; empty where nobody has to.
    approve: frozenset[str]
    limit: int
    #: In seconds; None for an action that is not undone.
    undo_for_s: float | None
    approve_within_s: float
    #: SHA-256 of the module that the function stands in.
    code: str
    #: "row", "rows" or "": what the function takes of the table.
    takes: str = ""
    #: Asked for each row: whether the action may be done to it.
    available: Callable[[Any], bool] | None = None
    #: The name of the parameter that takes the `Run`.
    run_name: str = "run"
    schedules: dict[str, Any] = field(default_factory=dict)

    @property
    def has_secrets(self) -> bool:
        """Whether it takes what is never stored; it then runs in the process that was asked."""
        return bool(self.form.secrets)

    @property
    def place(self) -> str:
        """Where the function is, for a message."""
        return place_of(self.function)

    def __repr__(self) -> str:
        return f"Action({self.name!r}, {self.place})"

    def schedule(self, name: str, *, every: str = "", daily: str = "", **options: Any) -> None:
        """Have the action run by itself; see `schedules.Schedule` for the options."""
        self.tool.runs.schedule(self, name, every=every, daily=daily, **options)


def declare(
    tool: Any,
    table: Any,
    function: Callable[..., Any],
    *,
    roles: str | Iterable[str],
    approve: str | Iterable[str] = (),
    limit: int = LIMIT,
    undo_for: str | None = None,
    approve_within: str = APPROVE_WITHIN,
    available: Callable[[Any], bool] | None = None,
    name: str | None = None,
    label: str | None = None,
) -> Action:
    """Make `function` an action of the tool, or of one of its tables, and return it.

    `roles` may ask for it; where `approve` names roles, another person who has one of them must
    approve each run within `approve_within`. `limit` is how many rows it takes at a time.
    `undo_for` ("24h", "7d") says how long a run may be undone, and that each step says how.
    `available(row)` says whether a row may be chosen. Raises SetupError, with the file and line
    of the function, for what cannot work.
    """
    place = place_of(function)
    wanted = _names(roles, "roles", place)
    if not wanted:
        raise SetupError(f"The action {place} names no roles: nobody could run it. Say roles=...")
    reader = _Reader(function, table, place)
    approving = _names(approve, "approve", place)
    form = form_of(function, leave_out=(reader.run_name, reader.takes))
    if approving and form.secrets:
        raise SetupError(
            f"The action {place} takes the secret {form.secrets[0]!r} and has to be approved: until"
            " somebody does, the secret would have to be stored. Take approve= away, or read the"
            " secret from the settings when it runs."
        )
    if not 0 < limit <= _MOST_LIMIT:
        raise SetupError(f"The action {place} has limit={limit!r}: 1 to {_MOST_LIMIT} rows.")
    own_name = name or function.__name__
    whole_name = own_name if table is None else f"{table.name}.{own_name}"
    known = vars(tool).setdefault("actions", {})
    if whole_name in known:
        raise SetupError(
            f"{place}: the tool {tool.name!r} has an action {whole_name!r} already,"
            f" {known[whole_name].place}. Give one of them name=."
        )
    text = inspect.getdoc(function) or ""
    action = Action(
        tool=tool,
        table=table,
        name=whole_name,
        label=label or own_name.replace("_", " ").capitalize(),
        help=text,
        function=function,
        form=form,
        roles=wanted,
        approve=approving,
        limit=limit,
        undo_for_s=None if undo_for is None else parse_span(undo_for, f"undo_for of {place}"),
        approve_within_s=parse_span(approve_within, f"approve_within of {place}"),
        code=hash_module(function),
        takes=reader.takes,
        available=available,
        run_name=reader.run_name,
    )
    known[whole_name] = action
    if table is not None:
        table.actions[own_name] = action
    return action


class _Reader:
    """Finds the parameters of an action's function that no person fills in."""

    def __init__(self, function: Callable[..., Any], table: Any, place: str) -> None:
        self.takes = ""
        self.run_name = ""
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
            raise SetupError(
                f"The action {place} is async, or a generator: workers run actions in a thread."
                " Write it as a plain function, with asyncio.run(...) in what run.do calls."
            )
        for each in Layer(function).parameters:
            is_run = each.annotation in (Run, "Run", "tools.Run")
            if is_run or (each.name == "run" and each.annotation is each.empty):
                self.run_name = each.name
            elif table is not None and each.name in _ROWS:
                self.takes = each.name
        if not self.run_name:
            raise SetupError(
                f"The action {place} takes no run: write def {function.__name__}(run: Run, ...),"
                " and do what it does through run.do(sentence, function, ...)."
            )


def _names(given: str | Iterable[str], what: str, place: str) -> frozenset[str]:
    names: list[Any] = [given] if isinstance(given, str) else list(given)
    if not all(isinstance(name, str) and name for name in names):
        raise SetupError(f"The action {place} has {what}={given!r}: roles are names, as text.")
    return frozenset(names)


def hash_module(function: Callable[..., Any]) -> str:
    """SHA-256 of the file that the function's module was read from, else of its code."""
    plain = Layer(function).function
    module = sys.modules.get(getattr(plain, "__module__", ""), None)
    source = getattr(module, "__file__", None)
    code = getattr(plain, "__code__", None)
    # Of code made by exec the module is somebody else's.
    if source and code is not None and Path(code.co_filename).name == Path(source).name:
        try:
            return hashlib.sha256(Path(source).read_bytes()).hexdigest()
        except OSError:
            pass
    return hashlib.sha256(_dump_code(code).encode()).hexdigest()


def _dump_code(code: Any) -> str:
    if not isinstance(code, types.CodeType):
        return repr(code)
    inner = [_dump_code(each) for each in code.co_consts]
    return f"{code.co_name} {code.co_code.hex()} {code.co_names} {inner}"
