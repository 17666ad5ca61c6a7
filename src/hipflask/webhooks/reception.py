"""What the sources of one application share: the writer, and when to turn senders away."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..database.errors import StoreUnavailable
from . import tallies
from .gathering import Gathering
from .inbox.rows import Arrival, Backlog, Receipt
from .inbox.writer import Committed, Writer

_log = logging.getLogger("hipflask.webhooks")


class Reception:
    """One for each application; used by all its receivers, on any loop."""

    def __init__(
        self,
        *,
        append: Callable[[Sequence[Arrival]], Sequence[Receipt]],
        backlog: Callable[[], Backlog],
        most_waiting: int,
        most_waiting_bytes: int,
        most_rows: int,
        most_bytes: int,
        retry_store_s: float,
    ) -> None:
        self._append = append
        self._backlog = backlog
        self._most_waiting = most_waiting
        self._most_waiting_bytes = most_waiting_bytes
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._retry_store_s = retry_store_s
        self._lock = threading.Lock()
        self._writer: Writer | None = None
        self._generation = -1
        self._gatherings: dict[asyncio.AbstractEventLoop, Gathering[Any]] = {}
        self._is_over = False
        self._down_until = 0.0

    @property
    def writer(self) -> Writer:
        """This process's writer; a process that was forked has one of its own."""
        writer = self._writer
        if writer is None or self._generation != _generation:
            with self._lock:
                writer = self._writer
                if writer is None or self._generation != _generation:
                    writer = self._writer = Writer(
                        self._append,
                        committed=self._commit,
                        failed=self._fail,
                        look=self._look,
                    )
                    self._generation = _generation
                    # It looks for itself, once something has come: nobody else would look again.
                    self._is_over = False
        return writer

    def gathering(self) -> Gathering[Any]:
        """The running loop's."""
        loop = asyncio.get_running_loop()
        found = self._gatherings.get(loop)
        if found is None:
            with self._lock:
                for known in [one for one in self._gatherings if one.is_closed()]:
                    del self._gatherings[known]
                found = self._gatherings[loop] = Gathering(loop)
        return found

    def shed(self, writer: Writer) -> str:
        """Why a delivery is turned away now, in a word; "" if it is not."""
        if self._is_over:
            return "backlog"
        if writer.waiting >= self._most_waiting or writer.waiting_bytes >= self._most_waiting_bytes:
            return "busy"
        if self._down_until and time.monotonic() < self._down_until:
            return "store"
        return ""

    def close(self) -> None:
        """Store and answer what waits."""
        writer, self._writer = self._writer, None
        is_ours = self._generation == _generation
        if writer is not None and is_ours and not writer.close():
            _log.error("The writer did not end in time: arrivals are left without an answer.")

    def _commit(self, committed: Committed) -> None:
        if self._down_until:
            self._down_until = 0.0
            _log.warning("The inbox takes events again.")
        tallies.count_batch(committed)

    def _fail(self, error: BaseException) -> None:
        tallies.failures.add()
        if not self._down_until:
            kind = None if isinstance(error, StoreUnavailable) else error
            _log.error("The inbox takes no events, senders get a 503: %s", error, exc_info=kind)
        self._down_until = time.monotonic() + self._retry_store_s

    def _look(self) -> bool:
        try:
            found = self._backlog()
        except Exception:
            return self._is_over  # `append` tells of a store that is away
        was_over, self._is_over = (
            self._is_over,
            found.rows >= self._most_rows or found.bytes >= self._most_bytes,
        )
        if self._is_over and not was_over:
            _log.error(
                "The inbox holds %d unfinished events (%d bytes): senders get a 503 until it is"
                " below its limits.",
                found.rows,
                found.bytes,
            )
        return self._is_over


# Raised by one in each process that is forked: what its parent had running, it has not.
_generation = 0


def _be_born() -> None:
    global _generation
    _generation += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_be_born)
