"""A durable queue in a table: claims with leases, order per key, retries, dead letters."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic

from sqlalchemy import Connection

from . import claiming, finding, operating, sweeping
from .engine import Database
from .rows import (
    Bucket,
    Claimed,
    LaneFigures,
    Limits,
    Move,
    Query,
    R,
    Swept,
)
from .states import Ending
from .table import QueueTable


class Queue(QueueTable, Generic[R]):
    """One table of work, for any number of processes. All methods are thread-safe, and raise
    StoreUnavailable while the store is away.

    `when_dead` says for each lane what a dead row does to its key (default `park`); set it
    alike in every process. `on_ready` is called inside the transaction in which rows became
    claimable, for a scheduler; `wake` after the commit, on the thread that committed.
    """

    def __init__(self, database: Database, *, actor: str | None = None) -> None:
        super().__init__(database, actor or f"worker {os.getpid()} on {socket.gethostname()}")
        self._claims = itertools.count()

    # Workers
    def claim(
        self,
        *,
        limit: int,
        lease_s: float,
        lanes: Mapping[str, Limits],
        seq: int | None = None,
    ) -> list[Claimed[R]]:
        """Take up to `limit` rows that are due, the oldest first; they are ours for `lease_s`.

        Only rows of `lanes`, which are held to their limits over all processes; a paused lane
        gives none. `seq` takes this one row, if it is due. Rows whose lease is over count a kill
        and are taken again, or are dead after three.
        """
        return claiming.claim(self, limit, lease_s, lanes, seq, next(self._claims))

    def renew(self, claimed: Sequence[Claimed[R]], lease_s: float) -> list[Claimed[R]]:
        """Hold the rows for another `lease_s` from now; returns those that were lost."""
        return claiming.renew(self, claimed, lease_s)

    def finish(
        self, claimed: Claimed[R], ending: Ending, connection: Connection | None = None
    ) -> None:
        """Say how the attempt ended, in `connection`'s transaction or one of its own.

        Fenced if the lease was lost. The next row of the key becomes claimable, unless the
        ending is Retry, or Dead in a lane that does not skip.
        """
        claiming.finish(self, claimed, ending, connection)

    def give_back(self, claimed: Iterable[Claimed[R]]) -> None:
        """Return rows as if they had never been claimed; those that were lost are left alone."""
        claiming.give_back(self, claimed)

    # Operators: each returns how many rows moved
    def replay(self, seqs: Iterable[int], *, actor: str, note: str = "") -> int:
        """Work on finished or parked rows once more, attempts and kills from zero.

        Rows that are claimable, claimed or queued, and purged ones, are left alone. A row that
        waits for its next attempt is tried at once.
        """
        return operating.replay(self, seqs, actor, note)

    def kill(self, seqs: Iterable[int], *, actor: str, note: str = "") -> int:
        """Make unfinished rows dead; who is working on one is fenced."""
        return operating.kill(self, seqs, actor, note)

    def park(self, seqs: Iterable[int], *, actor: str, note: str = "") -> int:
        """Set unfinished rows aside until they are replayed or resolved; their key waits."""
        return operating.park(self, seqs, actor, note)

    def resolve(self, seqs: Iterable[int], *, actor: str, note: str = "") -> int:
        """Call dead and parked rows done: dealt with by hand. Their key goes on."""
        return operating.resolve(self, seqs, actor, note)

    def pause(
        self, lane: str, until: float | None = None, connection: Connection | None = None
    ) -> None:
        """Give no rows of the lane before `until` (seconds since 1970); None: until `resume`."""
        operating.pause(self, lane, until, connection)

    def hold(self, lane: str, until: float | None) -> None:
        """A program's pause, ended by None: leaves alone what a person paused without end."""
        operating.hold(self, lane, until)

    def resume(self, lane: str, connection: Connection | None = None) -> None:
        """End a pause."""
        operating.resume(self, lane, connection)

    def sweep(self, budget_s: float = 1.0) -> Swept:
        """Take back leases that are over, move on keys that stand still, remove what is old.

        Every 15 s in one process or in all. Removes for at most `budget_s`, in batches that hold
        the writer for some 20 ms.
        """
        return sweeping.sweep(self, budget_s)

    # Looking
    def find(self, query: Query) -> list[R]:
        """Rows without their bodies and headers, the newest first."""
        return finding.find(self, query)

    def read(self, seq: int) -> R | None:
        """The whole row."""
        found: R | None = finding.read(self, seq)
        return found

    def audit(self, seq: int) -> list[Move]:
        """The row's moves, the oldest first."""
        return finding.audit(self, seq)

    def lanes(self) -> list[str]:
        """The lanes that have rows, by name; quick however many rows there are."""
        return finding.lanes(self)

    def figures(self) -> list[LaneFigures]:
        """Each lane that has rows or is paused, by name."""
        return finding.figures(self)

    def history(self, *, since: float, step_s: float = 60.0) -> list[Bucket]:
        """What was received and finished since then, by lane and step; empty steps are left out."""
        return finding.history(self, since, step_s)

    def paused_until(self, lane: str) -> float | None:
        """When the lane's pause ends; infinity until `resume`, None where it is not paused."""
        return finding.paused_until(self, lane)

    def next_due(self, lanes: Iterable[str]) -> float | None:
        """When a row of these lanes is next claimable: 0 for now, None for not in sight."""
        return finding.next_due(self, lanes)
