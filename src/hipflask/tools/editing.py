"""Rows that are made and changed by forms: what a column's field is, and the write itself.

A form holds the version of the row as it was loaded. What somebody else has changed since is
shown beside what was typed, and nothing is written. Fields that were not touched are not written
either, so that what a browser's form cannot hold (a CR, a NUL, bytes) stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError

from ..api.model import NO_DEFAULT
from ..look.words import visible
from ..scaffold import SetupError
from .asked import zoned
from .columns import Column
from .fields import Field, Multiline, field_of
from .forms import Filled, Form, kept
from .rows import Row, version_of
from .table import Table

#: Characters that a field of a form holds; a longer text is shown, and not to be edited.
LONGEST = 20_000
_NOTHING: Any = object()

Audit = Callable[[Any, Row | None, Row], None]


class Stale(Exception):
    """The row is not any more what the form was made of; `row` is what it is now."""

    def __init__(self, row: Row) -> None:
        super().__init__("the row was changed meanwhile")
        self.row = row


class Refused(Exception):
    """The database, or the rows that somebody may see, do not allow the write."""


def is_writable(table: Table) -> bool:
    """Whether rows of the table can be written to: it is a table in a database, with a key."""
    return table.sql is not None and table.sql.table is not None and bool(table.sql.key)


def form_to_create(table: Table, columns: Sequence[Column]) -> Form:
    """The form of a new row. What has a default, or is made by the database, may stay empty."""
    return Form(_fields(table, columns, None))


def form_to_edit(table: Table, columns: Sequence[Column], row: Row) -> Form:
    """The form of a row: all columns that may be edited and that a form can hold."""
    return Form(_fields(table, columns, row))


def left_out(form: Form, columns: Sequence[Column]) -> list[Column]:
    """The columns that the form does not have."""
    names = {field.name for field in form.fields}
    return [column for column in columns if column.name not in names]


def create(table: Table, user: Any, values: Mapping[str, Any], audit: Audit) -> str:
    """Write a new row and return its key; Refused where the database or the narrowing refuses."""
    sql = table.sql
    given = _to_write(values, sql)
    try:
        with sql.data.begin() as connection:
            result = connection.execute(sa.insert(sql.table).values(given))
            names = [str(column.key) for column in sql.table.primary_key.columns]
            made = {**given, **dict(zip(names, result.inserted_primary_key or (), strict=False))}
            key = str(sql.row({name: made.get(name) for name in sql.key})._key)
            row = table.row(key, user, connection)
            if row is None:
                raise Refused("The row would not be among those you may see.")
            audit(connection, None, row)
            return key
    except (SQLAlchemyError, OverflowError, ValueError) as error:
        raise Refused(_reason(error)) from error


def edit(
    table: Table, user: Any, key: str, version: str, changes: Mapping[str, Any], audit: Audit
) -> Row:
    """Write the changes to the row of that version and return it.

    Raises Stale where it has another version by now, Refused as `create` does, LookupError
    where the row is gone.
    """
    sql = table.sql
    try:
        with sql.data.begin() as connection:
            before = _locked(table, user, key, connection)
            if version_of(before) != version:
                raise Stale(before)
            if not changes:
                return before
            condition = sql.condition(sql.table.c, key)
            values = _to_write(changes, sql)
            connection.execute(sa.update(sql.table).where(condition).values(values))
            row = table.row(key, user, connection)
            if row is None:
                raise Refused("The row would no longer be among those you may see.")
            audit(connection, before, row)
            return row
    except (SQLAlchemyError, OverflowError, ValueError) as error:
        raise Refused(_reason(error)) from error


def changes_of(form: Form, row: Row, sent: Any) -> tuple[Filled, dict[str, Any]]:
    """What was typed, and of it what is another value than the row's."""
    blank = form.blank(dict(row))
    filled = form.read(sent)
    changes = {}
    for field, shown in zip(form.fields, blank.shown, strict=True):
        texts = [kept(text) for text in sent.getlist(f"v.{field.name}")]
        is_absent = not texts and field.kind != "check"
        is_same = texts == shown.texts or (texts == [""] and not shown.texts)
        if field.kind == "check":
            is_same = bool(texts) is shown.is_checked
        if is_absent or is_same:
            filled.errors.pop(field.name, None)
            filled.texts[field.name] = shown.texts
        elif field.name in filled.values:
            value = filled.values[field.name]
            if type(value) is not type(row[field.name]) or value != row[field.name]:
                changes[field.name] = value
    return filled, changes


def differing(form: Form, filled: Filled, row: Row) -> list[tuple[Field, str, str]]:
    """The fields of which what was typed and what is stored differ, with both texts."""
    found = []
    for typed, stored in zip(filled.shown, form.blank(dict(row)).shown, strict=True):
        if filled.values.get(typed.field.name, _NOTHING) == row[typed.field.name]:
            continue  # written otherwise, as browsers leave out seconds that are zero
        mine, theirs = "\n".join(typed.texts), "\n".join(stored.texts)
        if typed.kind == "check":
            mine = "yes" if typed.is_checked else "no"
            theirs = "yes" if stored.is_checked else "no"
        if mine != theirs:
            found.append((typed.field, mine, theirs))
    return found


def _locked(table: Table, user: Any, key: str, connection: Any) -> Row:
    sql = table.sql
    condition = sql.condition(sql.table.c, key)
    if condition is not None and connection.dialect.name != "sqlite":
        columns = [sql.table.c[name] for name in sql.key]
        connection.execute(sa.select(*columns).where(condition).with_for_update())
    row = None if condition is None else table.row(key, user, connection)
    if row is None:
        raise LookupError(key)
    return row


def _to_write(values: Mapping[str, Any], sql: Any) -> dict[str, Any]:
    by_name = {column.name: column for column in sql.columns}
    return {
        name: zoned(by_name[name], value) if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _reason(error: Exception) -> str:
    original = error.orig if isinstance(error, DBAPIError | StatementError) else error
    told = " ".join(str(original or error).split())
    return f"The database refuses this: {visible(told)[:300]}"


# Columns as fields


def _fields(table: Table, columns: Sequence[Column], row: Row | None) -> list[Field]:
    allowed = table.options.editable
    found = []
    for column in columns:
        if allowed and column.name not in allowed:
            continue
        if row is not None and (column.is_key or _is_too_long(row[column.name])):
            continue
        field = _field_of(table, column, row is None)
        if field is not None:
            found.append(field)
    return found


def _is_made_always(sql: Any) -> bool:
    return sql.identity is not None and bool(sql.identity.always)


def _is_too_long(value: Any) -> bool:
    return isinstance(value, str) and len(value) > LONGEST


def _field_of(table: Table, column: Column, is_new: bool) -> Field | None:
    """The field of a column; None for one that no form can hold, or that the database makes."""
    sql = table.sql.table.columns.get(column.name)
    if (
        sql is None
        or sql.computed is not None
        or _is_made_always(sql)
        or column.kind in ("bytes", "other")
    ):
        return None
    annotation: Any = column.type
    is_text = isinstance(sql.type, sa.String) and not isinstance(sql.type, sa.Enum)
    if is_text and sql.type.length:
        annotation = Annotated[annotation, msgspec.Meta(max_length=sql.type.length)]
    if is_text and isinstance(sql.type, sa.Text):
        annotation = Annotated[annotation, Multiline(2)]
    is_made = is_new and (
        sql.default is not None
        or sql.server_default is not None
        or sql is sql.table.autoincrement_column
    )
    if column.is_nullable or is_made:
        annotation = annotation | None
    default = NO_DEFAULT if is_new else ""
    try:
        field = field_of(
            column.name, annotation, default, label=column.label, help=sql.comment or ""
        )
    except SetupError:
        return None  # an enum of values that no form can write
    # Text may be empty where it may not be NULL, and a form of what is there tells no more.
    field.tells_optional = field.is_optional
    return field
