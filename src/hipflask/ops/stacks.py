"""Where code is right now, seen from another thread: in a request, or on an event loop."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from .. import dispatch
from ..front import wsgi

#: Frames that a report shows, the innermost last.
MOST_FRAMES = 20

# Calls that answer one request, with the local name that tells which.
_ANSWERING: dict[CodeType, str] = {
    dispatch.conclude.__code__: "ctx",
    wsgi.wsgi_app.__code__: "ctx",
    dispatch.serve.__code__: "exchange",
}
_OURS = str(Path(dispatch.__file__).parent)
_ASYNCIO = str(Path(asyncio.__file__).parent)


def place(code: CodeType, line: int | None) -> str:
    """`/srv/shop.py:41 buy`"""
    return f"{code.co_filename}:{line} {code.co_qualname}"


def outward(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame and its callers."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def stack_of(seen: Any) -> list[str]:
    """Where the request of an observation is, the innermost place last; empty if nowhere.

    In a thread that runs for it, else where its task waits.
    """
    frames = _running(seen)
    found = [(frame.f_code, frame.f_lineno) for frame in frames] if frames else _waiting(seen)
    told = [one for one in found if not one[0].co_filename.startswith((_OURS, _ASYNCIO))]
    return [place(code, line) for code, line in (told or found)[-MOST_FRAMES:]]


def _running(seen: Any) -> list[FrameType]:
    for top in sys._current_frames().values():
        inner: list[FrameType] = []
        for frame in outward(top):
            name = _ANSWERING.get(frame.f_code)
            # The locals of one frame only: reading them takes time.
            if name is not None and _is_of(frame.f_locals.get(name), seen):
                return inner[::-1]
            inner.append(frame)
    return []


def _is_of(value: Any, seen: Any) -> bool:
    return value is not None and getattr(value, "seen", None) is seen


def _waiting(seen: Any) -> list[tuple[CodeType, int]]:
    """The places of a task's coroutines, each of which awaits the next."""
    task = getattr(seen.head, "task", None)
    waited: Any = None if task is None else task.get_coro()
    found: list[tuple[CodeType, int]] = []
    while waited is not None and len(found) < 1000:
        frame = getattr(waited, "cr_frame", None) or getattr(waited, "gi_frame", None)
        frame = frame or getattr(waited, "ag_frame", None)
        if frame is not None:
            found.append((frame.f_code, frame.f_lineno))
        waited = getattr(waited, "cr_await", None) or getattr(waited, "gi_yieldfrom", None)
    return found


def step_of(thread: int) -> list[FrameType]:
    """The frames of what an event loop runs in `thread`, the innermost first.

    Empty while it waits for something to do, or does its own work.
    """
    frames: list[FrameType] = []
    for frame in outward(sys._current_frames().get(thread)):
        if frame.f_code.co_filename.startswith(_ASYNCIO):
            # What calls a step of a task, or a callback: asyncio's own loop, or uvloop's below
            # the runner.
            if frame.f_code.co_name in ("_run", "run"):
                return frames
            if frame.f_code.co_name == "_run_once":
                return []
        frames.append(frame)
    return []
