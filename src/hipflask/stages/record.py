"""The stage record: what `[tool.hipflask]` of pyproject.toml says a project is, and until when.

    [tool.hipflask]
    stage = "prototype"
    owner = "Ada Lovelace <ada@example.com>"
    question = "Can we price a repair from three photographs?"
    success = "Nine of ten within 15 % of the workshop's price, on 200 cases"
    decide_by = 2027-01-15
    data = "synthetic"

Read by whoever asks for the stage; written by `hipflask promote` alone. Tables below
`[tool.hipflask]` (`serve`, `worker`, `check`) are others' and are not looked at.
"""

from __future__ import annotations

import re
import tomllib
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from ..scaffold import SetupError

Stage = Literal["prototype", "pilot", "service", "sunset", "retired"]
Data = Literal["synthetic", "internal", "personal"]
#: In the order in which a project passes through them.
STAGES: tuple[Stage, ...] = ("prototype", "pilot", "service", "sunset", "retired")
TABLE = "tool.hipflask"


class RecordError(SetupError):
    """The stage record is unreadable or wrong; names the file and the key."""


class StageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the table says; dates are days, in no time zone. `path` is the file it stands in."""

    stage: Stage
    #: Who answers for it: a name, an address or a team.
    owner: str = ""
    #: What the prototype is to find out.
    question: str = ""
    #: What would count as a yes.
    success: str = ""
    #: The day by which it is decided what comes next.
    decide_by: date | None = None
    data: Data = "synthetic"
    #: What a start past `decide_by` does: "warn", or "refuse-start" for new starts only.
    on_expiry: Literal["warn", "refuse-start"] = "warn"
    path: Path = Path("pyproject.toml")

    def is_overdue(self, today: date) -> bool:
        """Whether the day to decide by has passed; the day itself is still in time."""
        return self.decide_by is not None and today > self.decide_by


def find_pyproject(start: Path) -> Path | None:
    """The nearest pyproject.toml in `start` or above it; None where there is none."""
    start = start.resolve()
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            return path
    return None


def read_tables(path: Path) -> dict[str, Any]:
    """`[tool.hipflask]` as it stands in a pyproject.toml, {} where it has none.

    Raises RecordError for a file that cannot be read, is no TOML, or has no table there.
    """
    try:
        with path.open("rb") as file:
            found: Any = tomllib.load(file)
    except OSError as error:
        raise RecordError(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path} is not TOML: {error}.") from None
    for step in TABLE.split("."):
        found = found.get(step, {})
        if not isinstance(found, dict):
            raise RecordError(f"{path}, {TABLE}: {step!r} is to be a table, [{TABLE}].")
    tables: dict[str, Any] = found
    return tables


def read_record(start: Path) -> StageRecord | None:
    """The record of the project around the folder `start`, or in the pyproject.toml `start`.

    None where there is no pyproject.toml, or none of the record's keys in it. Raises
    RecordError, which names the file and the key, for what cannot be read or meant.
    """
    path = start if start.is_file() else find_pyproject(start)
    if path is None:
        return None
    values = {k: v for k, v in read_tables(path).items() if not isinstance(v, dict)}
    if not values:
        return None
    _refuse_strangers(values, path)
    if "stage" not in values:
        raise RecordError(
            f'{path}, {TABLE}.stage: missing. Add stage = "prototype", or one of'
            f" {', '.join(STAGES[1:])}."
        )
    try:
        return msgspec.convert({**values, "path": path}, StageRecord, dec_hook=_as_path)
    except msgspec.ValidationError as error:
        raise RecordError(_told(error, values, path)) from None


def line_of(path: Path, key: str) -> int:
    """The line, from 1, at which `key` is set in the record of `path`; 1 where it is not."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return 1
    in_table, last = False, 1
    for number, line in enumerate(lines, 1):
        if head := re.match(r"\s*\[([^\[\]]+)\]", line):
            in_table = head[1].replace(" ", "") == TABLE
            last = number if in_table else last
        elif in_table and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
            return number
    return last


def _refuse_strangers(values: dict[str, Any], path: Path) -> None:
    known = [field for field in StageRecord.__struct_fields__ if field != "path"]
    for key in values:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else f" There are {', '.join(known)}."
            raise RecordError(f"{path}, {TABLE}.{key}: there is no such key.{hint}")


def _told(error: msgspec.ValidationError, values: dict[str, Any], path: Path) -> str:
    """msgspec's error as a sentence that names file and key, and what would be right."""
    text, _, at = str(error).partition(" - at ")
    key = at.strip("`").removeprefix("$.") or "stage"
    choices = {"stage": Stage, "data": Data}.get(key)
    if choices is not None:
        right = ", ".join(map(repr, get_args(choices)))
        return f"{path}, {TABLE}.{key}: {values.get(key)!r} is none of {right}."
    if key == "decide_by":
        return f"{path}, {TABLE}.{key}: {values.get(key)!r} is no day. Write 2027-01-15."
    return f"{path}, {TABLE}.{key}: {text[0].lower()}{text[1:]}."


def _as_path(type_: Any, value: Any) -> Any:
    if type_ is Path:
        return value
    raise NotImplementedError
