"""What a tool's first page shows beside its tables: charts, and lists that are asked for often.

A chart is drawn on the server, each time the page is asked for, and its figures stand below it
as a table. A view is an address with a name: what its filters mean is decided when it is opened.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from ..look import Chart, bars, line
from ..scaffold import SetupError
from ..security import Identity, Stance
from ..security.access import place_of
from .table import Table, Who, stance_of_who

_log = logging.getLogger("hipflask.tools")
KINDS: dict[str, Callable[..., Chart]] = {"bars": bars, "line": line}


class Declared(NamedTuple):
    """A chart as it was declared."""

    title: str
    function: Callable[..., Iterable[tuple[object, Any]]]
    read: Stance
    kind: str
    name: str
    unit: str


class Panel(NamedTuple):
    """A chart as somebody sees it; without a drawing where its figures cannot be read."""

    title: str
    drawn: Chart | None
    description: str


class View(NamedTuple):
    """A list that is asked for often."""

    title: str
    table: Table
    #: Of its address, without the question mark.
    query: str


def declare_chart(
    tool: Any, function: Any, title: str, read: Who, kind: str, name: str, unit: str
) -> Declared:
    """A chart of the tool; SetupError for a kind that is none, and where nobody may see it."""
    where = f"The chart {title!r} of {tool!r} ({place_of(function)})"
    if kind not in KINDS:
        raise SetupError(f"{where}: kind={kind!r}; kinds are {', '.join(KINDS)}.")
    stance = stance_of_who(read, f"{where}, read=")
    if stance is None:
        raise SetupError(f"{where}: nobody could see it. Say who may: read='support', a role.")
    return Declared(title, function, stance, kind, name, unit)


def declare_view(tool: Any, title: str, table: Table | str, query: str) -> View:
    """A named list of one of the tool's tables; SetupError for a table that is none."""
    found = tool.tables.get(table) if isinstance(table, str) else table
    if found is None or found.name not in tool.tables:
        raise SetupError(f"The view {title!r} of {tool!r}: there is no table {table!r}.")
    pairs = parse_qsl(query.lstrip("?"), keep_blank_values=True)
    if not pairs:
        raise SetupError(
            f"The view {title!r} of {tool!r} asks for nothing: query={query!r}. Copy it from the"
            " address of the list, as in 'status.is=open&sort=created_at.desc'."
        )
    return View(title, found, urlencode(pairs))


def panels(
    tool: Any, charts: Iterable[Declared], user: Identity | None, request: Any
) -> list[Panel]:
    """The charts that somebody may see, drawn now. One that fails does not take the others."""
    found = []
    for each in charts:
        if not tool.may(each.read, user, request):
            continue
        try:
            points = each.function(*(user,)[: _takes(each.function)])
            drawn = KINDS[each.kind](points, title=each.title, name=each.name, unit=each.unit)
        except Exception:
            _log.exception("the chart %r of %r cannot be drawn", each.title, tool)
            drawn = None
        found.append(Panel(each.title, drawn, inspect.getdoc(each.function) or ""))
    return found


def _takes(function: Callable[..., Any]) -> int:
    """Whether it takes the user: 1 or 0."""
    return min(1, len(inspect.signature(function).parameters))
