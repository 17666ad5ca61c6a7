"""A text, or a value of TOML, as the type that a setting is declared with."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from .model import Secret

_SEQUENCES = (list, tuple, set, frozenset)


class WrongValue(ValueError):
    """The value is not of the type; the text says what would be right, never the value."""


def read_value(value: Any, type_: Any, is_text: bool) -> Any:
    """`value` as `type_`. Raises WrongValue.

    A text is taken for a number, a truth value ("true", "1", "false", "0"), a date, an ISO
    duration... as the type wants; lists are JSON or separated by commas, tables are JSON. An
    empty text is None where None is allowed.
    """
    if is_text:
        return _read_text(str(value), type_)
    return _convert(value, type_, strict=True)


def is_secret(type_: Any) -> bool:
    """Whether the type is Secret, or holds one."""
    return type_ is Secret or any(map(is_secret, get_args(type_)))


def _read_text(text: str, type_: Any) -> Any:
    choices = _choices(type_)
    if type(None) in choices and text == "":
        return None
    if Secret in choices or str in choices:
        return _convert(text, type_, strict=True)
    if _wants_sequence(choices):
        return _convert(_split(text), type_, strict=False)
    if _wants_json(choices):
        return _convert(_decode(text), type_, strict=True)
    if bool in choices and text.lower() in ("on", "yes", "off", "no"):
        raise WrongValue('"true", "1", "false" or "0"')
    return _convert(text, type_, strict=False)


def _split(text: str) -> list[Any]:
    if text.lstrip().startswith("["):
        found = _decode(text)
        return found if isinstance(found, list) else [found]
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _decode(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise WrongValue("JSON") from None


def _choices(type_: Any) -> list[Any]:
    """The types that a union is of, constraints left out; one for any other type."""
    origin = get_origin(type_)
    if origin is Annotated:
        return _choices(get_args(type_)[0])
    if origin in (Union, types.UnionType):
        return [choice for part in get_args(type_) for choice in _choices(part)]
    return [type_]


def _wants_sequence(choices: list[Any]) -> bool:
    return any((get_origin(choice) or choice) in _SEQUENCES for choice in choices)


def _wants_json(choices: list[Any]) -> bool:
    for choice in choices:
        plain = get_origin(choice) or choice
        if plain is dict or hasattr(plain, "__struct_fields__"):
            return True
        if hasattr(plain, "__dataclass_fields__") or hasattr(plain, "__total__"):
            return True
    return False


def _convert(value: Any, type_: Any, *, strict: bool) -> Any:
    try:
        return msgspec.convert(value, type_, strict=strict, dec_hook=_make_own)
    except msgspec.ValidationError as error:
        raise WrongValue(_plain(str(error))) from None
    except (ValueError, OverflowError, RecursionError):
        raise WrongValue("a value of its type") from None


def _make_own(type_: Any, value: Any) -> Any:
    if type_ is Secret:
        if not isinstance(value, str):
            raise ValueError("Expected `str`")
        return Secret(value)
    made: Callable[[Any], Any] = type_
    return made(value)


def _plain(message: str) -> str:
    """msgspec's message without its capital, "got ..." kept as it names a type and no value."""
    text = message.removeprefix("Expected ").replace(" - at `$", " at `")
    if message.startswith("Invalid enum value"):  # which repeats the value
        return "one of the values that are allowed"
    if message.startswith("Invalid"):
        return text.split(" - at", 1)[0].lower().removeprefix("invalid ").join(("a valid ", ""))
    return text
