"""msgspec as the library that reads and writes, and its messages as flaws.

msgspec reports the first thing that is wrong, in English, with the path to it. The message is
taken apart here; where it repeats what was sent (an enum's value, a union's tag) the allowed
values are named instead, found by following the path through the type.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from enum import Flag
from typing import Any

import msgspec

from ..model import Flaw, Rejected
from .checks import checker_of
from .keys import least_of, refuse_twice
from .numbers import with_whole_numbers
from .shapes import bare, is_union, library_of, parts_of
from .words import BEYOND, EXPECTED, GOT, TIME_ZONE, any_of, one_of

Location = tuple[str | int, ...]

_DECODE_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)

_IS_WHOLE_WANTED = re.compile(r"Expected `(?:[a-z]+ \| )*int\b[^`]*`, got `float`").match


class Msgspec:
    """Makes the functions of a `Codec`."""

    def __init__(self, type: Any) -> None:
        self.type = type

    def json_decoder(self) -> Callable[[bytes], Any]:
        self._refuse_unreadable()
        type = self.type
        decode = msgspec.json.Decoder(type).decode
        check = checker_of(type)

        least = least_of(type)

        def decode_json(data: bytes) -> Any:
            try:
                if not data.isascii():
                    data.decode()  # msgspec looks only at the text it keeps
                value = decode(data)
            except _DECODE_ERRORS as error:
                if _IS_WHOLE_WANTED(str(error)) and (text := with_whole_numbers(data)) != data:
                    return decode_json(text)
                raise rejected(error, type, "JSON", data) from None
            if data.count(b":") != (keys := least(value)):
                refuse_twice(data, keys)
            return value

        return decode_json if check is None else _both(decode_json, check)

    def msgpack_decoder(self) -> Callable[[bytes], Any]:
        self._refuse_unreadable()
        type = self.type
        decode = msgspec.msgpack.Decoder(type).decode
        check = checker_of(type, with_floats=True)

        def decode_msgpack(data: bytes) -> Any:
            try:
                return decode(data)
            except _DECODE_ERRORS as error:
                raise rejected(error, type, "msgpack", data) from None

        return decode_msgpack if check is None else _both(decode_msgpack, check)

    def converter(self) -> Callable[[Any, bool], Any]:
        self._refuse_unreadable()
        type = self.type
        msgspec.json.Decoder(type)  # raises TypeError now, not when a request comes
        check = checker_of(type)

        def convert(value: Any, lax: bool) -> Any:
            try:
                read = msgspec.convert(value, type, strict=not lax, str_keys=True)
            except _DECODE_ERRORS as error:
                raise rejected(error, type, "data", None) from None
            return read if check is None else check(read)

        return convert

    def json_encoder(self, without_unset: bool) -> Callable[[Any], bytes]:
        self._refuse_unknown()
        return _encode_json

    def msgpack_encoder(self, without_unset: bool) -> Callable[[Any], bytes]:
        self._refuse_unknown()
        return _encode_msgpack

    def _refuse_unknown(self) -> None:
        """Raise TypeError for what can neither be read nor written."""
        parts = [bare(part)[0] for part in parts_of(self.type)]
        if typing.Self in parts:
            raise TypeError("Self is not resolved here; write the class's name, in quotes")
        for part in parts:
            if isinstance(part, type) and part is not object:
                _refuse_class(part)

    def _refuse_unreadable(self) -> None:
        """Raise TypeError for what cannot be read, though it may be written."""
        self._refuse_unknown()
        for part in parts_of(self.type):
            inner = bare(part)[0]
            cls = typing.get_origin(inner) or inner
            if cls is not inner and isinstance(cls, type) and not is_union(inner):
                _refuse_class(cls)
            fields = {"dataclass": "__dataclass_fields__", "attrs": "__attrs_attrs__"}.get(
                library_of(cls), ""
            )
            found: Any = getattr(cls, fields, ())
            for field in found.values() if isinstance(found, dict) else found:
                if not field.init:
                    raise TypeError(
                        f"its field {field.name!r} of {cls.__qualname__} has init=False, and would"
                        " be read like the others; read a class without it"
                    )


def _refuse_class(cls: type) -> None:
    name = f"{cls.__module__}.{cls.__qualname__}"
    if issubclass(cls, Flag):
        raise TypeError(
            f"{name} is a Flag, and what a sum of its members means cannot be told in a document;"
            " take a list of an Enum, or an int"
        )
    if library_of(cls) == "attrs" and any(
        getattr(each.default, "takes_self", False) for each in getattr(cls, "__attrs_attrs__", ())
    ):
        raise TypeError(
            f"{name} has a default that is made of the other fields (takes_self=True); make it in"
            " __attrs_post_init__"
        )
    try:
        info = msgspec.inspect.type_info(cls)
    except NotImplementedError as error:
        raise TypeError(str(error)) from None
    if isinstance(info, msgspec.inspect.CustomType) and cls is not msgspec.UnsetType:
        raise TypeError(
            f"{name} is neither a record (Struct, dataclass, TypedDict, attrs or pydantic class)"
            " nor a scalar that JSON has a form for"
        )


_encode_json = msgspec.json.Encoder().encode
_encode_msgpack = msgspec.msgpack.Encoder().encode


def _both(read: Callable[[bytes], Any], check: Callable[[Any], Any]) -> Callable[[bytes], Any]:
    return lambda data: check(read(data))


def rejected(error: BaseException, type: Any, form: str, data: bytes | None) -> Rejected:
    """Return what msgspec's error says as `Rejected`, for a value of `type` read from `form`."""
    if isinstance(error, msgspec.ValidationError):
        return Rejected([flaw_of(error, type)])
    if isinstance(error, RecursionError):
        return Rejected(
            [Flaw((), f"{form} that is nested less deeply", "nesting beyond the limit")], True
        )
    if isinstance(error, UnicodeDecodeError):
        return Rejected([Flaw((), f"well-formed {form}", "bytes that are not UTF-8")], True)
    if isinstance(error, msgspec.DecodeError):
        return Rejected([Flaw((), f"well-formed {form}", _got_malformed(str(error), data))], True)
    return Rejected(
        [Flaw((), f"{form} of numbers and dates within limits", "a value out of range")]
    )


def _got_malformed(message: str, data: bytes | None) -> str:
    if not data:
        return "nothing"
    if "truncated" in message:
        return "an early end"
    found = re.fullmatch(r"[\w ]+ is malformed: (.*) \(byte (\d+)\)", message, re.DOTALL)
    if found is None:
        return "something else"
    reason = "invalid opcode" if found[1].startswith("invalid opcode") else found[1]
    return f"{reason} at byte {found[2]}"


def flaw_of(error: BaseException, type: Any) -> Flaw:
    """Return a validation error of msgspec as a flaw in a value of `type`."""
    message, path, is_key = _split(str(error))
    if error.__cause__ is not None:
        inner, expected = words_of_refusal(error.__cause__)
        return Flaw((*_walk(type, path).location, *inner), expected, "other values")
    place = _walk(type, path)
    if is_key:
        flaw = _flaw(message, place.keys())
        return Flaw((*flaw.location, "*"), f"a key that is {flaw.expected}", flaw.got)
    return _flaw(message, place)


def _split(message: str) -> tuple[str, str, bool]:
    """Split a message into what it says, the path without its $, and whether a key is meant."""
    found = re.fullmatch(r"(.*) - at `(key` in `)?\$(.*)`", message, re.DOTALL)
    if found is None:
        return message, "", False
    return found[1], found[3], found[2] is not None


def words_of_refusal(error: BaseException) -> tuple[Location, str]:
    """Return where and in which words a class refused its values.

    The text of a ValueError that a class raises itself is meant for whoever sent them. The
    validators of attrs put the value into theirs, so only their field's name is taken.
    """
    text = error.args[0] if error.args and isinstance(error.args[0], str) else ""
    if _is_raised_by_attrs(error):
        field = re.match(r"'(\w+)' must|Length of '(\w+)'|'(\w+)'", text)
        name = next((name for name in field.groups() if name), "") if field else ""
        limit = re.match(
            r"'\w+' must be ([<>]=? [-+.\w]+): |Length of '\w+' must be ([<>]=? \d+)", text
        )
        if limit:
            told = f"of length {limit[2]}" if limit[2] else limit[1]
            return (name,), f"a value {told}"
        return ((name,) if name else ()), "a value that its validator accepts"
    return (), text[:200] or "values that go together"


def _is_raised_by_attrs(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    name = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return str(name).partition(".")[0] in ("attr", "attrs")


class _Place(typing.NamedTuple):
    """Somewhere in a value: the way to it, and what its type (and its parent's) may be there."""

    location: Location
    infos: list[Any]
    parents: list[Any]

    def keys(self) -> _Place:
        """Return the place of the keys of the dict that is here."""
        infos = [info.key_type for info in self.infos if hasattr(info, "key_type")]
        return _Place(self.location, _spread(infos), self.infos)


def _spread(infos: list[Any]) -> list[Any]:
    """Return descriptions with those of unions in place of the unions, metadata taken off."""
    found: list[Any] = []
    for info in infos:
        if isinstance(info, msgspec.inspect.Metadata):
            found += _spread([info.type])
        elif isinstance(info, msgspec.inspect.UnionType):
            found += _spread(list(info.types))
        else:
            found.append(info)
    return found


def _walk(type: Any, path: str) -> _Place:
    """Follow a path of msgspec's (".items[3].price") through a type."""
    place = _Place((), _spread([msgspec.inspect.type_info(type)]), [])
    while path:
        if path.startswith("[...]"):
            infos = [info.value_type for info in place.infos if hasattr(info, "value_type")]
            step: str | int = "*"
            path = path[5:]
        elif found := re.match(r"\[(\d+)\]", path):
            step = int(found[1])
            infos = [item for info in place.infos if (item := _item(info, step)) is not None]
            path = path[found.end() :]
        else:
            fields = [field for info in place.infos for field in getattr(info, "fields", ())]
            step = _field_name(path[1:], [field.encode_name for field in fields])
            infos = [field.type for field in fields if field.encode_name == step]
            path = path[1 + len(step) :]
        place = _Place((*place.location, step), _spread(infos), place.infos)
    return place


def _field_name(path: str, names: list[str]) -> str:
    """Return the field a path begins with: the longest known one, as a name may hold dots."""
    for name in sorted(names, key=len, reverse=True):
        if path.startswith(name) and path[len(name) : len(name) + 1] in ("", ".", "["):
            return name
    return re.match(r"[^.\[]*.?", path, re.DOTALL)[0].rstrip(".[") or path  # type: ignore[index]


def _item(info: Any, index: int) -> Any:
    if hasattr(info, "item_type"):
        return info.item_type
    if hasattr(info, "item_types"):
        return info.item_types[index] if index < len(info.item_types) else None
    fields = getattr(info, "fields", ())
    index -= getattr(info, "tag", None) is not None
    return fields[index].type if 0 <= index < len(fields) else None


_KIND = r"`([^`]+)`"
_FORMATS = {
    "Invalid RFC3339 encoded datetime": "datetime",
    "Invalid RFC3339 encoded date": "date",
    "Invalid RFC3339 encoded time": "time",
    "Invalid ISO8601 duration": "duration",
    "Invalid UUID": "uuid",
    "Invalid UUID bytes": "uuid",
    "Invalid decimal string": "decimal",
    "Invalid base64 encoded string": "bytes",
}
_OUT_OF_RANGE = {
    "Integer value out of range": ("an integer of fewer digits", "a longer one"),
    "Number out of range": ("a number within the range of a double", "a greater one"),
    "Duration is out of range": ("a duration of at most 999999999 days", "a longer one"),
    "Timestamp is out of range": ("a date and time of the years 1 to 9999", "another one"),
    "Invalid epoch timestamp": ("a date and time of the years 1 to 9999", "another one"),
}
_TOLD = {
    "with a timezone component": TIME_ZONE[True],
    "with no timezone component": TIME_ZONE[False],
}


def _flaw(message: str, place: _Place) -> Flaw:
    """Return what a message says, without its path, about a place."""
    location = place.location
    if found := re.fullmatch(rf"Expected {_KIND}, got `(\w+)`", message):
        return Flaw(location, _kinds(found[1]), GOT.get(found[2], found[2]))
    if found := re.fullmatch(r"Object missing required field `(.*)`", message, re.DOTALL):
        return Flaw((*location, found[1]), _field_words(place, found[1]), "nothing")
    if found := re.fullmatch(r"Object contains unknown field `(.*)`", message, re.DOTALL):
        return Flaw((*location, found[1][:100]), "no field of this name", "one")
    if message.startswith("Invalid enum value"):
        return Flaw(location, _allowed(place), "another value")
    if message.startswith("Invalid value") or re.fullmatch(r"Expected `(int|str)`", message):
        return Flaw(location, _tags(place), "another value")
    if found := re.fullmatch(rf"Expected {_KIND} (.*)", message, re.DOTALL):
        expected, got = _limit(found[2])
        return Flaw(location, f"{_kinds(found[1])} {expected}", got)
    if message in _FORMATS:
        return Flaw(location, EXPECTED[_FORMATS[message]], "other text")
    if message.startswith("Only units 'D', 'H', 'M', and 'S'"):
        return Flaw(location, "a duration in days, hours, minutes and seconds", "other units")
    if message.startswith("Invalid MessagePack timestamp"):
        return Flaw(location, "a msgpack timestamp", "another extension")
    expected, got = _OUT_OF_RANGE.get(message.strip(), ("a value of its type", "another one"))
    return Flaw(location, expected, got)


def _kinds(names: str) -> str:
    return any_of([EXPECTED.get(name, name) for name in names.split(" | ")])


def _limit(words: str) -> tuple[str, str]:
    """Return the plain words of a limit, and those for what lies beyond it."""
    if words in _TOLD:
        return _TOLD[words]
    if found := re.match(r"matching regex (.*)", words, re.DOTALL):
        return f"matching {_unquoted(found[1])}", "other text"
    if found := re.match(r"that's a multiple of (.*)", words):
        return f"that is a multiple of {found[1]}", "another one"
    if found := re.match(r"(of length )?([<>]=?) (.*)", words):
        sign = {">=": "at least", ">": "above", "<=": "at most", "<": "below"}[found[2]]
        small, great = BEYOND["length" if found[1] else "order"]
        of = "of length " if found[1] else "of " if "=" in found[2] else ""
        return f"{of}{sign} {found[3]}", small if ">" in found[2] else great
    # "of length 2", "of at least length 2, got 1", "of length 2 to 3"
    length = words.partition(",")[0].replace("at least length", "length at least")
    return length.replace("at most length", "length at most"), "another length"


def _unquoted(text: str) -> str:
    import ast

    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def _field_words(place: _Place, name: str) -> str:
    if any(getattr(info, "tag_field", None) == name for info in place.infos):
        return _tags(_Place((*place.location, name), [], place.infos))
    return "a field of this name"


def _allowed(place: _Place) -> str:
    values: list[Any] = []
    for info in place.infos:
        if isinstance(info, msgspec.inspect.EnumType):
            values += [member.value for member in info.cls]
        elif isinstance(info, msgspec.inspect.LiteralType):
            values += info.values
    return one_of(list(dict.fromkeys(values))) if values else "one of the allowed values"


def _tags(place: _Place) -> str:
    tags = [info.tag for info in place.parents if getattr(info, "tag", None) is not None]
    return one_of(tags) if tags else "one of the allowed values"
