"""Worker threads of one process, on PostgreSQL: procrastinate's worker brings them the rows.

procrastinate's event loop runs in a thread of its own and fetches jobs; each job claims its row
and works on it in one of our threads. A row that is not to be had now, as its lane is paused or
at its limit, sends its job to wait.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import random
import threading
import time
from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

import procrastinate
from procrastinate.exceptions import ConnectorException
from procrastinate.jobs import DeleteJobCondition, Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision
from procrastinate.worker import Worker

from ...bridge import Pool
from ...database import Database, State, StoreUnavailable
from .holding import LEASE_S, SWEEP_EVERY_S, Held
from .lines import Line
from .procrastination import QUEUE, TASK, conninfo_of, hand_out, running, sweep
from .turns import Turns

log = logging.getLogger("hipflask.webhooks")
# Not the module's, whose numbers belong to the application: it may have seeded them.
_dice = random.SystemRandom()

# How often a worker looks for jobs that nobody told it of: those whose time has come, and those
# whose lock is free again.
POLL_S = 0.5
# How long a job waits whose row cannot be had now.
BUSY_S = 0.5
# How long after a failure of the database the worker is started again.
AGAIN_S = 1.0
# How often a worker that has not ended is told to stop.
STOP_AGAIN_S = 0.1
_CLAIMABLE = frozenset({State.RECEIVED, State.WAITING})


class Later(Exception):
    """Ends a job that is to run once more, at `at` in seconds since 1970."""

    def __init__(self, at: float) -> None:
        super().__init__(at)
        self.at = at


class _Same(BaseRetryStrategy):
    """Tries the same job again when it says so, and no other."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if not isinstance(exception, Later):
            return None
        return RetryDecision(retry_at=datetime.datetime.fromtimestamp(exception.at, datetime.UTC))


class _Worker(Worker):
    """procrastinate's worker, which looks again once a job has ended: its lock is free then.

    Without that the next row of a key would wait for the next poll.
    """

    async def _persist_job_status(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super()._persist_job_status(*args, **kwargs)
        except ConnectorException as error:
            # The job was ended for us, as its row had been taken over.
            log.debug("a job's end was not recorded: %s", error)
        self._new_job_event.set()


class ProcrastinateCrew:
    """Threads that work on the rows of `lines` as procrastinate hands them out."""

    def __init__(
        self,
        database: Database,
        lines: Sequence[Line],
        *,
        threads: int = 4,
        lease_s: float = LEASE_S,
        sweep_s: float = SWEEP_EVERY_S,
        jobs: str = QUEUE,
    ) -> None:
        self.lines = tuple(lines)
        self.threads = threads
        #: How many rows were ended here.
        self.done = 0
        self._jobs = jobs
        self._database = database
        self._by_name = {line.name: line for line in self.lines}
        self._hand_out = hand_out(database, [line.queue for line in self.lines], jobs)
        self._held = Held(self.lines, lease_s=lease_s, sweep_s=sweep_s, on_sweep=self._sweep_jobs)
        self._turns = Turns()
        self._count = threading.Lock()
        self._stopping = threading.Event()
        self._once = False
        self._grace_s = 25.0
        self._worker: Worker | None = None
        self._thread: threading.Thread | None = None

    def start(self, *, once: bool = False) -> None:
        """Begin to work; with `once` until no job is left that is due."""
        self._once = once
        if once:
            # A row that was moved here from SQLite has no job until somebody gives it one.
            self._sweep_jobs()
        self._held.start()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._live()), name="hipflask-procrastinate", daemon=True
        )
        self._thread.start()

    def wake(self) -> None:
        """Nothing: PostgreSQL notifies."""

    def join(self) -> None:
        """Wait for the end of a crew started with `once`."""
        if self._thread is not None:
            self._thread.join()
        self._held.stop()

    def stop(self, grace_s: float = 25.0) -> bool:
        """Take nothing new, let what runs finish; returns whether it did within `grace_s`."""
        end = time.monotonic() + grace_s
        self._grace_s = grace_s
        self._stopping.set()
        self._stop_worker()
        thread = self._thread
        while thread is not None and thread.is_alive() and time.monotonic() < end:
            thread.join(STOP_AGAIN_S)
            # Told again: it may be there only now, and one that is just beginning forgets it.
            self._stop_worker()
        self._held.stop()
        return thread is None or not thread.is_alive()

    def _stop_worker(self) -> None:
        worker = self._worker
        if worker is not None:
            worker.shutdown_graceful_timeout = self._grace_s
            worker.stop()  # type: ignore[no-untyped-call]  # procrastinate's

    # On procrastinate's event loop.

    async def _live(self) -> None:
        pool = Pool(self.threads)
        app = procrastinate.App(
            connector=procrastinate.PsycopgConnector(
                conninfo=conninfo_of(self._database), min_size=1, max_size=4
            )
        )

        @app.task(name=TASK, queue=self._jobs, pass_context=True, retry=_Same())
        async def work(context: Any, queue: str, seq: int) -> None:
            at = await pool.hop(copy_context(), self._work, queue, seq, context.job.id)
            if at is not None:
                raise Later(at)

        while not self._stopping.is_set():
            before = self.done
            try:
                async with app.open_async():
                    await self._run_worker(app)
            except Exception as error:
                log.warning("procrastinate's worker is started again: %s", error)
                await asyncio.sleep(AGAIN_S)
                continue
            # The last jobs may have made others due.
            if self._once and self.done == before:
                break
        # What did not end in the grace time keeps its thread until the process ends.
        pool.close()

    async def _run_worker(self, app: Any) -> None:
        worker = _Worker(
            app,
            queues=[self._jobs],
            concurrency=self.threads,
            wait=not self._once,
            fetch_job_polling_interval=POLL_S,
            shutdown_graceful_timeout=self._grace_s,
            delete_jobs=DeleteJobCondition.ALWAYS,
            install_signal_handlers=False,
        )
        self._worker = worker
        try:
            await worker.run()  # type: ignore[no-untyped-call]  # procrastinate's
        finally:
            self._worker = None

    # In a working thread.

    def _work(self, queue: str, seq: int, job_id: int) -> float | None:
        """Work on the row; returns when its job is to come again, None for never."""
        line = self._by_name.get(queue)
        if line is None:
            return time.time() + BUSY_S * 20  # for a worker that knows this queue
        try:
            with running(queue, seq, job_id) as current:
                if not self._claim_and_work(line, seq):
                    return self._when(line, seq)
                return current.again_at
        except StoreUnavailable as error:
            log.warning("%s %s waits, the store is away: %s", queue, seq, error)
            return time.time() + BUSY_S

    def _claim_and_work(self, line: Line, seq: int) -> bool:
        with self._turns.together():
            claimed = self._claim(line, seq)
            if claimed is None:
                return False
            if not claimed.row.kills:
                self._run(line, claimed)
                return True
            self._held.drop(line, claimed)
            line.queue.give_back([claimed])
        with self._turns.alone():
            claimed = self._claim(line, seq)
            if claimed is not None:
                self._run(line, claimed)
            return claimed is not None

    def _claim(self, line: Line, seq: int) -> Any:
        claims = line.queue.claim(limit=1, lease_s=self._held.lease_s, lanes=line.lanes, seq=seq)
        for claimed in claims:
            self._held.take(line, claimed)
            return claimed
        return None

    def _run(self, line: Line, claimed: Any) -> None:
        try:
            line.work(claimed)
        except Exception:
            log.exception("%s %s ended in an error of ours", line.name, claimed.seq)
        finally:
            self._held.drop(line, claimed)
            with self._count:
                self.done += 1

    def _when(self, line: Line, seq: int) -> float | None:
        """When a row that could not be claimed is to be tried again; None if it has ended."""
        row = line.queue.read(seq)
        if row is None or row.state not in _CLAIMABLE:
            return None
        now = self._database.clock.now()
        paused = line.queue.paused_until(row.lane)
        soonest = now + BUSY_S * _dice.uniform(0.5, 1.5)
        at: float = max(row.run_at, soonest, min(paused or 0.0, now + 60.0))
        return at

    # In the thread that sweeps.

    def _sweep_jobs(self) -> None:
        for line in self.lines:
            sweep(self._database, line.queue, self._hand_out)
