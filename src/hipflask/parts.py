"""Descriptors for parts of a request or response that are made when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from .config import DEFAULTS
from .globals import _cv_current

# Characters of an HTTP date, in the longest of its forms and then some.
LONGEST_DATE = 64

V = TypeVar("V")


class lazy(Generic[V]):
    """A part made at first use and kept on the instance, where it may also be set."""

    def __init__(self, make: Callable[[Any], V]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[V]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> V: ...
    def __get__(self, instance: object | None, owner: type) -> lazy[V] | V:
        if instance is None:
            return self
        value = self._make(instance)
        instance.__dict__[self._name] = value
        return value


class looked_at(lazy[V]):
    """A part of a response that was not there as long as nobody looked at it."""

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        made = instance.__dict__
        if self._name not in made:
            instance._look_at()
            made[self._name] = self._make(instance)
        return made[self._name]

    def __set__(self, instance: Any, value: V) -> None:
        instance._look_at()
        instance.__dict__[self._name] = value


def current_config() -> Any:
    """The current application's configuration, Flask's defaults without one."""
    ctx = _cv_current.get()
    return DEFAULTS if ctx is None else ctx.app.config


def limit(key: str) -> Any:
    """A limit that is the request's own if set there, else the application's `key`."""
    slot = "_" + key.lower()

    def read(self: Any) -> int | None:
        own: int | None = getattr(self, slot)
        return current_config()[key] if own is None else own

    def write(self: Any, value: int | None) -> None:
        setattr(self, slot, value)

    return property(read, write, doc=f"Limit of this request; `{key}` of the config if not set.")
