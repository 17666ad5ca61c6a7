"""What a person does to rows, alike in the command line and in the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ..database.states import FINISHED, UNFINISHED, State

#: Rows moved in one transaction, so that who receives does not wait for long.
BATCH = 200


@dataclass(frozen=True)
class Action:
    """One thing to do. `states` are those of the rows that it moves; it leaves others alone."""

    name: str
    #: As a button and a heading have it.
    title: str
    #: As a report has it: "3 replayed".
    past: str
    states: frozenset[State]
    #: What comes of it, in a sentence.
    effect: str
    #: The queue's method.
    method: str


ACTIONS = {
    action.name: action
    for action in (
        Action(
            "replay",
            "Replay",
            "replayed",
            FINISHED | {State.PARKED, State.WAITING},
            "Works once more from the stored bytes, with the same id and the same idempotency keys."
            " What handlers did before with other systems may be done again.",
            "replay",
        ),
        Action(
            "dead",
            "Mark dead",
            "marked dead",
            UNFINISHED,
            "Gives up until somebody replays. What comes later with the same key waits, goes on or"
            " is parked, as the source says.",
            "kill",
        ),
        Action(
            "park",
            "Park",
            "parked",
            UNFINISHED,
            "Sets aside until somebody replays or resolves. What comes later with the same key"
            " waits.",
            "park",
        ),
        Action(
            "resolve",
            "Resolve",
            "resolved",
            frozenset({State.DEAD, State.PARKED}),
            "Counts as done by hand: no handler runs, and what comes later with the same key goes"
            " on.",
            "resolve",
        ),
    )
}


def perform(
    action: Action, queue: Any, seqs: Sequence[int], *, actor: str, note: str = ""
) -> Iterator[tuple[int, int]]:
    """Do it to these rows, oldest first; yields (rows looked at, rows moved) after each batch.

    Each batch is a transaction: one that was stopped halfway is simply done again.
    """
    move: Callable[..., int] = getattr(queue, action.method)
    ordered = sorted(seqs)
    moved = 0
    for start in range(0, len(ordered), BATCH):
        batch = ordered[start : start + BATCH]
        moved += move(batch, actor=actor, note=note)
        yield start + len(batch), moved
