"""What a parser under test is, and how its failures are told apart."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The longest input that is made up, in bytes; the cost of long ones is counted in growth.py.
LONGEST = 4096


class Differs(Exception):
    """The parser gave something else than what it is to be equal to."""


@dataclass(frozen=True)
class Parser:
    """`run` takes bytes and raises nothing but `refusals`.

    `seeds` are inputs that get far into it, `tokens` what is put into others. A hostile shape
    for the count of growth is `head`, then one of the tokens or of `units` many times, `tail`.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    refusals: tuple[type[Exception], ...]
    tokens: tuple[bytes, ...]
    head: bytes
    tail: bytes

    def survives(self, data: bytes) -> str | None:
        """None, or in one line what came out of it and where."""
        try:
            self.run(data)
        except self.refusals:
            return None
        except Exception as error:
            return place_of(error)
        return None


PARSERS: dict[str, Parser] = {}


def parser(
    *seeds: bytes | str,
    refuses: type[Exception] | Iterable[type[Exception]] = (),
    tokens: Iterable[bytes] = (),
    head: bytes = b"",
    tail: bytes = b"",
) -> Callable[[Callable[[bytes], Any]], Callable[[bytes], Any]]:
    """List the decorated function as a parser of that name."""
    refusals = (refuses,) if isinstance(refuses, type) else tuple(refuses)

    def add(run: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        name = run.__name__.replace("_", "-")
        given = tuple(
            one.encode("utf-8", "surrogatepass") if isinstance(one, str) else one for one in seeds
        )
        if name in PARSERS:
            raise ValueError(f"two parsers are called {name!r}")
        PARSERS[name] = Parser(name, run, given, refusals, tuple(tokens), head, tail)
        return run

    return add


def place_of(error: Exception) -> str:
    """The exception's type, and the last places it came through: alike failures are one."""
    found = traceback.extract_tb(error.__traceback__)[-3:]
    lines = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(found))
    told = str(error).replace("\n", " ")[:160] if isinstance(error, Differs) else ""
    return f"{type(error).__name__} {told}at {lines}"


def text_of(data: bytes) -> str:
    """As a field or a line comes: Latin-1, so that each byte is a character."""
    return data.decode("latin-1")


def utf8_of(data: bytes) -> str:
    """As a file or a form comes: UTF-8, with what is none replaced."""
    return data.decode("utf-8", "replace")


def equal(ours: Any, theirs: Any) -> None:
    """Raise Differs unless they are equal, NaN to itself included."""
    if ours != theirs and repr(ours) != repr(theirs):
        raise Differs(f"{ours!r} is not {theirs!r} ")
