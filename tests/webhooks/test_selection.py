"""Filters as people write them, and what is done to the rows that they select."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from hipflask.database import State
from hipflask.webhooks.actions import ACTIONS, BATCH, perform
from hipflask.webhooks.selection import STEP, Selection, find_all, parse_state

NOW = 1_700_000_000.0


def test_a_selection_is_read_from_an_address_and_written_back():
    values = MultiDict(
        [("lane", "github"), ("state", "dead"), ("state", "PARKED"), ("text", " x "), ("key", "")]
    )
    selection = Selection.parse(values)
    assert selection == Selection("github", (State.DEAD, State.PARKED), "x")
    assert Selection.parse(MultiDict(selection.values())) == selection
    assert selection.words() == "state dead|parked, lane github, text x"


def test_times_stay_as_written_until_they_are_asked_for():
    selection = Selection(since="2h", until="2023-11-14")
    query = selection.query(NOW)
    assert (query.since, query.until) == (NOW - 7200, 1_699_920_000)
    assert selection.values() == {"since": "2h", "until": "2023-11-14"}


@pytest.mark.parametrize(("name", "value"), [("state", "nope"), ("since", "x"), ("until", "y")])
def test_what_makes_no_sense_is_refused(name, value):
    with pytest.raises(ValueError, match=value):
        Selection.parse(MultiDict([(name, value)]))


def test_a_selection_is_narrowed_to_nothing_and_never_to_everything():
    dead = frozenset({State.DEAD})
    assert Selection().narrowed(dead) == Selection(states=(State.DEAD,))
    assert Selection(states=(State.DONE, State.DEAD)).narrowed(dead).states == (State.DEAD,)
    assert Selection(states=(State.DONE,)).narrowed(dead) is None


def test_nothing_selects_everything():
    assert Selection().is_empty and Selection().words() == "everything"
    assert not Selection(key="1").is_empty
    assert parse_state(" Dead ") is State.DEAD


class Numbers:
    """A queue of numbered rows, newest first, that counts how often it is asked."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.asked = 0
        self.moved: list[list[int]] = []

    def find(self, query):
        self.asked += 1
        first = self.count if query.before_seq is None else query.before_seq - 1
        return [Numbered(seq) for seq in range(first, max(0, first - query.limit), -1)]

    def replay(self, seqs, *, actor, note):
        self.moved.append(list(seqs))
        return len(self.moved[-1]) - 1


class Numbered:
    def __init__(self, seq: int) -> None:
        self.seq = seq


@pytest.mark.parametrize(
    ("count", "most", "found"), [(0, 9, 0), (STEP * 2 + 3, 9**9, 1003), (9, 4, 4)]
)
def test_find_all_goes_from_page_to_page(count, most, found):
    rows = list(find_all(Numbers(count), Selection(), NOW, most))
    assert [row.seq for row in rows] == list(range(count, count - found, -1))


def test_rows_are_moved_in_batches_oldest_first():
    queue = Numbers(0)
    seqs = list(range(BATCH * 2 + 1, 0, -1))
    steps = list(perform(ACTIONS["replay"], queue, seqs, actor="ada"))
    assert [len(batch) for batch in queue.moved] == [BATCH, BATCH, 1]
    assert queue.moved[0][0] == 1
    assert steps[-1] == (BATCH * 2 + 1, BATCH * 2 - 2), "and what did not move is not counted"
