"""What the server says to the person who started it: plain lines on standard error."""

from __future__ import annotations

import sys
from typing import NoReturn

from ..ops.printing import printable as printable

USAGE = 2
"""Exit code for a setting that cannot work: a port in use, a file that is missing."""

REFUSED = 78
"""Exit code for a setting that would work and must not (sysexits' EX_CONFIG)."""


def code_of(error: BaseException) -> int:
    """The exit code for an app that failed to load: what the error asks for, else `USAGE`."""
    from ..scaffold import SetupError  # only when something failed

    return getattr(error, "exit_code", USAGE) if isinstance(error, SetupError) else USAGE


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
