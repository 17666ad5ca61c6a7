"""The outbox's work: one stored request sent to its destination, and what follows from it.

A destination that fails opens its breaker. Then its lane is paused: what is to go there waits,
and no attempt is burnt. One request at a time is let through to look whether it is back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import random
from typing import Any

from ...database import (
    Claimed,
    Clock,
    Dead,
    Done,
    Ending,
    Fenced,
    Retry,
    StoreUnavailable,
    SystemClock,
    failpoints,
)
from ...forward import Admission, Breaker, Client, Destination, Kind, Request, attempt
from ...forward import Attempt as Made
from .. import metrics
from ..inbox import Attempt, Outbox, OutboxRow

log = logging.getLogger("hipflask.webhooks")


# When a request comes again that was the probe, if its schedule has no attempt left.
PROBE_WAIT_S = 30.0
# When one comes again that the store failed.
AWAY_WAIT_S = 5.0


class Deliverer:
    """Sends rows of the outbox: `deliver` is the work of its line.

    `destinations` have their addresses looked up. `client` makes the calls; the process's own
    if none is given. `random` is for the jitter of retries.
    """

    def __init__(
        self,
        outbox: Outbox,
        destinations: Mapping[str, Destination],
        *,
        client: Client | None = None,
        clock: Clock | None = None,
        random: Callable[[], float] = random,
    ) -> None:
        self._outbox = outbox
        self._destinations = destinations
        self._client = client
        self._clock = clock or SystemClock()
        self._random = random
        shared: Any = outbox.database.shared  # may refuse to change a record, which we never do
        self._breakers: dict[str, Breaker | None] = {
            name: one.make_breaker(shared=shared, clock=self._clock)
            for name, one in destinations.items()
        }

    def deliver(self, claimed: Claimed[OutboxRow]) -> None:
        """Make one attempt at a claimed row and record how it went. In a worker's thread."""
        try:
            self._deliver(claimed)
        except Fenced:
            log.warning("outbox %s: somebody else has it by now", claimed.seq)
        except StoreUnavailable as error:
            # Sent perhaps, and not recorded: it is sent again, with the same key.
            log.warning("outbox %s: the store is away, it waits: %s", claimed.seq, error)
            self._put_off(claimed, str(error))

    def _put_off(self, claimed: Claimed[OutboxRow], error: str) -> None:
        """Have the row come again, if the store takes as much by now; else its lease runs out."""
        ending = Retry(self._clock.now() + AWAY_WAIT_S, error, counts=False)
        # A lease that runs out counts a kill, and the worker is well.
        with suppress(StoreUnavailable, Fenced):
            self._outbox.finish(claimed, ending)

    def _deliver(self, claimed: Claimed[OutboxRow]) -> None:
        row = claimed.row
        destination = self._destinations[row.destination]
        breaker = self._breakers[row.destination]
        try:
            request = request_of(row, destination)
        except ValueError as error:
            self._outbox.finish(claimed, Dead(f"cannot be sent: {error}"))
            return
        admission = None if breaker is None else breaker.admit()
        if admission is not None and not admission.granted:
            self._outbox.hold(row.destination, self._clock.now() + admission.wait_s)
            self._outbox.give_back([claimed])
            return
        at = self._clock.now()
        made = attempt(
            destination,
            request,
            row.attempt + 1,
            client=self._client,
            clock=self._clock,
            random=self._random,
        )
        failpoints.hit("P12")
        if breaker is not None:
            self._tell(row.destination, breaker, admission, made)
        self._record(claimed, made, at, admission is not None and admission.is_probe)

    def _record(self, claimed: Claimed[OutboxRow], made: Made, at: float, is_probe: bool) -> None:
        """Keep the attempt and end the row, in one transaction."""
        answer = made.answer
        assert answer is not None
        done = Attempt(
            at=at,
            duration_s=answer.duration_s,
            status=answer.status,
            answer=answer.body[:2048],
            error=made.outcome.error or answer.error or None,
        )
        with self._outbox.writing(is_ending=True) as connection:
            self._outbox.record(claimed, done, connection)
            ending = self._ending(claimed, made, is_probe)
            self._outbox.finish(claimed, ending, connection)
        failure = str(answer.failure or "")
        metrics.delivered(claimed.lane, answer.status, answer.duration_s, failure=failure)
        outcome = type(ending).__name__.lower()
        metrics.worked("outbox", claimed.lane, outcome, answer.duration_s)

    def _ending(self, claimed: Claimed[OutboxRow], made: Made, is_probe: bool) -> Ending:
        outcome = made.outcome
        now = self._clock.now()
        if outcome.kind is Kind.DELIVERED:
            return Done()
        if is_probe and outcome.is_sick:
            # It was sent to learn whether the destination is back, not for its own sake.
            return Retry(now + (made.wait_s or PROBE_WAIT_S), outcome.error, counts=False)
        if made.wait_s is not None:
            return Retry(now + made.wait_s, outcome.error)
        text = outcome.error
        if made.is_given_up:
            text = f"{text} (attempt {claimed.attempt + 1} was the last)"
        log.error("outbox %s to %s is dead: %s", claimed.seq, claimed.lane, text)
        return Dead(text)

    def _tell(self, name: str, breaker: Breaker, admission: Admission | None, made: Made) -> None:
        """Tell the breaker. Pause the lane while it is open, resume it once this closed it."""
        is_sick = made.outcome.is_sick
        state = breaker.record(not is_sick, admission)
        if is_sick and state.until is not None:
            self._outbox.hold(name, state.until)
        elif admission is not None and admission.is_probe and state.until is None:
            self._outbox.hold(name, None)


def request_of(row: OutboxRow, destination: Destination) -> Request:
    """The call that a row stands for. Raises ValueError for what cannot be sent."""
    return destination.request(
        row.method,
        row.path,
        row.body or b"",
        headers=[(n.decode("latin-1"), v.decode("latin-1")) for n, v in row.headers or ()],
        key=row.idempotency_key,
    )
