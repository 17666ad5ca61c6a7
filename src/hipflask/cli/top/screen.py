"""A terminal drawn over, frame by frame, without a flicker, and left as it was."""

from __future__ import annotations

import os
import select
import shutil
import sys
import time
from typing import Any

# The other screen, no cursor; and back.
_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
# What is between them is shown at once, by terminals that know it.
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"
_HOME, _CLEAR_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
_COLOUR = "\x1b["


class Screen:
    """The terminal as one picture that is shown anew again and again; a context manager.

    Each picture is one write over the one before, which is never cleared first. With `NO_COLOR`
    in the environment it has no colours.
    """

    def __enter__(self) -> Screen:
        self._settings = _listen_to_keys()
        self._write(_ENTER)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._write(_LEAVE)
        _restore(self._settings)

    @property
    def width(self) -> int:
        """Columns now."""
        return shutil.get_terminal_size().columns

    @property
    def height(self) -> int:
        """Lines now."""
        return shutil.get_terminal_size().lines

    def show(self, lines: list[str]) -> None:
        """Show these lines."""
        if os.environ.get("NO_COLOR"):
            lines = [_without_colour(line) for line in lines]
        body = f"{_CLEAR_LINE}\r\n".join(lines)
        self._write(f"{_BEGIN}{_HOME}{body}{_CLEAR_LINE}{_CLEAR_BELOW}{_END}")

    def wait(self, seconds: float) -> str:
        """Return the key that is pressed within so many seconds, "" for none."""
        if self._settings is None:
            time.sleep(seconds)
            return ""
        # A change of the terminal's size ends the wait early, by nothing to read.
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        # Nothing to read where there was to be something: the terminal is gone.
        return os.read(sys.stdin.fileno(), 1).decode(errors="replace") or "q" if ready else ""

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()


def _without_colour(line: str) -> str:
    parts = line.split(_COLOUR)
    return parts[0] + "".join(part.partition("m")[2] for part in parts[1:])


def _listen_to_keys() -> Any:
    """Get keys as they are pressed; returns the terminal's settings, None where there is none."""
    if sys.platform == "win32" or not sys.stdin.isatty():
        return None
    import termios  # POSIX only
    import tty

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    return before


def _restore(before: Any) -> None:
    if before is not None and sys.platform != "win32":
        import termios  # POSIX only

        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
