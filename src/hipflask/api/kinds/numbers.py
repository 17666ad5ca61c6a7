"""Whole numbers that are written as JSON writes others: 43.0, 4.3e1.

JSON Schema calls them integers. msgspec and pydantic do not; so where one was found in place of
an integer, and only then, they are written anew and the body is read once more.
"""

from __future__ import annotations

import re
from typing import Any

#: Beyond this a double no longer has every integer, and 1e300 is nobody's count.
LIMIT = 2**53
#: Longer ones stay as they are; nobody writes them.
_LONGEST = 100
#: Up to so many digits no two numbers have the same double.
_EXACT = 15

# A text is passed over, also one that does not end: the search must not start again inside.
_TEXT_OR_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|-?[0-9][0-9.eE+-]*+', re.DOTALL)
_PLAIN = re.compile(rb"(-?[0-9]{1,15})\.0+")


def with_whole_numbers(data: bytes) -> bytes:
    """Return a JSON text with its whole numbers below 2**53 as integers, else as it was."""
    return _TEXT_OR_NUMBER.sub(_rewritten, data)


def _rewritten(found: Any) -> Any:
    token = found[0]
    if token[0] == 0x22 or token.isdigit() or len(token) > _LONGEST:
        return token
    if plain := _PLAIN.fullmatch(token):
        return plain[1]
    return _whole(token)


def _whole(token: bytes) -> bytes:
    from decimal import Decimal  # seldom needed

    try:
        value = float(token)
        if not abs(value) < LIMIT:
            return token
        if value and len(token) <= _EXACT:
            return b"%d" % value if value.is_integer() else token
        number = Decimal(token.decode())
        whole = int(number)
        return b"%d" % whole if whole == number and abs(whole) < LIMIT else token
    except (ValueError, ArithmeticError):
        return token
