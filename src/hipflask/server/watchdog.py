"""In development: says which view keeps the event loop from everybody else."""

from __future__ import annotations

import inspect
import sys
import threading
import time
from types import CodeType, FrameType
from typing import Any

from .terminal import one_line, say

LIMIT_S = 0.1
_PAUSE_S = 0.025


def watch_loop(loop: Any, app: Any) -> None:
    """Report each time that `loop`, of the calling thread, does not answer for `LIMIT_S`."""
    thread = threading.get_ident()

    def watch() -> None:
        while not loop.is_closed():
            beat = threading.Event()
            asked = time.monotonic()
            try:
                loop.call_soon_threadsafe(beat.set)
            except RuntimeError:
                return
            if not beat.wait(LIMIT_S):
                where = culprit(sys._current_frames().get(thread), app)
                beat.wait()
                if where:
                    took_ms = (time.monotonic() - asked) * 1000
                    say(
                        f" * The event loop was blocked for {took_ms:.0f} ms by {where}. Nobody"
                        " else is answered meanwhile: await what waits, or make it a plain view"
                    )
            time.sleep(_PAUSE_S)

    threading.Thread(target=watch, name="hipflask-watchdog", daemon=True).start()


def culprit(frame: FrameType | None, app: Any) -> str | None:
    """Return the view that runs in `frame` or above it, else the line; None outside of a task."""
    views = _views(app)
    line = None
    while frame is not None:
        code = frame.f_code
        if code in views:
            return one_line(f"the view {views[code]!r} ({code.co_filename}:{frame.f_lineno})")
        if line is None and "asyncio" not in code.co_filename:
            line = one_line(f"{code.co_qualname} ({code.co_filename}:{frame.f_lineno})")
        frame = frame.f_back
    return line


def _views(app: Any) -> dict[CodeType, str]:
    found = {}
    for endpoint, view in getattr(app, "view_functions", {}).items():
        code = getattr(inspect.unwrap(view), "__code__", None)
        if code is not None:
            found[code] = endpoint
    return found
