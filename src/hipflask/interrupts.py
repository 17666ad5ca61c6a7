"""Ctrl-C and a closed terminal, which reach every process of a command, whatever it is at.

One process decides what they mean. Those it starts must not die of them while they still
import, with a traceback each: they are born with the signals blocked, and say for themselves
what becomes of those that came meanwhile.
"""

from __future__ import annotations

import signal
import sys
import threading
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


class Noted:
    """A handler of SIGINT that raises KeyboardInterrupt, as Python's does, and remembers it.

    Python drops what is raised while a finalizer or the callback of a weak reference runs, and
    an import is full of those: the interrupt would be lost. Who takes the signal over from this
    handler by `replace` is told of it.
    """

    came = False

    def __call__(self, number: int, frame: object) -> None:
        self.came = True
        raise KeyboardInterrupt


def note() -> None:
    """Remember an interrupt from now on, where Python's own handler would have it."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):
        signal.signal(signal.SIGINT, Noted())


def replace(number: int, handler: Callable[[int, Any], None]) -> Any:
    """Let `handler` have the signal, and one that came before and was lost; returns the old."""
    before = signal.signal(number, handler)
    if isinstance(before, Noted) and before.came:
        handler(number, None)
    return before


def do_nothing(number: int, frame: object) -> None:
    """Drop a signal. Unlike `SIG_IGN` this is not passed on to programs that are started."""


def _numbers(names: tuple[str, ...]) -> list[int]:
    return [getattr(signal, name) for name in names if hasattr(signal, name)]
