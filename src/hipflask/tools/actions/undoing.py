"""How a step is taken back, as text: a function by its name, and arguments with their types.

What is stored is a name in the module of the action, looked up there when it is needed; nothing
is imported or executed by what a row says. A name in a closure counts, so that actions made
inside a factory work.
"""

from __future__ import annotations

import base64
import inspect
import json
import types
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from ...api.signatures.layers import Layer

_PLAIN = (str, int, float, bool, type(None))
_WRITTEN: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    Decimal: ("decimal", str, Decimal),
    UUID: ("uuid", str, UUID),
    datetime: ("datetime", datetime.isoformat, datetime.fromisoformat),
    date: ("date", date.isoformat, date.fromisoformat),
    time: ("time", time.isoformat, time.fromisoformat),
    timedelta: ("seconds", timedelta.total_seconds, lambda value: timedelta(seconds=value)),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode(), base64.b64decode),
}
_READ = {name: read for name, _, read in _WRITTEN.values()}


def dump_undo(action: Callable[..., Any], undo: tuple[Any, ...]) -> str:
    """The text of (function, *args); ValueError, with the way out, for what cannot be text."""
    given: Any = undo
    if not isinstance(given, tuple) or not given or not callable(given[0]):
        raise ValueError(f"undo={undo!r}: write (function, argument, ...).")
    name = _name_of(action, undo[0])
    if name is None:
        raise ValueError(
            f"undo={getattr(undo[0], '__qualname__', undo[0])!r} has no name in the module of the"
            " action, so it could not be found later: use a function of that module, or of one"
            " that it imports, no lambda."
        )
    return json.dumps([name, [_dump(value) for value in undo[1:]]], ensure_ascii=False)


def load_undo(action: Callable[..., Any], text: str) -> tuple[Callable[..., Any], list[Any]]:
    """The function and its arguments; LookupError where the code has no such name any more."""
    name, args = json.loads(text)
    first, *rest = name.split(".")
    found: Any = _names(action).get(first)
    for each in rest:
        found = getattr(found, each, None)
    if not callable(found):
        raise LookupError(
            f"The code has no {name!r} any more, by which this step was to be undone."
        )
    return found, [_load(value) for value in args]


def _names(action: Callable[..., Any]) -> dict[str, Any]:
    plain = Layer(action).function
    found = dict(plain.__globals__)
    nonlocals = inspect.getclosurevars(plain).nonlocals if plain.__closure__ else {}
    return {**found, **nonlocals}


def _name_of(action: Callable[..., Any], function: Any) -> str | None:
    owner = getattr(function, "__self__", None)
    own = getattr(function, "__name__", "")
    names = _names(action)
    # By identity: some objects make more of `==` than a comparison.
    for name, value in names.items():
        if value is function:
            return name
        if owner is not None and value is owner and getattr(value, own, None) == function:
            return f"{name}.{own}"
        if isinstance(value, types.ModuleType) and vars(value).get(own) is function:
            return f"{name}.{own}"
    return None


def _dump(value: Any) -> Any:
    kind = type(value)
    if kind in _PLAIN:
        return value
    if kind in _WRITTEN:
        name, write, _ = _WRITTEN[kind]
        return {"type": name, "value": write(value)}
    if kind in (list, tuple):
        return {"type": kind.__name__, "value": [_dump(each) for each in value]}
    if kind is dict and all(isinstance(key, str) for key in value):
        return {"type": "dict", "value": {key: _dump(each) for key, each in value.items()}}
    raise ValueError(
        f"undo has an argument of type {kind.__name__}: pass what can be stored as text, such as"
        " a number, a key or a date."
    )


def _load(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind, inner = value["type"], value["value"]
    if kind in ("list", "tuple"):
        return (list if kind == "list" else tuple)(_load(each) for each in inner)
    if kind == "dict":
        return {key: _load(each) for key, each in inner.items()}
    return _READ[kind](inner)
