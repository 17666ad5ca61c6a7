"""Charts of a tool: figures that a function gives, drawn on the server beside their table."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from ..look import Chart, bars, line
from ..scaffold import SetupError
from ..security import Identity, Stance
from ..security.access import place_of
from .fields import label_of

_log = logging.getLogger("hipflask.tools")
_DRAWN: Mapping[str, Callable[..., Chart]] = {"bars": bars, "line": line}


class Figure(msgspec.Struct, frozen=True):
    """A chart as it was declared: who may see it, and the function that gives its figures."""

    title: str
    who: Stance
    function: Callable[..., Iterable[tuple[Any, Any]]]
    kind: Literal["bars", "line"] = "bars"
    name: str = ""
    unit: str = ""
    #: Whether the function takes the user.
    takes_user: bool = True

    def draw(self, user: Identity) -> Chart | None:
        """The chart for a user; None where it cannot be drawn, which the log tells of."""
        try:
            points = self.function(user) if self.takes_user else self.function()
            return _DRAWN[self.kind](points, title=self.title, name=self.name, unit=self.unit)
        except Exception:
            # What else is on the page is worth seeing without it.
            _log.exception("the chart %r cannot be drawn", self.title)
            return None


def figure_of(
    function: Callable[..., Any], who: Stance, title: str, kind: str, name: str, unit: str
) -> Figure:
    """The chart of a function (user) -> pairs of a label and a number; SetupError for another."""
    if kind not in _DRAWN:
        raise SetupError(
            f"The chart {place_of(function)} has kind={kind!r}; it is one of {', '.join(_DRAWN)}."
        )
    parameters = inspect.signature(function).parameters
    if len(parameters) > 1:
        raise SetupError(f"The chart {place_of(function)} takes more than the user.")
    return Figure(
        title or label_of(function.__name__),
        who,
        function,
        kind,  # type: ignore[arg-type]  # looked at above
        name,
        unit,
        bool(parameters),
    )
