"""The only file that knows threads and event loops: coroutines called from plain code.

Each thread that calls one keeps an event loop of its own, so that an async client made in
one request still works in the next. The coroutine runs in a copy of the caller's context;
what it sets there is carried back.
"""

from __future__ import annotations

import atexit
import inspect
import sys
import threading
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from functools import wraps
from typing import Any

_local = threading.local()


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine: `async def`, a partial of one, or marked."""
    if inspect.iscoroutinefunction(function):
        return True
    # Before Python 3.12 asyncio's own mark is the only one there is.
    return getattr(function, "_is_coroutine", None) is not None


def async_to_sync(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """Wrap a coroutine function so that calling it runs it to its end and returns its result.

    Inside a running event loop it runs on a thread of its own, and the loop waits.
    """

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return _run(function(*args, **kwargs))

    return run


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    import asyncio  # only who uses async views pays for it

    context = copy_context()
    if asyncio._get_running_loop() is None:
        result = _thread_loop().run_until_complete(_task(coroutine, context))
    else:
        result = _run_elsewhere(coroutine, context)
    _carry_back(context)
    return result


def _task(coroutine: Coroutine[Any, Any, Any], context: Context) -> Any:
    return _thread_loop().create_task(coroutine, context=context)


def _thread_loop() -> Any:
    loop = getattr(_local, "loop", None)
    if loop is None or loop.is_closed():
        import asyncio

        loop = asyncio.new_event_loop()
        _local.loop = loop
        if threading.current_thread() is threading.main_thread():
            atexit.register(loop.close)
        else:
            # Closed with the thread: the holder is dropped when the thread's locals are.
            _local.closer = _Closer(loop)
    return loop


class _Closer:
    def __init__(self, loop: Any) -> None:
        self._loop = loop

    def __del__(self) -> None:
        # At the interpreter's exit asyncio is half gone, and the loop's handles go with it.
        if not sys.is_finalizing():
            self._loop.close()


def _run_elsewhere(coroutine: Coroutine[Any, Any, Any], context: Context) -> Any:
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append((_thread_loop().run_until_complete(_task(coroutine, context)), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=work, name="hipflask-async")
    thread.start()
    thread.join()
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def _carry_back(context: Context) -> None:
    """Set in the present context what the coroutine set in its copy."""
    for variable, value in context.items():
        if variable.get(_missing) is not value:
            variable.set(value)


_missing: Any = object()
