"""Who works for an application: its lines, and the crew that suits its store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ...database import Limits
from ...forward import Client
from .delivering import Deliverer
from .holding import LEASE_S, SWEEP_EVERY_S
from .lines import Line
from .processing import Processor
from .telling import name_events
from .workers import Crew


class AnyCrew(Protocol):
    """What works, on either store."""

    done: int

    def start(self, *, once: bool = False) -> None:
        """Begin; with `once` until nothing is due."""

    def wake(self) -> None:
        """There may be something to do."""

    def join(self) -> None:
        """Wait for the end of a crew started with `once`."""

    def stop(self, grace_s: float = 25.0) -> bool:
        """Take nothing new, let what runs finish; returns whether it did in time."""


def lines_of(hooks: Any, *, client: Client | None = None) -> tuple[Line, Line]:
    """The inbox's line and the outbox's, for the sources and destinations declared by now.

    SetupError where the address of a destination is missing.
    """
    inbox, outbox = hooks.inbox, hooks.outbox
    # Those that were declared since the store was opened.
    inbox.when_dead.update({name: one.when_dead for name, one in hooks.sources.items()})
    outbox.when_dead.update({name: one.when_dead for name, one in hooks.destinations.items()})
    clock = hooks.database.clock
    targets = {
        name: one.destination.resolve(hooks.app.config) for name, one in hooks.destinations.items()
    }
    processor = Processor(hooks.app, inbox, hooks.sources, clock=clock)
    deliverer = Deliverer(outbox, targets, client=client, clock=clock)
    sources = {
        name: Limits(source.concurrency, source.rate_per_s)
        for name, source in hooks.sources.items()
    }
    lanes = {
        name: Limits(one.concurrency, one.rate_per_s) for name, one in hooks.destinations.items()
    }
    return (
        Line("inbox", inbox, processor.process, sources),
        Line("outbox", outbox, deliverer.deliver, lanes),
    )


def make_crew(
    hooks: Any,
    *,
    threads: int = 4,
    lease_s: float = LEASE_S,
    sweep_s: float = SWEEP_EVERY_S,
    client: Client | None = None,
) -> AnyCrew:
    """A crew for the application's store, not started: claiming on SQLite, else procrastinate's."""
    from ...logging import default_handler

    lines: Sequence[Line] = lines_of(hooks, client=client)
    name_events(default_handler)
    if hooks.database.is_sqlite:
        crew: AnyCrew = Crew(lines, threads=threads, lease_s=lease_s, sweep_s=sweep_s)
    else:
        from .procrastinating import ProcrastinateCrew  # needs hipflask[postgres]

        crew = ProcrastinateCrew(
            hooks.database, lines, threads=threads, lease_s=lease_s, sweep_s=sweep_s
        )
    for line in lines:
        line.queue.wake = crew.wake
    return crew
