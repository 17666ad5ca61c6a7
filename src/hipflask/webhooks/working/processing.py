"""The story of one event: claim, decode, handlers, effects, ending.

Each handler has a transaction. What it writes through `tx`, what it posts, and that it has
finished are committed together, with the fence checked in it: so its effect happens once,
however often it is begun. The last one's transaction ends the event too. A handler that fails
rolls back and lets the others run; the event is then tried again, by those that have not
finished, or is dead.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...bridge import async_to_sync
from ...database import (
    Claimed,
    Clock,
    Dead,
    Done,
    Ending,
    Fenced,
    Filtered,
    Retry,
    StoreUnavailable,
    SystemClock,
    failpoints,
)
from ...forward import Schedule
from ...ops.tracing import continued
from ...scaffold import SetupError
from .. import metrics
from ..failures import Permanent, Transient
from ..handlers import Handler
from ..inbox import Inbox, InboxRow
from ..received import Received
from . import telling
from .posting import Handling, handling
from .unopened import UnopenedConnection

log = logging.getLogger("hipflask.webhooks")

# The longest wait that a handler may ask for.
LONGEST_WAIT_S = 86400.0
# How much is kept of what went wrong.
ERROR_CHARS = 2000
_OURS = str(Path(__file__).resolve().parents[2])


@dataclass(frozen=True)
class Failure:
    """Why a handler has not finished; `wait_s` None where trying again is no use."""

    text: str
    wait_s: float | None


class Processor:
    """Ends events: `process` is the work of the inbox's line.

    SetupError for retries of a source or handler that are no schedule.
    """

    def __init__(
        self, app: Any, inbox: Inbox, sources: Mapping[str, Any], *, clock: Clock | None = None
    ) -> None:
        self._app = app
        self._inbox = inbox
        self._sources = sources
        self._clock = clock or SystemClock()
        # Told now, and not when the first event fails.
        for source in sources.values():
            for handler in source.handlers:
                schedule_of(source, handler)

    def process(self, claimed: Claimed[InboxRow]) -> None:
        """Handle one claimed event and record how it ended. In a worker's thread."""
        failpoints.hit("P8")
        row = claimed.row
        event = telling.About(row.source, row.event_id, row.seq, row.attempt + 1)
        began = time.monotonic()
        name = f"{row.source} {row.event_type}" if row.event_type else row.source
        about = {"source": row.source, "event_id": row.event_id, "attempt": event.attempt}
        with telling.about(event), continued(row.headers or (), name, **about):
            try:
                outcome = self._process(claimed)
            except Fenced:
                outcome = "fenced"
                log.warning("somebody else has this event by now; nothing of it was recorded")
            except StoreUnavailable as error:
                outcome = "away"
                # Not even the failure could be written: the lease runs out, and the event is begun
                # anew once the store is back. Only that counts a kill.
                log.warning("the store is away, the event waits: %s", error)
        metrics.worked("inbox", row.source, outcome, time.monotonic() - began)

    def _process(self, claimed: Claimed[InboxRow]) -> str:
        """Handle it; returns how it ended, in a word for the figures."""
        row = claimed.row
        source = self._sources[row.source]
        failures: list[Failure] = []
        wanted = [handler for handler in source.handlers if handler.wants_type(row.event_type)]
        left = [handler for handler in wanted if handler.name not in row.done_by]
        is_handled = len(left) < len(wanted)
        for number, handler in enumerate(left, start=1):
            is_last = number == len(left) and not failures
            try:
                is_handled |= self._handle(claimed, handler, is_last, is_handled)
            except Fenced:
                raise
            except BaseException as error:
                failures.append(self._judge(claimed, source, handler, error))
                if isinstance(error, StoreUnavailable):
                    break  # the others would wait for it as well
        if failures:
            ending = self._ending(failures)
            self._inbox.finish(claimed, ending)
            return type(ending).__name__.lower()
        if not left:
            self._inbox.finish(claimed, Done() if is_handled else Filtered())
        return "done" if is_handled else "filtered"

    def _handle(
        self, claimed: Claimed[InboxRow], handler: Handler, is_last: bool, is_handled: bool
    ) -> bool:
        """Run one handler in its transaction; returns whether it wanted the event."""
        row = claimed.row
        received = received_of(row, handler.name)
        posts = Handling(row.source, row.event_id, row.seq, row.key, handler.name)
        with (
            self._inbox.transaction(claimed) as transaction,
            self._app.app_context(),
            handling(posts),
        ):
            wants = handler.wants(received)
            if wants:
                failpoints.hit("P9")
                call = async_to_sync(handler.call) if handler.is_async else handler.call
                call(received, lambda: UnopenedConnection(lambda: transaction.connection))
                if posts.posts:
                    # All at once, so that their keys are locked in the order that all keep to.
                    self._inbox.outbox.post(posts.posts, transaction.connection)
            if wants or not is_last:
                transaction.handled(handler.name)
            if is_last:
                ending = Done() if wants or is_handled else Filtered()
                self._inbox.finish(claimed, ending, connection=transaction.connection)
        return wants

    def _judge(
        self, claimed: Claimed[InboxRow], source: Any, handler: Handler, error: BaseException
    ) -> Failure:
        """What an exception means for the event; logged, with the traceback if it is no answer."""
        text = describe(handler, error)
        if isinstance(error, Permanent):
            log.error("%s: %s", handler.name, text)
            return Failure(text, None)
        schedule = schedule_of(source, handler)
        asked = error.retry_after_s if isinstance(error, Transient) else None
        wait = schedule.next(claimed.attempt + 1, retry_after_s=asked)
        if isinstance(error, Transient | StoreUnavailable):
            log.warning("%s: %s", handler.name, text)
        else:
            log.error("%s: %s", handler.name, text, exc_info=error)
        if wait is None:
            text = f"{text} (attempt {claimed.attempt + 1} was the last)"
        return Failure(text, wait)

    def _ending(self, failures: list[Failure]) -> Ending:
        text = "\n".join(failure.text for failure in failures)[:ERROR_CHARS]
        waits = [failure.wait_s for failure in failures if failure.wait_s is not None]
        if not waits:
            return Dead(text)
        return Retry(self._clock.now() + min(*waits, LONGEST_WAIT_S), text)


def schedule_of(source: Any, handler: Handler) -> Schedule:
    """When the handler is tried again; SetupError for retries that are no schedule."""
    try:
        return Schedule.parse(handler.retries or source.retries)
    except SetupError as error:
        raise SetupError(f"{source.where}, its handler {handler.name!r}: {error}") from None


def received_of(row: InboxRow, handler: str) -> Received:
    """What a handler is told of a stored event; its body and headers must have been read."""
    return Received(
        source=row.source,
        id=row.event_id,
        type=row.event_type,
        key=row.key,
        seq=row.seq,
        received_at=row.received_at,
        method=row.method,
        query=row.query.encode("latin-1", "replace"),
        fields=row.headers or (),
        body=row.body or b"",
        scheme=row.scheme,
        secret_no=row.secret_no,
        attempt=row.attempt + 1,
        handler=handler,
    )


def describe(handler: Handler, error: BaseException) -> str:
    """The error in a line: the handler, what it raised, and the innermost line of user code."""
    if isinstance(error, Permanent | Transient) and not error.__cause__:
        return f"{handler.name}: {error}"[:ERROR_CHARS]
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(_OURS)]
    where = f" ({own[-1].filename}:{own[-1].lineno})" if own else ""
    return f"{handler.name}: {type(error).__name__}: {error}{where}"[:ERROR_CHARS]
