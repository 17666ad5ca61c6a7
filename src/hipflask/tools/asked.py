"""What an address asks of a table: words, filters, order, page, columns; and back to an address.

    ?q=ada&status.is=open&created_at.from=2026-01-01&sort=created_at.desc&page=2&size=50&show=id

Names of ours have no dot, filters have one behind the column's name: so columns may be named
`q`, `sort` or `page`. What cannot be read is an error that the page shows, and no rows: a filter
that is silently left out would show, and let actions touch, rows that nobody asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import msgspec

from ..api.kinds import codec_of, is_scalar
from ..api.kinds.text import words_of
from ..api.model import Flaw, Rejected
from .columns import Column
from .fields import plain_words, with_seconds

SIZES = (25, 50, 100, 250)
SIZE = 50
#: Rows that a page may be away from the first one; beyond, a filter finds what is wanted.
DEEPEST = 10_000
_LONGEST = 1000
_INT64 = 2**63
_is_date = re.compile(r"\d{4}-\d\d-\d\d").fullmatch

#: What may be asked of a column, by its kind.
OPERATORS: Mapping[str, tuple[str, ...]] = {
    "number": ("from", "to", "is"),
    "time": ("from", "to", "is"),
    "choice": ("is",),
    "flag": ("is",),
    "text": ("has", "is"),
    "other": ("has", "is"),
    "bytes": (),
}
_YES_NO = {"yes": True, "no": False}
_FLAGS = {"yes": True, "no": False, "true": True, "false": False}


class Filter(msgspec.Struct, frozen=True):
    """One filter: `texts` as they stand in the address, `tests` as they are compared."""

    column: Column
    operator: str
    texts: tuple[str, ...]
    #: Pairs of "eq", "ge", "le", "lt", "has", "null" or "in", and a value.
    tests: tuple[tuple[str, Any], ...] = ()

    @property
    def name(self) -> str:
        """Its name in the address."""
        return f"{self.column.name}.{self.operator}"


class Asked(msgspec.Struct, frozen=True):
    """What an address asks of a table."""

    words: str = ""
    filters: tuple[Filter, ...] = ()
    sort: Column | None = None
    is_descending: bool = False
    page: int = 1
    size: int = SIZE
    show: tuple[str, ...] = ()
    #: What could not be read, by its name in the address.
    errors: dict[str, str] = {}
    #: Filters as they were typed where they could not be read.
    typed: dict[str, str] = {}

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the order and the page is asked for."""
        return bool(self.words or self.filters or self.errors)

    def text_of(self, name: str) -> str:
        """What stands in a filter's field."""
        for each in self.filters:
            if each.name == name:
                return each.texts[-1]
        return self.typed.get(name, "")

    def texts_of(self, name: str) -> tuple[str, ...]:
        """What stands in a filter's fields, if there are several."""
        return next((each.texts for each in self.filters if each.name == name), ())

    def pairs(self, **changes: Any) -> list[tuple[str, str]]:
        """Names and texts of the address, in one order; `changes` are fields of this struct."""
        asked = msgspec.structs.replace(self, **changes) if changes else self
        found: list[tuple[str, str]] = [("q", asked.words)] if asked.words else []
        found += [(each.name, text) for each in asked.filters for text in each.texts]
        if asked.sort is not None:
            found.append(("sort", f"{asked.sort.name}.{'desc' if asked.is_descending else 'asc'}"))
        found += [("show", name) for name in asked.show]
        if asked.size != SIZE:
            found.append(("size", str(asked.size)))
        if asked.page > 1:
            found.append(("page", str(asked.page)))
        return found

    def query(self, **changes: Any) -> str:
        """The query of an address, with its question mark; "" where nothing is asked."""
        text = urlencode(self.pairs(**changes))
        return f"?{text}" if text else ""


def parse_asked(
    args: Any, columns: Mapping[str, Column], filters: Sequence[str], sort: str = ""
) -> Asked:
    """Read the arguments of an address. `columns` are those that may be seen, `filters` those
    that may be filtered by, `sort` is the order where none is asked for."""
    errors: dict[str, str] = {}
    typed: dict[str, str] = {}
    words = " ".join(args.get("q", "").split())[:_LONGEST]
    if "\0" in words:
        errors["q"] = "The search holds a character that no text has."
        words = ""
    found = []
    for name in dict.fromkeys(args.keys()):
        column_name, dot, operator = name.rpartition(".")
        texts = tuple(text[:_LONGEST] for text in args.getlist(name) if text)
        if not dot or not texts:
            continue
        column = columns.get(column_name) if column_name in filters else None
        known = () if column is None else operators_of(column)
        if column is None or operator not in known:
            errors[name[:200]] = "There is no such filter."
            continue
        try:
            found.append(Filter(column, operator, texts, _tests(column, operator, texts)))
        except Rejected as rejected:
            errors[name] = f"Enter {plain_words(rejected.flaws[0].expected)}."
            typed[name] = texts[-1]
    sorted_by, is_descending = _sort(args.get("sort", ""), columns, errors)
    if sorted_by is None and not errors.get("sort"):
        sorted_by, is_descending = _sort(sort, columns, {})
    show = tuple(name for name in dict.fromkeys(args.getlist("show")) if name in columns)
    size = _number(args.get("size", ""), SIZE)
    size = size if size in SIZES else SIZE
    page = max(1, _number(args.get("page", ""), 1))
    if (page - 1) * size > DEEPEST:
        errors["page"] = f"Pages end after {DEEPEST:,} rows. Filter, or sort the other way round."
        page = 1
    return Asked(words, tuple(found), sorted_by, is_descending, page, size, show, errors, typed)


def operators_of(column: Column) -> tuple[str, ...]:
    """What may be asked of a column."""
    return (*OPERATORS[column.kind], "null")


def _sort(
    text: str, columns: Mapping[str, Column], errors: dict[str, str]
) -> tuple[Column | None, bool]:
    if not text:
        return None, False
    name, dot, order = text.rpartition(".")
    if not dot or order not in ("asc", "desc"):
        name, order = text, "asc"
    column = columns.get(name)
    if column is None:
        errors["sort"] = "There is no such column to sort by."
    return column, order == "desc"


def _number(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _tests(column: Column, operator: str, texts: tuple[str, ...]) -> tuple[tuple[str, Any], ...]:
    if operator == "null":
        return (("null", _of(texts[-1], _YES_NO)),)
    if operator == "has":
        return (("has", _text(texts[-1])),)
    if operator == "is" and len(texts) > 1:
        return (("in", tuple(_value(column, text) for text in texts)),)
    text = texts[-1].strip() if column.kind in ("number", "time") else texts[-1]
    if column.type is datetime and _is_date(text):
        return _day(column, operator, text)
    return (({"from": "ge", "to": "le", "is": "eq"}[operator], _value(column, text)),)


def _day(column: Column, operator: str, text: str) -> tuple[tuple[str, Any], ...]:
    """A day, asked of moments: from its beginning, to its end."""
    day = codec_of(date).from_text([text])
    begin = zoned(column, datetime(day.year, day.month, day.day))
    try:
        end = begin + timedelta(days=1)
    except OverflowError:
        end = begin
    tests = {"from": (("ge", begin),), "to": (("lt", end),), "is": (("ge", begin), ("lt", end))}
    found: tuple[tuple[str, Any], ...] = tests[operator]
    return found


def _value(column: Column, text: str) -> Any:
    if column.kind == "flag":
        return _of(text.lower(), _FLAGS)
    if column.type is object or not is_scalar(column.type):
        return _text(text)
    texts = [text.strip() if column.kind in ("number", "time") else _text(text)]
    if column.kind == "time":
        texts = [with_seconds(texts[0])]
    value = codec_of(column.type).from_text(texts)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise Rejected([_flaw(f"{words_of(column.type)} of fewer digits")])
    return zoned(column, value) if isinstance(value, datetime) else value


def zoned(column: Column, value: datetime) -> datetime:
    """The moment with a time zone where the column has one, else without; UTC either way."""
    has_zone = bool(getattr(getattr(column.sql, "type", None), "timezone", False))
    if has_zone:
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value


def _text(text: str) -> str:
    if "\0" in text:
        raise Rejected([_flaw("text without a NUL")])
    return text


def _of(text: str, values: Mapping[str, bool]) -> bool:
    if text not in values:
        raise Rejected([_flaw("yes or no")])
    return values[text]


def _flaw(expected: str) -> Any:
    return Flaw((), expected, "another value")
