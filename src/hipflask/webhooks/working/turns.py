"""Who works beside whom: an event that was there when a worker died runs alone.

A process that is killed takes down all it was at, and nobody can tell which of these events
did it. Each of them counts a kill. If they then ran side by side again, three deaths would
make all of them dead letters. Alone, the innocent ones finish, and only the one that kills is
there the second and the third time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Many together, or one alone. One who waits to be alone goes before newcomers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._together = 0
        self._is_alone = False
        self._want_alone = 0

    @contextmanager
    def together(self) -> Iterator[None]:
        """Beside others, once nobody is or wants to be alone."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_alone and not self._want_alone)
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """With nobody beside, once all that are at work have finished."""
        with self._changed:
            self._want_alone += 1
            try:
                self._changed.wait_for(lambda: not self._is_alone and not self._together)
            finally:
                self._want_alone -= 1
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._changed.notify_all()
