"""The service as its supervisor sees it: its workers, their figures, and whether it is ready.

The supervisor answers for all of them, as it outlives each. It asks the workers that live for
their gauges and reads counters from their files, those of a worker that was killed among them.
"""

from __future__ import annotations

import math
import os
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from ..ops import cells
from ..ops.gathering import Gathered
from ..ops.metrics import Family, Labels, Registry
from ..ops.probes import Answer
from .figures import ALIVE, FIGURES, PATIENCE_S, READY, Post

#: How long the workers may take to say something, all together.
ASK_S = PATIENCE_S + 0.5
#: Questions that a worker may leave open before it is asked no more: a full pipe would hold us up.
MOST_OPEN = 8


@dataclass(eq=False)
class Watched:
    """A worker process. `state` is starting, serving or leaving."""

    number: int
    stem: Path
    ears: Connection
    pid: int = 0
    state: str = "starting"
    began: float = field(default_factory=time.monotonic)
    #: Whether it answered when it was last asked, and how many questions it has not answered.
    answers: bool = True
    open: int = 0


class Overview:
    """What is known of a service's workers. Told by the supervisor, asked by any thread."""

    def __init__(self, folder: Path, name: str, context: Any) -> None:
        self.folder = folder
        self.name = name
        #: Whether the stop has begun.
        self.draining = False
        self._context = context
        self._workers: list[Watched] = []
        self._gathered = Gathered()
        self._count = self._question = 0
        self._began = time.time()
        # For what is known; and for who asks the workers, one at a time.
        self._lock, self._asking = threading.Lock(), threading.Lock()
        self._registry = Registry()
        self._restarts = self._declare()

    def _declare(self) -> Any:
        new = self._registry
        build = new.gauge(
            "hipflask_build_info", "What runs; 1.", ["app", "version", "python"], across="max"
        )
        build.set(1, self.name, own_version(), platform.python_version())
        began = new.gauge(
            "hipflask_start_time_seconds",
            "When the service began, in seconds since 1970.",
            across="max",
        )
        began.set(self._began)
        restarts = new.counter(
            "hipflask_worker_restarts_total",
            "Workers replaced: died, or renewed by SIGHUP or for their age.",
            ["reason"],
        )
        for reason in ("died", "renewed"):
            restarts.add(0, reason)
        return restarts

    # Told

    def post(self, number: int) -> tuple[Watched, Post]:
        """Make a place for the figures of a worker about to start; the second is for it."""
        self._count += 1
        ours, theirs = self._context.Pipe()
        stem = self.folder / f"worker-{number}-{self._count}"
        watched = Watched(number, stem, ours)
        with self._lock:
            self._workers.append(watched)
        return watched, Post(stem, theirs)

    def ended(self, watched: Watched) -> None:
        """A worker process is no more: keep what it counted."""
        with self._lock:
            if watched in self._workers:
                self._workers.remove(watched)
                self._gathered.keep(cells.read(watched.stem))
        cells.remove(watched.stem)

    def replaced(self, reason: str) -> None:
        """A worker was replaced, as it "died" or was "renewed"."""
        self._restarts.add(1, reason)

    # Asked

    def families(self) -> list[Family]:
        """The figures of the service, as of now."""
        self._ask(FIGURES)
        return [each for each in self._read()[0] if each.series]

    def _read(self) -> tuple[list[Family], list[tuple[Watched, list[Family]]]]:
        with self._lock:
            found = [(each, cells.read(each.stem)) for each in self._workers]
            own = [*self._registry.families(), self._states(), self._answering()]
            total = self._gathered.total(
                [("supervisor", own), *((str(each.number), read) for each, read in found)]
            )
        return total, found

    def _states(self) -> Family:
        states = [each.state for each in self._workers]
        series: dict[Labels, list[float]] = {
            (state,): [float(states.count(state))] for state in ("starting", "serving", "leaving")
        }
        text = "Worker processes."
        return Family("hipflask_workers", "gauge", text, ("state",), (), "max", series)

    def _answering(self) -> Family:
        serving = [each for each in self._workers if each.state == "serving"]
        series: dict[Labels, list[float]] = {
            (str(each.number),): [float(each.answers)] for each in serving
        }
        text = "1 where the worker answered when it was asked for its figures."
        return Family("hipflask_worker_up", "gauge", text, ("worker",), (), "max", series)

    def status(self) -> dict[str, Any]:
        """What `hipflask top` shows, as JSON has it: the service, its workers, the figures."""
        self._ask(FIGURES)
        total, found = self._read()
        return {
            "app": self.name,
            "version": own_version(),
            "pid": os.getpid(),
            "age_s": time.time() - self._began,
            "at_s": time.monotonic(),
            "draining": self.draining,
            "workers": [row_of(each, families) for each, families in found],
            "figures": [plain(family) for family in total if family.series],
        }

    def alive(self) -> Answer:
        """Whether somebody's event loop goes round; also while nobody has begun."""
        serving = self._serving()
        if not serving:
            return 200, b'{"status":"starting"}\n'
        answers = [answer for answer in self._ask(ALIVE, serving).values() if answer is not None]
        if any(answer.startswith(b"200 ") for answer in answers):
            return 200, b'{"status":"ok"}\n'
        return 503, b'{"status":"stuck"}\n'

    def ready(self) -> Answer:
        """Whether requests may be sent: a worker serves whose checks pass, no stop has begun."""
        if self.draining:
            return 503, b'{"status":"draining"}\n'
        worst: Answer = (503, b'{"status":"starting"}\n')
        for answer in self._ask(READY, self._serving()).values():
            status, _, body = (answer or b'503 {"status":"stuck"}\n').partition(b" ")
            if status == b"200":
                return 200, body
            worst = 503, body
        return worst

    def _serving(self) -> list[Watched]:
        with self._lock:
            return [each for each in self._workers if each.state == "serving"]

    def _ask(self, word: bytes, workers: list[Watched] | None = None) -> dict[int, bytes | None]:
        """Ask workers that live, together; answers by pid, None of one that says nothing."""
        if workers is None:
            with self._lock:
                workers = [each for each in self._workers if each.state != "starting"]
        with self._asking:
            self._question += 1
            number = str(self._question).encode()
            found: dict[int, bytes | None] = {each.pid: None for each in workers}
            waiting = {each.ears: each for each in workers if _send(each, number + b" " + word)}
            for watched, answer in _answers(waiting, number):
                found[watched.pid] = answer
            for each in workers:
                each.answers = found[each.pid] is not None
        return found


def _send(watched: Watched, words: bytes) -> bool:
    """Ask a worker; tells whether there may be something to hear from it."""
    if watched.open < MOST_OPEN:
        try:
            watched.ears.send_bytes(words)
        except OSError:
            return False
        watched.open += 1
    return True


def _answers(waiting: dict[Connection, Watched], number: bytes) -> Iterator[tuple[Watched, bytes]]:
    deadline = time.monotonic() + ASK_S
    while waiting and (left := deadline - time.monotonic()) > 0:
        for ears in wait(list(waiting), left):
            assert isinstance(ears, Connection)
            try:
                asked, _, answer = ears.recv_bytes(65536).partition(b" ")
            except (OSError, EOFError):
                del waiting[ears]
                continue
            waiting[ears].open -= 1
            if asked == number:  # else an answer to an earlier question, too late
                yield waiting.pop(ears), answer


def own_version() -> str:
    """Which hipflask this is."""
    from importlib.metadata import version  # costly, and for this only

    return version("hipflask")


#: Columns of a worker's row and the figures they are taken from.
COLUMNS = {
    "rss_bytes": "process_resident_memory_bytes",
    "cpu_s": "process_cpu_seconds_total",
    "open_files": "process_open_fds",
    "threads": "process_threads",
    "in_work": "hipflask_requests_in_work",
    "lag_s": "hipflask_loop_lag_seconds",
    "pool_size": "hipflask_pool_size",
    "pool_busy": "hipflask_pool_busy",
    "pool_waiting": "hipflask_pool_waiting",
}


def row_of(watched: Watched, families: list[Family]) -> dict[str, Any]:
    """A process as `hipflask top` shows it, with the figures of its own."""
    values = {each.name: each.series.get((), [None])[0] for each in families if not each.labels}
    row = {"worker": watched.number, "pid": watched.pid, "state": watched.state}
    row |= {"age_s": time.monotonic() - watched.began, "answers": watched.answers}
    return row | {column: values.get(name) for column, name in COLUMNS.items()}


def plain(family: Family) -> dict[str, Any]:
    """A metric as JSON has it."""
    # JSON has neither NaN nor infinity.
    series = [
        {
            "labels": dict(zip(family.labels, values, strict=True)),
            "numbers": [number if math.isfinite(number) else None for number in numbers],
        }
        for values, numbers in family.series.items()
    ]
    about = {"name": family.name, "kind": family.kind, "text": family.text}
    return {**about, "bounds": list(family.bounds), "series": series}
