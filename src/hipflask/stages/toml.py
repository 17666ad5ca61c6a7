"""Keys of a TOML file set to other values, everything else left as people wrote it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .record import RecordError


def changed(text: str, tables: Mapping[str, Mapping[str, str]], path: Path) -> str:
    """The text with the keys of each table set; values are TOML, of one line.

    Raises RecordError, and changes nothing, where it cannot be done line by line: then a person
    has to.
    """
    lines = text.splitlines()
    wanted = tomllib.loads(text)
    for table, values in tables.items():
        lines = _with_table(lines, table, values)
        place: Any = wanted
        for step in table.split("."):
            place = place.setdefault(step, {})
        for key, value in values.items():
            place[key] = tomllib.loads(f"x = {value}")["x"]
    made = "\n".join(lines) + "\n"
    try:
        is_right = tomllib.loads(made) == wanted
    except ValueError:
        is_right = False
    if not is_right:
        told = "; ".join(f"[{table}] {dict(values)}" for table, values in tables.items())
        raise RecordError(
            f"{path} is written in a way that cannot be changed by a program. Set this by hand,"
            f" and decide again: {told}."
        )
    return made


def _with_table(lines: list[str], table: str, values: Mapping[str, str]) -> list[str]:
    heads = [at for at, line in enumerate(lines) if re.match(r"\s*\[", line)]
    start = next((at for at in heads if _name(lines[at]) == table), None)
    if start is None:
        added = [f"[{table}]", *(f"{key} = {value}" for key, value in values.items())]
        return [*lines, "", *added]
    end = next((at for at in heads if at > start), len(lines))
    inside = lines[start + 1 : end]
    for key, value in values.items():
        line = f"{key} = {value}"
        found = [at for at, one in enumerate(inside) if re.match(rf"\s*{re.escape(key)}\s*=", one)]
        if found:
            inside[found[0]] = line
        else:
            last = max((at for at, one in enumerate(inside) if one.strip()), default=-1)
            inside.insert(last + 1, line)
    return [*lines[: start + 1], *inside, *lines[end:]]


def _name(line: str) -> str:
    found = re.match(r"\s*\[([^\[\]]+)\]\s*(#.*)?$", line)
    return found[1].replace(" ", "") if found else ""
