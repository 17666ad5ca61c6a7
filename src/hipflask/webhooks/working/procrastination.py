"""Rows handed to procrastinate, in the transaction that makes them claimable.

On PostgreSQL the work may be done on several machines, by procrastinate's workers. What is
handed over is a job that carries the queue's name and the row's number; the row stays the
truth. The job's lock is the row's lane and key, so that procrastinate, too, never runs two of
one key at a time. A row that is to be tried again keeps its job, which procrastinate schedules
for later.

procrastinate leaves a job "doing" for ever, and its lock taken, when the worker is killed. So
whoever makes a row claimable again, as its lease is over, ends the old job in the same
transaction; and `HandOut.sweep` gives a job to the rows that have none.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import procrastinate
from procrastinate.jobs import Job
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, make_url, text

from ...database import Database, Queue, ReadyRow
from ...scaffold import SetupError

#: The queue and the task under which all our jobs run, in procrastinate's words.
QUEUE = "hipflask"
TASK = "hipflask.work"

# One process at a time installs or sweeps; the number is ours.
_LOCK = 0x68697067
# A job is fetched a moment before its row is claimed, and ended a moment after. Past that a job
# whose row nobody works on has lost its worker.
_LOST_AFTER_S = 10.0
# How many rows one sweep gives a job: the next one goes on.
_MOST = 1000

# The end of jobs whose worker has lost the row. Deleted, as their rows tell the story.
_END_DOING = """
DELETE FROM procrastinate_jobs
 WHERE status = 'doing' AND queueing_lock = ANY(%(names)s) AND id IS DISTINCT FROM %(own)s
"""
_END_TODO = """
DELETE FROM procrastinate_jobs WHERE status = 'todo' AND queueing_lock = ANY(%(names)s)
"""


class Current:
    """The job that this thread runs: which row, and when the row is to be tried again."""

    def __init__(self, queue: str, seq: int, job_id: int) -> None:
        self.name = _name(queue, seq)
        self.job_id = job_id
        #: Seconds since 1970, or None while the row has not been put off.
        self.again_at: float | None = None


_local = threading.local()


@contextmanager
def running(queue: str, seq: int, job_id: int) -> Iterator[Current]:
    """Have what is put off in this thread keep the job `job_id`, if it is this row."""
    _local.current = current = Current(queue, seq, job_id)
    try:
        yield current
    finally:
        _local.current = None


def _name(queue: str, seq: int) -> str:
    return f"{queue}:{seq}"


def lock_of(queue: str, lane: str, key: str | None) -> str | None:
    """The lock of a row's job: those of one lane and key exclude one another."""
    return None if key is None else f"{queue}:{lane}:{key}"


class HandOut:
    """Hands the claimable rows of queues to procrastinate; used as their `on_ready`."""

    def __init__(self, jobs: str = QUEUE) -> None:
        #: procrastinate's queue: who fetches from it works on these rows.
        self.jobs = jobs
        # Never opened: each call brings the connection of the transaction it belongs to.
        self._manager = procrastinate.App(
            connector=procrastinate.SyncPsycopgConnector()
        ).job_manager

    def attach(self, queue: Queue[Any]) -> None:
        """Hand the rows of `queue` over from now on."""
        queue.on_ready = lambda connection, rows: self.ready(queue.name, connection, rows)

    def ready(self, queue: str, connection: Any, rows: Sequence[ReadyRow]) -> None:
        """Give each row a job, on the connection and in the transaction that made it claimable.

        A job that a row has already is replaced; but for the one that runs in this thread,
        which is told to come again.
        """
        current: Current | None = getattr(_local, "current", None)
        others = []
        for row in rows:
            if current is not None and _name(queue, row.seq) == current.name:
                current.again_at = row.run_at
            else:
                others.append(row)
        if not others:
            return
        driver = driver_connection(connection)
        names = [_name(queue, row.seq) for row in others]
        own = None if current is None else current.job_id
        driver.execute(_END_TODO, {"names": names})
        driver.execute(_END_DOING, {"names": names, "own": own})
        self._manager.batch_defer_jobs([self._job(queue, row) for row in others], connection=driver)

    def _job(self, queue: str, row: Any) -> Job:
        when = datetime.datetime.fromtimestamp(row.run_at, datetime.UTC)
        is_due = when <= datetime.datetime.now(datetime.UTC)
        return Job(
            queue=self.jobs,
            task_name=TASK,
            lock=lock_of(queue, row.lane, row.key),
            queueing_lock=_name(queue, row.seq),
            task_kwargs={"queue": queue, "seq": row.seq},
            scheduled_at=None if is_due else when,
        )


_FREE_LOST = """
DELETE FROM procrastinate_jobs job
 WHERE job.status = 'doing' AND job.queue_name = :jobs AND job.args ->> 'queue' = :queue
   AND NOT EXISTS (SELECT 1 FROM hipflask_{queue} row
                    WHERE row.seq = (job.args ->> 'seq')::bigint AND row.state = 'running')
   AND NOT EXISTS (SELECT 1 FROM procrastinate_events event
                    WHERE event.job_id = job.id AND event.type = 'started'
                      AND event.at > now() - make_interval(secs => :after))
"""
_FIND_JOBLESS = """
SELECT row.seq, row.lane, row.key, row.run_at FROM hipflask_{queue} row
 WHERE row.state IN ('received', 'waiting')
   AND NOT EXISTS (SELECT 1 FROM procrastinate_jobs job
                    WHERE job.queueing_lock = :queue || ':' || row.seq
                      AND job.status IN ('todo', 'doing'))
 ORDER BY row.seq LIMIT :most FOR UPDATE OF row SKIP LOCKED
"""


def sweep(database: Database, queue: Queue[Any], hand_out: HandOut) -> int:
    """Free the locks of jobs whose worker is gone, and give a job to each row that has none.

    Returns how many rows got one. Does nothing while another process is at it.
    """
    with database.begin() as connection:
        if not connection.scalar(text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": _LOCK + 1}):
            return 0
        names = {"jobs": hand_out.jobs, "queue": queue.name, "after": _LOST_AFTER_S, "most": _MOST}
        connection.execute(text(_FREE_LOST.format(queue=queue.name)), names)
        found = connection.execute(text(_FIND_JOBLESS.format(queue=queue.name)), names)
        rows = [ReadyRow(queue.name, *row) for row in found]
        hand_out.ready(queue.name, connection, rows)
        return len(rows)


def hand_out(database: Database, queues: Sequence[Queue[Any]], jobs: str = QUEUE) -> HandOut:
    """Have the rows of `queues` handed to procrastinate, whose tables are made if need be.

    `jobs` is procrastinate's queue for them.
    """
    install(database)
    made = HandOut(jobs)
    for queue in queues:
        made.attach(queue)
    return made


# procrastinate's own tables.


def install(database: Database) -> None:
    """Make procrastinate's tables, or bring those that we made to the version installed.

    Runs procrastinate's own files, once; which of them have been run is kept in the shared
    record "procrastinate". Tables that somebody else has made are used as they are. SetupError
    where they are those of an older procrastinate.
    """
    files = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    newest = files[-1].name
    if database.shared.get("procrastinate").get("newest") == newest:
        return
    with database.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _LOCK})
        is_there = connection.scalar(text("SELECT to_regclass('procrastinate_jobs')"))
        record = database.shared.update("procrastinate", lambda old: None, connection)
        ran = record.get("newest")
        driver = driver_connection(connection)
        if is_there is None:
            driver.execute(SchemaManager.get_schema())
        elif ran is None:
            _check(connection)
        else:
            for file in files:
                if file.name > ran:
                    driver.execute(file.read_text(encoding="utf-8"))
        database.shared.update("procrastinate", lambda old: {"newest": newest}, connection)


def _check(connection: Connection) -> None:
    """SetupError if tables that somebody else made lack what we call."""
    found = connection.scalar(
        text("SELECT count(*) FROM pg_proc WHERE proname IN (:defer, :fetch, :retry)"),
        {
            "defer": "procrastinate_defer_jobs_v1",
            "fetch": "procrastinate_fetch_job_v2",
            "retry": "procrastinate_retry_job_v2",
        },
    )
    if found != 3:
        raise SetupError(
            "The database has tables of procrastinate that hipflask did not make, and they are"
            f" of an older version than the installed {procrastinate.__version__}. Apply its"
            " migrations, as its documentation says under 'Migrations'."
        )


def conninfo_of(database: Database) -> str:
    """The database's URL as libpq reads it."""
    url = make_url(database.url).set(drivername="postgresql")
    return url.render_as_string(hide_password=False)


def driver_connection(connection: Any) -> Any:
    """psycopg's own connection, of SQLAlchemy's or itself."""
    pooled = getattr(connection, "connection", None)
    return connection if pooled is None else pooled.driver_connection
