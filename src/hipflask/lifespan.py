"""What runs once per worker, before its first request and after its last.

    @app.before_serving
    async def connect(): ...

    @app.while_serving
    async def pool():
        app.pool = await open_pool()
        yield
        await app.pool.close()

`serve` and `run` do this under every interface, an ASGI server through its lifespan and
Granian's own command through `__rsgi_init__`. Other WSGI servers know no such moment.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


class StartupError(RuntimeError):
    """A function that was to run before serving failed; the worker does not serve."""


class LifespanHooks:
    """The decorators of an application for what runs once per worker."""

    def before_serving(self, f: F) -> F:
        """Call `f`, plain or async, in each worker before its first request.

        In the order registered, inside an application context, on the worker's main thread
        and event loop. What it raises ends the start of the worker.
        """
        return self._register("before_serving", f)

    def after_serving(self, f: F) -> F:
        """Call `f`, plain or async, in each worker after its last request.

        In the order registered, inside the application context of `before_serving`. What it
        raises is logged, and the next one is called.
        """
        return self._register("after_serving", f)

    def while_serving(self, f: F) -> F:
        """Enter `f` in each worker before its first request and leave it after its last.

        `f` is a generator function, plain or async, that yields once, or returns a context
        manager, plain or async. Entered after the functions of `before_serving` and left
        after those of `after_serving`, last entered first.
        """
        return self._register("while_serving", f)

    def _register(self, kind: str, f: F) -> F:
        check: Callable[[str], None] | None = getattr(self, "_check_setup_finished", None)
        if check is not None:
            check(kind)
        self.__dict__.setdefault("_serving", {}).setdefault(kind, []).append(f)
        return f


class Life:
    """The time that one worker serves `app`: `begin`, requests, `end`, all on one loop.

    All functions run in one task, so that what one enters in a cancel scope or a context
    variable it leaves where it entered it.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._hooks: dict[str, list[Any]] = {}
        self._task: Any = None
        self._stop: Any = None

    async def begin(self) -> None:
        """Run what comes before the first request; StartupError names the one that failed.

        The application's plan is made first: what is wrong with a typed view shows here.
        """
        try:
            getattr(self._app, "sealed", None)
        except Exception as error:
            raise StartupError(str(error)) from error
        self._hooks = getattr(self._app, "__dict__", {}).get("_serving", {})
        if not self._hooks:
            return
        import asyncio  # only where an event loop runs anyway

        loop = asyncio.get_running_loop()
        begun = loop.create_future()
        self._stop = asyncio.Event()
        self._task = loop.create_task(self._live(begun))
        await begun

    async def end(self) -> None:
        """Run what comes after the last request; does nothing where `begin` failed."""
        if self._task is not None:
            self._stop.set()
            task, self._task = self._task, None
            await task

    async def _live(self, begun: Any) -> None:
        with self._app.app_context():
            async with contextlib.AsyncExitStack() as stack:
                try:
                    for hook in self._hooks.get("before_serving", ()):
                        await _call(hook)
                    for hook in self._hooks.get("while_serving", ()):
                        await _enter(stack, hook)
                except Exception as error:
                    await self._give_up(stack, begun, hook, error)
                    return
                begun.set_result(None)
                await self._stop.wait()
                for hook in self._hooks.get("after_serving", ()):
                    await self._call_anyway(hook)
                await self._leave(stack)

    async def _give_up(self, stack: Any, begun: Any, hook: Any, error: Exception) -> None:
        self._task = None
        await self._leave(stack)
        failure = StartupError(f"{_name(hook)} failed: {type(error).__name__}: {error}")
        failure.__cause__ = error
        begun.set_exception(failure)

    async def _call_anyway(self, hook: Any) -> None:
        try:
            await _call(hook)
        except Exception:
            self._app.logger.exception(f"{_name(hook)}, called after serving, failed.")

    async def _leave(self, stack: Any) -> None:
        try:
            await stack.aclose()
        except Exception:
            self._app.logger.exception("What was entered while serving could not be left.")


def rsgi_init(app: Any, loop: Any) -> None:
    """What Granian's own command calls in each worker before the first request."""
    life = app.__dict__["_life"] = Life(app)
    loop.run_until_complete(life.begin())


def rsgi_del(app: Any, loop: Any) -> None:
    """What Granian's own command calls in each worker after the last request."""
    life = app.__dict__.pop("_life", None)
    if life is not None:
        loop.run_until_complete(life.end())


async def _call(hook: Any) -> None:
    result = hook()
    if inspect.isawaitable(result):
        await result


async def _enter(stack: contextlib.AsyncExitStack, hook: Any) -> None:
    if inspect.isasyncgenfunction(hook):
        hook = contextlib.asynccontextmanager(hook)
    elif inspect.isgeneratorfunction(hook):
        hook = contextlib.contextmanager(hook)
    entered = hook()
    if hasattr(entered, "__aenter__"):
        await stack.enter_async_context(entered)
    elif hasattr(entered, "__enter__"):
        stack.enter_context(entered)
    else:
        raise TypeError(
            f"while_serving takes a generator function or one that returns a context manager;"
            f" this one returned {entered!r}"
        )


def _name(hook: Any) -> str:
    code = getattr(inspect.unwrap(hook), "__code__", None)
    name = getattr(hook, "__qualname__", repr(hook))
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"
