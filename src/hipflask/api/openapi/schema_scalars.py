"""What has no parts: scalars, their limits, defaults and examples, as JSON Schema has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import cleandoc
from typing import Any, Literal

import msgspec
from msgspec import inspect as kind

#: Which way values travel: to us, from us, or from us with what nobody set left out.
Direction = Literal["input", "output", "partial"]

Schema = dict[str, Any]

# Exponents of more digits are beyond what the reader takes (`kinds/checks.py`).
_NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"
_DECIMAL = rf"^[+-]?{_NUMBER}$"
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]+)?"
# Every 29 February passes; whether there was one is for the reader to tell.
_DAY = (
    r"(?!0000)[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|[12][0-9]))"
)
_ZONE = r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
_DURATION = (
    r"^[+-]?P(?=[0-9T])(?:[0-9]{1,9}D)?"
    r"(?:T(?=[0-9])(?:[0-9]{1,9}H)?(?:[0-9]{1,9}M)?(?:[0-9]{1,9}(?:\.[0-9]{1,9})?S)?)?$"
)
_BASE64 = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
_INTEGER_KEY = r"^-?(?:0|[1-9][0-9]{0,18})$"


# What stands for "no JSON for this": a default that only Python can hold.
UNTOLD: Any = object()


def plain(value: Any) -> Any:
    """`value` as JSON has it, for an example or a default; a marker where it has none."""
    try:
        return msgspec.json.decode(msgspec.json.encode(value, enc_hook=_dump))
    except (TypeError, ValueError, NotImplementedError):
        return UNTOLD


def has_plain(value: Any) -> bool:
    """Whether `plain` has an answer for `value`."""
    return plain(value) is not UNTOLD


def _dump(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)  # a pydantic model
    if dump is None:
        raise TypeError(value)
    return dump(mode="json", by_alias=True)


def limited(schema: Schema, limits: Mapping[str, Any]) -> Schema:
    """`schema` with limits by the names of `Meta`, as far as JSON Schema has words for them.

    It has none for the least of a date, or of a number that is sent as text.
    """
    if "anyOf" in schema:
        return {**schema, "anyOf": [limited(option, limits) for option in schema["anyOf"]]}
    words = _LIMIT_WORDS.get(str(schema.get("type")), {})
    return schema | {words[name]: plain(limit) for name, limit in limits.items() if name in words}


_NUMERIC = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
}
_LIMIT_WORDS: dict[str, dict[str, str]] = {
    "integer": _NUMERIC,
    "number": _NUMERIC,
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}


def length_limits(info: Any, least: str, most: str) -> Schema:
    schema = {}
    if info.min_length is not None:
        schema[least] = info.min_length
    if info.max_length is not None:
        schema[most] = info.max_length
    return schema


def _number(name: str) -> Callable[[Any, Direction], Schema]:
    def schema(info: Any, direction: Direction) -> Schema:
        limits = {word: getattr(info, attribute) for attribute, word in _NUMERIC.items()}
        return {"type": name} | {word: n for word, n in limits.items() if n is not None}

    return schema


def _string(info: Any, direction: Direction) -> Schema:
    schema: Schema = {"type": "string"} | length_limits(info, "minLength", "maxLength")
    if info.pattern is not None:
        schema["pattern"] = info.pattern
    return schema


def _bytes(info: Any, direction: Direction) -> Schema:
    schema: Schema = {"type": "string", "contentEncoding": "base64", "pattern": _BASE64}
    for word, length in length_limits(info, "minLength", "maxLength").items():
        schema[word] = 4 * ((length + 2) // 3)
    return schema


def _datetime(info: Any, direction: Direction) -> Schema:
    if info.tz is False:
        return {"type": "string", "pattern": f"^{_DAY}[Tt ]{_CLOCK}$"}
    return {"type": "string", "format": "date-time"}


def _time(info: Any, direction: Direction) -> Schema:
    if info.tz:
        return {"type": "string", "format": "time"}
    # The format would demand a zone, which a time of day has none of.
    zone = "" if info.tz is False else f"{_ZONE}?"
    return {"type": "string", "pattern": f"^{_CLOCK}{zone}$"}


def _decimal(info: Any, direction: Direction) -> Schema:
    text = {"type": "string", "format": "decimal", "pattern": _DECIMAL}
    return text if direction != "input" else {"anyOf": [text, {"type": "number"}]}


def _literal(info: Any, direction: Direction) -> Schema:
    values = list(info.values)  # sorted: the same set of values is one document
    return type_of_values(values) | {"enum": values}


def _always(schema: Schema) -> Callable[[Any, Direction], Schema]:
    return lambda info, direction: dict(schema)


SIMPLE: dict[type, Callable[[Any, Direction], Schema]] = {
    kind.NoneType: _always({"type": "null"}),
    kind.BoolType: _always({"type": "boolean"}),
    kind.IntType: _number("integer"),
    kind.FloatType: _number("number"),
    kind.StrType: _string,
    kind.BytesType: _bytes,
    kind.ByteArrayType: _bytes,
    kind.MemoryViewType: _bytes,
    kind.DateTimeType: _datetime,
    kind.DateType: _always({"type": "string", "format": "date"}),
    kind.TimeType: _time,
    kind.TimeDeltaType: _always({"type": "string", "format": "duration", "pattern": _DURATION}),
    kind.UUIDType: _always({"type": "string", "format": "uuid"}),
    kind.DecimalType: _decimal,
    kind.LiteralType: _literal,
}


def enum_schema(info: kind.EnumType) -> Schema:
    """The schema of an enum's values."""
    values = [member.value for member in info.cls]
    schema: Schema = {}
    if text := docstring(info.cls):
        schema["description"] = text
    return schema | type_of_values(values) | {"enum": values}


def type_of_values(values: list[Any]) -> Schema:
    """`{"type": ...}` of values that share one, else nothing."""
    names = {str: "string", int: "integer", bool: "boolean"}
    types = {names.get(type(value)) for value in values}
    found = types.pop() if len(types) == 1 else None
    return {} if found is None else {"type": found}


def key_schema(schema: Schema, info: Any) -> Schema:
    """What the names of an object may be, all of them text, for keys that need not be."""
    if isinstance(info, kind.Metadata):
        info = info.type
    if isinstance(info, kind.IntType):
        return {"pattern": _INTEGER_KEY}
    if isinstance(info, kind.LiteralType | kind.EnumType):
        values = info.values if isinstance(info, kind.LiteralType) else _values_of(info)
        return {"enum": [str(value) for value in values]}
    if isinstance(info, kind.DecimalType):
        return {"pattern": _DECIMAL}
    if isinstance(info, kind.FloatType):
        return {"pattern": rf"^-?{_NUMBER}$"}
    return {} if schema == {"type": "string"} else schema


def _values_of(info: kind.EnumType) -> list[Any]:
    return [member.value for member in info.cls]


def docstring(cls: Any) -> str | None:
    """What a class says of itself, if somebody wrote it; None otherwise."""
    text = vars(cls).get("__doc__") if hasattr(cls, "__dict__") else None
    if not text or text.startswith(f"{cls.__name__}("):  # a dataclass's own account of itself
        return None
    return cleandoc(text)
