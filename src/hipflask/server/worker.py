"""One process that serves one app with Granian, until it is told to stop.

`serve` starts several of these and `run` is one. An event loop runs in the main thread: under
RSGI and ASGI that of the requests, under WSGI the one for what is called before and after
serving.
"""

from __future__ import annotations

import asyncio
import atexit
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

from .. import background, bridge, interrupts
from ..config import DEFAULTS
from ..lifespan import Life, StartupError
from ..ops import metrics
from ..scaffold import SetupError
from .engine import Engine
from .gate import Gate
from .listen import Listener
from .mounted import Mounted
from .settings import Settings
from .watchdog import DEVELOPMENT_S, tell_developer, tell_operator, watch_loop

# How often the loop is asked whether it is late, for the metrics.
_BEAT_S = 1.0
# After the last accept, connections are served until none asked for so long, at most for:
LINGER_S = 0.1
LONGEST_LINGER_S = 1.0


class Worker:
    """Serves `app` on `listeners`; `run` returns after a stop.

    `inner` is the application where `app` is middleware around it. `on_retire` is called on
    the loop, again and again, once the worker has answered as many requests as it should.
    """

    def __init__(
        self,
        app: Any,
        listeners: tuple[Listener, ...],
        settings: Settings,
        *,
        inner: Any = None,
        on_retire: Callable[[], None] = lambda: None,
    ) -> None:
        self._app = app if inner is None else inner
        self._target = _target(app, inner, settings)
        self._listeners = listeners
        self._settings = settings
        self._on_retire = on_retire
        self._loop: Any = None
        self._stopping: Any = None
        self._leaving: Any = None
        #: What stands in front of the app, once it serves.
        self.gate: Gate | None = None

    def run(self, on_ready: Callable[[], None], signals: Mapping[int, bool]) -> bool:
        """Serve until stopped; returns whether all requests finished in the grace time.

        Must be called in the main thread. `signals` are those that stop, with whether
        newcomers are served for a while first. StartupError if what the app wants called
        before serving fails.
        """
        runner = asyncio.Runner(loop_factory=_new_loop)
        self._loop = runner.get_loop()
        self._stopping, self._leaving = asyncio.Event(), asyncio.Event()
        with _handled(signals, self.stop, self._loop):
            clean = runner.run(self._live(on_ready))
        if clean:
            runner.close()
        return clean

    def stop(self, drains: bool = False) -> None:
        """Begin the stop, from any thread; with `drains` newcomers are served for a while."""

        def begin() -> None:
            # Asked twice to drain is asked once: systemd tells the whole group.
            if not drains:
                self._leaving.set()
            self._stopping.set()

        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(begin)

    async def _live(self, on_ready: Callable[[], None]) -> bool:
        settings = self._settings
        try:
            # First, so that what starts is logged in the right form.
            gate = Gate(self._target, self._app, settings)
        except SetupError as error:
            raise StartupError(str(error)) from error
        life = Life(self._app)
        await life.begin()
        gate.on_retire = self._on_retire
        self.gate = gate
        pool = None
        if settings.interface != "wsgi":
            pool = bridge.start_pool(settings.threads, settings.queue)
        own = [asyncio.create_task(_beat(gate, pool))]
        if gate.timeout_s:
            own.append(asyncio.create_task(gate.watch_deadlines()))
        ours = asyncio.all_tasks()
        drained = [asyncio.Event() for _ in self._listeners]
        engines = [
            Engine(gate, listener, settings, self._loop, _setter(self._loop, event))
            for listener, event in zip(self._listeners, drained, strict=True)
        ]
        self._watch_loop()
        on_ready()
        await self._until_leaving(gate)
        if settings.lingers:
            await _turn_away(engines, gate)
        deadline = time.monotonic() + settings.grace_s
        await _in_time(_leave_sockets(gate), deadline)
        for engine in engines:
            engine.stop()
        for task in gate.sockets:
            task.cancel()
        clean = await _in_time(asyncio.gather(*(event.wait() for event in drained)), deadline)
        if not clean:
            gate.ended = True
            await _cancel(asyncio.all_tasks() - ours)
        clean = await self._finish(life, deadline) and clean
        for task in own:
            task.cancel()
        return clean

    def _watch_loop(self) -> None:
        """Look after the loop from now on: while the server was loaded nobody waited for it."""
        settings = self._settings
        if settings.watches_loop:
            watch_loop(self._loop, DEVELOPMENT_S, tell_developer(self._app))
        elif settings.logs and settings.interface != "wsgi":
            config = self._app.config if hasattr(self._app, "_observing") else DEFAULTS
            limit_s = config.get("LOOP_BLOCKED_S")
            if limit_s:
                watch_loop(self._loop, limit_s, tell_operator(self._app, limit_s))

    async def _until_leaving(self, gate: Gate) -> None:
        await self._stopping.wait()
        if not self._leaving.is_set():
            # Who balances the load needs some time to notice and to send requests elsewhere.
            gate.draining = True
            await _in_time(self._leaving.wait(), time.monotonic() + self._settings.drain_s)

    async def _finish(self, life: Life, deadline: float) -> bool:
        done = background.count(self._app) == 0 or await background.drain(
            self._app, max(0.0, deadline - time.monotonic())
        )
        # What the app registered for its end runs even where the grace time is used up.
        return await _in_time(life.end(), max(deadline, time.monotonic() + 1.0)) and done


def work(
    app: Any,
    listeners: tuple[Listener, ...],
    settings: Settings,
    *,
    inner: Any = None,
    on_ready: Callable[[], None] = lambda: None,
) -> bool:
    """Serve `app` until Ctrl-C or SIGTERM; return whether all requests finished."""
    signals: dict[int, bool] = {signal.SIGINT: False, signal.SIGTERM: False}
    return Worker(app, listeners, settings, inner=inner).run(on_ready, signals)


def _target(app: Any, inner: Any, settings: Settings) -> Any:
    """What answers on the interface: the app, or something that calls it as WSGI."""
    door = {"rsgi": "__rsgi__", "asgi": "asgi", "wsgi": "__call__"}[settings.interface]
    if hasattr(app, door) or (settings.interface == "asgi" and bridge.is_async(app)):
        return app
    return Mounted(app, inner)


def _new_loop() -> Any:
    with suppress(ImportError):
        return importlib.import_module("uvloop").new_event_loop()  # optional
    return asyncio.new_event_loop()


@contextmanager
def _handled(
    signals: Mapping[int, bool], stop: Callable[[bool], None], loop: Any
) -> Iterator[None]:
    def on_signal(number: int, frame: object) -> None:
        stop(signals[number])

    before = {number: interrupts.replace(number, on_signal) for number in signals}
    if sys.platform != "win32":
        # The loop is woken by a signal that comes just before it begins to wait, too.
        for number, drains in signals.items():
            loop.add_signal_handler(number, stop, drains)
    try:
        yield
    finally:
        for number, handler in before.items():
            if sys.platform != "win32":
                loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _setter(loop: Any, event: asyncio.Event) -> Callable[[], None]:
    def ring() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(event.set)

    return ring


async def _turn_away(engines: list[Engine], gate: Gate) -> None:
    """Accept nobody, and tell those who are there not to come back."""
    gate.draining = True
    for engine in engines:
        engine.turn_away()
    last = -1
    end = time.monotonic() + LONGEST_LINGER_S
    while gate.answered != last and time.monotonic() < end:
        last = gate.answered
        await asyncio.sleep(LINGER_S)


async def _leave_sockets(gate: Gate) -> None:
    """Let the WebSockets close while there still is a server to send the close frames."""
    tasks = list(gate.sockets)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _in_time(awaited: Any, deadline: float) -> bool:
    """Wait for it until `deadline`; tells whether it ended by then."""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            await awaited
    except TimeoutError:
        return False
    return True


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=1.0)


async def _beat(gate: Gate, pool: Any) -> None:
    """Keep the figures of this worker for whoever collects them."""
    in_work = metrics.gauge("hipflask_requests_in_work", "Requests being answered.", across="sum")
    in_work.ask(lambda: gate.in_work)
    sockets = metrics.gauge("hipflask_websockets_open", "Open WebSockets.", across="sum")
    sockets.ask(lambda: len(gate.sockets))
    answered = metrics.counter("hipflask_requests_total", "Requests answered.")
    answered.ask(lambda: gate.answered)
    shed = metrics.counter("hipflask_requests_shed_total", "Requests refused.", ["reason"])
    shed.ask(lambda: gate.shed, "limit")
    late = metrics.counter("hipflask_requests_late_total", "Requests given up with 504.")
    late.ask(lambda: gate.given_up)
    if pool is not None:
        shed.ask(lambda: pool.shed, "pool")
        metrics.gauge("hipflask_pool_size", "Threads for plain functions.").set(pool.size)
        busy = metrics.gauge("hipflask_pool_busy", "Threads that run a plain function.")
        busy.ask(lambda: pool.busy)
        waiting = metrics.gauge("hipflask_pool_waiting", "Calls that wait for a thread.")
        waiting.ask(lambda: pool.waiting)
        pending = metrics.gauge("hipflask_pool_pending", "Calls that run or wait for a thread.")
        pending.ask(lambda: pool.pending)
    lag = metrics.gauge("hipflask_loop_lag_seconds", "How late the event loop came last time.")
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _BEAT_S
        await asyncio.sleep(_BEAT_S)
        lag.set(max(0.0, loop.time() - due))


def leave() -> NoReturn:
    """End this process at once, with exit code 0.

    What was registered for the end of the process still runs. A normal end of the interpreter
    is out: threads of Granian's, inside of views or on their own way out, abort the process
    when it goes away under them.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
