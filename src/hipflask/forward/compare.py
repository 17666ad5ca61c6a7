"""What differs between two answers: status, chosen header fields, the structure of JSON. Sans-IO.

Written here and not taken from deepdiff, which finds the same places (a test holds them
together) at 30 to 60 times the cost, in the process that serves: see docs/why/dependencies.md.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ..scaffold import SetupError
from .answers import Fields, find_field

#: Differences found in one pair of answers at most.
MOST = 100
# Values looked at in one pair of answers at most.
_MOST_VALUES = 200_000
# Bytes that an answer is unpacked to at most.
_MOST_UNPACKED = 16 * 1024 * 1024
_SHOWN = 80
_PLAIN = frozenset((str, int, float, bool, type(None)))

Differences = dict[str, tuple[Any, Any]]


class _Missing:
    def __repr__(self) -> str:
        return "(nothing)"


MISSING = _Missing()


@dataclass(frozen=True)
class Seen:
    """An answer, as it is compared. `body` is None where it was longer than is kept."""

    status: int
    headers: Fields = ()
    body: bytes | None = b""

    @property
    def is_json(self) -> bool:
        """Whether its content type is JSON, or built on it."""
        kind = (find_field(self.headers, "content-type") or "").partition(";")[0].strip().lower()
        return kind == "application/json" or kind.endswith("+json")

    def json(self) -> Any:
        """The body, decoded. Raises ValueError for what is no JSON."""
        try:
            return msgspec.json.decode(self.body or b"")
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"The body is no JSON: {error}") from None


def unpacked(seen: Seen) -> Seen:
    """The same with its body as it was before gzip or deflate; None for one that cannot be read.

    A client that takes compressed answers gets them from one side and not from the other, or of
    other bytes. RFC 9110, 8.4
    """
    coding = (find_field(seen.headers, "content-encoding") or "").strip().lower()
    if not seen.body or coding in ("", "identity"):
        return seen
    body = None
    if coding in ("gzip", "x-gzip", "deflate"):
        reader = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            found = reader.decompress(seen.body, _MOST_UNPACKED)
        except zlib.error:
            found = b""
        body = found if reader.eof and not reader.unused_data else None
    return replace(seen, body=body)


@dataclass(frozen=True)
class Compare:
    """What counts as a difference.

    `headers` are compared besides the status and the body. `ignore` lists places in a JSON body:
    "items[*].id" is each item's id, "*" stands for one name, "**" for any number of steps, so
    "**.updated_at" is that name anywhere; "header:name", "status" and "body" are places, too.
    `clean` is given an answer as a `Seen` and returns what is compared in place of its body: text,
    bytes, or what JSON has. With `samples` False no values are kept.
    """

    headers: tuple[str, ...] = ("content-type", "location")
    ignore: tuple[str, ...] = ()
    clean: Callable[[Seen], Any] | None = None
    samples: bool = True

    def __post_init__(self) -> None:
        given: list[Any] = [self.headers, self.ignore]
        if any(isinstance(each, str) for each in given):
            raise SetupError("headers= and ignore= of Compare are tuples of texts.")
        object.__setattr__(self, "_ignored", [_pattern(each) for each in self.ignore])

    def differences(self, one: Seen, other: Seen) -> Differences:
        """The places at which they differ, with both values; at most MOST.

        Where the status differs nothing else is looked at.
        """
        found: Differences = {}
        for place, left, right in self._all(one, other):
            if not any(pattern.fullmatch(place) for pattern in self._patterns):
                found.setdefault(place, (left, right))
                if len(found) >= MOST:
                    break
        return found

    @property
    def _patterns(self) -> list[re.Pattern[str]]:
        return self._ignored  # type: ignore[attr-defined,no-any-return]  # set once, frozen

    def _all(self, one: Seen, other: Seen) -> Iterator[tuple[str, Any, Any]]:
        if one.status != other.status and not any(
            pattern.fullmatch("status") for pattern in self._patterns
        ):
            yield "status", one.status, other.status
            return
        for name in self.headers:
            left, right = find_field(one.headers, name), find_field(other.headers, name)
            if left != right:
                yield f"header:{name.lower()}", left, right
        if self.clean is not None:
            yield from _walk(self.clean(one), self.clean(other))
        elif one.body != other.body:
            yield from _bodies(one, other)

    def sample(self, request: str, values: tuple[Any, Any]) -> dict[str, str] | None:
        """One difference to be shown, its values cut to a line; None where none are kept."""
        if not self.samples:
            return None
        left, right = values
        if isinstance(left, str | bytes) and isinstance(right, str | bytes):
            left, right = _around(left, right)
        return {"request": request[:200], "old": _shown(left), "new": _shown(right)}


def _bodies(one: Seen, other: Seen) -> Iterator[tuple[str, Any, Any]]:
    if one.body is None or other.body is None:
        return  # too long to be compared; the caller has counted it
    if one.is_json and other.is_json:
        try:
            left, right = one.json(), other.json()
        except ValueError:
            pass
        else:
            yield from _walk(left, right)
            return
    yield "body", one.body, other.body


def _walk(left: Any, right: Any) -> Iterator[tuple[str, Any, Any]]:
    """Differing places, breadth first, so that those near the top come before a limit is met."""
    level: list[tuple[str, Any, Any]] = [("", left, right)]
    seen = 0
    while level:
        deeper: list[tuple[str, Any, Any]] = []
        for place, one, other in level:
            seen += 1
            if seen > _MOST_VALUES:
                return
            if isinstance(one, dict) and isinstance(other, dict):
                seen += len(one)
                for name in one if one.keys() == other.keys() else {**one, **other}:
                    mine, theirs = one.get(name, MISSING), other.get(name, MISSING)
                    kind = mine.__class__
                    if kind in _PLAIN and kind is theirs.__class__ and mine == theirs:
                        continue  # as most are, so that their place needs no name
                    below = f"{place}.{name}" if place else str(name)
                    deeper.append((below, mine, theirs))
            elif isinstance(one, list) and isinstance(other, list):
                if len(one) != len(other):
                    yield f"{place}.length", len(one), len(other)
                below = f"{place}[*]"
                deeper += [(below, mine, theirs) for mine, theirs in zip(one, other, strict=False)]
            elif isinstance(one, bool) is not isinstance(other, bool) or one != other:
                yield place or "body", one, other
        level = deeper


def _pattern(text: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*\.|\*\*|\[\*\]|\*)", text)
    known = {
        "**.": r"(?:.*\.|)",
        "**": r".*",
        "[*]": r"\[\*\]",
        "*": r"[^.\[]*",
    }
    return re.compile("".join(known.get(part) or re.escape(part) for part in parts), re.DOTALL)


def _around(left: Any, right: Any) -> tuple[Any, Any]:
    """Both from a little before their first difference on."""
    if type(left) is not type(right):
        return left, right
    length = min(len(left), len(right))
    first = next((n for n in range(length) if left[n] != right[n]), length)
    start = max(0, first - _SHOWN // 3)
    return left[start : start + _SHOWN], right[start : start + _SHOWN]


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str | _Missing | None):
        try:
            value = msgspec.json.encode(value).decode()
        except TypeError:
            value = repr(value)
    text = value if isinstance(value, str) else repr(value) if value is MISSING else "null"
    text = "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
