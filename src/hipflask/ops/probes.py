"""What `/livez` and `/readyz` say, and the checks an application registers for the latter.

    from hipflask.ops import probes

    @probes.ready_check(app, "database")
    def can_query():
        db.execute("select 1")

A check fails by raising or by returning False. `/livez` asks nothing but the event loop: a
database that is away is no reason to restart the process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ..bridge import is_async

F = TypeVar("F", bound=Callable[..., Any])

#: How long a check may take.
DEADLINE_S = 1.0
_KEY = "hipflask.ready_checks"
_log = logging.getLogger("hipflask.probes")


def ready_check(app: Any, name: str) -> Callable[[F], F]:
    """Decorate a function, plain or async, that says whether the app can do its work.

    Plain ones run in a thread of their own. Each has `DEADLINE_S` seconds. Who asks sees the
    names of the checks that failed; why they did is logged.
    """

    def register(function: F) -> F:
        app.extensions.setdefault(_KEY, {})[name] = function
        return function

    return register


class Readiness:
    """Runs the checks of `app`, on one event loop; those who ask together share one run."""

    def __init__(self, app: Any, deadline_s: float = DEADLINE_S) -> None:
        self._checks: dict[str, Any] = getattr(app, "extensions", {}).setdefault(_KEY, {})
        self._app = app
        self._deadline_s = deadline_s
        self._running: asyncio.Task[list[str]] | None = None
        self._busy: set[str] = set()

    async def failing(self) -> list[str]:
        """The names of the checks that fail now."""
        if not self._checks:
            return []
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._run())
        return await asyncio.shield(self._running)

    async def _run(self) -> list[str]:
        names = list(self._checks)
        passed = await asyncio.gather(*map(self._passes, names))
        return [name for name, ok in zip(names, passed, strict=True) if not ok]

    async def _passes(self, name: str) -> bool:
        check = self._checks[name]
        try:
            answer = self._await(check) if is_async(check) else self._in_thread(name, check)
            return await asyncio.wait_for(answer, self._deadline_s) is not False
        except TimeoutError:
            _log.warning("readiness check %r took more than %s s", name, self._deadline_s)
        except Exception as error:
            _log.warning("readiness check %r failed: %s: %s", name, type(error).__name__, error)
        return False

    async def _await(self, check: Any) -> Any:
        with self._app.app_context():
            return await check()

    async def _in_thread(self, name: str, check: Any) -> Any:
        if name in self._busy:
            raise RuntimeError("its last run has not ended")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._busy.add(name)

        def settle(result: Any, error: BaseException | None) -> None:
            if not future.done():
                future.set_result(result) if error is None else future.set_exception(error)

        def run() -> None:
            result = failure = None
            try:
                with self._app.app_context():
                    result = check()
            except Exception as error:
                failure = error
            self._busy.discard(name)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, failure)

        threading.Thread(target=run, name=f"hipflask-check-{name}", daemon=True).start()
        return await future


Answer = tuple[int, bytes]


def alive() -> Answer:
    """Status and JSON body of `/livez`: who can answer lives."""
    return 200, b'{"status":"ok"}\n'


async def ready(readiness: Readiness, *, draining: bool) -> Answer:
    """Status and JSON body of `/readyz`."""
    if draining:
        return 503, b'{"status":"draining"}\n'
    failing = await readiness.failing()
    if not failing:
        return 200, b'{"status":"ok"}\n'
    return 503, json.dumps({"status": "failing", "checks": failing}).encode() + b"\n"
