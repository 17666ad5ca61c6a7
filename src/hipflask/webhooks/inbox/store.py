"""The inbox: what was received is on disk before anybody says so."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from ...database import failpoints
from ...database.engine import Database
from ...database.errors import StoreUnavailable
from ...database.faults import is_deadlock
from ...database.finding import open_sums
from ...database.queue import Queue
from ...database.rows import Claimed
from ...database.table import refuse_if_moved
from ..fields import parse_headers
from .appending import Stored, append, count_again
from .outbox import Outbox
from .rows import Arrival, Backlog, InboxRow, Receipt
from .transaction import Transaction

_log = logging.getLogger("hipflask.webhooks")

# Asking takes longer the more there is: of all time at most one part in this many.
_ASKING = 20


class Inbox(Queue[InboxRow]):
    """Deliveries, each (source, id) once; `outbox` is the one that its handlers post to."""

    name = "inbox"
    row_type = InboxRow
    own_columns = (
        *("event_id", "event_type", "scheme", "secret_no", "is_id_signed", "method", "query"),
        *("digest", "dup_count", "done_by"),
    )
    searched = ("event_id", "event_type", "error")
    # What is done is done again; of what is dead, what had not finished.
    set_by_replay = (
        ", done_by = CASE WHEN state IN ('done', 'filtered', 'conflict') THEN '[]' ELSE done_by END"
    )

    def __init__(self, database: Database, *, actor: str | None = None) -> None:
        super().__init__(database, actor=actor)
        self.outbox = Outbox(database, actor=actor)
        self._counting = threading.Lock()
        self._counted: tuple[Backlog, float, float] | None = None

    def append(self, arrivals: Sequence[Arrival]) -> list[Receipt]:
        """Store the arrivals in one transaction, in this order; on return they are on disk.

        One receipt for each. The same id with the same bytes is a duplicate. The same id with
        other bytes is kept as a conflict under `<id>#<digest>`; known bytes under another id are
        a conflict too, where the scheme does not sign the id. StoreUnavailable: none of them is
        stored.
        """
        if not arrivals:
            return []
        for tries_left in (2, 1, 0):
            try:
                stored = self._append(arrivals)
                break
            except StoreUnavailable as error:
                # PostgreSQL has undone one of two that waited for each other. Rare, and over.
                if not tries_left or not is_deadlock(error.__cause__):
                    raise
        if stored.uncounted:
            try:
                count_again(self, stored.uncounted)
            except StoreUnavailable as error:
                # All of the batch is on disk: nobody is to send it again for the sake of a count.
                _log.warning(
                    "repetitions of %d rows go uncounted: %s", len(stored.uncounted), error
                )
        return stored.receipts

    def _append(self, arrivals: Sequence[Arrival]) -> Stored:
        with self.database.begin("P4") as connection:
            refuse_if_moved(self.database, connection)
            stored = append(self, connection, arrivals)
            failpoints.hit("P3")
        return stored

    def backlog(self, max_age_s: float = 1.0) -> Backlog:
        """What is unfinished, as it was at most `max_age_s` ago, or twenty times what asking took.

        Only one thread asks; the others have the last answer meanwhile.
        """
        counted = self._counted
        if counted is not None and time.monotonic() - counted[1] < max(max_age_s, counted[2]):
            return counted[0]
        if not self._counting.acquire(blocking=counted is None):
            assert counted is not None  # only then it is not waited for
            return counted[0]
        try:
            began = time.monotonic()
            rows, size, oldest_at = open_sums(self)
            age = 0.0 if oldest_at is None else max(0.0, self.database.clock.now() - oldest_at)
            found = Backlog(rows, size, age)
            ended = time.monotonic()
            self._counted = (found, ended, _ASKING * (ended - began) if max_age_s else 0.0)
            return found
        finally:
            self._counting.release()

    @contextmanager
    def transaction(self, claimed: Claimed[InboxRow]) -> Iterator[Transaction]:
        """What a handler writes with: committed when the block ends, undone if it raises.

        Begins when first touched. Fenced if the lease was lost.
        """
        with ExitStack() as stack:
            transaction = Transaction(self, self.outbox, claimed, stack)
            yield transaction
            transaction.complete()

    def own_fields(
        self, fields: dict[str, Any], headers: bytes | None, body: bytes | None
    ) -> dict[str, Any]:
        """Headers as pairs, handlers as a tuple, the body."""
        return {
            "headers": None if headers is None else parse_headers(headers),
            "body": body,
            "done_by": tuple(json.loads(fields["done_by"])),
            "is_id_signed": bool(fields["is_id_signed"]),
        }
