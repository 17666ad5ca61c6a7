"""How text is read as a value: of a query, a header, a cookie, a path or a form.

Text has no types, so this is laxer than JSON, and still exact:

- integers are `-?[0-9]+`; numbers are written as in JSON, leading zeros allowed; no blanks
  around, no `+`, no underscores, no digits of other scripts, at most 4300 digits; decimals
  may have a `+`, and no digit on one side of the point;
- booleans are true, false, 1, 0, on and off, in any case of letters;
- dates, times, durations, UUIDs and bytes (base64) as in JSON;
- enums and literals by their value, text before numbers;
- of a union, the first that fits of: literals and enums, numbers, booleans, dates and other
  formats, text;
- None cannot be written: a parameter that is left out gets its default. Empty text is text,
  and no number.

A list is made of all values that came under its name, anything else of the last one.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec

from ..model import Flaw, Rejected
from .checks import checker_of, limit_words, limits_of, noun_of, translated
from .of_msgspec import flaw_of
from .shapes import (
    MAX_DIGITS,
    bare,
    is_of_pydantic,
    is_scalar,
    is_union,
    list_in,
    members_of,
    needs_pydantic,
)
from .words import any_of, one_of

_INTEGER = re.compile(rf"-?[0-9]{{1,{MAX_DIGITS}}}", re.ASCII).fullmatch
_NUMBER = re.compile(
    rf"-?[0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{1,{MAX_DIGITS}}})?([eE][+-]?[0-9]{{1,4}})?", re.ASCII
).fullmatch
# As the schema of decimals has it, in JSON's text too.
_DECIMAL = re.compile(
    rf"[+-]?([0-9]{{1,{MAX_DIGITS}}}(\.[0-9]{{0,{MAX_DIGITS}}})?|\.[0-9]{{1,{MAX_DIGITS}}})"
    r"([eE][+-]?[0-9]{1,4})?",
    re.ASCII,
).fullmatch
_BOOLEANS = {"true": True, "1": True, "on": True, "false": False, "0": False, "off": False}

#: What a reader returns for text that is not of its form.
_OTHER: Any = object()

builtin = type

Read = Callable[[str], Any]


def text_reader(type: Any, convert: Callable[[Any], Any]) -> Callable[[list[str]], Any]:
    """Return the function that reads texts as a type; TypeError if text cannot hold it.

    `convert` makes a list of what was read into the type, and tests its limits.
    """
    listed = list_in(type)
    if listed is not None:
        return _list_reader(listed, convert)
    if not is_scalar(type):
        raise TypeError(f"{type!r} is no scalar and no list of scalars: one text cannot hold it.")
    if bare(type) == (str, ()):
        return lambda texts: texts[-1]
    read = _scalar_reader(type)
    return lambda texts: read(texts[-1])


def accepts_empty(type: Any) -> bool:
    """Return whether empty text can be a value of a scalar type, or of one in a list of them."""
    listed = list_in(type)
    if listed is not None:
        return any(accepts_empty(part) for part in typing.get_args(listed) if part is not ...)
    return any(_takes_empty(bare(part)[0]) for part in members_of(type))


def _takes_empty(inner: Any) -> bool:
    if typing.get_origin(inner) is typing.Literal:
        return "" in typing.get_args(inner)
    if not isinstance(inner, builtin):
        return False
    if issubclass(inner, Enum):
        return any(member.value == "" for member in inner) or "_missing_" in vars(inner)
    return inner in (str, bytes) or is_of_pydantic(inner)


def _list_reader(listed: Any, convert: Callable[[Any], Any]) -> Callable[[list[str]], Any]:
    parts = typing.get_args(listed)
    readers = [_scalar_reader(part) for part in parts if part is not ...]
    is_fixed = typing.get_origin(listed) is tuple and ... not in parts

    def read_list(texts: list[str]) -> Any:
        values, flaws = [], []
        for index, text in enumerate(texts):
            try:
                reader = readers[min(index, len(readers) - 1)] if is_fixed else readers[0]
                values.append(reader(text))
            except Rejected as error:
                flaws += [
                    Flaw((index, *flaw.location), flaw.expected, flaw.got) for flaw in error.flaws
                ]
        if flaws:
            raise Rejected(flaws)
        return convert(values)

    return read_list


def _scalar_reader(type: Any) -> Read:
    if needs_pydantic(type):
        return _pydantic_reader(type)
    members = [part for part in members_of(type) if bare(part)[0] is not types.NoneType]
    if is_union(bare(type)[0]):
        # Limits of the union itself hold for each of its members.
        marks = bare(type)[1]
        members = [typing.Annotated[part, *marks] if marks else part for part in members]
    readers = [_member_reader(part) for part in sorted(members, key=_rank)]
    if len(readers) == 1:
        return readers[0]

    def read_any(text: str) -> Any:
        flaws = []
        for read in readers:
            try:
                return read(text)
            except Rejected as error:
                flaws += error.flaws
        raise Rejected([Flaw((), any_of([flaw.expected for flaw in flaws]), "other text")])

    return read_any


def _rank(type: Any) -> int:
    inner = bare(type)[0]
    if typing.get_origin(inner) is typing.Literal or issubclass(inner, Enum):
        return 0
    ranks = {"int": 1, "Decimal": 2, "float": 3, "bool": 4, "bytes": 6, "str": 7}
    return ranks.get(inner.__name__, 5)


def _member_reader(type: Any) -> Read:
    """Return the reader of one scalar that is no union."""
    type = translated(type)
    inner, metadata = bare(type)
    if inner is str and not metadata:
        return lambda text: text
    expected = _expected(inner)
    prepare = _prepare(inner)
    if inner in (int, float, bool) and not limits_of(metadata):

        def read_plain(text: str) -> Any:
            value = prepare(text)
            if value is _OTHER:
                raise Rejected([Flaw((), expected, "text" if text else "empty text")])
            return value

        return read_plain
    check = checker_of(type)
    msgspec.json.Decoder(type)  # raises TypeError now, not when a request comes

    def read(text: str) -> Any:
        candidate = prepare(text)
        if candidate is _OTHER:
            raise Rejected([Flaw((), expected, "text" if text else "empty text")])
        try:
            value = msgspec.convert(candidate, type)
        except (msgspec.ValidationError, ValueError) as error:
            raise Rejected([flaw_of(error, type)]) from None
        return value if check is None else check(value)

    return read


def _prepare(inner: Any) -> Read:
    """Return the function from text to what msgspec reads strictly; `_OTHER` for other text."""
    if typing.get_origin(inner) is typing.Literal:
        return _by_value(
            {
                str(_text_of(value)): value
                for value in reversed(typing.get_args(inner))
                if value is not None
            }
        )
    if issubclass(inner, Enum):
        if "_missing_" in vars(inner) and issubclass(builtin(next(iter(inner)).value), str):
            return lambda text: text  # the enum decides itself
        return _by_value({str(_text_of(member.value)): member.value for member in inner})
    if inner is bool:
        return lambda text: _BOOLEANS.get(text.lower(), _OTHER)
    if inner is int:
        return lambda text: int(text) if _INTEGER(text) else _OTHER
    if inner is float:
        return _number
    if inner.__name__ == "Decimal":
        return lambda text: text if _DECIMAL(text) else _OTHER
    return lambda text: text


def _number(text: str) -> Any:
    if not _NUMBER(text):
        return _OTHER
    value = float(text)
    return value if abs(value) != float("inf") else _OTHER


def _text_of(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _by_value(values: dict[str, Any]) -> Read:
    return lambda text: values.get(text, _OTHER)


def words_of(type: Any) -> str:
    """Return what a value of a scalar type, or a list of scalars, is: "an integer of at least 1".

    Tests by functions of the user, and pydantic's own types, have no words.
    """
    listed = list_in(type)
    if listed is not None:
        items = [part for part in typing.get_args(listed) if part is not ...]
        return f"one value or more, each {any_of([words_of(item) for item in items])}"
    members = [part for part in members_of(type) if bare(part)[0] is not types.NoneType]
    return any_of([_words_of_scalar(part) for part in members])


def _words_of_scalar(type: Any) -> str:
    inner, metadata = bare(type)
    words = _expected(inner)
    limits = [limit_words(*limit) for limit in limits_of(metadata).items()]
    return " ".join([words, " and ".join(limit for limit in limits if limit)]).rstrip()


def _expected(inner: Any) -> str:
    if typing.get_origin(inner) is typing.Literal:
        return one_of([value for value in typing.get_args(inner) if value is not None])
    if issubclass(inner, Enum):
        return one_of([member.value for member in inner])
    return noun_of(inner)


def _pydantic_reader(type: Any) -> Read:
    from .of_pydantic import text_converter

    inner = bare(type)[0]
    prepare = None
    if not is_union(inner) and isinstance(inner, builtin) and not is_of_pydantic(inner):
        prepare = (
            _prepare(inner) if inner in (int, float, bool) or inner.__name__ == "Decimal" else None
        )
    convert = text_converter(type)
    expected = noun_of(inner)

    def read(text: str) -> Any:
        if prepare is not None and prepare(text) is _OTHER:
            raise Rejected([Flaw((), expected, "text" if text else "empty text")])
        return convert(text)

    return read
