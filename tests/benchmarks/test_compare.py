"""What counts as worse between two runs."""

from __future__ import annotations

import pytest

from benchmarks.compare import check_old, compare, finish, format_comparison
from benchmarks.document import Document, Figure, Row, dump_document, set_ratios


def make_run(rounds: list[float], **fields: str) -> Document:
    """A run in which raw takes 1 us in each round and hipflask `rounds`."""
    document = Document("inprocess", machine="one", python="CPython 3.11.7")
    document.rows = [
        Row("raw", "wsgi", "W1", [1.0] * len(rounds)),
        Row("hipflask", "wsgi", "W1", rounds),
        Row("falcon", "wsgi", "W1", [rounds[0] * 2] * len(rounds)),
    ]
    set_ratios(document.rows)
    for name, text in fields.items():
        setattr(document, name, text)
    return document


@pytest.mark.parametrize(
    ("rounds", "verdict", "code"),
    [
        ([2.0, 2.1, 2.2], "", 0),
        ([2.2, 2.4, 2.5], "WORSE", 1),
        ([2.0, 2.6, 2.7], "", 0),  # the best round is as good: noise
        ([2.2, 2.2, 2.2], "", 0),  # the median is as good
        ([1.8, 1.9, 1.95], "better", 0),
    ],
)
def test_a_row_is_worse_when_median_and_best_are(
    rounds: list[float], verdict: str, code: int
) -> None:
    found = compare(make_run([2.0, 2.1, 2.2]), make_run(rounds))
    assert [one.verdict for one in found.changes] == [verdict]
    assert found.code == code


def test_a_slower_machine_alone_changes_nothing() -> None:
    slow = make_run([2.0, 2.1, 2.2])
    for row in slow.rows:
        row.rounds = [3 * took for took in row.rounds]
    set_ratios(slow.rows)
    found = compare(make_run([2.0, 2.1, 2.2]), slow)
    assert found.changes[0].factors == pytest.approx((1.0, 1.0))


def test_only_rows_of_ours_are_judged() -> None:
    new = make_run([2.0, 2.1, 2.2])
    new.rows[2].rounds = [99.0] * 3
    set_ratios(new.rows)
    assert compare(make_run([2.0, 2.1, 2.2]), new).code == 0


def test_a_row_that_does_not_finish_any_more_is_worse() -> None:
    new = make_run([2.0, 2.1, 2.2])
    new.rows[1].died = "ended with SIGSEGV: nothing was said"
    found = compare(make_run([2.0, 2.1, 2.2]), new)
    assert found.code == 1
    assert "does not finish any more: hipflask wsgi, W1: ended with SIGSEGV" in (
        format_comparison(found)
    )


def test_other_machines_pythons_and_versions_are_said() -> None:
    old = make_run([2.0], versions={"falcon": "4.4.0", "gone": "1"})
    new = make_run([2.0], machine="two", python="CPython 3.13.0", versions={"falcon": "4.5.0"})
    assert compare(old, new).remarks == [
        "different machines: one; two",
        "different Pythons: CPython 3.11.7; CPython 3.13.0",
        "falcon: 4.4.0, now 4.5.0",
    ]


def test_runs_without_a_row_in_common_say_so() -> None:
    new = make_run([2.0])
    new.rows = [Row("hipflask", "asgi", "W1", [2.0])]
    found = compare(make_run([2.0]), new)
    assert (found.changes, found.code) == ([], 0)
    assert found.remarks == ["no row is in both runs with a ratio"]


def test_runs_of_different_programs_are_refused() -> None:
    with pytest.raises(ValueError, match="a run of inprocess with one of growth"):
        compare(make_run([2.0]), Document("growth"))


def test_table_has_what_changed_most_first() -> None:
    old, new = make_run([2.0, 2.0]), make_run([2.0, 2.0])
    for document, cost in ((old, 4.0), (new, 8.0)):
        document.rows += [
            Row("raw", "asgi", "W1", [1.0] * 2),
            Row("hipflask", "asgi", "W1", [cost] * 2),
        ]
        set_ratios(document.rows)
    lines = format_comparison(compare(old, new)).splitlines()
    assert "hipflask asgi, W1" in lines[2]
    assert "+100.0 %" in lines[2] and "WORSE" in lines[2]
    assert lines[-1] == "1 of 2 rows are worse."


def test_a_file_that_cannot_be_compared_ends_the_program_at_once(tmp_path) -> None:
    path = tmp_path / "old.json"
    check_old(None, "growth")
    path.write_text(dump_document(make_run([2.0])))
    check_old(path, "inprocess")
    with pytest.raises(SystemExit, match="a run of inprocess, not of growth"):
        check_old(path, "growth")
    path.write_text("{}")
    with pytest.raises(SystemExit, match="cannot compare with"):
        check_old(path, "growth")


def test_a_run_is_written_and_judged_and_one_with_a_fault_is_not_kept(
    tmp_path, monkeypatch, capsys
) -> None:
    monkeypatch.setattr("benchmarks.compare.RESULTS", tmp_path)
    monkeypatch.setenv("FAULT", "1")
    document = make_run([2.0])
    document.figures = [Figure("made up", 3.0, 2.0)]
    assert finish(document) == 1
    assert list(tmp_path.iterdir()) == []
    monkeypatch.delenv("FAULT")
    document.figures = [Figure("made up", 1.0, 2.0)]
    assert finish(document) == 0
    # The file just written is read before it is overwritten.
    assert finish(make_run([3.0]), tmp_path / "inprocess.json") == 1
    assert "1 of 1 rows are worse" in capsys.readouterr().out
