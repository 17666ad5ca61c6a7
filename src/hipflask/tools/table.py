"""A table of a tool: where its rows come from, who may see them, and what is shown of them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from werkzeug.datastructures import MultiDict

from ..scaffold import SetupError
from ..security import Identity, Stance, roles
from ..security.access import place_of
from .actions import Action, Run, declare
from .asked import DEEPEST, Asked, parse_asked
from .columns import Column
from .fields import label_of
from .rows import Row, key_of

F = TypeVar("F", bound=Callable[..., Any])
#: Who may: a role, several of which any suffices, or a stance of `hipflask.security`.
Who = str | Iterable[str] | Stance
#: Columns that a list shows where nobody says which.
MOST_SHOWN = 12
#: Rows are counted up to here, and then said to be more.
MOST_COUNTED = 10_000
VERBS = ("read", "export", "create", "edit")

_is_name = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII).fullmatch


class Listing(msgspec.Struct, frozen=True):
    """A page of a table."""

    asked: Asked
    columns: tuple[Column, ...]
    rows: list[Row]
    #: How many rows there are; where `is_capped`, how many at least.
    count: int
    is_capped: bool
    #: All columns that may be seen, of which `columns` are shown.
    seen: tuple[Column, ...] = ()

    @property
    def has_next(self) -> bool:
        """Whether there is a page behind this one that may be asked for."""
        asked = self.asked
        is_more = self.count > asked.offset + len(self.rows)
        is_full = self.is_capped and len(self.rows) == asked.size
        return (is_more or is_full) and asked.page * asked.size <= DEEPEST


class Options(msgspec.Struct, frozen=True):
    """What `Tool.table` was told of a table."""

    title: str = ""
    search: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    hide: frozenset[str] = frozenset()
    labels: dict[str, str] = {}
    key: tuple[str, ...] = ()
    sort: str = ""
    editable: tuple[str, ...] = ()
    views: dict[str, str] = {}
    audit_reads: bool = False


class Table:
    """A table of a tool, made by `Tool.table`.

    Used as a decorator, it takes the function that narrows the rows to those a user may see, or,
    where no source was given, that gives them.
    """

    def __init__(
        self,
        tool: Any,
        source: Any,
        name: str,
        who: Mapping[str, Stance],
        options: Options,
        data: Any,
        where: str,
    ) -> None:
        self.tool = tool
        self.name = name
        self.options = options
        self.where = where
        #: What is declared on it: by name, whatever `hipflask.tools.actions` makes of it.
        self.actions: dict[str, Any] = {}
        #: Charts that stand on its page.
        self.figures: list[Any] = []
        self.description = ""
        self._who = who
        self._source = source
        self._function: Callable[..., Any] | None = None
        self._takes = 0
        self._sql: Any = None
        if source is not None:
            self._set_source(source, data)
        self._data = data

    def __call__(self, function: Callable[..., Any]) -> Table:
        """Take the function that narrows or gives the rows."""
        if self._function is not None:
            raise SetupError(f"{self.where} has a function already: {place_of(self._function)}.")
        self._function = function
        self._takes = _count(function, 2 if self._source is not None else 1)
        self.description = self.description or inspect.getdoc(function) or ""
        if not self.name:
            self.name = function.__name__.replace("_", "-")
            self.tool._keep(self)
        return self

    def action(self, **options: Any) -> Callable[[F], F]:
        """Decorate a function (run, row, ...) or (run, rows, ...) as an action of these rows.

        See `declare` for the options.
        """

        def decorate(function: F) -> F:
            declare(self.tool, self, function, **options)
            return function

        return decorate

    def deletable(self, **options: Any) -> Action:
        """Let rows be deleted by an action `delete`: planned, confirmed, audited as others are.

        The options are those of `action`: `roles`, `approve`, `limit`, `available`. Raises
        SetupError for a table whose rows are in no database.
        """
        sql = self._sql
        if sql is None:
            raise SetupError(f"{self.where}: its rows are in no database, so none is deleted.")

        def delete(run: Run, rows: list[Row]) -> None:
            """Delete rows for good."""
            for row in rows:
                run.do(f"delete {key_of(row)} of {self.title}", sql.delete, key_of(row))

        return declare(self.tool, self, delete, **options)

    @property
    def title(self) -> str:
        return self.options.title or label_of(self.name.replace("-", "_"))

    @property
    def who(self) -> Mapping[str, Stance]:
        """The stances of read, export, create and edit; what is not there is for nobody."""
        return self._who

    # Access

    def may(self, verb: str, identity: Identity | None, request: Any = None) -> bool:
        """Whether somebody may read, export, create or edit.

        Who may do one of the others may read; nobody may what was not said.
        """
        if verb == "read":
            return any(self._lets(each, identity, request) for each in VERBS)
        return self._lets(verb, identity, request)

    def _lets(self, verb: str, identity: Identity | None, request: Any) -> bool:
        stance = self._who.get(verb)
        return stance is not None and self.tool.may(stance, identity, request)

    @property
    def is_sql(self) -> bool:
        """Whether its rows are in a database, and not given by a function."""
        return self._sql is not None

    @property
    def sql(self) -> Any:
        """Its rows in the database (`sqlrows.SqlRows`); None where it has none."""
        return self._sql

    # Looking

    def columns(self, user: Identity | None) -> tuple[Column, ...]:
        """The columns that may be seen, in their order, with their labels."""
        found = self._open(user).columns
        return self._seen(found)

    def ask(self, args: Any, user: Identity | None) -> Asked:
        """What an address asks of this table."""
        return self._ask(args, self.columns(user))

    def listing(self, args: Any, user: Identity | None) -> Listing:
        """The page that an address asks for, of the rows that `user` may see."""
        rows = self._open(user)
        columns = self._seen(rows.columns)
        asked = self._ask(args, columns)
        shown = self.shown(columns, asked)
        if asked.errors:
            return Listing(asked, shown, [], 0, False, columns)
        search = self._search(columns)
        found, count, is_capped = rows.page(asked, search, [column.name for column in shown])
        return Listing(asked, shown, found, count, is_capped, columns)

    def shown(self, columns: Sequence[Column], asked: Asked) -> tuple[Column, ...]:
        """The columns of a list: those asked for, else those declared, else the first few."""
        by_name = {column.name: column for column in columns}
        names: Sequence[str] = asked.show or self.options.columns
        if names:
            return tuple(by_name[name] for name in names if name in by_name)
        return tuple(columns[:MOST_SHOWN])

    def stream(
        self, asked: Asked, user: Identity | None
    ) -> tuple[tuple[Column, ...], Iterator[Row]]:
        """The columns and all rows that are asked for, read while they are gone through."""
        rows = self._open(user)
        columns = self._seen(rows.columns)
        shown = self.shown(columns, asked)
        return shown, rows.stream(asked, self._search(columns), [each.name for each in shown])

    def keys(self, asked: Asked, user: Identity | None, most: int) -> list[str]:
        """The keys of all rows that are asked for; `most` + 1 of them at most."""
        rows = self._open(user)
        found: list[str] = rows.keys(asked, self._search(self._seen(rows.columns)), most)
        return found

    def row(self, key: str, user: Identity | None, connection: Any = None) -> Row | None:
        """The row of a key, if `user` may see it; with `connection` as its transaction has it."""
        found: Row | None = self._open(user).one(key, connection)
        return found

    def count(self, user: Identity | None) -> tuple[int, bool]:
        """How many rows `user` may see, and whether there are more than that."""
        found: tuple[int, bool] = self._open(user).count(Asked(), ())
        return found

    def columns_of_key(self) -> tuple[str, ...]:
        """The columns that tell a row from all others; none where it is not known."""
        found: tuple[str, ...] = self._sql.key if self._sql is not None else self.options.key
        return found or ("id",)

    def filters(self, columns: Sequence[Column]) -> list[Column]:
        """The columns that may be filtered by."""
        names = self.options.filters
        return [column for column in columns if column.name in names]

    def _ask(self, args: Any, columns: Sequence[Column]) -> Asked:
        by_name = {column.name: column for column in columns}
        if not hasattr(args, "getlist"):
            args = MultiDict(args)
        return parse_asked(args, by_name, self.options.filters, self.options.sort)

    def _search(self, columns: Sequence[Column]) -> list[str]:
        names = {column.name for column in columns}
        return [name for name in self.options.search if name in names]

    def _seen(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        options = self.options
        return tuple(
            msgspec.structs.replace(column, label=options.labels.get(column.name, column.label))
            for column in columns
            if column.name not in options.hide
        )

    # Where the rows come from

    def _set_source(self, source: Any, data: Any) -> None:
        if _is_sql(source) or isinstance(source, str):
            from .sqlrows import SqlRows  # SQLAlchemy is loaded by who has tables in a database

            self._sql = SqlRows(data, source, self.options.key, self.where)
        elif not isinstance(source, Iterable):
            raise SetupError(
                f"{self.where}: {source!r} is no table, query, table's name or iterable."
            )
        elif iter(source) is source:
            raise SetupError(
                f"{self.where}: {type(source).__name__} can be gone through once only; give a"
                " list, or decorate the function that makes it."
            )

    def _open(self, user: Identity | None) -> Any:
        """The rows as one user may see them."""
        if self._sql is not None:
            return _SqlView(self._sql, lambda query, _: self._narrowed(query, user))
        found = self._given(user)
        if _is_sql(found):
            from .sqlrows import SqlRows  # as above

            sql = SqlRows(self._data, found, self.options.key, self.where)
            return _SqlView(sql, lambda query, _: query)
        return _MemoryView(found, self)

    def _narrowed(self, given: Any, user: Identity | None) -> Any:
        if self._function is None:
            return given
        return self._function(*(given, user)[: self._takes])

    def _given(self, user: Identity | None) -> Any:
        if self._source is not None:
            return self._narrowed(self._source, user)
        if self._function is None:
            raise SetupError(f"{self.where} has neither a source nor a function.")
        return self._function(*(user,)[: self._takes])


class _SqlView:
    """A table in a database, as one user may see it."""

    def __init__(self, sql: Any, narrow: Any) -> None:
        self._sql = sql
        self._narrow = narrow

    @property
    def columns(self) -> tuple[Column, ...]:
        found: tuple[Column, ...] = self._sql.columns
        return found

    def page(
        self, asked: Asked, search: Sequence[str], names: Sequence[str]
    ) -> tuple[list[Row], int, bool]:
        rows = self._sql.read(self._narrow, asked, search, names)
        return rows, *self.count(asked, search)

    def count(self, asked: Asked, search: Sequence[str]) -> tuple[int, bool]:
        count = self._sql.count(self._narrow, asked, search, MOST_COUNTED)
        return min(count, MOST_COUNTED), count > MOST_COUNTED

    def stream(self, asked: Asked, search: Sequence[str], names: Sequence[str]) -> Iterator[Row]:
        found: Iterator[Row] = self._sql.stream(self._narrow, asked, search, names)
        return found

    def keys(self, asked: Asked, search: Sequence[str], most: int) -> list[str]:
        found: list[str] = self._sql.keys(self._narrow, asked, search, most)
        return found

    def one(self, key: str, connection: Any) -> Row | None:
        found: Row | None = self._sql.one(self._narrow, key, connection)
        return found


class _MemoryView:
    """Rows that are given anew with each request."""

    def __init__(self, source: Iterable[Any], table: Table) -> None:
        from .memoryrows import MemoryRows

        options = table.options
        self._rows = MemoryRows(source, options.key, (), table.where)

    @property
    def columns(self) -> tuple[Column, ...]:
        return self._rows.columns

    def page(
        self, asked: Asked, search: Sequence[str], names: Sequence[str]
    ) -> tuple[list[Row], int, bool]:
        found = self._rows.find(asked, search)
        rows = found[asked.offset : asked.offset + asked.size]
        return rows, len(found), self._rows.is_cut

    def count(self, asked: Asked, search: Sequence[str]) -> tuple[int, bool]:
        return len(self._rows.find(asked, search)), self._rows.is_cut

    def stream(self, asked: Asked, search: Sequence[str], names: Sequence[str]) -> Iterator[Row]:
        return iter(self._rows.find(asked, search))

    def keys(self, asked: Asked, search: Sequence[str], most: int) -> list[str]:
        return [row._key for row in self._rows.find(asked, search)[: most + 1]]

    def one(self, key: str, connection: Any) -> Row | None:
        return self._rows.one(key)


def stance_of_who(who: Who | None, where: str) -> Stance | None:
    """A role, roles or a stance as a stance; None for None; SetupError for what is none."""
    if who is None or isinstance(who, Stance):
        return who
    given: Any = who
    names = (given,) if isinstance(given, str) else tuple(given)
    try:
        return roles(*names)
    except SetupError as error:
        raise SetupError(f"{where}: {error}") from None


def checked_name(name: str, where: str) -> str:
    """A name that may stand in an address; SetupError for another."""
    if not _is_name(name):
        raise SetupError(
            f"{where}: the name {name!r} stands in addresses: take small letters, digits, _ and -."
        )
    return name


def _is_sql(source: Any) -> bool:
    """Whether something is SQLAlchemy's, which is imported by whoever has one."""
    return type(source).__module__.partition(".")[0] == "sqlalchemy" and hasattr(
        source, "selectable"
    )


def _count(function: Callable[..., Any], most: int) -> int:
    """How many of the arguments a function takes."""
    parameters = inspect.signature(function).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return most
    found = [each for each in parameters if each.kind in kinds]
    needed = [each for each in found if each.default is each.empty]
    if len(needed) > most:
        what = "query and user" if most == 2 else "user"
        raise SetupError(
            f"{place_of(function)} takes {len(needed)} arguments, and is given {what}."
        )
    return min(len(found), most)
