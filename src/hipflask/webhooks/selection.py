"""Which rows of a queue: the filters of the command line and of the console's addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from ..database.rows import Query, Row
from ..database.states import State
from ..look.moments import parse_moment

#: Rows of one page.
PAGE = 50
#: Rows asked for at a time where all are wanted.
STEP = 500
#: The greatest number that a row can have.
LAST_SEQ = 2**63 - 1

# What no store can be asked for.
_unstorable = re.compile("[\0\ud800-\udfff]").search


class Values(Protocol):
    """What a selection is read from: `request.args`, or any multidict."""

    def get(self, name: str, /) -> str | None:
        """The first value of that name."""
        ...

    def getlist(self, name: str, /) -> list[str]:
        """All values of that name."""
        ...


class Findable(Protocol):
    """A queue, as far as it is searched."""

    def find(self, query: Query, /) -> list[Any]:
        """Rows without bodies and headers, newest first."""
        ...


@dataclass(frozen=True)
class Selection:
    """Filters as somebody wrote them; what is None or empty does not matter.

    `lane` is a source, in the outbox a destination. `since` and `until` are what `parse_moment`
    reads, kept as written, so that "2h" in an address means two hours before it is opened.
    """

    lane: str | None = None
    states: tuple[State, ...] = ()
    text: str | None = None
    key: str | None = None
    since: str | None = None
    until: str | None = None

    @classmethod
    def parse(cls, values: Values) -> Selection:
        """Read `lane`, `state` (repeatable), `text`, `key`, `since`, `until`.

        Raises ValueError for a state that is none, a time that is none, and text that no row has.
        """
        states = tuple(dict.fromkeys(map(parse_state, filter(None, values.getlist("state")))))
        texts = {
            name: (values.get(name) or "").strip() or None
            for name in ("lane", "text", "key", "since", "until")
        }
        for name, text in texts.items():
            if text and _unstorable(text):
                raise ValueError(f"{name} has a character that no row has")
        for name in ("since", "until"):
            if moment := texts[name]:
                parse_moment(moment, 0.0)
        return cls(states=states, **texts)

    @property
    def is_empty(self) -> bool:
        """Whether it selects every row."""
        return self == Selection()

    def query(self, now: float, *, before_seq: int | None = None, limit: int = PAGE) -> Query:
        """The selection as a queue takes it; `now` is in seconds since 1970."""
        return Query(
            lane=self.lane,
            states=self.states or None,
            text=self.text,
            key=self.key,
            since=parse_moment(self.since, now) if self.since else None,
            until=parse_moment(self.until, now) if self.until else None,
            before_seq=before_seq,
            limit=limit,
        )

    def narrowed(self, states: frozenset[State]) -> Selection | None:
        """The same, of these states only; None where none of its states is among them."""
        kept = tuple(state for state in self.states or State if state in states)
        return replace(self, states=kept) if kept else None

    def values(self) -> dict[str, Any]:
        """The filters as values for an address, those that are empty left out."""
        found: dict[str, Any] = {"state": [str(state) for state in self.states]}
        for name in ("lane", "text", "key", "since", "until"):
            found[name] = getattr(self, name)
        return {name: value for name, value in found.items() if value}

    def words(self) -> str:
        """The selection in words, for a preview and for the audit."""
        parts = [f"state {'|'.join(self.states)}"] if self.states else []
        parts += [f"{name} {value}" for name, value in self.values().items() if name != "state"]
        return ", ".join(parts) or "everything"


def parse_state(text: str) -> State:
    """The state of that name; ValueError, naming them all, for what is none."""
    try:
        return State(text.strip().lower())
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no state; states are {', '.join(State)}") from None


def find_all(queue: Findable, selection: Selection, now: float, most: int) -> Iterator[Row]:
    """The selected rows, newest first, at most `most`, without bodies and headers."""
    before: int | None = None
    left = most
    while left > 0:
        limit = min(STEP, left)
        rows = queue.find(selection.query(now, before_seq=before, limit=limit))
        yield from rows
        if len(rows) < limit:
            return
        left -= len(rows)
        before = rows[-1].seq
