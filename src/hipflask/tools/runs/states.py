"""The states of a run, and which of them follows which."""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    DRAFTED = "drafted"  # being planned; seen by nobody but the process that plans it
    PLANNED = "planned"  # it can be read, and nobody has asked for it
    AWAITING = "awaiting_approval"  # asked for; a second person has to approve
    APPROVED = "approved"  # on its way into the queue
    REJECTED = "rejected"
    EXPIRED = "expired"  # nobody has approved it in time
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # a step raised, or the plan had moved
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"  # its process died, or was stopped; not tried again
    UNDONE = "undone"


_S = RunState
#: What may follow. A state without followers is the end.
NEXT: dict[RunState, frozenset[RunState]] = {
    _S.DRAFTED: frozenset({_S.PLANNED}),
    _S.PLANNED: frozenset({_S.AWAITING, _S.QUEUED, _S.CANCELLED}),
    _S.AWAITING: frozenset({_S.APPROVED, _S.REJECTED, _S.EXPIRED, _S.CANCELLED}),
    _S.APPROVED: frozenset({_S.QUEUED}),
    _S.QUEUED: frozenset({_S.RUNNING, _S.CANCELLED, _S.INTERRUPTED, _S.EXPIRED}),
    _S.RUNNING: frozenset({_S.DONE, _S.FAILED, _S.CANCELLED, _S.INTERRUPTED}),
    _S.DONE: frozenset({_S.UNDONE}),
    # What was done before it ended can be taken back.
    _S.FAILED: frozenset({_S.UNDONE}),
    _S.CANCELLED: frozenset({_S.UNDONE}),
    _S.INTERRUPTED: frozenset({_S.UNDONE}),
    _S.REJECTED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.UNDONE: frozenset(),
}
#: Nothing more happens by itself.
ENDED = frozenset(
    {
        _S.REJECTED,
        _S.EXPIRED,
        _S.DONE,
        _S.FAILED,
        _S.CANCELLED,
        _S.INTERRUPTED,
        _S.UNDONE,
    }
)
#: Somebody's hand is needed, or a worker's.
OPEN = frozenset({_S.AWAITING, _S.APPROVED, _S.QUEUED, _S.RUNNING})
#: What may have changed something.
HAS_RUN = frozenset({_S.DONE, _S.FAILED, _S.CANCELLED, _S.INTERRUPTED})


class StepState(StrEnum):
    """Where one step of a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"
