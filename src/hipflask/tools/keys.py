"""Keys of rows as pieces of an address: any value, none, several; and back.

Letters, digits, `-` and `_` stand for themselves, any other byte of the UTF-8 text is `~` and two
hexadecimal digits, as a percent sign would not survive servers that undo it before routing. Parts
of a composite key are joined by commas. `~n` is NULL, `~e` empty text, `~b` begins bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from ..api.kinds import codec_of, is_scalar
from ..api.model import Rejected

_other = re.compile(rb"[^A-Za-z0-9_-]")
_parts = re.compile(r"(~n|~e|~b(?:[0-9a-f]{2})*|(?:[A-Za-z0-9_-]|~[0-9A-F]{2})+)\Z").match
_escape = re.compile(rb"~([0-9A-F]{2})")
#: Longer ones are no key, but a cell that somebody made one.
LONGEST = 2000


def dump_key(values: Sequence[Any]) -> str:
    """The piece of an address for a key's values; "" for one that is too long for an address."""
    text = ",".join(map(_dump, values))
    return text if len(text) <= LONGEST else ""


def parse_key(text: str, types: Sequence[Any], is_loose: bool = False) -> tuple[Any, ...] | None:
    """The values of a key, as values of `types`; None for text that is no key of those.

    With `is_loose` what is no value of its type stays the text that it is.
    """
    parts = text.split(",")
    if len(parts) != len(types) or len(text) > LONGEST:
        return None
    try:
        return tuple(_parse(*each, is_loose) for each in zip(parts, types, strict=True))
    except (ValueError, Rejected):
        return None


def _dump(value: Any) -> str:
    if value is None:
        return "~n"
    if isinstance(value, bytes | bytearray | memoryview):
        return "~b" + bytes(value).hex()
    if isinstance(value, datetime | date | time):
        value = value.isoformat()
    text = str(value)
    if not text:
        return "~e"
    raw = text.encode("utf-8", "surrogatepass")
    return _other.sub(lambda found: b"~%02X" % found[0][0], raw).decode("ascii")


def _parse(part: str, type: Any, is_loose: bool) -> Any:
    if not _parts(part):
        raise ValueError(part)
    if part == "~n":
        return None
    if part.startswith("~b"):
        return bytes.fromhex(part[2:])
    raw = b"" if part == "~e" else part.encode("ascii")
    raw = _escape.sub(lambda found: bytes([int(found[1], 16)]), raw)
    text = raw.decode("utf-8", "surrogatepass")
    if type in (str, bytes) or not is_scalar(type):
        return text
    try:
        return codec_of(type).from_text([text])
    except Rejected:
        if is_loose:
            return text
        raise
