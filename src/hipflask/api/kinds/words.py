"""The plain words of flaws: what was expected and what kind of thing came."""

from __future__ import annotations

from typing import Any

#: msgspec's names of kinds, as one that is expected.
EXPECTED = {
    "int": "an integer",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "bytes": "bytes in base64",
    "date": "a date (RFC 3339)",
    "datetime": "a date and time (RFC 3339)",
    "time": "a time of day (RFC 3339)",
    "duration": "a duration (ISO 8601)",
    "uuid": "a UUID",
    "decimal": "a decimal number",
    "ext": "a msgpack extension",
    "raw": "anything",
    "any": "anything",
}
#: And as one that came.
GOT = {
    "int": "integer",
    "float": "number",
    "str": "text",
    "bool": "boolean",
    "null": "null",
    "array": "list",
    "object": "object",
    "bytes": "bytes",
    "ext": "msgpack extension",
}
#: What came where it is too small or too great.
BEYOND = {
    "order": ("a smaller one", "a greater one"),
    "length": ("a shorter one", "a longer one"),
}
#: With a time zone, or without: what was expected, and what came.
TIME_ZONE = {
    True: ("with a time zone", "one without"),
    False: ("without a time zone", "one with"),
}
#: How many of the allowed values a flaw names.
MAX_NAMED = 20


def got_kind(value: Any) -> str:
    """Return what kind of thing a value is, in the words of JSON."""
    if value is None:
        return "null"
    for kinds, word in (
        (bool, "boolean"),
        (int, "integer"),
        (float, "number"),
        (str, "text"),
        ((bytes, bytearray, memoryview), "bytes"),
        (dict, "object"),
        ((list, tuple, set, frozenset), "list"),
    ):
        if isinstance(value, kinds):
            return word
    return type(value).__name__


def one_of(values: list[Any]) -> str:
    """Return "one of ..." for the values that are allowed, the first twenty named."""
    import json

    named = [json.dumps(value, ensure_ascii=False, default=str) for value in values[:MAX_NAMED]]
    if len(values) > MAX_NAMED:
        named.append(f"{len(values) - MAX_NAMED} more")
    return named[0] if len(named) == 1 else "one of " + ", ".join(named)


def any_of(words: list[str]) -> str:
    """Join words with "or", each once."""
    words = list(dict.fromkeys(words))
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " or " + words[-1]
