"""Tables as CSV (RFC 4180), made so that no spreadsheet takes a text for a formula.

The guard goes by the value's type: a number is written as it is, -5.00 among them. A text that a
spreadsheet might run gets an apostrophe in front of it.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, time
from decimal import Decimal
from enum import Enum
from typing import Any

from .cells import number_of, text_of
from .columns import Column
from .rows import Row

#: What a formula begins with, in Latin and in full width (OWASP, CSV injection), and what
#: spreadsheets skip before it.
_BEGINNINGS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
#: Bytes that are gathered before they are sent.
_PIECE = 64 * 1024


def dump_csv(columns: Sequence[Column], rows: Iterable[Row]) -> Iterator[bytes]:
    """The rows as pieces of a CSV file in UTF-8, with a line of the columns' names."""
    lines = _Lines()
    writer = csv.writer(lines)
    names = [column.name for column in columns]
    writer.writerow([_guarded(name) for name in names])
    for row in rows:
        writer.writerow([dump_cell(row[name]) for name in names])
        if lines.size >= _PIECE:
            yield lines.take()
    yield lines.take()


def dump_cell(value: Any) -> str:
    """One value as it stands in a CSV file."""
    if isinstance(value, Enum):
        value = value.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Decimal):
        return number_of(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return _guarded(value if isinstance(value, str) else text_of(value))


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_BEGINNINGS) else text


class _Lines:
    """What a `csv.writer` writes to."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.size = 0

    def write(self, line: str) -> None:
        self._lines.append(line)
        self.size += len(line)

    def take(self) -> bytes:
        """All lines since the last time, as bytes; what is no Unicode text as question marks."""
        text = "".join(self._lines)
        self._lines.clear()
        self.size = 0
        return text.encode("utf-8", "replace")
