"""Constraints that msgspec does not know: annotated-types' marks, and limits on decimals.

`translated` turns the marks of annotated-types into `msgspec.Meta` wherever msgspec can take
them, so that reading stays one pass. What remains (marks on fields inside of a class, limits
of a Decimal or a date, predicates, Decimals that are no finite number) is tested by a second
pass, made only for types that need it.

annotated-types is never imported: its marks are known by their module and their attributes.
"""

from __future__ import annotations

import math
import operator
import re
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from ..model import Flaw, Rejected
from .shapes import (
    MAX_DIGITS,
    bare,
    fields_of,
    is_union,
    library_of,
    members_of,
    parts_of,
    union_of,
)
from .words import BEYOND, EXPECTED, TIME_ZONE

_ORDER = ("ge", "gt", "le", "lt")
_LENGTHS = ("min_length", "max_length")
LIMITS = (*_ORDER, "multiple_of", *_LENGTHS, "pattern", "tz")

Check = Callable[[Any, "tuple[str | int, ...]", "list[Flaw]"], None]


class Limits(msgspec.Struct, frozen=True):
    """A mark of ours: limits of a `Meta` that msgspec has no way to test on its type."""

    of: tuple[tuple[str, Any], ...]


def limits_of(metadata: tuple[Any, ...]) -> dict[str, Any]:
    """Return all limits among an `Annotated`'s metadata, by the names that `Meta` gives them.

    Those of `Meta`, annotated-types and compiled patterns; of two that say the same the last.
    """
    found = dict(_foreign_limits(metadata))
    for mark in metadata:
        if isinstance(mark, msgspec.Meta):
            found.update(_meta_limits(mark))
    return found


def _meta_limits(meta: msgspec.Meta) -> dict[str, Any]:
    return {name: getattr(meta, name) for name in LIMITS if getattr(meta, name) is not None}


def _foreign_limits(metadata: Any) -> Iterator[tuple[str, Any]]:
    """Yield limits that are not in a `Meta`; ("predicate", function) among them."""
    for mark in metadata:
        if isinstance(mark, Limits):
            yield from mark.of
        elif isinstance(mark, re.Pattern):
            yield "pattern", mark.pattern
        elif not _is_from(mark, "annotated_types"):
            continue
        elif hasattr(mark, "__iter__"):  # Interval and Len stand for several
            yield from _foreign_limits(mark)
        elif hasattr(mark, "func"):
            yield "predicate", mark.func
        elif type(mark).__name__ == "Timezone":
            yield "tz", mark.tz is not None
        else:
            for name in LIMITS:
                if getattr(mark, name, None) is not None:
                    yield name, getattr(mark, name)


def _is_from(mark: Any, name: str) -> bool:
    """Return whether a mark's class comes from a top-level module."""
    return type(mark).__module__.partition(".")[0] == name


def translated(type: Any) -> Any:
    """Return a type with its constraints as `Meta` where msgspec takes them.

    Goes through lists, dicts, unions and so on, not into the fields of classes. Types without
    marks of others come back as they are.
    """
    if not any(_wants_translation(part) for part in _arguments(type)):
        return type
    if typing.get_origin(type) is typing.Annotated:
        return _translated_marks(translated(type.__origin__), type.__metadata__)
    origin, parts = typing.get_origin(type), typing.get_args(type)
    if origin is None or origin is typing.Literal:
        return type
    parts = tuple(part if part is ... else translated(part) for part in parts)
    if is_union(type):
        return union_of(list(parts))
    return origin[parts]


def _arguments(type: Any) -> Iterator[Any]:
    yield type
    if typing.get_origin(type) is typing.Annotated:
        yield from _arguments(type.__origin__)
    elif typing.get_origin(type) is not typing.Literal:
        for part in typing.get_args(type):
            yield from _arguments(part)


def _wants_translation(type: Any) -> bool:
    if typing.get_origin(type) is not typing.Annotated:
        return False
    if any(True for _ in _foreign_limits(type.__metadata__)):
        return True
    return any(isinstance(mark, msgspec.Meta) and _meta_limits(mark) for mark in type.__metadata__)


def _translated_marks(type: Any, metadata: tuple[Any, ...]) -> Any:
    metas = tuple(mark for mark in metadata if isinstance(mark, msgspec.Meta))
    others = tuple(mark for mark in metadata if not isinstance(mark, msgspec.Meta))
    foreign = list(_foreign_limits(others))
    kept = tuple(mark for mark in others if not list(_foreign_limits((mark,))))
    if not foreign and _is_taken(typing.Annotated[type, *metadata]):
        return typing.Annotated[type, *metadata]
    native = {name: limit for name, limit in foreign if name != "predicate"}
    predicates = tuple(each for each in foreign if each[0] == "predicate")
    marks: tuple[Any, ...] = ()
    if len(native) == len(foreign) - len(predicates):
        try:
            marks = (*metas, *((msgspec.Meta(**native),) if native else ()))
        except (TypeError, ValueError):
            marks = ()
    if marks and _is_taken(typing.Annotated[type, *marks]):
        limits = predicates
    elif metas and not _is_taken(typing.Annotated[type, *metas]):
        marks = tuple(_without_limits(meta) for meta in metas)
        limits = (*(pair for meta in metas for pair in _meta_limits(meta).items()), *foreign)
    else:
        marks, limits = metas, tuple(foreign)
    if limits:
        marks = (*marks, Limits(limits))
    if not (kept or marks):
        return type
    return typing.Annotated[type, *kept, *marks]


def _is_taken(type: Any) -> bool:
    """Return whether msgspec reads a type with these constraints."""
    try:
        msgspec.json.Decoder(type)
    except TypeError:
        return False
    return True


def _without_limits(meta: msgspec.Meta) -> msgspec.Meta:
    told = ("title", "description", "examples", "extra_json_schema", "extra")
    return msgspec.Meta(**{name: getattr(meta, name) for name in told})


def checker_of(type: Any, with_floats: bool = False) -> Callable[[Any], Any] | None:
    """Return a function that raises `Rejected` for a value beyond limits, else returns it.

    None for a type with nothing that msgspec has not tested. `with_floats` also refuses NaN and
    the infinities, which msgpack can write and JSON cannot.
    """
    if not any(_tests_of(part, with_floats) for part in parts_of(type)):
        return None
    check = _Checks(with_floats).of(type)
    if check is None:
        return None
    found: Check = check

    def checked(value: Any) -> Any:
        flaws: list[Flaw] = []
        found(value, (), flaws)
        if flaws:
            raise Rejected(flaws)
        return value

    return checked


class _Probe(typing.NamedTuple):
    """A test of one value, and the words of what it wants and of what came instead."""

    holds: Callable[[Any], bool]
    expected: str
    got: str


def _tests_of(type: Any, with_floats: bool) -> list[_Probe]:
    inner, metadata = bare(type)
    tests = []
    noun = noun_of(inner)
    if _is_decimal(inner):
        words = f"a finite decimal number of at most {MAX_DIGITS} digits"
        tests.append(_Probe(_is_finite, words, "another one"))
    elif with_floats and inner is float:
        tests.append(_Probe(math.isfinite, "a finite number", "another one"))
    for name, limit in _foreign_limits(metadata):
        if isinstance(limit, float) and _is_decimal(inner):
            limit = inner(str(limit))
        tests.append(_test_of(name, limit, noun))
    return tests


def _is_decimal(inner: Any) -> bool:
    return getattr(inner, "__name__", "") == "Decimal" and inner.__module__ == "decimal"


def _is_finite(value: Any) -> bool:
    if not value.is_finite():
        return False
    return bool(abs(value.adjusted()) <= MAX_DIGITS and len(value.as_tuple().digits) <= MAX_DIGITS)


_NOUNS = {
    "list": "array",
    "set": "array",
    "frozenset": "array",
    "tuple": "array",
    "dict": "object",
    "UUID": "uuid",
    "timedelta": "duration",
    "Decimal": "decimal",
}


def noun_of(inner: Any) -> str:
    """Return the plain words for a bare type: "an integer"."""
    kept = [part for part in members_of(inner) if bare(part)[0] is not types.NoneType]
    if is_union(inner) and len(kept) == 1:
        return noun_of(bare(kept[0])[0])
    name = getattr(typing.get_origin(inner) or inner, "__name__", "")
    return EXPECTED.get(_NOUNS.get(name, name), "a value")


_COMPARED = {
    "ge": (operator.ge, "of at least", 0),
    "gt": (operator.gt, "above", 0),
    "le": (operator.le, "of at most", 1),
    "lt": (operator.lt, "below", 1),
}


_MEASURED = {
    "min_length": (operator.ge, "of length at least", 0),
    "max_length": (operator.le, "of length at most", 1),
}


def limit_words(name: str, limit: Any) -> str:
    """Return the plain words of a limit, to be put behind a noun; "" for a function's test."""
    if name in _COMPARED:
        return f"{_COMPARED[name][1]} {limit}"
    if name in _MEASURED:
        return f"{_MEASURED[name][1]} {limit}"
    match name:
        case "multiple_of":
            return f"that is a multiple of {limit}"
        case "pattern":
            return f"matching {limit}"
        case "tz":
            return TIME_ZONE[limit][0]
    return ""


def _test_of(name: str, limit: Any, noun: str) -> _Probe:
    words = f"{noun} {limit_words(name, limit)}"
    if name in _COMPARED:
        compare, _, beyond = _COMPARED[name]
        return _Probe(lambda value: compare(value, limit), words, BEYOND["order"][beyond])
    if name in _MEASURED:
        compare, _, beyond = _MEASURED[name]
        return _Probe(lambda value: compare(len(value), limit), words, BEYOND["length"][beyond])
    match name:
        case "multiple_of":
            return _Probe(lambda value: value % limit == 0, words, "another one")
        case "pattern":
            search = re.compile(limit).search
            return _Probe(lambda value: bool(search(value)), words, "other text")
        case "tz":
            got = TIME_ZONE[limit][1]
            return _Probe(lambda value: (value.tzinfo is not None) is limit, words, got)
    told = getattr(limit, "__name__", "").strip("<>").replace("_", " ")
    return _Probe(limit, f"{noun} that passes the test {told!r}", "another one")


class _Checks:
    """Makes the checks of types, each class once: a class may hold itself."""

    def __init__(self, with_floats: bool) -> None:
        self._with_floats = with_floats
        self._of_records: dict[Any, Check] = {}

    def of(self, type: Any) -> Check | None:
        tests = _tests_of(type, self._with_floats)
        inside = self._inside(bare(type)[0])
        if not tests:
            return inside

        def check(value: Any, location: tuple[str | int, ...], flaws: list[Flaw]) -> None:
            if value is None:
                return
            for test in tests:
                if not _passes(test, value):
                    flaws.append(Flaw(location, test.expected, test.got))
                    return
            if inside is not None:
                inside(value, location, flaws)

        return check

    def _inside(self, inner: Any) -> Check | None:
        if is_union(inner):
            return self._of_union(inner)
        if library_of(inner):
            return self._of_record(inner)
        origin, parts = typing.get_origin(inner), typing.get_args(inner)
        if origin is None or origin is typing.Literal:
            return None
        if (isinstance(origin, type) and issubclass(origin, dict)) or origin.__name__ in (
            "Mapping",
            "MutableMapping",
        ):
            return self._of_dict(*parts)
        return self._of_items(origin, parts)

    def _of_union(self, inner: Any) -> Check | None:
        checks = [
            (_runtime_class(member), check)
            for member in members_of(inner)
            if (check := self.of(member)) is not None
        ]
        if not checks:
            return None

        def check_member(value: Any, location: tuple[str | int, ...], flaws: list[Flaw]) -> None:
            for cls, check in checks:
                if isinstance(value, cls):
                    return check(value, location, flaws)

        return check_member

    def _of_record(self, inner: Any) -> Check | None:
        known = self._of_records.get(inner)
        if known is not None:
            return known
        fields: list[tuple[str, str, Check]] = []
        is_dict = library_of(inner) == "typeddict"

        def check_fields(value: Any, location: tuple[str | int, ...], flaws: list[Flaw]) -> None:
            for name, key, check in fields:
                part = value.get(name, msgspec.UNSET) if is_dict else getattr(value, name)
                if part is not msgspec.UNSET:
                    check(part, (*location, key), flaws)

        self._of_records[inner] = check_fields
        for field in fields_of(inner):
            check = self.of(field.type)
            if check is not None:
                fields.append((field.name, field.key, check))
        return check_fields if fields else None

    def _of_dict(self, key_type: Any, value_type: Any) -> Check | None:
        check_key, check_value = self.of(key_type), self.of(value_type)
        if check_key is None and check_value is None:
            return None

        def check_dict(value: Any, location: tuple[str | int, ...], flaws: list[Flaw]) -> None:
            for key, part in value.items():
                if check_key is not None:
                    check_key(key, (*location, "*"), flaws)
                if check_value is not None:
                    check_value(part, (*location, "*"), flaws)

        return check_dict

    def _of_items(self, origin: Any, parts: tuple[Any, ...]) -> Check | None:
        checks = [None if part is ... else self.of(part) for part in parts]
        if not any(checks):
            return None
        is_fixed = origin is tuple and ... not in parts

        def check_items(value: Any, location: tuple[str | int, ...], flaws: list[Flaw]) -> None:
            for index, part in enumerate(value):
                check = checks[index] if is_fixed else checks[0]
                if check is not None:
                    check(part, (*location, index), flaws)

        return check_items


def _passes(test: _Probe, value: Any) -> bool:
    try:
        return bool(test.holds(value))
    except (TypeError, ValueError, ArithmeticError):
        return False  # not comparable with the limit: a naive and an aware datetime, a NaN


def _runtime_class(member: Any) -> Any:
    inner = bare(member)[0]
    if typing.is_typeddict(typing.get_origin(inner) or inner):
        return dict
    origin = typing.get_origin(inner) or inner
    return origin if isinstance(origin, type) else object
