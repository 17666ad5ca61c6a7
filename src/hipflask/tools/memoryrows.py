"""Rows of anything that can be gone through: a list, or what a function returns."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from ..scaffold import SetupError
from .asked import Asked
from .cells import text_of
from .columns import column_of
from .keys import dump_key
from .rows import Row

#: Rows that are looked at; what has more belongs into a database.
MOST = 100_000
#: Rows by which columns and their types are found.
_SAMPLE = 100


class MemoryRows:
    """The rows of one request: gone through once, then filtered, sorted and cut here.

    Rows are mappings, dataclasses, Structs, named tuples or objects with `__dict__`. Not more
    than `MOST` of them are looked at.
    """

    def __init__(
        self, source: Iterable[Any], key: Sequence[str], names: Sequence[str], where: str
    ) -> None:
        rows = [_values(each, where) for each in itertools.islice(source, MOST + 1)]
        self.is_cut = len(rows) > MOST
        del rows[MOST:]
        self.key = tuple(key) or _found_key(rows)
        sample = rows[:_SAMPLE]
        found = dict.fromkeys(names or (str(name) for row in sample for name in row))
        self.columns = tuple(
            msgspec.structs.replace(
                column_of(name, (row.get(name) for row in sample)), is_key=name in self.key
            )
            for name in found
        )
        self._rows = [
            Row(row, dump_key([row.get(name) for name in self.key]) if self.key else "")
            for row in rows
        ]

    def find(self, asked: Asked, search: Sequence[str]) -> list[Row]:
        """All rows that are asked for, in their order."""
        found = [row for row in self._rows if _matches(row, asked, search)]
        if asked.sort is not None:
            # The key decides among equals, as elsewhere; sorting twice keeps the first order.
            name = asked.sort.name
            for each in reversed([name, *(key for key in self.key if key != name)]):
                found.sort(
                    key=lambda row, each=each: order_of(_get(row, each)),  # type: ignore[misc]
                    reverse=asked.is_descending,
                )
        return found

    def one(self, key: str) -> Row | None:
        """The row of a key."""
        return next((row for row in self._rows if row._key == key and key), None)


def order_of(value: Any) -> tuple[Any, ...]:
    """What values of any kinds are sorted by: numbers, times, text, the rest, and None at last.

    A time without a zone counts as UTC.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return (5,)
    if isinstance(value, int | float | Decimal):
        return (1, value) if not _is_nan(value) else (1, math.inf, 1)
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (2, (value - _EPOCH).total_seconds())
    if isinstance(value, date):
        return (
            2,
            (datetime(value.year, value.month, value.day, tzinfo=UTC) - _EPOCH).total_seconds(),
        )
    if isinstance(value, time):
        return (3, value.isoformat())
    if isinstance(value, str):
        return (4, value.casefold(), value)
    text = text_of(value)
    return (4, text.casefold(), text)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _is_nan(value: Any) -> bool:
    return bool(value != value)


def _values(row: Any, where: str) -> dict[str, Any]:
    if isinstance(row, Row):
        return {name: row[name] for name in row}
    if isinstance(row, Mapping):
        return {str(name): value for name, value in row.items()}
    if isinstance(row, msgspec.Struct):
        return msgspec.structs.asdict(row)
    if dataclasses.is_dataclass(row) and not isinstance(row, type):
        return {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    if isinstance(row, tuple) and hasattr(row, "_asdict"):
        return dict(row._asdict())
    found = {name: each for name, each in getattr(row, "__dict__", {}).items() if name[:1] != "_"}
    if not found:
        raise SetupError(
            f"{where} gave a {type(row).__name__}, of which nobody knows the columns: give"
            " mappings, dataclasses, Structs, named tuples or objects."
        )
    return found


def _found_key(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    """`id`, where all rows have one of their own."""
    ids = [row.get("id") for row in rows]
    if not ids or None in ids:
        return ()
    try:
        return ("id",) if len(set(ids)) == len(ids) else ()
    except TypeError:
        return ()


def _get(row: Row, name: str) -> Any:
    return row._values.get(name)


def _matches(row: Row, asked: Asked, search: Sequence[str]) -> bool:
    for word in asked.words.casefold().split()[:8]:
        if search and not any(word in _said(_get(row, name)) for name in search):
            return False
    return all(
        _test(_get(row, each.column.name), test, value)
        for each in asked.filters
        for test, value in each.tests
    )


def _said(value: Any) -> str:
    return "" if value is None else text_of(value).casefold()


def _test(value: Any, test: str, wanted: Any) -> bool:
    match test:
        case "null":
            return (value is None) is wanted
        case "has":
            return wanted.casefold() in _said(value)
        case "in":
            return value in wanted
        case "eq":
            return bool(value == wanted) or order_of(value) == order_of(wanted)
    if value is None:
        return False
    mine, other = order_of(value), order_of(wanted)
    if mine[0] != other[0]:
        return False
    return {"ge": mine >= other, "le": mine <= other, "lt": mine < other}[test]
