"""Named places where a test may stop the process, to show that nothing is lost there.

`HIPFLASK_FAILPOINT="P3:17"` kills this process with SIGKILL when it comes to P3 for the 17th
time. `P3:17:STOP` stops it (SIGSTOP), `P3:17:RAISE` raises FailpointReached; several are
separated by commas. Read once, at import. Unset, a place costs the call of an empty function.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

SETTING = "HIPFLASK_FAILPOINT"
_HOWS = ("KILL", "STOP", "RAISE")


class FailpointReached(RuntimeError):
    """Raised where the setting says `RAISE`."""


def parse_setting(text: str) -> dict[str, tuple[int, str]]:
    """Returns {name: (which time, how)} for a setting as described above; ValueError if wrong."""
    points = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, rest = part.partition(":")
        times, _, how = rest.partition(":")
        number = int(times or "1")
        how = how or "KILL"
        if not name or number < 1 or how not in _HOWS:
            raise ValueError(f"{SETTING}={text!r}: write NAME:TIMES or NAME:TIMES:STOP|RAISE.")
        points[name] = (number, how)
    return points


class _Armed:
    """Counts how often each named place was passed, in this process."""

    def __init__(self, points: dict[str, tuple[int, str]]) -> None:
        self._points = points
        self._passed: dict[str, int] = {}
        self._lock = threading.Lock()

    def _is_due(self, name: str) -> str | None:
        point = self._points.get(name)
        if point is None:
            return None
        with self._lock:
            self._passed[name] = self._passed.get(name, 0) + 1
            return point[1] if self._passed[name] == point[0] else None

    def hit(self, name: str) -> None:
        how = self._is_due(name)
        if how is not None:
            _strike(name, how)

    @contextlib.contextmanager
    def during(self, name: str) -> Iterator[None]:
        how = self._is_due(name)
        if how is None:
            yield
            return
        if how == "RAISE":
            _strike(name, how)
        # The other thread waits for the interpreter, which this one holds until the driver lets
        # go of it: inside the call that the `with` block makes.
        go = threading.Lock()
        go.acquire()

        def strike_then() -> None:
            with go:
                _strike(name, how)

        striking = threading.Thread(target=strike_then, daemon=True)
        striking.start()
        go.release()
        yield
        # On a busy machine the driver may be the quicker one: then it is here, and no later.
        striking.join()


def _strike(name: str, how: str) -> None:
    if how == "RAISE":
        raise FailpointReached(f"failpoint {name}")
    # Windows has neither signal; there the process ends as abruptly as it can.
    number = getattr(signal, "SIGKILL" if how == "KILL" else "SIGSTOP", None)
    if number is None:
        os._exit(137)
    # To this thread, which is then stopped before it returns; `kill` may pick another one.
    signal.pthread_kill(threading.get_ident(), number)


def _nothing(name: str) -> None:
    return None


_NO_POINT: AbstractContextManager[None] = contextlib.nullcontext()


def _no_point(name: str) -> AbstractContextManager[None]:
    return _NO_POINT


hit: Callable[[str], None] = _nothing
during: Callable[[str], AbstractContextManager[None]] = _no_point
if os.environ.get(SETTING):
    _armed = _Armed(parse_setting(os.environ[SETTING]))
    hit, during = _armed.hit, _armed.during
