"""What `hipflask new` writes: a small project of each kind, rendered from the package's templates.

What a project does beyond its own lines is in the library, so that upgrades arrive with it. No
engine merges templates into a project that has grown: `compare` shows what a new one would be.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from datetime import date, timedelta
from difflib import unified_diff
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import msgspec

from ..scaffold import SetupError
from .record import TABLE, find_pyproject, read_tables

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".jinja"
#: How long a stage lasts before somebody has to decide.
BOXES = {"prototype": timedelta(weeks=4), "pilot": timedelta(weeks=12)}
BOXES["service"] = timedelta(weeks=52)
_name = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*").fullmatch
_LONGEST = 40


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of project: what `hipflask new` is given, and how its shared files differ."""

    name: str
    purpose: str
    extras: tuple[str, ...]
    stage: str = "pilot"
    data: str = "internal"
    question: str = "What does it have to do before it may be called a service?"
    success: str = "Those who use it say so, and the check of the next stage has no errors"
    folders: tuple[str, ...] = ("routes", "services", "store")
    #: Settings in a cluster, without the prefix, and what is a secret there.
    variables: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()


KINDS = {
    kind.name: kind
    for kind in (
        Kind(
            name="api",
            purpose="a JSON API with keys, typed views and a database",
            extras=("sql",),
            variables=(("DATABASE_URL", "sqlite:////data/{module}.db"),
                       ("KEYS", "sqlite:////data/{module}.db")),
        ),
        Kind(
            name="tool",
            purpose="pages for colleagues: tables, and actions with a preview",
            extras=("auth", "tools"),
            variables=(("DATABASE_URL", "sqlite:////data/{module}.db"), ("HTTPS", "true")),
            secrets=("SECRET_KEY", "PASSWORD_HASH"),
        ),
        Kind(
            name="prototype",
            purpose="one question, tried on data, with each trial written down",
            extras=(),
            stage="prototype",
            data="synthetic",
            question="Can two entries be told to mean the same by their words alone?",
            success="At least 9 of 10 pairs of the sample are judged as people judged them",
            variables=(("TRIALS", "/data/trials.jsonl"),),
        ),
        Kind(
            name="webhook",
            purpose="webhooks that are stored before they are acknowledged, then worked on",
            extras=("auth", "webhooks"),
            variables=(("DATABASE_URL", "sqlite:////data/{module}.db"),),
            secrets=("SENDER_SECRET", "PASSWORD_HASH"),
        ),
    )
}  # fmt: skip


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """What a project is rendered from; kept in `[tool.hipflask.new]` of its pyproject.toml."""

    kind: str
    name: str
    made: date


class BeginningError(SetupError):
    """A project cannot be made or compared; the text says why, and the way out."""


def render(beginning: Beginning, owner: str = "") -> dict[str, str]:
    """The project's files, by their path in it, with "/" between folders."""
    from jinja2 import Environment, StrictUndefined  # who runs another command needs none

    # Files of code and configuration: nothing in them is escaped as if it were a page.
    jinja = Environment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, autoescape=False
    )
    names = _names(beginning, owner)
    files = {}
    for folder in ("shared", beginning.kind):
        root = TEMPLATES / folder
        for source in sorted(root.rglob(f"*{SUFFIX}")):
            path = source.relative_to(root).as_posix().removesuffix(SUFFIX)
            path = path.replace("NAME", names["module"]).replace("gitignore", ".gitignore")
            text = source.read_text(encoding="utf-8")
            files[path] = jinja.from_string(text).render(names)
    return dict(sorted(files.items()))


def _names(beginning: Beginning, owner: str) -> dict[str, Any]:
    kind = KINDS[beginning.kind]
    module = beginning.name.replace("-", "_")
    prefix = module.upper()
    klass = "".join(word.capitalize() for word in module.split("_"))
    return {
        "kind": kind.name,
        "name": beginning.name,
        "label": beginning.name.replace("_", "-"),
        "module": module,
        "klass": klass,
        "prefix": prefix,
        "extras": ",".join(kind.extras),
        "version": _version(),
        "stage": kind.stage,
        "owner": owner,
        "question": kind.question,
        "success": kind.success,
        "data": kind.data,
        "made": beginning.made,
        "decide_by": beginning.made + BOXES[kind.stage],
        "folders": kind.folders,
        "folders_quoted": ", ".join(f'"{folder}"' for folder in kind.folders),
        "variables": [
            (f"{prefix}_{key}", value.format(module=module)) for key, value in kind.variables
        ],
        "secrets": [f"{prefix}_{key}" for key in kind.secrets],
    }


def _version() -> str:
    try:
        # Without what says which commit it is: a requirement may not name that (PEP 440).
        return version("hipflask").partition("+")[0]
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0.1.0"


def check_name(name: str) -> None:
    """Raise BeginningError for a name that cannot be a folder, a setting and a class at once."""
    if not _name(name) or len(name) > _LONGEST or keyword.iskeyword(name):
        raise BeginningError(
            f"{name!r} cannot be the name of a project: lower-case letters and digits, with - or _"
            f" between words, at most {_LONGEST}, as in 'billing' or 'spare-parts'."
        )


def write(beginning: Beginning, folder: Path, owner: str = "") -> list[str]:
    """Write the project into `folder`, which is new or empty; returns the paths.

    Raises BeginningError, and then nothing was written over.
    """
    check_name(beginning.name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BeginningError(f"{folder} is there already, and not empty: choose another name.")
    files = render(beginning, owner)
    try:
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise BeginningError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return list(files)


def compare(start: Path) -> Iterator[str]:
    """The lines of a diff from the project as `new` would make it today to the one around `start`.

    Only files that `new` makes are looked at. Raises BeginningError where `new` made none.
    """
    path = find_pyproject(start)
    table = read_tables(path).get("new") if path else None
    if path is None or table is None:
        raise BeginningError(
            f"No pyproject.toml with [{TABLE}.new] here or above: nothing here was made by"
            " hipflask new, so there is nothing to compare with."
        )
    try:
        beginning = msgspec.convert(table, Beginning)
    except msgspec.ValidationError as error:
        raise BeginningError(f"{path}, {TABLE}.new: {error}.") from None
    if beginning.kind not in KINDS:
        raise BeginningError(
            f"{path}, {TABLE}.new.kind: {beginning.kind!r} is none of {', '.join(KINDS)}."
        )
    owner = str(read_tables(path).get("owner", ""))
    for name, fresh in render(beginning, owner).items():
        here = path.parent / name
        try:
            present = here.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            yield f"only in a new project: {name}"
            continue
        lines = unified_diff(
            fresh.splitlines(), present.splitlines(), f"new/{name}", f"here/{name}", lineterm=""
        )
        yield from lines
