"""One attempt at a call: ask the breaker, send, tell the breaker, say what follows."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .answers import Answer, Kind, Outcome, classify
from .breaker import Breaker
from .client import Client, default_client
from .clock import Clock, WallClock
from .destination import Destination
from .request import Request


@dataclass(frozen=True)
class Attempt:
    """What an attempt came to, and when to make the next one.

    `answer` is None where the breaker let nothing through: nothing was sent then, and no
    attempt is burnt. `wait_s` is in how many seconds to try again, None where there is nothing
    to try again: delivered, permanent, gone, or the schedule's last.
    """

    outcome: Outcome
    answer: Answer | None
    wait_s: float | None

    @property
    def is_held(self) -> bool:
        """Whether the breaker held it back."""
        return self.answer is None

    @property
    def is_given_up(self) -> bool:
        """Whether this was the last attempt the schedule has."""
        return self.outcome.kind is Kind.RETRY and self.wait_s is None


def attempt(
    destination: Destination,
    request: Request,
    number: int,
    *,
    client: Client | None = None,
    breaker: Breaker | None = None,
    clock: Clock | None = None,
    left_s: float | None = None,
    random: Callable[[], float] = random.random,
) -> Attempt:
    """Make attempt `number` (from 1) at `request`, and say what follows from it. Blocks.

    `left_s` is what is left of the caller's own time; the deadlines are kept inside it. Raises
    what `breaker`'s shared record raises, before anything is sent.

        made = attempt(ledger, ledger.post("/entries", json={}, key="evt_1"), 1)
    """
    clock = WallClock() if clock is None else clock
    admission = None if breaker is None else breaker.admit()
    if admission is not None and not admission.granted:
        held = Outcome(Kind.RETRY, "the breaker is open", admission.wait_s)
        return Attempt(held, None, admission.wait_s)
    deadlines = destination.deadlines
    if left_s is not None:
        deadlines = deadlines.within(left_s)
    dressed = destination.dress(request, now=clock.now(), deadlines=deadlines)
    answer = (client or default_client()).send(dressed, deadlines)
    outcome = classify(answer, now=clock.now())
    if breaker is not None:
        breaker.record(not outcome.is_sick, admission)
    wait_s = None
    if outcome.kind is Kind.RETRY:
        asked = outcome.retry_after_s
        wait_s = destination.schedule.next(number, retry_after_s=asked, random=random)
    return Attempt(outcome, answer, wait_s)
