"""Rows of any origin in one form, and what tells one version of a row from another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any


class Row:
    """A row as tables give it to functions: `row["amount"]`, `row.amount`. Not to be changed.

    `row["..."]` also reads columns that are named as a method is.
    """

    __slots__ = ("_key", "_values")

    def __init__(self, values: Mapping[str, Any], key: str = "") -> None:
        self._values = values
        self._key = key

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"The row has no column {name!r}; it has {', '.join(map(str, self._values))}."
            ) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def keys(self) -> Any:
        """The columns' names; with it `dict(row)` works."""
        return self._values.keys()

    def __repr__(self) -> str:
        return f"Row({self._key or '...'})"


def key_of(row: Row) -> str:
    """The row's key as it stands in addresses (`keys.py`); "" for a row without one."""
    return row._key


def version_of(row: Row) -> str:
    """A digest of all values of a row: another one as soon as any of them is another."""
    digest = hashlib.sha256()
    for name, value in row._values.items():
        if isinstance(value, memoryview | bytearray):
            value = bytes(value)
        for part in (name, type(value).__name__, _written(value)):
            raw = part.encode("utf-8", "backslashreplace")
            digest.update(b"%d:" % len(raw))
            digest.update(raw)
    return digest.hexdigest()[:32]


def _written(value: Any) -> str:
    if type(value) is int:
        return hex(value)  # of any length
    try:
        return repr(value)
    except Exception:
        # Somebody's class: what cannot be told is not compared.
        return ""
