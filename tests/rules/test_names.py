"""Every public name of every flask module is present, with signatures that take the same calls."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).with_name("dump_names.py")
# In Flask's modules by accident of how they are written, and no use to anybody.
NO_LOSS: dict[str, set[str]] = {}
Parameters = list[list[Any]]


def dump(*words: str, **variables: str) -> dict[str, dict[str, Any]]:
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("HIPFLASK_", "FLASK_"))}
    command = [sys.executable, str(PROGRAM), *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**environ, **variables})
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def flask() -> dict[str, dict[str, Any]]:
    if importlib.util.find_spec("flask") is None:
        pytest.skip("compares with the real Flask: pip install flask==3.1.3")
    return dump()


@pytest.fixture(scope="module")
def ours(
    flask: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    wanted = tmp_path_factory.mktemp("names") / "wanted.json"
    wanted.write_text(json.dumps({module: sorted(names) for module, names in flask.items()}))
    return dump(str(wanted), HIPFLASK_AS_FLASK="1")


def complaints(theirs: Parameters, own: Parameters) -> list[str]:
    """Returns why a call that fits Flask's parameters might not fit ours."""
    wrong = []
    positional = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")
    their_positional = [p for p in theirs if p[1] in positional]
    own_positional = [p for p in own if p[1] in positional]
    own_by_name = {p[0]: p for p in own}
    for number, (name, kind, default) in enumerate(their_positional):
        if number >= len(own_positional) or own_positional[number][0] != name:
            wrong.append(f"parameter {number + 1} is not {name!r}")
            continue
        _, own_kind, own_default = own_positional[number]
        if own_kind != kind:
            wrong.append(f"{name!r} is {own_kind}, not {kind}")
        if default is not None and own_default is None:
            wrong.append(f"{name!r} has lost its default")
        if default not in (None, "any") and own_default not in (None, default, "any"):
            wrong.append(f"{name!r} defaults to {own_default}, not {default}")
    for name, kind, _ in theirs:
        if kind == "KEYWORD_ONLY" and name not in own_by_name:
            wrong.append(f"no {name!r}")
        if kind.startswith("VAR_") and kind not in {p[1] for p in own}:
            wrong.append(f"no {kind}")
    known = {p[0] for p in theirs}
    for name, kind, default in own:
        if name not in known and default is None and not kind.startswith("VAR_"):
            wrong.append(f"extra {name!r} is not optional")
    return wrong


def compare_signatures(where: str, theirs: Any, own: Any) -> list[str]:
    if theirs is None:
        return []
    if own is None:
        return [f"{where}: not a function here"]
    return [f"{where}: {text}" for text in complaints(theirs, own)]


def test_every_public_name_is_present(
    flask: dict[str, dict[str, Any]], ours: dict[str, dict[str, Any]]
) -> None:
    total = sum(len(names) for names in flask.values())
    assert total > 450, "Flask's modules were not read"
    missing = [
        f"{module}.{name}"
        for module, names in flask.items()
        for name in names
        if name not in ours[module] and name not in NO_LOSS.get(module, ())
    ]
    assert missing == []


def test_classes_have_every_public_attribute(
    flask: dict[str, dict[str, Any]], ours: dict[str, dict[str, Any]]
) -> None:
    missing = [
        f"{module}.{name}.{member}"
        for module, names in flask.items()
        for name, what in names.items()
        for member in what.get("class", ())
        if member not in ours[module].get(name, {}).get("class", ())
    ]
    assert missing == []


def test_signatures_take_every_call_that_flask_takes(
    flask: dict[str, dict[str, Any]], ours: dict[str, dict[str, Any]]
) -> None:
    wrong: list[str] = []
    for module, names in flask.items():
        for name, what in names.items():
            own = ours[module].get(name, {})
            where = f"{module}.{name}"
            if "function" in what:
                wrong += compare_signatures(where, what["function"], own.get("function"))
            for member, parameters in what.get("class", {}).items():
                there = own.get("class", {})
                if member in there:
                    wrong += compare_signatures(f"{where}.{member}", parameters, there[member])
    assert sorted(set(wrong)) == []


@pytest.mark.parametrize(
    ("theirs", "own", "expected"),
    [
        ("a, b=1", "a, b=1, *, c=None", []),
        ("a, b=1", "a", ["parameter 2 is not 'b'"]),
        ("a", "b", ["parameter 1 is not 'a'", "extra 'b' is not optional"]),
        ("a, b=1", "a, b", ["'b' has lost its default"]),
        ("a, b=1", "a, b=2", ["'b' defaults to 2, not 1"]),
        ("a, **kwargs", "a", ["no VAR_KEYWORD"]),
        ("*, a=1", "b=1", ["no 'a'"]),
        ("a", "a, b", ["extra 'b' is not optional"]),
        ("a", "a, /", ["'a' is POSITIONAL_ONLY, not POSITIONAL_OR_KEYWORD"]),
    ],
)
def test_the_comparison_notices(theirs: str, own: str, expected: list[str]) -> None:
    from .dump_names import describe

    sides = [
        eval(f"lambda {text}: None")  # noqa: S307 - literals above
        for text in (theirs, own)
    ]
    assert complaints(*(describe(side) or [] for side in sides)) == expected
