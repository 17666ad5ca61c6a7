"""Rows of a SQL table or query, as somebody may see them.

What a user's function makes of the query stands inside a subquery, so that no filter, search or
key can reach around it; databases take such a subquery apart, and use the indexes below.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy.types import NullType, String

from ..scaffold import SetupError
from .asked import Asked, Filter
from .columns import Column, of_sql
from .data import Data
from .keys import dump_key, parse_key
from .rows import Row

#: Characters of a cell of a list; its page has all of them.
CUT = 400
_BATCH = 500
#: What a driver or a type raises for a value that is not of the column's type: SQLite keeps any.
_UNREADABLE = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)

Narrow = Callable[[Any, Any], Any]


class SqlRows:
    """The rows of a table, a query or a table's name in `data`."""

    def __init__(self, data: Data, source: Any, key: Sequence[str], where: str) -> None:
        self.data = data
        self._source = source
        self._key = tuple(key)
        self._where = where
        self._lock = threading.Lock()
        self._reflected: Any = None

    @property
    def table(self) -> Any:
        """SQLAlchemy's table, which may be written to; None for a query."""
        source = self._source
        if isinstance(source, str):
            with self._lock:
                if self._reflected is None:
                    self._reflected = self._reflect(source)
            return self._reflected
        return source if isinstance(source, sa.Table) else None

    def _reflect(self, name: str) -> Any:
        schema, _, table = name.rpartition(".")
        try:
            return sa.Table(
                table, sa.MetaData(), autoload_with=self.data.engine, schema=schema or None
            )
        except NoSuchTableError:
            names = sorted(sa.inspect(self.data.engine).get_table_names())
            raise SetupError(
                f"{self._where}: the database has no table {name!r}; it has"
                f" {', '.join(names[:20]) or 'none'}."
            ) from None

    @cached_property
    def select(self) -> Any:
        """The query before anybody narrows it."""
        return self._source if self.table is None else sa.select(self.table)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The columns that tell a row from all others; none where nothing is known of them."""
        names = {str(column.key) for column in self.select.selected_columns}
        key = self._key
        if not key and self.table is not None:
            key = tuple(str(column.key) for column in self.table.primary_key.columns)
        missing = [name for name in key if name not in names]
        if missing:
            raise SetupError(f"{self._where}: key={list(key)!r} names {missing[0]!r}, no column.")
        return key

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        return tuple(
            of_sql(column, is_key=str(column.key) in self.key)
            for column in self.select.selected_columns
        )

    # Reading

    def read(
        self, narrow: Narrow, asked: Asked, search: Sequence[str], names: Sequence[str]
    ) -> list[Row]:
        """The rows of a page, with the columns `names`; long text is cut."""
        build = self._query(narrow, asked, search, names, CUT)
        with self.data.read() as connection:
            return list(self._rows(connection, build, asked.size, asked.offset))

    def count(self, narrow: Narrow, asked: Asked, search: Sequence[str], most: int) -> int:
        """How many rows there are; `most` + 1 stands for all that are more."""
        rows = self._narrowed(narrow)
        inner = sa.select(sa.literal(1).label("one")).select_from(rows)
        inner = self._filtered(inner, rows, asked, search).limit(most + 1)
        with self.data.read() as connection:
            return int(
                connection.scalar(sa.select(sa.func.count()).select_from(inner.subquery())) or 0
            )

    def stream(
        self, narrow: Narrow, asked: Asked, search: Sequence[str], names: Sequence[str]
    ) -> Iterator[Row]:
        """All rows, in their order, a batch in memory at a time."""
        build = self._query(narrow, asked, search, names, None)
        with self.data.read() as connection:
            connection = connection.execution_options(yield_per=_BATCH)
            yield from self._rows(connection, build, None, 0)

    def keys(self, narrow: Narrow, asked: Asked, search: Sequence[str], most: int) -> list[str]:
        """The keys of the rows that are asked for, `most` + 1 of them at most."""
        build = self._query(narrow, asked, search, self.key, None)
        with self.data.read() as connection:
            return [row._key for row in self._rows(connection, build, most + 1, 0)]

    def one(self, narrow: Narrow, key: str, connection: Any = None) -> Row | None:
        """The row of a key, whole; None where there is none that may be seen."""
        if connection is None:
            with self.data.read() as opened:
                return self.one(narrow, key, opened)
        rows = self._narrowed(narrow)
        condition = self.condition(rows.c, key)
        if condition is None:
            return None

        def build(is_raw: bool) -> Any:
            return sa.select(*(_as_read(c, is_raw) for c in rows.c)).where(condition)

        return next(self._rows(connection, build, 2, 0), None)

    def delete(self, key: str) -> None:
        """Delete the row of a key; LookupError where it is gone already."""
        condition = None if self.table is None else self.condition(self.table.c, key)
        if condition is None:
            raise LookupError(f"{self._where} has no row {key!r} that could be deleted.")
        with self.data.begin() as connection:
            if connection.execute(sa.delete(self.table).where(condition)).rowcount != 1:
                raise LookupError(f"The row {key!r} is gone already.")

    def condition(self, columns: Any, key: str) -> Any:
        """What is true of the row of a key; None for text that is no key here."""
        by_name = {column.name: column for column in self.columns}
        types = [by_name[name].type for name in self.key]
        # SQLite keeps any value in any column, and a key of text has an address as well.
        values = parse_key(key, types, is_loose=self.data.is_sqlite) if self.key else None
        if values is None or any(_is_beyond(value) for value in values):
            return None
        tests = []
        for name, type, value in zip(self.key, types, values, strict=True):
            column = columns[name]
            if isinstance(value, str) and type is not str:
                column = sa.type_coerce(column, String())
            tests.append(column.is_(None) if value is None else column == value)
        return sa.and_(*tests)

    def _narrowed(self, narrow: Narrow) -> Any:
        found = narrow(self.select, None)
        if not isinstance(found, sa.sql.expression.SelectBase):
            raise TypeError(
                f"{self._where}: the function returned a {type(found).__name__}, where it narrows"
                " a query: return query.where(...)."
            )
        names = {str(column.key) for column in found.selected_columns}
        missing = [column.name for column in self.columns if column.name not in names]
        if missing:
            raise TypeError(
                f"{self._where}: the function returned a query without the column {missing[0]!r}."
            )
        return found.subquery("narrowed")

    def _query(
        self,
        narrow: Narrow,
        asked: Asked,
        search: Sequence[str],
        names: Sequence[str],
        cut: int | None,
    ) -> Callable[[bool], Any]:
        rows = self._narrowed(narrow)
        wanted = [rows.c[name] for name in dict.fromkeys((*names, *self.key))]

        def build(is_raw: bool) -> Any:
            query = sa.select(*(_as_read(c, is_raw, self._cut(c, cut)) for c in wanted))
            query = self._filtered(query.select_from(rows), rows, asked, search)
            return query.order_by(*self._order(rows, asked))

        return build

    def _cut(self, column: Any, cut: int | None) -> int | None:
        is_text = isinstance(column.type, String) and not isinstance(column.type, sa.Enum)
        return cut if is_text and str(column.key) not in self.key else None

    def _order(self, rows: Any, asked: Asked) -> list[Any]:
        """The order that is asked for, then the key's, so that it is the same each time."""
        names = [] if asked.sort is None else [asked.sort.name]
        names += [name for name in self.key or [c.name for c in self.columns] if name not in names]
        columns = (rows.c[name] for name in names)
        return [column.desc() if asked.is_descending else column.asc() for column in columns]

    def _filtered(self, query: Any, rows: Any, asked: Asked, search: Sequence[str]) -> Any:
        for word in asked.words.split()[:8]:
            tests = [_text(rows.c[name]).icontains(word, autoescape=True) for name in search]
            query = query.where(sa.or_(*tests)) if tests else query
        for each in asked.filters:
            query = query.where(*_tests(rows.c[each.column.name], each))
        return query

    def _rows(
        self, connection: Any, build: Callable[[bool], Any], limit: int | None, offset: int
    ) -> Iterator[Row]:
        """The rows of a query; where a value is none of its column's type, as the driver has it."""
        given = 0
        try:
            for row in self._fetched(connection, build(False), limit, offset):
                given += 1
                yield row
        except _UNREADABLE:
            yield from itertools.islice(
                self._fetched(connection, build(True), limit, offset), given, None
            )

    def _fetched(
        self, connection: Any, query: Any, limit: int | None, offset: int
    ) -> Iterator[Row]:
        if limit is not None:
            query = query.limit(limit).offset(offset)
        with connection.execute(query) as result:
            names = list(result.keys())
            while batch := result.fetchmany(_BATCH):
                for values in batch:
                    yield self.row(dict(zip(names, values, strict=True)))

    def row(self, values: Mapping[str, Any]) -> Row:
        """The values as a row with its key."""
        key = dump_key([values[name] for name in self.key]) if self.key else ""
        return Row(values, key)


def _as_read(column: Any, is_raw: bool, cut: int | None = None) -> Any:
    name = str(column.key)
    if cut is not None:
        found: Any = sa.func.substr(column, 1, cut, type_=NullType() if is_raw else String())
        return found.label(name)
    return sa.type_coerce(column, NullType()).label(name) if is_raw else column


def _text(column: Any) -> Any:
    is_text = isinstance(column.type, String) and not isinstance(column.type, sa.Enum)
    return column if is_text else sa.cast(column, String)


def _is_beyond(value: Any) -> bool:
    """Whether no database would take a value for a key."""
    if isinstance(value, int):
        return not -(2**63) <= value < 2**63
    return isinstance(value, str) and "\0" in value


def _tests(column: Any, filter: Filter) -> list[Any]:
    found = []
    for test, value in filter.tests:
        match test:
            case "null":
                found.append(column.is_(None) if value else column.is_not(None))
            case "has":
                found.append(_text(column).icontains(value, autoescape=True))
            case "in":
                found.append(column.in_(value))
            case "ge":
                found.append(column >= value)
            case "le":
                found.append(column <= value)
            case "lt":
                found.append(column < value)
            case _:
                is_other = filter.column.kind == "other"
                found.append((_text(column) if is_other else column) == value)
    return found
