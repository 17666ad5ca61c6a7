"""Descriptors for parts of a request that are made when first asked for.

None of them asks an instance for its `__dict__`. CPython keeps attributes without one until
somebody does; from then on each of them is looked up. Measured in instructions (callgrind) on
Python 3.11: a request with a session and three hooks takes 211,700, and took 234,700.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
        setattr(instance, self._name, value)
        return value


class kept(lazy[V]):
    """A part that is kept as `_name` of the instance, where one sees whether it was made: None."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = "_" + name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        value = getattr(instance, self._name)
        return super().__get__(instance, owner) if value is None else value

    def __set__(self, instance: Any, value: V) -> None:
        setattr(instance, self._name, value)

    def __delete__(self, instance: Any) -> None:
        setattr(instance, self._name, None)


def set_aside(cls: type, names: Iterable[str]) -> None:
    """Have places for these attributes in the instances of `cls`, of which there are none yet.

    CPython sets them aside for what the first 30 instances have; who gets another attribute
    later gets a `__dict__`. A server whose first requests were no more than "are you there?"
    would pay for that as long as it runs: 6,500 instructions for each request with a session.
    """
    if hasattr(cls, "__del__"):
        return  # which would be called for the one made here
    first: Any = object.__new__(cls)
    for name in names:
        if not hasattr(getattr(cls, name, None), "__set__"):
            object.__setattr__(first, name, None)


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
