"""Containers and classes that say when they change.

What dispatch needs to know about an application is worked out once and kept in a `Cell`.
Extensions also write straight into the dictionaries and lists behind it, or replace a
method on the instance or on the class; each such change empties the cell, and the next
request works it out anew. (A change costs one attribute write; a request pays nothing.)
"""

from __future__ import annotations

import weakref
from abc import ABCMeta
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Cell:
    """Holds what was worked out, or None once something it rests on has changed."""

    __slots__ = ("__weakref__", "epoch", "plan")

    def __init__(self) -> None:
        self.plan: Any = None
        #: Counts the changes, so that a plan made while something changed is not kept.
        self.epoch = 0
        _cells.add(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return Cell, ()  # a container that is pickled starts a life of its own

    def empty(self) -> None:
        """Something the plan rests on has changed."""
        self.epoch += 1
        self.plan = None


_cells: weakref.WeakSet[Cell] = weakref.WeakSet()


def empty_all() -> None:
    """Forget every application's plan: a class they share was changed."""
    for cell in tuple(_cells):
        cell.empty()


def _announcing(kind: type, names: tuple[str, ...]) -> Callable[[type[T]], type[T]]:
    """Class decorator: each of `kind`'s methods in `names` empties the container's cell."""

    def wrap(name: str) -> Callable[..., Any]:
        change = getattr(kind, name)

        def method(self: Any, *args: Any, **kwargs: Any) -> Any:
            if self.cell is None:
                return change(self, *args, **kwargs)
            before = self.planned()
            try:
                return change(self, *args, **kwargs)
            finally:  # one that fails may have changed something first
                if kind is defaultdict:
                    self.take_over()
                if before is None or before != self.planned():
                    self.cell.empty()

        method.__name__ = name
        method.__doc__ = change.__doc__
        return method

    def decorate(cls: type[T]) -> type[T]:
        for name in names:
            setattr(cls, name, wrap(name))
        return cls

    return decorate


_HOOK_CHANGES = ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "update")
_DICT_CHANGES = (*_HOOK_CHANGES, "setdefault")
_LIST_CHANGES = (
    "__setitem__", "__delitem__", "__iadd__", "__imul__",
    "append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort",
)  # fmt: skip


def _all_of_it(container: Any) -> Any:
    """What of the container a plan rests on, to be compared; None where any change counts."""
    return None


@_announcing(dict, _DICT_CHANGES)
class LiveDict(dict[Any, Any]):
    """A dict that empties `cell` on every change; `cell` may stay None."""

    cell: Cell | None = None
    planned = _all_of_it

    @classmethod
    def of(cls, cell: Cell, items: Any) -> Any:
        """`items` as a container that empties `cell`; itself if it is one."""
        if isinstance(items, cls) and items.cell is cell:
            return items
        made = cls(items)
        made.cell = cell
        return made


@_announcing(list, _LIST_CHANGES)
class LiveList(list[Any]):
    """A list that empties `cell` on every change."""

    planned = _all_of_it
    cell: Cell | None = None  # an unpickled list is filled before it gets its own

    def __init__(self, cell: Cell | None = None, items: Any = ()) -> None:
        super().__init__(items)
        self.cell = cell

    @classmethod
    def of(cls, cell: Cell, items: Any) -> Any:
        """`items` as a list that empties `cell`; itself if it is one."""
        return items if isinstance(items, cls) and items.cell is cell else cls(cell, items)


@_announcing(defaultdict, _HOOK_CHANGES)
class LiveHooks(defaultdict[Any, Any]):
    """Hooks by blueprint name (None: the application), each a list that announces its changes.

    A plain list that is put in is taken over into such a list.

    Differs from Flask: the list that was put in is not the one kept, so it may not be changed
    afterwards; change the one in the dictionary.
    """

    planned = _all_of_it

    def __init__(self, cell: Cell | None = None, items: Any = ()) -> None:
        super().__init__(lambda: LiveList(cell))
        self.cell = cell
        self.update(items)

    @classmethod
    def of(cls, cell: Cell, items: Any) -> Any:
        """`items` as hooks that empty `cell`; itself if it is that."""
        return items if isinstance(items, cls) and items.cell is cell else cls(cell, items)

    def setdefault(self, scope: Any, hooks: Any = ()) -> Any:
        """The scope's list; made of `hooks` where there is none."""
        if scope not in self:
            self[scope] = hooks
        return self[scope]

    def take_over(self) -> None:
        """Replace the plain lists among the values."""
        for scope, hooks in self.items():
            if isinstance(hooks, list) and not isinstance(hooks, LiveList):
                dict.__setitem__(self, scope, LiveList(self.cell, hooks))

    def copy(self) -> Any:
        """A plain dictionary of the same lists."""
        return defaultdict(list, self)

    __copy__ = copy

    # What defaultdict gives by calling its own constructor would be of our class.

    def __reduce__(self) -> tuple[Any, ...]:
        return self.copy().__reduce__()  # type: ignore[no-any-return]

    def __or__(self, other: Any) -> Any:
        return self.copy() | other

    def __ror__(self, other: Any) -> Any:
        return other | self.copy()


class LiveType(ABCMeta):
    """Metaclass: setting or deleting an attribute of the class is a change, too.

    Derived from ABCMeta so that an application class may also derive from an ABC.
    """

    #: By the name of a method: what makes of a function put in its place the one that is kept.
    _adapted: Mapping[str, Callable[[Any], Any]] = {}

    def __init__(cls, name: str, bases: Any, namespace: Any, **kwargs: Any) -> None:
        super().__init__(name, bases, namespace, **kwargs)
        for method in cls._adapted.keys() & namespace.keys():
            setattr(cls, method, namespace[method])

    def __setattr__(cls, name: str, value: Any) -> None:
        if name in cls._adapted:
            value = cls._adapted[name](value)
        super().__setattr__(name, value)
        # ABCMeta keeps its own registers on the class.
        if not name.startswith("_abc_"):
            empty_all()

    def __delattr__(cls, name: str) -> None:
        super().__delattr__(name)
        empty_all()
