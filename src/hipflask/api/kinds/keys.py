"""Whether a JSON object of a body gives a key twice.

Decoders keep the last of equal keys and say nothing, while another reader of the same body, a
proxy or a log, may keep the first (RFC 8259, 4). Here such a body is malformed.

It is found by counting. A value tells the least number of keys that its text can have had: a
`list[Item]` of two required fields has two for each item. Every key is followed by a colon; so
where the text has no more colons than that, each key was needed, and none is there twice. That
is all that is paid for the usual body. Where there are more colons (in a text such as "10:30",
or behind fields that might be left out or are unknown), the keys are counted exactly, and
compared with those of the same text read into dicts; a large text is looked through key by key.

Texts given here are well-formed: a decoder has read them.
"""

from __future__ import annotations

import re
import typing
from collections import abc
from collections.abc import Callable
from dataclasses import MISSING, fields
from keyword import iskeyword
from types import NoneType
from typing import Any

import msgspec

from ..model import NO_DEFAULT, Flaw, Rejected
from .shapes import (
    bare,
    fields_of,
    hints_of,
    is_scalar,
    is_union,
    library_of,
    members_of,
    parts_of,
)


def refuse_twice(data: bytes, least: int) -> None:
    """Raise `Rejected` for a JSON text with a key twice in one object.

    `least` is the number of keys that the text has if it has none in vain. The time it takes
    grows with the text's length and no faster.
    """
    keys = count_keys(data)
    if keys == least:
        return
    try:
        is_twice = len(data) > LARGE or keys != keys_in(_parse(data))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        is_twice = True  # or an integer beyond limits
    if is_twice and _is_twice(data):
        raise Rejected([Flaw((), "each key once", "a key twice")], True)


#: Bytes from which a text is looked through; as dicts it would take twenty times its size.
LARGE = 1 << 18
# Fields that were passed over may have 1e999 in them.
_parse = msgspec.json.Decoder(float_hook=float).decode
_NO_MARKS = bytes(set(range(256)) - set(b'":'))
_COLONS_IN_TEXT = re.compile(b'":*"')


def count_keys(data: bytes) -> int:
    """Return how many keys the objects of a JSON text have, equal ones counted each."""
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side may go: what is inside of a text stays inside.
    marks = data.translate(None, _NO_MARKS).replace(b'""', b"")
    if b'"' in marks:
        marks = _COLONS_IN_TEXT.sub(b"", marks)
    return marks.count(b":")


def keys_in(value: Any) -> int:
    """Return how many keys the dicts in a value have, those in lists and dicts included."""
    count = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if each.__class__ is dict:
            count += len(each)
            each = each.values()
        elif each.__class__ is not list:
            continue
        waiting += [part for part in each if part.__class__ is dict or part.__class__ is list]
    return count


_TOKEN = re.compile(rb'\{\s*+\}|[{}]|("(?:[^"\\]++|\\.)*+"?)(\s*+:)?', re.DOTALL)


def _is_twice(data: bytes) -> bool:
    """Look at each key, however long its object."""
    objects: list[set[bytes]] = []
    for token in _TOKEN.finditer(data):
        if token[0] == b"{":
            objects.append(set())
        elif token[0] == b"}":
            objects.pop()
        elif token[2] is not None:
            key = token[1] if b"\\" not in token[1] else _plain(token[1])
            if key in objects[-1]:
                return True
            objects[-1].add(key)
    return False


def _plain(key: bytes) -> bytes:
    """Return a key as it is written without escapes that it does not need."""
    from json import dumps, loads  # they take half of a surrogate pair, too

    return dumps(loads(key), ensure_ascii=False).encode(errors="surrogatepass")


def least_of(type: Any) -> Callable[[Any], int]:
    """Return a function: a value of `type`, as msgspec has read it -> the fewest keys it had.

    For a type of which that is not known (a class that changes itself in `__post_init__`, one
    that holds itself) it returns -1, so that each text is looked at.
    """
    if any(_changes_itself(bare(part)[0]) for part in parts_of(type)):
        return _unknown
    maker = _Maker()
    try:
        count = maker.of(type, "value")
    except _NotKnown:
        return _unknown
    # One expression: 5 + 3 * len(value.items)
    maker.lines.append(f"def least(value): return {_words(count)}")
    exec("\n".join(maker.lines), maker.names)  # noqa: S102 (of checked identifiers)
    return maker.names["least"]  # type: ignore[no-any-return]


def _unknown(value: Any) -> int:
    return -1


def _changes_itself(inner: Any) -> bool:
    cls = typing.get_origin(inner) or inner
    return hasattr(cls, "__post_init__") or hasattr(cls, "__attrs_post_init__")


class _NotKnown(Exception):
    """The keys of such values cannot be told."""


class _Count(typing.NamedTuple):
    """A number of keys: some that are always there, and an expression for the others."""

    sure: int = 0
    rest: str = ""

    def __bool__(self) -> bool:
        return bool(self.sure or self.rest)


def _words(count: _Count) -> str:
    return " + ".join(filter(None, (str(count.sure) if count.sure else "", count.rest))) or "0"


def _total(counts: list[_Count]) -> _Count:
    rest = " + ".join(count.rest for count in counts if count.rest)
    return _Count(sum(count.sure for count in counts), rest)


def _where(condition: str, count: _Count, otherwise: str = "0") -> _Count:
    return _Count(0, f"({_words(count)} if {condition} else {otherwise})") if count else _Count()


class _Maker:
    """Writes the expressions, a function for each class whose number of keys varies."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"keys_in": keys_in}
        self.lines: list[str] = []
        self._records: dict[Any, _Count | None] = {}

    def of(self, type: Any, value: str) -> _Count:
        """Return the count for the value that an expression gives."""
        inner = bare(type)[0]
        if is_union(inner):
            return self._of_union(members_of(inner), value)
        if library_of(inner):
            return self._of_record(inner, value)
        if is_scalar(inner) or inner in (NoneType, msgspec.UnsetType):
            return _Count()
        origin, parts = typing.get_origin(inner), typing.get_args(inner)
        if inner in (Any, object, list, dict):
            return _Count(0, f"keys_in({value})")
        if not isinstance(origin, typing.cast(Any, _type)):
            raise _NotKnown
        if issubclass(origin, abc.Mapping):
            per_value = self._sum(parts[1], value, f"{value}.values()")
            return _total([_Count(0, f"len({value})"), per_value])
        if issubclass(origin, tuple) and parts[1:] != (...,):
            each = [self.of(part, f"{value}[{index}]") for index, part in enumerate(parts)]
            return _total(each)
        if issubclass(origin, abc.Collection):
            return self._sum(parts[0], value, value)
        raise _NotKnown

    def _sum(self, type: Any, value: str, values: str) -> _Count:
        name = f"each{value.count('each')}"
        count = self.of(type, name)
        words = []
        if count.sure:
            words.append(f"{count.sure} * len({value})")
        if count.rest:
            words.append(f"sum([{count.rest} for {name} in {values}])")
        return _Count(0, " + ".join(words))

    def _of_union(self, members: list[Any], value: str) -> _Count:
        records = [part for part in members if library_of(bare(part)[0]) == "struct"]
        tag = _Count(1 if len(records) > 1 else 0)
        found = _Count()
        for part in members:
            count = _total([self.of(part, value), tag if part in records else _Count()])
            cls = self._name(_class_of(bare(part)[0]))
            found = _where(f"{value}.__class__ is {cls}", count, _words(found)) if count else found
        return found

    def _of_record(self, type: Any, value: str) -> _Count:
        if type in self._records:
            count = self._records[type]
            if count is None:
                raise _NotKnown  # it holds itself
        else:
            self._records[type] = None
            count = self._fields(type)
            if count.rest:
                name = f"keys{len(self._records)}_{len(self.lines)}"
                self.lines.append(f"def {name}(value): return {count.rest}")
                count = _Count(count.sure, name)
            self._records[type] = count
        return _Count(count.sure, f"{count.rest}({value})" if count.rest else "")

    def _fields(self, type: Any) -> _Count:
        library = library_of(type)
        if library == "typeddict":
            each = [
                _where(f"{field.key!r} in value", self.of(field.type, f"value[{field.key!r}]"))
                for field in fields_of(type)
            ]
            return _total([_Count(0, "len(value)"), *each])
        if library == "namedtuple":
            hints = hints_of(type)
            names = type._fields if hasattr(type, "_fields") else ()
            if any(self.of(hints.get(name, Any), "value") for name in names):
                raise _NotKnown
            return _Count()
        cls = typing.get_origin(type) or type
        is_keyed = not (library == "struct" and cls.__struct_config__.array_like)
        own = _Count(1 if is_keyed else 0)
        counts = []
        for name, hint, default, is_made in _record_fields(type, library):
            if not name.isidentifier() or iskeyword(name):
                raise _NotKnown
            inside = self.of(hint, f"value.{name}")
            count = _total([own, inside])
            if default is not NO_DEFAULT:
                count = _where(f"value.{name} is not {self._name(default)}", count)
            elif is_made:
                # Made anew for each value: only that nothing is in it tells that it was made.
                count = _where(f"value.{name}", count) if is_made in _EMPTY else _Count()
            counts.append(count)
        return _total(counts)

    def _name(self, thing: Any) -> str:
        if thing is None or thing is True or thing is False:
            return str(thing)
        name = f"thing{len(self.names)}"
        self.names[name] = thing
        return name


_type = type
_EMPTY = (list, dict, set)


def _class_of(inner: Any) -> Any:
    """Return the class that values of a member of a union have."""
    cls = typing.get_origin(inner) or inner
    if not isinstance(cls, _type) or library_of(inner) == "typeddict":
        return dict
    if library_of(inner) or cls in (list, dict, set, frozenset, tuple):
        return cls
    if issubclass(cls, abc.Mapping):
        return dict
    return set if issubclass(cls, abc.Set) else list if issubclass(cls, abc.Collection) else cls


def _record_fields(type: Any, library: str) -> list[tuple[str, Any, Any, Any]]:
    """Return name, type, default and factory of each field; NO_DEFAULT and None for no such."""
    if library == "struct":
        return [
            (each.name, each.type, each.default, _or_none(each.default_factory))
            for each in msgspec.structs.fields(type)
        ]
    hints = hints_of(type)
    cls = typing.get_origin(type) or type
    if library == "dataclass":
        return [
            (
                each.name,
                hints[each.name],
                NO_DEFAULT if each.default is MISSING else each.default,
                None if each.default_factory is MISSING else each.default_factory,
            )
            for each in fields(cls)
        ]
    raise _NotKnown  # attrs: its converters may put anything in place of what came


def _or_none(factory: Any) -> Any:
    return None if factory is msgspec.NODEFAULT else factory
