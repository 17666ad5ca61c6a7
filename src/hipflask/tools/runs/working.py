"""Who works on a tool's runs: threads of each serving process, and `hipflask worker`.

The crews are those of the inbox: rows are claimed on SQLite, and brought by procrastinate on
PostgreSQL. Beside them a thread expires what nobody approved, and asks for what is scheduled.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...database import Limits, StoreUnavailable
from ...scaffold import SetupError
from ...webhooks.working.holding import LEASE_S, SWEEP_EVERY_S
from ...webhooks.working.lines import Line
from ...webhooks.working.workers import Crew
from .executing import Executor
from .gate import Gate
from .jobs import Jobs
from .notices import Notice, notify
from .rows import RunRow
from .schedules import Clockwork, Schedule

if TYPE_CHECKING:
    from ...webhooks.working.crews import AnyCrew

log = logging.getLogger("hipflask.tools")

#: How long what is at work may take to finish when a serving process ends.
GRACE_S = 10.0
#: Where workers could not be started, as the store was away, a request tries again after this.
START_AGAIN_S = 5.0
TICK_S = 1.0


class Runs:
    """The runs of one tool: their gate, and who works on them. Opens nothing until used."""

    def __init__(self, tool: Any, workers: int = 2) -> None:
        self.tool = tool
        self.workers = workers
        self._lock = threading.Lock()
        self._opened: tuple[Any, Gate] | None = None
        self._crew: tuple[int, RunsCrew] | None = None
        self._start_again_at = 0.0

    @property
    def gate(self) -> Gate:
        """What page, JSON, command and schedule ask."""
        database = self.tool.store
        opened = self._opened
        if opened is None or opened[0] is not database:
            with self._lock:
                opened = self._opened
                if opened is None or opened[0] is not database:
                    jobs = Jobs(database)
                    jobs.on_interrupt = self._say_interrupted
                    if not database.is_sqlite:
                        from ...webhooks.working.procrastination import hand_out  # [postgres]

                        hand_out(database, [jobs], jobs_of(self.tool))
                    opened = self._opened = (database, Gate(self.tool, jobs))
        return opened[1]

    def schedule(self, action: Any, name: str, **options: Any) -> None:
        """Have an action asked for by the clock; SetupError for a name that it has already."""
        if name in action.schedules:
            raise SetupError(f"{action.name} has a schedule named {name!r} already.")
        action.schedules[name] = Schedule(action, name, **options)

    def attach(self, app: Any) -> None:
        """Have each serving process of `app` work on the runs."""
        app.while_serving(self._serving)
        app.before_request_funcs.setdefault(None, []).insert(0, self._first_request)

    def work(self, threads: int = 1) -> int:
        """Work on all that is due, until nothing is; returns how many runs that were.

        For tests and scripts.
        """
        crew = make_crew(self, threads=threads)
        crew.start(once=True)
        crew.join()
        return crew.done

    def start(self) -> None:
        """Start the workers of this process, once."""
        with self._lock:
            is_there = self._crew is not None and self._crew[0] == os.getpid()
            is_wanted = self.workers and self.tool.actions and not self.tool.app.testing
        if is_there or not is_wanted:
            return
        crew = make_crew(self, threads=self.workers)
        crew.start()
        self._crew = (os.getpid(), crew)

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Stop them; what is not done within `grace_s` is interrupted."""
        crew, self._crew = self._crew, None
        if crew is not None and crew[0] == os.getpid():
            crew[1].stop(grace_s)

    def _say_interrupted(self, run: RunRow) -> None:
        notify(self.tool, Notice("interrupted", run))

    def _serving(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _first_request(self) -> None:
        """Start the workers under a server that did not; never refuses the request."""
        now = time.monotonic()
        if now < self._start_again_at:
            return
        self._start_again_at = now + START_AGAIN_S
        try:
            self.start()
        except Exception:
            log.exception("runs of the tool %s are not worked on yet", self.tool.name)
            return
        hooks = self.tool.app.before_request_funcs.get(None, [])
        if self._first_request in hooks:
            hooks.remove(self._first_request)


class RunsCrew:
    """A crew for one tool's runs, and the thread beside it."""

    def __init__(self, runs: Runs, crew: AnyCrew) -> None:
        self._runs = runs
        self._crew = crew
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        database = runs.tool.store
        self._clock = database.clock
        self._clockwork = Clockwork(runs.tool, runs.gate)

    @property
    def done(self) -> int:
        """How many runs were ended here."""
        return self._crew.done

    def start(self, *, once: bool = False) -> None:
        """Begin; with `once` until nothing is due."""
        if once:
            self._runs.gate.sweep()
            self._runs.gate.jobs.sweep()
            self._crew.start(once=True)
            return
        self._crew.start()
        self._thread = threading.Thread(target=self._tick, name="hipflask-runs", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do."""
        self._crew.wake()

    def join(self) -> None:
        """Wait for the end of a crew started with `once`."""
        self._crew.join()

    def stop(self, grace_s: float = GRACE_S) -> bool:
        """Take nothing new, let what runs finish; returns whether it did in time."""
        self._stopping.set()
        is_clean = self._crew.stop(grace_s)
        if self._thread is not None:
            self._thread.join()
        return is_clean

    def _tick(self) -> None:
        swept_at = 0.0
        while not self._stopping.wait(TICK_S):
            try:
                self._clockwork.tick(self._clock.now())
                if time.monotonic() >= swept_at:
                    self._runs.gate.sweep()
                    swept_at = time.monotonic() + SWEEP_EVERY_S
            except StoreUnavailable as error:
                log.warning("schedules and approvals wait for the store: %s", error)
            except Exception:
                log.exception("cannot look after the runs of %s", self._runs.tool.name)


def jobs_of(tool: Any) -> str:
    """procrastinate's queue of a tool."""
    return f"hipflask_tool_{tool.name}"


def make_crew(
    runs: Runs,
    *,
    threads: int = 2,
    lease_s: float = LEASE_S,
    sweep_s: float = SWEEP_EVERY_S,
) -> RunsCrew:
    """A crew for the tool's store, not started. Opens the store."""
    gate = runs.gate
    executor = Executor(runs.tool, gate.jobs)
    line = Line("job", gate.jobs, executor.work, {runs.tool.name: Limits()})
    if gate.database.is_sqlite:
        crew: AnyCrew = Crew([line], threads=threads, lease_s=lease_s, sweep_s=sweep_s)
    else:
        from ...webhooks.working.procrastinating import ProcrastinateCrew  # hipflask[postgres]

        crew = ProcrastinateCrew(
            gate.database,
            [line],
            threads=threads,
            lease_s=lease_s,
            sweep_s=sweep_s,
            jobs=jobs_of(runs.tool),
        )
    gate.jobs.wake = crew.wake
    return RunsCrew(runs, crew)
