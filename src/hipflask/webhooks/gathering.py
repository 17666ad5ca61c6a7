"""Deliveries that come together are judged together, and handed to the writer together.

A commit costs the same for one and for fifty, and under load a delivery judged between others that
are read and answered took 100 us where one of fifty in a row took 76. So a loop's deliveries wait
for each other; for nothing at all where they come one by one.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop, Future
from collections.abc import Callable
from contextvars import Context
from typing import Any, Generic, TypeVar

from ..database import failpoints
from .inbox.rows import Arrival
from .inbox.writer import Handed, Writer

Given = TypeVar("Given")

#: While several come together, how long a loop waits for more, in seconds: as long as the latest
#: commit took, and no longer than this.
MOST_GATHERED_S = 0.004


class Gathering(Generic[Given]):
    """The deliveries of one loop that are not judged yet. Used on that loop alone.

    `judge` returns the arrival that a delivery is, or anything else for one that is none. It is
    called without the context of a request.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        # One for each loop: a context that one thread is in, no other thread may enter.
        self._no_request = Context()
        self._pause_s = 0.0
        self._there: list[tuple[Callable[[Given], Any], Given, Future[Any], float]] = []
        self._writer: Writer | None = None

    def join(
        self, writer: Writer, judge: Callable[[Given], Any], given: Given, patience_s: float
    ) -> Future[Any]:
        """Hand in a delivery. Awaited, this gives its Receipt or Failed, or what `judge` returned.

        When it was judged and the store gives no answer for `patience_s` seconds, it is Failed.
        """
        future = self._loop.create_future()
        there = self._there
        if not there:
            self._writer = writer
            if self._pause_s:
                self._loop.call_later(self._pause_s, self._judge_all, context=self._no_request)
            else:
                self._loop.call_soon(self._judge_all, context=self._no_request)
        there.append((judge, given, future, patience_s))
        return future

    def _judge_all(self) -> None:
        there, self._there = self._there, []
        writer, self._writer = self._writer, None
        assert writer is not None  # somebody has joined
        self._pause_s = min(writer.took_s, MOST_GATHERED_S) if len(there) > 1 else 0.0
        arrived: list[Handed] = []
        now = self._loop.time()
        for judge, given, future, patience_s in there:
            try:
                found = judge(given)
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
                continue
            if found.__class__ is Arrival:
                failpoints.hit("P2")
                # Also where the sender has left meanwhile: what is whole and his is kept.
                arrived.append(Handed(found, future, now + patience_s))
            elif not future.done():
                future.set_result(found)
        if arrived:
            writer.put_all(arrived)
