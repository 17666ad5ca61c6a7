"""A column: what it is named, what its values are, and what may be done with them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import msgspec

from .fields import label_of

_NUMBERS = (int, float, Decimal)
_TIMES = (date, datetime, time)


class Column(msgspec.Struct, frozen=True):
    """A column of a table, whatever the table is made of."""

    name: str
    label: str
    #: The class of its values, or a Literal of them; `object` where it is not known.
    type: Any = object
    is_nullable: bool = True
    is_key: bool = False
    #: SQLAlchemy's column, where it is one.
    sql: Any = None

    @property
    def kind(self) -> str:
        """number, time, flag, choice, text, bytes or other: how it is shown and filtered."""
        type = self.type
        if getattr(type, "__origin__", None) is Literal:
            return "choice"
        if not isinstance(type, builtin_type):
            return "other"
        for kind, classes in _KINDS:
            if issubclass(type, classes):
                return kind
        return "other"


builtin_type = type
# A bool is an int, and an Enum may be a str.
_KINDS: tuple[tuple[str, Any], ...] = (
    ("choice", Enum),
    ("flag", bool),
    ("number", _NUMBERS),
    ("time", _TIMES),
    ("text", (str, UUID)),
    ("bytes", (bytes, bytearray, memoryview)),
)


def column_of(name: str, values: Iterable[Any], label: str = "") -> Column:
    """A column by some of its values: of their class, if they have one."""
    found = {type(value) for value in values if value is not None}
    kind: Any = object
    if len(found) == 1:
        kind = found.pop()
    elif found and all(issubclass(each, _NUMBERS) for each in found):
        kind = Decimal if Decimal in found else float
    return Column(name, label or label_of(name), kind)


def of_sql(column: Any, label: str = "", is_key: bool = False) -> Column:
    """SQLAlchemy's column as ours."""
    name = str(column.key)
    return Column(
        name,
        label or label_of(name),
        sql_type(column.type),
        bool(getattr(column, "nullable", True)),
        is_key,
        column,
    )


def sql_type(type: Any) -> Any:
    """The class of values of a SQL type; a Literal for an enum of texts; `object` if unknown."""
    from sqlalchemy import Enum as SqlEnum  # whoever has SQL columns has it loaded

    if isinstance(type, SqlEnum):
        if type.enum_class is not None:
            return type.enum_class
        return Literal[tuple(type.enums)] if type.enums else str
    try:
        found = type.python_type
    except NotImplementedError:
        return object
    return found
