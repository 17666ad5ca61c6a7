"""Header fields as they are stored: ordered pairs of bytes, names and values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec

_to_msgpack = msgspec.msgpack.Encoder().encode
_from_msgpack = msgspec.msgpack.Decoder(tuple[tuple[bytes, bytes], ...]).decode


def join_fields(pairs: Sequence[Any]) -> bytes | None:
    """What `dump_headers` makes of pairs of text in Latin-1, in a tenth of the time; else None."""
    try:
        flat = "\0".join(chain.from_iterable(pairs)).encode("latin-1")
    except (TypeError, UnicodeEncodeError):
        return None  # bytes, or text that no server gives
    return b"\0" + flat if flat.count(b"\0") == 2 * len(pairs) - 1 else None


def dump_headers(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Ordered pairs of bytes as they are stored; `parse_headers` reads them again.

    With a NUL before each name and value, as no server lets one through; in msgpack what has one.
    """
    flat = list(chain.from_iterable(headers))
    if not flat or b"\0" in b"".join(flat):
        return _to_msgpack(headers)
    return b"\0" + b"\0".join(flat)


def parse_headers(stored: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """What `dump_headers` wrote; ValueError for anything else."""
    return pairs_of(stored) if stored[:1] == b"\0" else _from_msgpack(stored)


def pairs_of(dump: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """The pairs of a dump that is not in msgpack."""
    parts = iter(dump[1:].split(b"\0"))
    return tuple(zip(parts, parts, strict=True))
