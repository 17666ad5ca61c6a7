"""What a type says of a parameter's place; and how a type is shown in a message."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Any

from werkzeug.wrappers import Request as WerkzeugRequest

from ..kinds.shapes import bare, library_of, members_of
from ..marks import Place
from ..model import Input

_type = type

_IDENTITY = ("hipflask.security.identity", "Identity")
#: Types that are known by themselves: module and name -> place. Looked up by name, as most of
#: these modules are loaded only where an application uses them.
_KNOWN = {
    ("hipflask.websockets", "WebSocket"): Place.PROVIDED,
    _IDENTITY: Place.PROVIDED,
    ("hipflask.streams", "BodyStream"): Place.STREAM,
    ("hipflask.api.inputs.uploads", "Upload"): Place.FILE,
}


def last(marks: list[Any], kind: Any) -> Any:
    """Return the last mark of a kind: the outermost `Annotated` wins."""
    return next((mark for mark in reversed(marks) if isinstance(mark, kind)), None)


def is_record(type: Any) -> bool:
    return record_in(type) is not None


def record_in(type: Any) -> Any:
    """Return the record that a type, or an Optional of it, is; None if it is none."""
    members = [part for part in members_of(type) if bare(part)[0] is not types.NoneType]
    if len(members) == 1 and library_of(bare(members[0])[0]):
        return members[0]
    return None


def known_place(type: Any) -> Place | None:
    for part in members_of(type):
        inner = bare(part)[0]
        if typing.get_origin(inner) in (list, tuple) and typing.get_args(inner):
            inner = bare(typing.get_args(inner)[0])[0]
            if _of_class(inner) is not Place.FILE:
                continue
        if (place := _of_class(inner)) is not None:
            return place
    return None


def wants_identity(inputs: Iterable[Input]) -> bool:
    """Return whether a view cannot be called before it is known who calls.

    That is what a parameter of type `Identity` says, of the view or of a provider of it, unless
    it may be None or has a default.
    """
    return any(_is_identity(each) or wants_identity(each.needs) for each in inputs)


def _is_identity(input: Input) -> bool:
    names = [
        (base.__module__, base.__qualname__) for base in getattr(bare(input.type)[0], "__mro__", ())
    ]
    return input.is_required and input.provided is None and _IDENTITY in names


def _of_class(cls: Any) -> Place | None:
    if not isinstance(cls, type):
        return None
    if issubclass(cls, WerkzeugRequest):
        return Place.PROVIDED
    for base in cls.__mro__:
        place = _KNOWN.get((base.__module__, base.__qualname__))
        if place is not None:
            return place
    return None


def shown(type: Any) -> str:
    """Return a type as users write it."""
    if isinstance(type, _type) and not typing.get_args(type):
        return type.__qualname__
    text = str(type)
    for module in ("typing.", "collections.abc.", "datetime.", "uuid.", "decimal.", "msgspec."):
        text = text.replace(module, "")
    return text
