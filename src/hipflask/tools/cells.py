"""Values as pages show them: short, and with nothing that steers a page or turns text round."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from ..look.words import visible

#: Characters of a cell in a list, and on a row's own page.
SHORT, LONG = 120, 64 * 1024


class Cell(msgspec.Struct, frozen=True):
    """A value to be shown; `kind` is null, number, flag, time, bytes, choice or text."""

    kind: str
    text: str
    #: The value of `<time datetime>`.
    iso: str = ""
    is_cut: bool = False


def cell_of(value: Any, most: int = SHORT) -> Cell:
    """A value as a cell of at most so many characters."""
    if value is None:
        return Cell("null", "")
    if isinstance(value, Enum):
        return Cell("choice", visible(str(value.value))[:most])
    if isinstance(value, bool):
        return Cell("flag", "yes" if value else "no")
    if isinstance(value, int | float | Decimal):
        return Cell("number", number_of(value)[:most])
    if isinstance(value, datetime):
        return Cell("time", _moment(value), value.isoformat())
    if isinstance(value, date | time):
        return Cell("time", value.isoformat(), value.isoformat())
    if isinstance(value, bytes | bytearray | memoryview):
        return Cell("bytes", f"{len(bytes(value)):,} bytes")
    text = value if isinstance(value, str) else text_of(value)
    is_cut = len(text) > most
    return Cell("text", visible(text[:most]), is_cut=is_cut)


def text_of(value: Any) -> str:
    """A value of no kind that is known, as text: JSON for lists and mappings."""
    if isinstance(value, dict | list | tuple | set | frozenset):
        try:
            return msgspec.json.encode(value).decode()
        except (TypeError, ValueError, RecursionError):
            return repr(value)
    try:
        return str(value)
    except Exception as error:
        # Whatever somebody's class does: the page shows the other cells.
        return f"({type(value).__name__}: {type(error).__name__})"


def number_of(value: int | float | Decimal) -> str:
    """A number as text."""
    try:
        return str(value)
    except ValueError:  # of more digits than Python writes
        return "(a number of too many digits)"


def _moment(value: datetime) -> str:
    text = value.replace(tzinfo=None).isoformat(" ", "seconds" if not value.microsecond else "auto")
    offset = value.utcoffset()
    if offset is None:
        return text
    return f"{text}Z" if not offset else value.isoformat(" ")
