"""Strategies: types, instances of their schemas, and what is wrong with an instance."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import operator
import uuid
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypedDict

import msgspec
from hypothesis import strategies as st
from msgspec import Meta


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


SCALARS = [
    int,
    float,
    str,
    bool,
    bytes,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    uuid.UUID,
    decimal.Decimal,
    Annotated[datetime.datetime, Meta(tz=True)],
    Annotated[datetime.datetime, Meta(tz=False)],
    Annotated[int, Meta(ge=1, le=9)],
    Annotated[int, Meta(gt=-3, lt=3)],
    Annotated[int, Meta(multiple_of=5)],
    Annotated[float, Meta(ge=0.5)],
    Annotated[str, Meta(min_length=1, max_length=3)],
    Annotated[str, Meta(pattern="^[a-c]+$")],
    Literal["a", "b"],
    Literal[1, 2, None],
    Colour,
    Level,
]

KEYS = [str, int, Colour, uuid.UUID, datetime.date]

_count = iter(range(10**9))


def _struct(fields: list[tuple[str, Any]], optional: list[tuple[str, Any]], **config: Any) -> Any:
    unset = [(name, kind | msgspec.UnsetType, msgspec.UNSET) for name, kind in optional]
    spread = [*fields, *unset]
    return msgspec.defstruct(f"Struct{next(_count)}", spread, **config)


def _dataclass(fields: list[tuple[str, Any]], optional: list[tuple[str, Any]]) -> Any:
    spread = [*fields, *((name, kind | None, None) for name, kind in optional)]
    return dataclasses.make_dataclass(f"Data{next(_count)}", spread)


def _typed_dict(fields: list[tuple[str, Any]], optional: list[tuple[str, Any]]) -> Any:
    from typing import NotRequired

    hints = dict(fields) | {name: NotRequired[kind] for name, kind in optional}
    return TypedDict(f"Dict{next(_count)}", hints)  # type: ignore[operator]


def _attrs(fields: list[tuple[str, Any]], optional: list[tuple[str, Any]]) -> Any:
    import attrs

    made = {name: attrs.field(type=kind) for name, kind in fields}
    made |= {name: attrs.field(type=kind | None, default=None) for name, kind in optional}
    return attrs.make_class(f"Attrs{next(_count)}", made)


def records(children: st.SearchStrategy[Any], makers: list[Callable[..., Any]]) -> Any:
    return st.builds(
        lambda make, required, optional: make(
            [(f"f{index}", kind) for index, kind in enumerate(required)],
            [(f"o{index}", kind) for index, kind in enumerate(optional)],
        ),
        st.sampled_from(makers),
        st.lists(children, min_size=1, max_size=3),
        st.lists(children, max_size=2),
    )


def _tagged(children: st.SearchStrategy[Any]) -> Any:
    def union(kinds: list[Any]) -> Any:
        options = [
            _struct([("value", kind)], [], tag_field="kind", tag=f"tag{index}")
            for index, kind in enumerate(kinds)
        ]
        return functools.reduce(operator.or_, options)

    return st.lists(children, min_size=2, max_size=3).map(union)


def _has_null(kind: Any) -> bool:
    return kind == Literal[1, 2, None] or type(None) in getattr(kind, "__args__", ())


MAKERS: list[Callable[..., Any]] = [
    _struct,
    lambda *fields: _struct(*fields, forbid_unknown_fields=True),
    # Without optional fields: msgspec has no way to write UNSET into an array.
    lambda required, optional: _struct(required, [], array_like=True),
    lambda *fields: _struct(*fields, rename="camel"),
    _dataclass,
    _typed_dict,
    _attrs,
]


def types(makers: list[Callable[..., Any]] = MAKERS) -> st.SearchStrategy[Any]:
    """Types that are read by msgspec: scalars, containers, records of every library."""

    def larger(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.one_of(
            children.map(lambda kind: list[kind]),
            children.map(lambda kind: Annotated[list[kind], Meta(min_length=1, max_length=2)]),
            st.builds(lambda key, kind: dict[key, kind], st.sampled_from(KEYS), children),
            st.builds(lambda a, b: tuple[a, b], children, children),
            children.map(lambda kind: tuple[kind, ...]),
            children.filter(lambda kind: not _has_null(kind)).map(lambda kind: kind | None),
            records(children, makers),
            _tagged(children),
        )

    return st.recursive(st.sampled_from(SCALARS), larger, max_leaves=4)


# Instances.

_NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)


def instances(schema: Any, components: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of ours allows, as JSON has them."""
    if schema is True or schema == {}:
        return st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return st.deferred(lambda: instances(components[name], components))
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([instances(option, components) for option in schema[word]])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    return _BY_TYPE[schema["type"]](schema, components)


def _integers(schema: Any, components: Any) -> Any:
    least, most = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        least = schema["exclusiveMinimum"] + 1
    if "exclusiveMaximum" in schema:
        most = schema["exclusiveMaximum"] - 1
    step = schema.get("multipleOf", 1)
    least, most = (None if limit is None else limit // step for limit in (least, most))
    return st.integers(least, most).map(lambda number: number * step)


def _numbers(schema: Any, components: Any) -> Any:
    least = schema.get("minimum")
    if least is None:
        return _NUMBERS | st.integers(-(2**53), 2**53)
    return st.floats(least, 1e300, allow_nan=False)


def _texts(schema: Any, components: Any) -> Any:
    if schema.get("format") in _FORMATS and "pattern" not in schema:
        return _FORMATS[schema["format"]]
    if "pattern" in schema:
        if schema["pattern"].startswith("^(?!0000)"):  # a day, which is not any number of 31
            return st.datetimes().map(lambda when: when.isoformat())
        # `$` is before a line end as well, by Python's account.
        return st.from_regex(schema["pattern"]).filter(lambda text: not text.endswith("\n"))
    alphabet = st.characters(codec="utf-8")
    return st.text(alphabet, min_size=schema.get("minLength", 0), max_size=schema.get("maxLength"))


_FORMATS = {
    "date": st.dates().map(lambda day: day.isoformat()),
    "uuid": st.uuids().map(str),
    "date-time": st.datetimes(timezones=st.just(datetime.UTC)).map(lambda when: when.isoformat()),
}


def _arrays(schema: Any, components: Any) -> Any:
    first = [instances(item, components) for item in schema.get("prefixItems", ())]
    if first:
        needed = schema.get("minItems", 0)
        return st.integers(needed, len(first)).flatmap(
            lambda size: st.tuples(*first[:size]).map(list)
        )
    return st.lists(
        instances(schema.get("items", {}), components),
        min_size=schema.get("minItems", 0),
        max_size=schema.get("maxItems", 3),
    )


def _objects(schema: Any, components: Any) -> Any:
    if "properties" in schema:
        required = schema.get("required", ())
        parts = {name: instances(part, components) for name, part in schema["properties"].items()}
        return st.fixed_dictionaries(
            {name: part for name, part in parts.items() if name in required},
            optional={name: part for name, part in parts.items() if name not in required},
        )
    names = schema.get("propertyNames", {})
    if "$ref" not in names:
        names = {"type": "string"} | names
    keys = instances(names, components)
    values = instances(schema.get("additionalProperties", {}), components)
    return st.dictionaries(keys, values, max_size=2)


_BY_TYPE: dict[str, Callable[[Any, Any], Any]] = {
    "null": lambda schema, components: st.none(),
    "boolean": lambda schema, components: st.booleans(),
    "integer": _integers,
    "number": _numbers,
    "string": _texts,
    "array": _arrays,
    "object": _objects,
}

# What may stand in the place of something else. Nothing that readers take more leniently than
# JSON Schema can say: datetimes without a zone.
STRAYS: list[Any] = [
    None, True, False, -7, 0, 1, 3, 100, 3.0, 2.5, -0.25, "", "a", "abcd", "red", "1", "tag0",
    "NaN", "2020-13-45", "2020-01-31", "P1Y", "12:00", "not base64!", [], [None], {}, {"x": 1},
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to every part of a value, the whole first."""
    yield path
    if isinstance(value, dict):
        for name, part in value.items():
            yield from places(part, (*path, name))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from places(part, (*path, index))


def mutants(value: Any) -> st.SearchStrategy[Any]:
    """`value` with one part replaced, left out, or added to."""

    def mutate(path: tuple[Any, ...], how: str, stray: Any) -> Any:
        if not path:
            if how == "add" and isinstance(value, dict):
                return value | {"stray": stray}
            if how == "add" and isinstance(value, list):
                return [*value, stray]
            return stray
        return _at(value, path, how, stray)

    return st.builds(
        mutate,
        st.sampled_from(list(places(value))),
        st.sampled_from(["replace", "replace", "drop", "add"]),
        st.sampled_from(STRAYS),
    )


def _at(value: Any, path: tuple[Any, ...], how: str, stray: Any) -> Any:
    step, *rest = path
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if rest:
        copy[step] = _at(value[step], tuple(rest), how, stray)
    elif how == "drop":
        del copy[step]
    elif how == "add" and isinstance(copy[step], dict):
        copy[step] = copy[step] | {"stray": stray}
    elif how == "add" and isinstance(copy[step], list):
        copy[step] = [*copy[step], stray]
    else:
        copy[step] = stray
    return copy
