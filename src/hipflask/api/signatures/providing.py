"""What a provider gives, by its return annotation, and whether a parameter can take it."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections import abc
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from ..kinds.shapes import bare, members_of
from .layers import Layer

_ITERATORS = (
    abc.Generator,
    abc.Iterator,
    abc.Iterable,
    abc.AsyncGenerator,
    abc.AsyncIterator,
    abc.AsyncIterable,
)
_AWAITABLES = (abc.Awaitable, abc.Coroutine)


def given_by(layers: list[Layer], resolve: Callable[[Layer, str, Any], Any]) -> Any:
    """Return the type that a provider gives; `Parameter.empty` if nothing tells.

    A generator gives what it yields, a coroutine what it returns, a class an instance.
    """
    outer, inner = layers[0], layers[-1]
    call = inner.call
    while isinstance(call, functools.partial):
        call = call.func
    if inspect.isclass(call):
        return call
    try:
        annotation = inspect.signature(inner.call, follow_wrapped=False).return_annotation
    except (TypeError, ValueError):
        return Parameter.empty
    if annotation is Parameter.empty:
        return annotation
    hint = resolve(inner, "return", annotation)
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    function = inner.function
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        if outer is not inner:
            return Parameter.empty  # a decorator may make anything of it, as contextmanager does
        return parts[0] if origin in _ITERATORS and parts else Parameter.empty
    if origin in _AWAITABLES:
        return parts[-1]
    return hint


def mismatch(given: Any, wanted: Any) -> str:
    """Return why a value of type `given` cannot be one of type `wanted`; "" if it may be.

    Only what is certain: classes that are no subclasses of one another, None where it is not
    taken. Protocols, type variables and `Any` pass.
    """
    for part in members_of(given):
        if not any(_fits(bare(part)[0], bare(each)[0]) for each in members_of(wanted)):
            if bare(part)[0] is types.NoneType:
                return "Take None as well, or let the provider raise instead."
            return "Correct one of the two annotations."
    return ""


def _fits(given: Any, wanted: Any) -> bool:
    given_class = typing.get_origin(given) or given
    wanted_class = typing.get_origin(wanted) or wanted
    if Any in (given, wanted) or typing.Literal in (given_class, wanted_class):
        return True
    if not (isinstance(given_class, type) and isinstance(wanted_class, type)):
        return True
    if wanted_class is float and given_class is int:
        return True
    if typing.is_typeddict(given_class) or typing.is_typeddict(wanted_class):
        return given_class is wanted_class or dict in (given_class, wanted_class)
    if getattr(wanted_class, "_is_protocol", False):
        return True
    return issubclass(given_class, wanted_class)
