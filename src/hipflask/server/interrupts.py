"""Ctrl-C and a closed terminal, which reach every process of a command, whatever it is at.

One process decides what they mean. Those it starts must not die of them while they still
import, with a traceback each: they are born with the signals blocked, and say for themselves
what becomes of those that came meanwhile.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Handler = Callable[[int, Any], None] | signal.Handlers


@contextmanager
def held_back(*names: str) -> Iterator[None]:
    """Block the signals here, until the end, and in each process that is started meanwhile."""
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _numbers(names))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def take(handler: Handler, *names: str) -> None:
    """Let `handler` have the signals from now on; call this in the process that was started."""
    numbers = _numbers(names)
    for number in numbers:
        signal.signal(number, handler)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def do_nothing(number: int, frame: object) -> None:
    """Drop a signal. Unlike `SIG_IGN` this is not passed on to programs that are started."""


def _numbers(names: tuple[str, ...]) -> list[int]:
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
