"""Says what keeps the event loop from everybody else.

A thread asks the loop to answer, again and again, and looks where the loop's thread is when it
does not. One that is only busy does not count: the same call must be found there twice, half
the limit apart, and the watching thread itself must have come in time.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from collections.abc import Callable, Sequence
from types import CodeType, FrameType
from typing import Any

from ..ops import metrics
from ..ops.stacks import place, step_of
from .terminal import one_line, say

#: While developing, less is told: seconds.
DEVELOPMENT_S = 0.1
#: Warnings a minute in production.
MOST_A_MINUTE = 3
# How much later than asked the watching thread may wake: else it is the machine that is busy.
_SLACK_S = 0.05

log = logging.getLogger("hipflask.loop")
Report = Callable[[Sequence[FrameType], Callable[[], float]], None]


def watch_loop(loop: Any, limit_s: float, report: Report) -> None:
    """Call `report` each time that `loop`, of the calling thread, does not answer for `limit_s`.

    In a thread of its own, while the loop is still blocked: with the frames of what blocks it,
    the innermost first, and what waits for its end and returns the seconds.
    """
    thread = threading.get_ident()

    def watch() -> None:
        while not loop.is_closed():
            beat = threading.Event()
            asked = time.monotonic()
            try:
                loop.call_soon_threadsafe(beat.set)
            except RuntimeError:
                return
            blocking = _blocking(beat, thread, limit_s)
            if blocking:

                def ended(beat: threading.Event = beat, asked: float = asked) -> float:
                    beat.wait()
                    return time.monotonic() - asked

                report(blocking, ended)
                del blocking  # and what its locals hold
            beat.wait()
            time.sleep(limit_s / 4)

    threading.Thread(target=watch, name="hipflask-watchdog", daemon=True).start()


def _blocking(beat: threading.Event, thread: int, limit_s: float) -> list[FrameType]:
    """What has run for the second half of the limit, once the loop is late; else nothing."""
    half = limit_s / 2
    if not _is_late(beat, half):
        return []
    first = step_of(thread)
    if not first or not _is_late(beat, half):
        return []
    second = step_of(thread)
    # The outermost frame is the task's or callback's own.
    return second if second and second[-1] is first[-1] else []


def _is_late(beat: threading.Event, patience_s: float) -> bool:
    """Whether the loop has not answered in that time, and we came in time to see it."""
    begun = time.monotonic()
    return not beat.wait(patience_s) and time.monotonic() - begun < patience_s + _SLACK_S


def tell_developer(app: Any) -> Report:
    """A report for who develops, once it is over."""

    def report(frames: Sequence[FrameType], ended: Callable[[], float]) -> None:
        where = culprit(frames, app)
        took_ms = ended() * 1000
        say(
            f" * The event loop was blocked for {took_ms:.0f} ms by {where}. Nobody"
            " else is answered meanwhile: await what waits, or make it a plain view"
        )

    return report


def tell_operator(app: Any, limit_s: float) -> Report:
    """A report for the log, at once; and a counter, as not more than three a minute are told."""
    counter = metrics.counter("hipflask_loop_blocked_total", "Times the event loop was blocked.")
    told: list[float] = []

    def report(frames: Sequence[FrameType], ended: Callable[[], float]) -> None:
        counter.add()
        now = time.monotonic()
        told[:] = [at for at in told if now - at < 60]
        if len(told) >= MOST_A_MINUTE:
            return
        told.append(now)
        log.warning(
            "The event loop is blocked for more than %.0f ms by %s: nobody else is answered"
            " meanwhile", limit_s * 1000, culprit(frames, app),
            extra={"stack": [place(frame.f_code, frame.f_lineno) for frame in frames[:20]][::-1]},
        )  # fmt: skip

    return report


def culprit(frames: Sequence[FrameType], app: Any) -> str:
    """The view among the frames, the innermost first; else the innermost line."""
    views = _views(app)
    for frame in frames:
        code = frame.f_code
        if code in views:
            return one_line(f"the view {views[code]!r} ({code.co_filename}:{frame.f_lineno})")
    code = frames[0].f_code
    return one_line(f"{code.co_qualname} ({code.co_filename}:{frames[0].f_lineno})")


def _views(app: Any) -> dict[CodeType, str]:
    found = {}
    for endpoint, view in getattr(app, "view_functions", {}).items():
        code = getattr(inspect.unwrap(view), "__code__", None)
        if code is not None:
            found[code] = endpoint
    return found
