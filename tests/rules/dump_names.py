"""Prints as JSON what `import flask` offers here: modules, names, signatures.

Run as a program, on the real Flask and under the alias, by test_names.py.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import sys
import warnings
from pathlib import Path
from typing import Any

MODULES = """
    flask flask.app flask.blueprints flask.cli flask.config flask.ctx flask.debughelpers
    flask.globals flask.helpers flask.json flask.json.provider flask.json.tag flask.logging
    flask.sansio flask.sansio.app flask.sansio.blueprints flask.sansio.scaffold flask.sessions
    flask.signals flask.templating flask.testing flask.typing flask.views flask.wrappers
""".split()
SIMPLE = (type(None), bool, int, str, tuple, float, bytes)


def describe(function: Any) -> list[list[Any]] | None:
    """Returns [name, kind, default] by parameter; None where there is no signature."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None
    return [
        [parameter.name, parameter.kind.name, describe_default(parameter.default)]
        for parameter in signature.parameters.values()
    ]


def describe_default(default: Any) -> str | None:
    if default is inspect.Parameter.empty:
        return None
    return repr(default) if isinstance(default, SIMPLE) else "any"


def describe_class(cls: type) -> dict[str, Any]:
    members: dict[str, Any] = {"__init__": describe(cls.__init__)}  # type: ignore[misc]
    for name in dir(cls):
        if not name.startswith("_"):
            member = inspect.getattr_static(cls, name)
            function = getattr(member, "__func__", member)
            members[name] = describe(function) if inspect.isfunction(function) else None
    return members


def describe_module(name: str, wanted: list[str] | None) -> dict[str, Any]:
    module = importlib.import_module(name)
    found: dict[str, Any] = {}
    for attribute in wanted if wanted is not None else public_names(module):
        try:
            value = inspect.unwrap(getattr(module, attribute))
        except AttributeError:
            continue
        home = getattr(value, "__module__", None) or ""
        own = home.partition(".")[0] in ("flask", "hipflask")
        if inspect.isclass(value) and own:
            found[attribute] = {"class": describe_class(value)}
        elif inspect.isfunction(value) and own:
            found[attribute] = {"function": describe(value)}
        else:
            found[attribute] = {}
    return found


def public_names(module: Any) -> list[str]:
    """Returns what a plain Python has there; a namespace package's children are attributes."""
    return sorted(name for name in vars(module) if not name.startswith("_"))


def main() -> None:
    """With a file of names as argument, looks for those; otherwise lists what there is."""
    wanted = json.loads(Path(sys.argv[1]).read_text()) if len(sys.argv) > 1 else {}
    warnings.simplefilter("ignore")
    for name in MODULES:
        importlib.import_module(name)
    print(json.dumps({name: describe_module(name, wanted.get(name)) for name in MODULES}))


if __name__ == "__main__":
    main()
