"""What a return annotation says of the answer; most of what Flask accepts says nothing."""

from __future__ import annotations

import types
import typing
from collections import abc
from typing import Any

from werkzeug.wrappers import Response

from ..kinds.shapes import bare, is_structured, members_of, union_of, without_marks
from ..marks import Flag, Status
from ..model import Output

_LINES = (
    abc.Iterator,
    abc.AsyncIterator,
    abc.Iterable,
    abc.AsyncIterable,
    abc.Generator,
    abc.AsyncGenerator,
)
_AWAITABLES = (abc.Awaitable, abc.Coroutine)
_MARKS = (Flag, Status)


def output_of(hint: Any) -> Output | None:
    """Return the answer that a return annotation describes; None where Flask's meaning stays.

    It counts if there is a record in it, alone or in a list, a dict's values, a union or an
    iterator (then each is a line), or if it carries `status(...)` or another mark of an answer.
    Of a tuple the first is meant; a Response among the members of a union passes through.
    """
    type, marks = without_marks(hint, _MARKS)
    type, more = without_marks(_body_of(type), _MARKS)
    marks += more
    bodies = [_body_of(part) for part in members_of(type) if not _is_response(part)]
    if not bodies:
        return None
    type, more = without_marks(union_of(bodies), _MARKS)
    marks += more
    is_lines = typing.get_origin(type) in _LINES
    if is_lines:
        type, more = without_marks(typing.get_args(type)[0], _MARKS)
        marks += more
    elif type is None:
        type = types.NoneType
    if not marks and not is_structured(type):
        return None
    flags = {mark.name for mark in marks if isinstance(mark, Flag)}
    codes = [mark.code for mark in marks if isinstance(mark, Status)]
    return Output(
        type,
        is_lines,
        codes[-1] if codes else 200,
        "exclude_unset" in flags,
        "conditional" in flags,
    )


def _body_of(type: Any) -> Any:
    """Return the body's type: the first of a tuple as Flask takes it, what a coroutine gives."""
    inner = bare(type)[0]
    origin, parts = typing.get_origin(inner), typing.get_args(inner)
    if origin in _AWAITABLES:
        return parts[-1]
    if origin is tuple and ... not in parts and _is_answer(parts):
        return parts[0]
    return type


def _is_answer(parts: tuple[Any, ...]) -> bool:
    """Return whether a tuple's types are a body, then a status or headers."""
    if len(parts) not in (2, 3):
        return False
    second = bare(parts[1])[0]
    if typing.get_origin(second) is typing.Literal:
        return all(isinstance(value, int) for value in typing.get_args(second))
    if _is_headers(second):
        return True
    return isinstance(second, type) and issubclass(second, int)


def _is_headers(type: Any) -> bool:
    origin = typing.get_origin(type) or type
    return origin in (dict, list, abc.Mapping) or getattr(origin, "__name__", "") == "Headers"


def _is_response(part: Any) -> bool:
    inner = bare(part)[0]
    return isinstance(inner, type) and issubclass(inner, Response)
