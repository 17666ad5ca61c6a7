"""How deep the arrays and objects of a JSON text lie in one another, without reading it.

Loaded for texts with many brackets alone: one that has no more of them than it may be deep, in
strings or outside, cannot be deeper.
"""

from __future__ import annotations

import re
from array import array
from itertools import accumulate
from json import detect_encoding


class TooDeep(ValueError):
    """A text deeper than it may be."""


_NO_MARKS = bytes(set(range(256)) - set(b'"[]{}'))
_TEXTS = re.compile(b'"[^"]*"')
# An opening bracket goes one down (1), a closing one comes up (-1, which as a byte is 255).
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


def refuse_deep(data: bytes, most: int) -> None:
    """Raise `TooDeep` for a JSON text of more than `most` levels; `[[]]` has two.

    For a text that is no JSON the number means nothing: a decoder is to refuse that. The time
    it takes grows with the length of the text and no faster.
    """
    if depth_of(data) > most:
        raise TooDeep(f"The JSON is nested deeper than {most} levels.")


def depth_of(data: bytes) -> int:
    """Return how many levels a JSON text has; 0 for a text, a number or a word."""
    if b"\0" in data:  # UTF-16 or UTF-32, which `json.loads` takes
        data = data.decode(detect_encoding(data), "replace").encode()
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    # Two quotes side by side may go: what is inside of a text stays inside.
    marks = data.translate(None, _NO_MARKS).replace(b'""', b"")
    if b'"' in marks:
        marks = _TEXTS.sub(b"", marks)
    return max(accumulate(array("b", marks.translate(_STEPS)), initial=0))
