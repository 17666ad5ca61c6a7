"""What a type is: a record and of which library, a scalar, a list of scalars; and its parts.

Neither pydantic nor attrs is imported: a type that is theirs brings them along.
"""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections import abc
from collections.abc import Iterator
from enum import Enum, Flag
from typing import Any

import msgspec

from ..model import NO_DEFAULT

#: How many digits a number may have, and how far its exponent may go: as Python's own limit.
MAX_DIGITS = 4300

_type = type

_ABSTRACT_LISTS = (abc.Sequence, abc.MutableSequence, abc.Collection, abc.Set, abc.MutableSet)
_UNION_ORIGINS = (typing.Union, types.UnionType)
_SCALARS = (str, int, float, bool, bytes)
#: Scalars known by name: importing decimal, uuid and datetime is left to those who use them.
_NAMED_SCALARS = {
    "datetime": ("date", "datetime", "time", "timedelta"),
    "decimal": ("Decimal",),
    "uuid": ("UUID",),
}


def bare(type: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return a type without aliases, `NewType` and `Annotated`; and the metadata of the latter."""
    metadata: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(type) is typing.Annotated:
            metadata = (*type.__metadata__, *metadata)
            type = type.__origin__
        elif isinstance(type, typing.NewType):
            type = type.__supertype__
        elif hasattr(type, "__value__") and hasattr(type, "__type_params__"):
            type = type.__value__  # an alias made by the `type` statement
        elif getattr(typing.get_origin(type), "_name", "") in _QUALIFIERS:
            type = typing.get_args(type)[0]
        else:
            return type, metadata


_QUALIFIERS = {"Required", "NotRequired", "ReadOnly", "Final", "ClassVar"}


def is_union(type: Any) -> bool:
    """Return whether a bare type is a union, `Optional` among them."""
    return typing.get_origin(type) in _UNION_ORIGINS


def members_of(type: Any) -> list[Any]:
    """Return the members of a union, unions inside it spread; of another type, itself alone."""
    inner = bare(type)[0]
    if not is_union(inner):
        return [type]
    return [member for part in typing.get_args(inner) for member in members_of(part)]


def union_of(members: list[Any]) -> Any:
    """Return the union of some types; the type itself if there is one."""
    return typing.Union[tuple(members)]  # noqa: UP007 (made of a list)


def without_marks(type: Any, kinds: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    """Return a type without the metadata of some classes, and that metadata, the outer last.

    Looked for in the members of a union too: `Header[str] | None`.
    """
    if typing.get_origin(type) is typing.Annotated:
        inner, marks = without_marks(type.__origin__, kinds)
        kept: list[Any] = []
        for mark in type.__metadata__:
            (marks if isinstance(mark, kinds) else kept).append(mark)
        return (typing.Annotated[inner, *kept] if kept else inner), marks
    if is_union(type):
        parts = [without_marks(part, kinds) for part in typing.get_args(type)]
        marks = [mark for _, found in parts for mark in found]
        return (union_of([part for part, _ in parts]) if marks else type), marks
    return type, []


def library_of(type: Any) -> str:
    """Return what a bare class was made with: "struct", "dataclass", "attrs"...; "" for no record.

    The others are "typeddict", "namedtuple" and "pydantic" (models and pydantic's dataclasses).
    """
    cls = typing.get_origin(type) or type
    if not isinstance(cls, _type):
        return ""
    if issubclass(cls, msgspec.Struct):
        return "struct"
    if hasattr(cls, "__pydantic_fields__") and hasattr(cls, "__pydantic_validator__"):
        return "pydantic"
    if typing.is_typeddict(cls):
        return "typeddict"
    if dataclasses.is_dataclass(cls):
        return "dataclass"
    if hasattr(cls, "__attrs_attrs__"):
        return "attrs"
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        return "namedtuple"
    return ""


def is_structured(type: Any) -> bool:
    """Return whether values of a type are records, or lists, dicts or unions of records."""
    inner = bare(type)[0]
    if library_of(inner):
        return True
    if typing.get_origin(inner) is None:
        return False
    return any(is_structured(part) for part in typing.get_args(inner) if part is not ...)


def is_scalar(type: Any) -> bool:
    """Return whether values of a type are written as one piece of text: a number, a date..."""
    inner = bare(type)[0]
    if is_union(inner):
        members = [part for part in members_of(inner) if bare(part)[0] is not types.NoneType]
        return bool(members) and all(is_scalar(part) for part in members)
    if typing.get_origin(inner) is typing.Literal:
        return True
    if not isinstance(inner, _type):
        return False
    if issubclass(inner, Enum):
        return not issubclass(inner, Flag)  # what a number of several means is not told
    if inner in _SCALARS:
        return True
    if inner.__name__ in _NAMED_SCALARS.get(inner.__module__, ()):
        return True
    return is_of_pydantic(inner) and not library_of(inner)


def is_scalar_list(type: Any) -> bool:
    """Return whether a type is a list, set or tuple of scalars (or an Optional of one)."""
    return list_in(type) is not None


def list_in(type: Any) -> Any:
    """Return the list type that a list-like type, or an Optional of it, holds; None if none."""
    members = [part for part in members_of(type) if bare(part)[0] is not types.NoneType]
    if len(members) != 1:
        return None
    inner = bare(members[0])[0]
    origin, parts = typing.get_origin(inner), typing.get_args(inner)
    if not (isinstance(origin, _type) and parts) or library_of(inner):
        return None
    if not issubclass(origin, (list, set, frozenset, tuple)) and origin not in _ABSTRACT_LISTS:
        return None
    return inner if all(part is ... or is_scalar(part) for part in parts) else None


def is_listed(type: Any) -> bool:
    """Return whether a type is a list or a tuple, of whatever: of files, say."""
    return any(typing.get_origin(bare(part)[0]) in (list, tuple) for part in members_of(type))


def is_of_pydantic(type: Any) -> bool:
    """Return whether a bare class is pydantic's or made with it."""
    if not isinstance(type, _type) or issubclass(type, msgspec.Struct):
        return False
    return hasattr(type, "__get_pydantic_core_schema__") or hasattr(type, "__pydantic_validator__")


def parts_of(type: Any) -> Iterator[Any]:
    """Yield a type and all that occur in it, fields of classes included, each once."""
    seen: list[Any] = []
    waiting = [type]
    while waiting:
        part = waiting.pop()
        if any(part is other for other in seen) or part in seen:
            continue
        seen.append(part)
        yield part
        inner = bare(part)[0]
        if inner is not part:
            waiting.append(inner)
        elif typing.get_origin(inner) is not typing.Literal:
            waiting.extend(arg for arg in typing.get_args(inner) if arg is not ...)
            if library_of(inner) and not is_of_pydantic(inner):
                waiting.extend(hints_of(inner).values())


def needs_pydantic(type: Any) -> bool:
    """Return whether anything of pydantic occurs in a type: then pydantic reads the whole."""
    if "pydantic" not in sys.modules:
        return False
    for part in parts_of(type):
        inner, metadata = bare(part)
        if is_of_pydantic(inner):
            return True
        if any(_module_of(mark).startswith("pydantic") for mark in metadata):
            return True
    return False


def _module_of(mark: Any) -> str:
    return getattr(_type(mark), "__module__", "").partition(".")[0]


def hints_of(type: Any) -> dict[str, Any]:
    """Return the resolved annotations of a record type, `Annotated` kept, type variables filled."""
    cls = typing.get_origin(type) or type
    if issubclass(cls, msgspec.Struct):
        return {field.name: field.type for field in msgspec.structs.fields(type)}
    hints = typing.get_type_hints(cls, include_extras=True)
    variables = getattr(cls, "__parameters__", ())
    if variables and typing.get_args(type):
        filled = dict(zip(variables, typing.get_args(type), strict=False))
        hints = {name: filled.get(hint, hint) for name, hint in hints.items()}
    return hints


class RecordField(typing.NamedTuple):
    """One field of a record type."""

    name: str
    #: Its name on the wire: a Struct's renamed field, a pydantic alias.
    key: str
    type: Any
    #: The default, what a default factory gives, or NO_DEFAULT.
    default: Any


def fields_of(type: Any) -> list[RecordField]:
    """Return the fields of a record type in declared order, without those it does not take.

    A default made by a factory is shown here for the document; when values are put together,
    leave out what was not sent, and `build` makes it anew.
    """
    inner = bare(type)[0]
    match library_of(inner):
        case "struct":
            return [
                RecordField(field.name, field.encode_name, field.type, _default_of(field))
                for field in msgspec.structs.fields(inner)
            ]
        case "pydantic":
            from .of_pydantic import fields_of_model

            return [RecordField(*each) for each in fields_of_model(inner)]
        case "typeddict":
            return list(_fields_of_typeddict(inner))
        case "namedtuple":
            defaults = inner._field_defaults
            hints = hints_of(inner)
            return [
                RecordField(name, name, hints.get(name, Any), defaults.get(name, NO_DEFAULT))
                for name in inner._fields
            ]
        case "dataclass":
            return list(_fields_of_dataclass(inner))
        case "attrs":
            return list(_fields_of_attrs(inner))
    raise TypeError(f"{inner!r} has no fields.")


def _default_of(field: Any) -> Any:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return NO_DEFAULT


def _fields_of_typeddict(type: Any) -> Iterator[RecordField]:
    # Under `from __future__ import annotations` the class itself does not know NotRequired.
    missing_ok = (typing.get_origin(type) or type).__optional_keys__
    for name, hint in hints_of(type).items():
        qualifier = typing.get_origin(hint)
        if qualifier in (typing.Required, typing.NotRequired):
            hint = typing.get_args(hint)[0]
            is_required = qualifier is typing.Required
        else:
            is_required = name not in missing_ok
        yield RecordField(name, name, hint, NO_DEFAULT if is_required else msgspec.UNSET)


def _fields_of_dataclass(type: Any) -> Iterator[RecordField]:
    hints = hints_of(type)
    for field in dataclasses.fields(typing.get_origin(type) or type):
        if not field.init:
            continue
        default = NO_DEFAULT
        if field.default is not dataclasses.MISSING:
            default = field.default
        elif field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        yield RecordField(field.name, field.name, hints[field.name], default)


def _fields_of_attrs(type: Any) -> Iterator[RecordField]:
    attrs = sys.modules["attr"]
    hints = hints_of(type)
    for field in (typing.get_origin(type) or type).__attrs_attrs__:
        if not field.init:
            continue
        default = field.default
        if default is attrs.NOTHING:
            default = NO_DEFAULT
        elif isinstance(default, attrs.Factory):
            # A factory that takes the instance has nothing to show without one.
            default = msgspec.UNSET if default.takes_self else default.factory()
        yield RecordField(field.name, field.name, hints.get(field.name, Any), default)
