"""An application whose events a test hands out by itself, one after the other."""

from __future__ import annotations

from typing import Any

from hipflask import Flask
from hipflask.database import Claimed, Database, Limits, Query, State
from hipflask.webhooks import Hooks
from hipflask.webhooks.inbox import Arrival, Inbox, InboxRow, OutboxRow
from hipflask.webhooks.working.delivering import Deliverer
from hipflask.webhooks.working.processing import Processor

from .stores import Effect, arrival, effects, make_tables

LEASE_S = 10.0


class Bench:
    """A store, its clock, an application, and the half of a worker that a test leads by hand."""

    def __init__(self, url: str, clock: Any) -> None:
        self.url = url
        self.clock = clock
        self.database = Database(url, clock=clock)
        self.database.prepare()
        make_tables(self.database)
        self.inbox = Inbox(self.database)
        self.outbox = self.inbox.outbox
        #: Set by tests of procrastinate.
        self.hand_out: Any = None
        self.app = Flask("shop")
        self.app.config["SECRET"] = "a secret for tests"
        self.hooks = Hooks(self.app, inbox=url, workers=0)
        self.processor = Processor(self.app, self.inbox, self.hooks.sources, clock=clock)

    def source(self, name: str = "orders", **options: Any) -> Any:
        """A source, registered."""
        return self.hooks.source(f"/{name}", scheme="hookdeck", secrets="SECRET", **options)

    def append(self, *arrivals: Arrival) -> list[int]:
        """Store them; returns their numbers."""
        for name, source in self.hooks.sources.items():
            self.inbox.when_dead[name] = source.when_dead
        return [receipt.seq for receipt in self.inbox.append(arrivals)]

    def store(self, number: int = 1, **options: Any) -> int:
        """Store one event."""
        return self.append(arrival(number, **options))[0]

    def claim(self, limit: int = 100) -> list[Claimed[InboxRow]]:
        """Claim what is due, as a worker does."""
        lanes = {name: Limits() for name in self.hooks.sources}
        return self.inbox.claim(limit=limit, lease_s=LEASE_S, lanes=lanes)

    def run(self) -> int:
        """Work on all that is due now, until nothing is; returns how many attempts that were."""
        number = 0
        while claims := self.claim(1):
            self.processor.process(claims[0])
            number += 1
        return number

    def deliverer(self) -> Deliverer:
        """What sends the outbox's rows, to the destinations declared by now."""
        for name, one in self.hooks.destinations.items():
            self.outbox.when_dead[name] = one.when_dead
        targets = {name: one.destination for name, one in self.hooks.destinations.items()}
        return Deliverer(self.outbox, targets, clock=self.clock)

    def send(self, deliverer: Deliverer) -> int:
        """Send what is due now, until nothing is; returns how many rows were claimed for it."""
        lanes = {name: Limits() for name in self.hooks.destinations}
        number = 0
        while claims := self.outbox.claim(limit=5, lease_s=LEASE_S, lanes=lanes):
            for claimed in claims:
                deliverer.deliver(claimed)
            number += len(claims)
        return number

    def row(self, seq: int) -> InboxRow:
        """The event's row."""
        row = self.inbox.read(seq)
        assert row is not None
        return row

    def state(self, seq: int) -> State:
        """The event's state."""
        return self.row(seq).state

    def posted(self) -> list[OutboxRow]:
        """The rows of the outbox, the oldest first, with their bodies."""
        found = [self.outbox.read(row.seq) for row in self.outbox.find(Query(limit=1000))]
        return [row for row in reversed(found) if row is not None]

    def effects(self) -> list[Effect]:
        """What handlers have written."""
        return effects(self.database)
