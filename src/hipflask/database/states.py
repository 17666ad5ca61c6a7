"""The states of a queued row, how an attempt may end, and what a dead row does to its key."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class State(StrEnum):
    """Where a row stands."""

    RECEIVED = "received"  # may be claimed now
    QUEUED = "queued"  # behind another one of its key
    RUNNING = "running"  # claimed: somebody has its lease
    WAITING = "waiting"  # may be claimed at `run_at`
    DONE = "done"
    FILTERED = "filtered"  # nobody wanted it
    DEAD = "dead"  # given up by the program, not yet by a person
    PARKED = "parked"  # behind a dead one of its key, or set aside by a person
    CONFLICT = "conflict"  # a known id with other bytes, or known bytes under another id


# At most one row of a key is in one of these.
ACTIVE = frozenset({State.RECEIVED, State.RUNNING, State.WAITING})
# Ready when no other row of the key stands before them.
BEHIND = frozenset({State.QUEUED, State.PARKED})
UNFINISHED = ACTIVE | BEHIND
FINISHED = frozenset(State) - UNFINISHED

# What a dead row does to the later ones of its key. `park` (the default): they are parked until
# it is replayed or resolved. `block`: they stay queued until then. `skip`: they go on.
WhenDead = Literal["park", "block", "skip"]


class Done(msgspec.Struct, frozen=True):
    """Everything that wanted the row has finished with it."""


class Filtered(msgspec.Struct, frozen=True):
    """Nobody wanted the row."""

    note: str = ""


class Retry(msgspec.Struct, frozen=True):
    """Try again at `run_at` (seconds since 1970).

    `counts` says whether the attempt is one of the row's: not while a breaker is open.
    """

    run_at: float
    error: str
    counts: bool = True


class Dead(msgspec.Struct, frozen=True):
    """Trying again makes no sense, or has been tried for long enough."""

    error: str


Ending = Done | Filtered | Retry | Dead
