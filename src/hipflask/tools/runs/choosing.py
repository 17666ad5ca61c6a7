"""Which rows a run is for, and which versions of them; the same rows when it comes to run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from werkzeug.datastructures import MultiDict

from ...security import Identity
from ..actions.declaring import Action
from ..rows import key_of, version_of
from .refusing import GateError
from .rows import Chosen


def choose(
    action: Action, by: Identity, *, keys: Sequence[str] = (), filter: str | None = None
) -> tuple[Chosen, list[Any]]:
    """The rows that were picked, or all that a list's address stands for, as `by` sees them.

    GateError for none, for more than the action's limit, for a row that is not there for `by`,
    and for one that the action does not take.
    """
    if action.table is None or not action.takes:
        if keys or filter is not None:
            raise GateError(f"{action.name} takes no rows.", 422)
        return Chosen(), []
    if filter is not None:
        asked = action.table.ask(MultiDict(parse_qsl(filter, keep_blank_values=True)), by)
        if asked.errors:
            raise GateError(f"The filter {filter[:200]!r} cannot be read.", 422)
        keys = action.table.keys(asked, by, action.limit)
        _check_limit(action, len(keys), "match")
    keys = list(dict.fromkeys(keys))
    _check_limit(action, len(keys), "were chosen")
    found = fetch(action, keys, by)
    missing = [key for key in keys if key not in found]
    if missing:
        shown = ", ".join(missing[:3])
        raise GateError(f"{len(missing)} of the rows are not there for you: {shown}.", 404)
    chosen = [found[key] for key in keys]
    if action.available is not None:
        shut = [key_of(row) for row in chosen if not action.available(row)]
        if shut:
            raise GateError(f"{action.label} cannot be done to {', '.join(shut[:3])}.", 422)
    if not chosen:
        raise GateError("No rows were chosen.", 422)
    versions = tuple(version_of(row) for row in chosen)
    return Chosen(filter, tuple(keys), versions), chosen


def fetch(action: Action, keys: Sequence[str], by: Identity) -> dict[str, Any]:
    """Rows by their keys, as `by` may see them."""
    found = (action.table.row(key, by) for key in keys)
    return {key_of(row): row for row in found if row is not None}


def _check_limit(action: Action, count: int, how: str) -> None:
    if count > action.limit:
        more = "more than " if how == "match" else ""
        shown = action.limit if more else count
        raise GateError(
            f"{more}{shown} rows {how}, and {action.label} takes {action.limit} at a time:"
            " narrow the filter.",
            422,
        )
