"""Short work beside the requests: after a response was sent, or right away.

It lives in this process and is lost with it: what must not be lost is a row first. Each call
is counted from when it is asked for until it ended, so that a graceful stop can wait for it.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from . import bridge
from .globals import _cv_current, _cv_request
from .typing import Application

# Threads for work that no event loop is there to run: under WSGI, and outside requests.
THREADS = 4
# How often a stop looks whether the work is done.
LOOK_EVERY_S = 0.02

_lock = threading.Lock()
_threads: Any = None
# Tasks are kept alive by whoever waits for them, and for these nobody does.
_tasks: set[Any] = set()


class Job:
    """One call of a function, in a copy of the context it was asked for in."""

    def __init__(self, app: Any, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self._app = app
        self._function = function
        self._args = args
        self._context: Context = copy_context()
        # The request is over by then; the application is made current anew.
        self._context.run(_cv_current.set, None)
        with _lock:
            app.__dict__["_background"] = count(app) + 1

    def start_on(self, loop: Any) -> None:
        """Start it from the loop's own thread."""
        task = loop.create_task(self._run_async(), context=self._context)
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    def start_in_thread(self) -> None:
        """Start it in one of a few threads, a coroutine function on that thread's loop."""
        global _threads
        with _lock:
            if _threads is None:
                from concurrent.futures import ThreadPoolExecutor  # used by few

                _threads = ThreadPoolExecutor(THREADS, "hipflask-background")
        _threads.submit(self._context.run, self._run)

    def _run(self) -> None:
        try:
            with self._app.app_context():
                function = self._function
                if bridge.is_async(function):
                    function = bridge.async_to_sync(function)
                function(*self._args)
        except Exception:
            self._tell()
        finally:
            self._end()

    async def _run_async(self) -> None:
        if not bridge.is_async(self._function):
            await bridge.pool().hop(self._context.copy(), self._run)
            return
        try:
            with self._app.app_context():
                await self._function(*self._args)
        except Exception:
            self._tell()
        finally:
            self._end()

    def _tell(self) -> None:
        name = getattr(self._function, "__qualname__", repr(self._function))
        self._app.logger.exception("Background work failed: %s", name)

    def _end(self) -> None:
        with _lock:
            self._app.__dict__["_background"] -= 1


def count(app: Application) -> int:
    """How many calls wait or run."""
    number: int = app.__dict__.get("_background", 0)
    return number


def background(app: Application, function: Callable[..., Any], *args: Any) -> None:
    """Call `function(*args)` now, beside the request; the body of `Flask.background`."""
    job = Job(app, function, args)
    ctx = _cv_request.get(None)
    exchange = None if ctx is None else ctx._exchange
    asyncio = sys.modules.get("asyncio")
    running = None if asyncio is None else asyncio._get_running_loop()
    if exchange is not None and running is not exchange.loop:
        exchange.loop.call_soon_threadsafe(job.start_on, exchange.loop)
    elif exchange is not None or (running is not None and ctx is None):
        job.start_on(running)
    else:
        # An async view under WSGI runs on a loop that stands still between requests.
        job.start_in_thread()


def after_response(app: Application, function: Callable[..., Any], *args: Any) -> None:
    """Call `function(*args)` once the response is sent; the body of `Flask.after_response`."""
    ctx = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(
            "after_response waits for the response to the current request, and there is none"
            " here. Use app.background for work that waits for nothing."
        )
    job = Job(app, function, args)
    exchange = ctx._exchange
    if exchange is not None:
        if not exchange.after:
            exchange.after = []
            exchange.has_rest = True
        exchange.after.append(job)
        return

    def when_sent(response: Any) -> Any:
        if response.direct_passthrough:
            from werkzeug.wsgi import ClosingIterator  # a file's sender calls nothing else

            response.response = ClosingIterator(response.response, job.start_in_thread)
        else:
            response.call_on_close(job.start_in_thread)
        return response

    ctx._after_request_functions += (when_sent,)
    ctx.is_processed = True


def start_all(app: Application, exchange: Any) -> None:
    """Start what an exchange has kept for after its response. On its loop."""
    jobs, exchange.after = exchange.after, ()
    for job in jobs:
        job.start_on(exchange.loop)


async def drain(app: Application, deadline_s: float) -> bool:
    """Wait until no work is left, at most `deadline_s` seconds; returns whether none is."""
    import asyncio  # who comes here runs on a loop

    end = time.monotonic() + deadline_s
    while count(app) and time.monotonic() < end:
        await asyncio.sleep(LOOK_EVERY_S)
    return not count(app)


def drain_sync(app: Application, deadline_s: float) -> bool:
    """`drain` in a plain thread."""
    end = time.monotonic() + deadline_s
    while count(app) and time.monotonic() < end:
        time.sleep(LOOK_EVERY_S)
    return not count(app)
