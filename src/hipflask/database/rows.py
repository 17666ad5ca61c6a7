"""What a queue takes and hands out: rows, claims, moves, figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

import msgspec

from .states import State


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A row of any queue. Times are seconds since 1970.

    `seq` is never used again; `lane` is what pauses and limits are for (the inbox's source, the
    outbox's destination); rows with one `key` in one lane are worked on one after the other.
    """

    seq: int
    lane: str
    key: str | None
    state: State
    attempt: int
    kills: int
    run_at: float
    fence: int
    error: str | None
    created_at: float
    finished_at: float | None
    # Set aside by a person; only with PARKED.
    is_held: bool = False
    # The length of the body, also where the body itself was not read or is gone.
    size: int = 0
    # The body and headers are gone: what is left only keeps its id from being taken as new.
    is_purged: bool = False


R = TypeVar("R", bound=Row)


class Claimed(msgspec.Struct, Generic[R], frozen=True, kw_only=True):
    """A row that is ours until `lease_until`, by the clock of leases; `fence` proves it."""

    queue: str
    row: R
    fence: int
    lease_until: float

    @property
    def seq(self) -> int:
        """The row's number."""
        return self.row.seq

    @property
    def lane(self) -> str:
        """The row's source or destination."""
        return self.row.lane

    @property
    def key(self) -> str | None:
        """The row's ordering key."""
        return self.row.key

    @property
    def attempt(self) -> int:
        """How many attempts have ended before this one."""
        return self.row.attempt


class Limits(msgspec.Struct, frozen=True):
    """What a lane allows over all processes; None is no limit."""

    concurrency: int | None = None
    rate_per_s: float | None = None


class ReadyRow(msgspec.Struct, frozen=True, gc=False):
    """A row that became claimable, at `run_at` (0 is at once): what a scheduler is told."""

    queue: str
    seq: int
    lane: str
    key: str | None
    run_at: float


class Move(msgspec.Struct, frozen=True):
    """A line of a row's audit: who moved it from which state to which, and why."""

    id: int
    queue: str
    seq: int
    at: float
    actor: str
    old: str
    new: str
    attempt: int
    note: str


class Swept(msgspec.Struct, frozen=True):
    """What one sweep did: leases that were over, keys that moved on, bodies and rows removed."""

    expired: int = 0
    died: int = 0
    released: int = 0
    purged: int = 0
    deleted: int = 0


class LaneFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A lane in figures. `counts` has every state; ages are in seconds."""

    lane: str
    counts: Mapping[State, int]
    oldest_age_s: float | None = None
    parked_keys: int = 0
    duplicates: int = 0
    backlog_bytes: int = 0
    # None: not paused; infinity: until resumed.
    paused_until: float | None = None

    @property
    def backlog(self) -> int:
        """How many rows are unfinished."""
        return sum(self.counts[state] for state in State if state not in _ENDED)

    @property
    def dead(self) -> int:
        """How many rows wait for a person."""
        return self.counts[State.DEAD]

    @property
    def conflicts(self) -> int:
        """How many rows were stored beside another and not processed."""
        return self.counts[State.CONFLICT]


_ENDED = frozenset({State.DONE, State.FILTERED, State.DEAD, State.CONFLICT})


class Bucket(msgspec.Struct, frozen=True):
    """What happened in a lane from `start` on, for one step of `Queue.history`."""

    lane: str
    start: float
    received: int = 0
    done: int = 0
    filtered: int = 0
    dead: int = 0


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to find, newest first. What is None does not matter.

    `text` is searched for in ids, types, paths and errors; `since` and `until` are times of
    arrival (`since` belongs to the range, `until` does not); `before_seq` is for the next page:
    the last row's `seq`.
    """

    lane: str | None = None
    states: Collection[State] | None = None
    text: str | None = None
    key: str | None = None
    since: float | None = None
    until: float | None = None
    before_seq: int | None = None
    limit: int = 50
