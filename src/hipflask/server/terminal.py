"""What the server says to the person who started it: plain lines on standard error."""

from __future__ import annotations

import sys
from typing import NoReturn

USAGE = 2
"""Exit code for a setting that cannot work: a port in use, a file that is missing."""

REFUSED = 78
"""Exit code for a setting that would work and must not (sysexits' EX_CONFIG)."""


def say(line: str) -> None:
    """Write one line to standard error, at once."""
    print(line, file=sys.stderr, flush=True)


def refuse(reason: str, code: int = USAGE) -> NoReturn:
    """End the process with `code` after one line that says why; raises SystemExit."""
    say(f"hipflask: {one_line(reason)}")
    raise SystemExit(code)


def one_line(text: str) -> str:
    """Return `text` with line breaks as spaces and control characters shown as escapes."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return `text` with what a terminal or log reader could take for more than text escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
