"""Whether the values of a type have an end, or may be as deep as a sender likes."""

from __future__ import annotations

from typing import Any

from msgspec import inspect


def ends(kind: Any) -> bool:
    """Whether no value of the type nests deeper than the type is written; False if unknown."""
    try:
        return _ends(inspect.type_info(kind), ())
    except Exception:  # none of msgspec's types
        return False


def _ends(kind: Any, above: tuple[Any, ...]) -> bool:
    if isinstance(kind, (inspect.AnyType, inspect.RawType, inspect.CustomType, inspect.ExtType)):
        return False
    cls = getattr(kind, "cls", None)
    if cls in above:
        return False
    inner = [getattr(kind, name) for name in _ONE if hasattr(kind, name)]
    for name in _SEVERAL:
        inner += [getattr(part, "type", part) for part in getattr(kind, name, ())]
    return all(_ends(part, above if cls is None else (*above, cls)) for part in inner)


# Of all the classes in `msgspec.inspect`: where they keep what is inside.
_ONE = ("type", "item_type", "key_type", "value_type")
_SEVERAL = ("types", "item_types", "fields")
