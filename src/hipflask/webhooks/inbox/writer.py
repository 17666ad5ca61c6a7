"""Group commit: one thread of a process stores what all its requests received, in batches.

A request hands in its arrival and waits; the thread takes all that wait, stores them in one
transaction, and answers each loop once. So one fsync does for many, and the more wait, the more
share it. Nothing is answered before `append` has returned.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import msgspec

from ...database.errors import StoreUnavailable
from .rows import Arrival, Receipt

_log = logging.getLogger("hipflask.webhooks")

#: The most that one transaction stores: longer ones would make those behind them wait.
MOST_ROWS = 256
MOST_BYTES = 16 * 1024 * 1024
# How often a loop looks whether somebody has waited for too long.
TICK_S = 0.25

Append = Callable[[Sequence[Arrival]], Sequence[Receipt]]


class Failed(NamedTuple):
    """In place of a receipt: why there is none, in a word and in a sentence.

    `reason` is "store" where it is not available, "late" where it did not answer in time (the
    arrival may be stored all the same, later), "failed" where this arrival cannot be stored.
    """

    reason: str
    detail: str


Outcome = Receipt | Failed
LATE = Failed("late", "The store did not answer in time.")
STOPPING = Failed("store", "The server is stopping.")


class Committed(NamedTuple):
    """A batch that was stored: what it took, in seconds, is from before until after `append`."""

    arrivals: Sequence[Arrival]
    receipts: Sequence[Receipt]
    took_s: float


class Handed(msgspec.Struct, frozen=True):
    """An arrival, the future that gets its outcome, and when that is late, in the loop's time."""

    arrival: Arrival
    future: Any
    until: float


class _Batch(NamedTuple):
    """What one loop handed in at once, or a part of it; `size` is that of its bodies in bytes."""

    desk: _Desk
    handed: Sequence[Handed]
    size: int


class Writer:
    """The thread that stores arrivals; started by the first one, ended by `close`.

    `append` stores a batch and returns a receipt for each, or raises StoreUnavailable. Of the
    other exceptions a batch is spared those that only one of its arrivals causes. `committed` is
    told of each batch after its requests were answered, `failed` of what `append` raised; both on
    the writer's thread. `look` is called there too, after a batch and at least every `look_s`
    seconds while it returns true.
    """

    def __init__(
        self,
        append: Append,
        *,
        committed: Callable[[Committed], None],
        failed: Callable[[BaseException], None],
        look: Callable[[], bool],
        look_s: float = 1.0,
    ) -> None:
        self._append = append
        self._committed = committed
        self._failed = failed
        self._look = look
        self._look_s = look_s
        self._queue: SimpleQueue[_Batch | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._desks: dict[Any, _Desk] = {}
        self._is_closed = False
        #: Arrivals that wait, and the bytes of their bodies.
        self.waiting = 0
        self.waiting_bytes = 0
        #: What the latest transaction took, in seconds.
        self.took_s = 0.0

    def put(self, arrival: Arrival, patience_s: float) -> Any:
        """Hand in an arrival; awaited, on the running loop, this gives its Receipt, or Failed.

        After some `patience_s` seconds it is Failed in any case.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.put_all([Handed(arrival, future, loop.time() + patience_s)])
        return future

    def put_all(self, handed: Sequence[Handed]) -> None:
        """Hand in what arrived on the running loop: each gets its Receipt, or Failed."""
        loop = asyncio.get_running_loop()
        desk = self._desks.get(loop) or self._desk_of(loop)
        with self._lock:
            if not self._is_closed:
                desk.admit(handed)
                batch = _Batch(desk, handed, _size_of(handed))
                self.waiting_bytes += batch.size
                self.waiting += len(handed)
                # With the lock, so that nothing is put behind the mark of the end.
                self._queue.put(batch)
                if self._thread is None:
                    self._start()
                return
        for one in handed:
            if not one.future.done():
                one.future.set_result(STOPPING)

    def close(self, deadline_s: float = 10.0) -> bool:
        """Store and answer what waits, then end; whether that was done within `deadline_s`."""
        with self._lock:
            self._is_closed = True
            thread = self._thread
            if thread is not None:
                self._queue.put(None)
        if thread is None:
            return True
        thread.join(deadline_s)
        return not thread.is_alive()

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="hipflask-writer", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # The system gives no thread now. The next arrival asks again; this one may be late.
            _log.error("The inbox's writer cannot be started: %s", error)
        else:
            self._thread = thread

    def _desk_of(self, loop: Any) -> _Desk:
        with self._lock:
            for known in list(self._desks):
                if known.is_closed():
                    del self._desks[known]
            return self._desks.setdefault(loop, _Desk(loop))

    def _run(self) -> None:
        line: deque[_Batch] = deque()
        is_last = False
        must_look = self._look()
        while line or not is_last:
            if not line:
                try:
                    found = self._queue.get(timeout=self._look_s if must_look else None)
                except Empty:
                    must_look = self._look()
                    continue
                is_last = self._line_up(found, line)
            if batches := _cut(line):
                self._store(batches)
                must_look = self._look()

    def _line_up(self, found: _Batch | None, line: deque[_Batch]) -> bool:
        """Put all that waits in line; whether the end was behind it."""
        while found is not None:
            line.append(found)
            try:
                found = self._queue.get_nowait()
            except Empty:
                return False
        return True

    def _store(self, batches: list[_Batch]) -> None:
        begin = time.monotonic()
        arrivals = [one.arrival for batch in batches for one in batch.handed]
        receipts: Sequence[Receipt] = ()
        outcomes: Sequence[Outcome] = ()
        try:
            outcomes = receipts = self._append(arrivals)
        except StoreUnavailable as error:
            self._tell(self._failed, error)
            outcomes = [Failed("store", "The store takes no events.")] * len(arrivals)
        except Exception as error:
            if len(arrivals) > 1:
                for desk, handed, _ in batches:
                    for one in handed:
                        self._store([_Batch(desk, [one], _size_of([one]))])
                return
            self._tell(self._failed, error)
            detail = f"The event could not be stored: {type(error).__name__}."
            outcomes = [Failed("failed", detail)]
        self.took_s = took_s = time.monotonic() - begin
        self._answer(batches, outcomes)
        if receipts:
            self._tell(self._committed, Committed(arrivals, receipts, took_s))

    def _tell(self, listener: Callable[[Any], None], what: object) -> None:
        try:
            listener(what)
        except Exception:  # without this thread nobody would be answered any more
            _log.exception("Who is told of what was stored failed")

    def _answer(self, batches: list[_Batch], outcomes: Sequence[Outcome]) -> None:
        with self._lock:
            self.waiting -= len(outcomes)
            self.waiting_bytes -= sum(batch.size for batch in batches)
        place = 0
        for desk, handed, _ in batches:
            end = place + len(handed)
            desk.hand_back(handed, outcomes[place:end])
            place = end


def _cut(line: deque[_Batch]) -> list[_Batch]:
    """Take from the line as much as one transaction takes."""
    batches: list[_Batch] = []
    rows = size = 0
    while line and rows < MOST_ROWS and size < MOST_BYTES:
        batch = line.popleft()
        if rows + len(batch.handed) > MOST_ROWS or size + batch.size > MOST_BYTES:
            batch, rest = _split(batch, MOST_ROWS - rows, MOST_BYTES - size)
            if rest.handed:
                line.appendleft(rest)
        rows += len(batch.handed)
        size += batch.size
        batches.append(batch)
    return batches


def _split(batch: _Batch, rows: int, size: int) -> tuple[_Batch, _Batch]:
    """The first so many rows, or those until there are so many bytes; and the others."""
    desk, handed, _ = batch
    number = taken = 0
    while number < min(rows, len(handed)) and taken < size:
        taken += len(handed[number].arrival.body)
        number += 1
    rest = handed[number:]
    return _Batch(desk, handed[:number], taken), _Batch(desk, rest, _size_of(rest))


def _size_of(handed: Sequence[Handed]) -> int:
    return sum([len(one.arrival.body) for one in handed])


class _Desk:
    """Where the requests of one loop wait. Its methods run on that loop, but `hand_back`."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._open: list[Sequence[Handed]] = []
        self._is_ticking = False

    def admit(self, handed: Sequence[Handed]) -> None:
        """Have their futures wait until their times at the most."""
        self._open.append(handed)
        if not self._is_ticking:
            self._is_ticking = True
            self._loop.call_later(TICK_S, self._tick)

    def hand_back(self, handed: Sequence[Handed], outcomes: Sequence[Outcome]) -> None:
        """Answer requests, from the writer's thread."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._settle, handed, outcomes)

    def _settle(self, handed: Sequence[Handed], outcomes: Sequence[Outcome]) -> None:
        for one, outcome in zip(handed, outcomes, strict=True):
            future = one.future
            if not future.done():  # it waited for too long, or its client left
                future.set_result(outcome)

    def _tick(self) -> None:
        now = self._loop.time()
        still: list[Sequence[Handed]] = []
        for handed in self._open:
            waiting = [one for one in handed if not one.future.done()]
            for one in waiting:
                if one.until < now:
                    one.future.set_result(LATE)
            if waiting:
                still.append(waiting)
        self._open = still
        self._is_ticking = bool(still)
        if self._is_ticking:
            self._loop.call_later(TICK_S, self._tick)
