"""The event loop on which plain code's calls are made: one thread for the process."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_process: int | None = None


def start(coroutine: Coroutine[Any, Any, T]) -> Future[T]:
    """Start it on the loop, from any thread."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop())


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it on the loop to its end, from any thread but the loop's own."""
    future = start(coroutine)
    try:
        return future.result()
    except BaseException:
        # KeyboardInterrupt or the like, in the waiting thread: the call goes with it.
        future.cancel()
        raise


def loop() -> asyncio.AbstractEventLoop:
    """The loop, running; made at its first use in each process."""
    global _loop, _process
    with _lock:
        # A forked process has the loop, and not the thread that ran it.
        if _loop is None or _process != os.getpid():
            _process = os.getpid()
            made = asyncio.new_event_loop()
            threading.Thread(target=made.run_forever, name="hipflask-forward", daemon=True).start()
            _loop = made
        return _loop
