"""What the list of events and the page of one event show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...database.rows import Move, Row
from ...database.states import State
from .. import display
from ..actions import ACTIONS, Action
from ..selection import PAGE, Selection

#: What a person looks at as one thing: the queues, by the word in the address.
QUEUES = {"events": "inbox", "outgoing": "outbox"}


@dataclass(frozen=True)
class Listing:
    """One page of a list of rows, newest first."""

    rows: Sequence[Any]
    #: For the address of the next page; None at the end.
    older: int | None


def listing(queue: Any, selection: Selection, now: float, before_seq: int | None) -> Listing:
    """The page of `selection` that comes before that row; the newest without one."""
    found = queue.find(selection.query(now, before_seq=before_seq, limit=PAGE + 1))
    rows = found[:PAGE]
    return Listing(rows, rows[-1].seq if len(found) > PAGE else None)


@dataclass(frozen=True)
class Tried:
    """One attempt to send a row, for people."""

    at: float
    duration_s: float
    status: int | None
    error: str
    answer: display.Shown


@dataclass(frozen=True)
class Whole:
    """The page of one row: its fields, headers, body, what was tried and who moved it."""

    row: Any
    headers: Sequence[tuple[str, str]]
    body: display.Shown
    moves: Sequence[Move]
    tries: Sequence[Tried]
    #: Rows of the outbox that this event's handlers made.
    made: Sequence[Any]
    #: Those that may be done to it now.
    actions: Sequence[Action]


def whole_event(hooks: Any, seq: int) -> Whole | None:
    """An event of the inbox; None for a number that is none."""
    row = hooks.inbox.read(seq)
    if row is None:
        return None
    return _whole(hooks, hooks.inbox, row, (), hooks.outbox.sent_for(seq))


def whole_outgoing(hooks: Any, seq: int) -> Whole | None:
    """A request of the outbox; None for a number that is none."""
    row = hooks.outbox.read(seq)
    if row is None:
        return None
    tries = [
        Tried(
            each.at,
            each.duration_s,
            each.status,
            display.visible(each.error or ""),
            display.pretty(each.answer),
        )
        for each in hooks.outbox.attempts(seq)
    ]
    return _whole(hooks, hooks.outbox, row, tries, ())


def _whole(hooks: Any, queue: Any, row: Any, tries: Sequence[Tried], made: Sequence[Any]) -> Whole:
    source = hooks.sources.get(row.lane) if queue is hooks.inbox else None
    secret_names = display.secret_headers(source.scheme) if source is not None else ()
    return Whole(
        row,
        display.redact(row.headers or (), secret_names),
        display.pretty(row.body, display.content_type(row.headers or ())),
        queue.audit(row.seq),
        tries,
        made,
        actions_for(row),
    )


def actions_for(row: Row) -> list[Action]:
    """What may be done to a row as it stands."""
    # Without its bytes there is nothing left to work on.
    return [
        action
        for action in ACTIONS.values()
        if row.state in action.states and not (row.is_purged and action.name == "replay")
    ]


def count_by_state(rows: Sequence[Row]) -> list[tuple[State, int]]:
    """How many rows there are of each state, in the order of the states."""
    counts = dict.fromkeys(State, 0)
    for row in rows:
        counts[row.state] += 1
    return [(state, count) for state, count in counts.items() if count]
