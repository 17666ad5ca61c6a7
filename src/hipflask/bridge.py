"""The only file that knows threads and event loops: each kind of code called from the other.

From plain code a coroutine runs on an event loop. Each thread keeps a loop of its own, so
that an async client made in one request still works in the next. The coroutine runs in a
copy of the caller's context; what it sets there is carried back.

From the event loop plain code runs in a pool of threads, in the request's own context. The
pool hands results back in batches, one wake-up of the loop for many of them.
"""

from __future__ import annotations

import atexit
import inspect
import sys
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextvars import Context, copy_context
from functools import partial, wraps
from typing import Any

from .globals import _cv_request

_local = threading.local()


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling `function` gives a coroutine: `async def`, a partial of one, or marked."""
    if getattr(function, "is_quick", False):
        return False  # said by who wrote it; to look costs 3 us
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


async def ready(value: Any) -> Any:
    """What is known already, to be awaited."""
    return value


class AsyncBody:
    """A body made by an async iterator: `async for` on the loop, `for` in a plain thread.

    Pieces are bytes; text is encoded. Plain iteration runs each step on the thread's own
    loop, which is how a WSGI server gets it.
    """

    #: Called when the body is closed.
    closing: Any = ()

    def __init__(self, source: Any) -> None:
        self._source = source
        self._steps: Any = None

    def __aiter__(self) -> AsyncBody:
        if self._steps is None:
            self._steps = aiter(self._source)
        return self

    async def __anext__(self) -> bytes:
        piece = await anext(self._steps)
        return piece.encode() if isinstance(piece, str) else bytes(piece)

    async def aclose(self) -> None:
        """Close the iterator, then call what was to be called at the end."""
        closing, self.closing = self.closing, ()
        try:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()
        finally:
            for function in closing:
                function()

    def __iter__(self) -> Iterator[bytes]:
        self.__aiter__()
        step = async_to_sync(self._step)
        while (piece := step()) is not None:
            yield piece

    async def _step(self) -> bytes | None:
        try:
            return await self.__anext__()
        except StopAsyncIteration:
            return None

    def close(self) -> None:
        """`aclose` in a plain thread; a WSGI server's call."""
        async_to_sync(self.aclose)()


class Busy(Exception):
    """The pool's queue is full; the request should be refused with a 503."""


# How long calls may wait for the threads that are awake before more are roused.
PATIENCE_S = 0.001


class Pool:
    """Threads that run plain code for one event loop.

    At most `size` threads, started as needed; at most `queue` calls wait. Made and used on
    the loop; the threads end with the process.

    One thread is awake as long as it keeps up: plain code is quick, threads that hand the
    interpreter to one another are not. Only where no call is taken for PATIENCE_S, as each
    thread that is awake waits for something, does each call that waits get a thread. While
    calls wait, results wait for as long, so that one wake-up of the loop does for many.
    """

    def __init__(self, size: int = 32, queue: int = 128) -> None:
        import asyncio  # only who has a loop comes here

        self.size = size
        self.queue = queue
        #: Calls that wait or run.
        self.pending = 0
        #: Calls refused.
        self.shed = 0
        self._loop = asyncio.get_running_loop()
        self._running = asyncio._get_running_loop
        self._calls: deque[Any] = deque()
        self._finished: deque[Any] = deque()
        self._is_waking = False
        # For what follows, and for who goes to rest while a call comes.
        self._lock = threading.Lock()
        self._threads = self._awake = 0
        #: The threads that rest, as what each of them waits for.
        self._resting: list[Any] = []
        # Calls taken so far, now and when the loop last looked.
        self._taken = self._seen = 0
        self._is_looking = False
        # Without the interpreter's lock, threads do not hand it to one another.
        self._is_parallel = not getattr(sys, "_is_gil_enabled", lambda: True)()

    @property
    def waiting(self) -> int:
        """Calls that no thread has taken yet."""
        return len(self._calls)

    @property
    def busy(self) -> int:
        """Calls that run, about."""
        return min(self.size, max(0, self.pending - self.waiting))

    def run(self, context: Context, function: Callable[..., Any], *args: Any) -> Any:
        """Call `function` in a thread, in `context`; raises Busy where the queue is full.

        What is returned is to be awaited. A caller that is cancelled leaves the call to run to
        its end.
        """
        if self.pending >= self.size + self.queue:
            self.shed += 1
            raise Busy
        return self.hop(context, function, *args)

    def hop(self, context: Context, function: Callable[..., Any], *args: Any) -> Any:
        """`run` for a request that is in work already, whose further calls are never refused."""
        future = self._loop.create_future()
        self.pending += 1
        with self._lock:
            self._calls.append((future, context, function, args))
            if self._awake == 0:
                self._rouse(1)
                return future
            if self._is_parallel:
                self._rouse(1)
        if not self._is_looking:
            self._is_looking = True
            self._seen = self._taken
            self._loop.call_later(PATIENCE_S, self._look)
        return future

    def _rouse(self, number: int) -> None:
        """Have so many more threads awake, as far as there may be. With the lock."""
        for _ in range(min(number, self.size - self._awake)):
            self._awake += 1
            if self._resting:
                self._resting.pop().release()
            else:
                self._threads += 1
                threading.Thread(target=self._work, name="hipflask-pool", daemon=True).start()

    def _look(self) -> None:
        """See whether the calls that wait are getting on."""
        with self._lock:
            waiting = len(self._calls)
            if self._taken == self._seen:
                self._rouse(waiting)
        self._seen = self._taken
        # Told before the results are handed back, so that none is left that came too late.
        self._is_looking = waiting > 0
        if waiting:
            self._loop.call_later(PATIENCE_S, self._look)
        self._hand_back()

    def _work(self) -> None:
        calls = self._calls
        rest = threading.Lock()
        rest.acquire()
        while True:
            try:
                call = calls.popleft()
            except IndexError:
                if self._finished and not self._wake_loop():
                    return
                with self._lock:
                    if calls:
                        continue
                    self._awake -= 1
                    self._resting.append(rest)
                rest.acquire()
                continue
            if call is None:
                return
            self._taken += 1
            future, context, function, args = call
            result = error = None
            try:
                result = context.run(function, *args)
            except BaseException as caught:
                error = caught
            self._finished.append((future, result, error))
            if not (calls and self._is_looking) and not self._wake_loop():
                return
            del call, future, context, function, args, result, error

    def _wake_loop(self) -> bool:
        """Have the results handed back; returns whether there is a loop to do so."""
        # Set before the loop empties the deque, so that no result is left in it.
        if not self._is_waking:
            self._is_waking = True
            try:
                self._loop.call_soon_threadsafe(self._hand_back)
            except RuntimeError:
                return False  # the loop is closed: nobody waits
        return True

    def _hand_back(self) -> None:
        self._is_waking = False
        finished = self._finished
        while finished:
            future, result, error = finished.popleft()
            self.pending -= 1
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    def close(self) -> None:
        """Let the threads end once their calls are done."""
        with self._lock:
            self._calls.extend([None] * self._threads)
            self._rouse(len(self._resting))


def pool() -> Pool:
    """The running loop's pool, made at its first use."""
    found: Pool | None = getattr(_local, "pool", None)
    if found is None or found._loop is not found._running():
        if found is not None:
            found.close()
        found = _local.pool = Pool()
    return found


def start_pool(size: int, queue: int) -> Pool:
    """Give the running loop a pool of that size, in place of the one it would make."""
    _local.pool = Pool(size, queue)
    return _local.pool  # type: ignore[no-any-return]


async def in_pool(function: Callable[..., Any], *args: Any) -> Any:
    """Call `function` in the pool; context variables are carried there and back.

    All such calls of a request share one context, so that a hook may undo what an earlier
    one set.
    """
    ctx = _cv_request.get(None)
    context: Context | None = None if ctx is None else ctx.pool_context
    if context is None:
        context = copy_context()
        if ctx is not None:
            ctx.pool_context = context
    else:
        context.run(_carry_back, copy_context())
    result = await pool().hop(context, function, *args)
    _carry_back(context)
    return result


def sync_to_async(function: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function that runs `function` in the pool.

    One marked as `is_quick`, which never waits, is called where it is.
    """
    if getattr(function, "is_quick", False):

        async def at_once(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return at_once

    @wraps(function)
    async def run(*args: Any, **kwargs: Any) -> Any:
        return await in_pool(partial(function, **kwargs) if kwargs else function, *args)

    return run
