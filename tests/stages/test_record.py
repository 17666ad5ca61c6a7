"""The stage record of pyproject.toml."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hipflask.stages.record import RecordError, StageRecord, line_of, read_record, read_tables

FULL = """\
[project]
name = "x"

[tool.hipflask]
stage = "pilot"
owner = "Ada <ada@example.com>"
question = "Does it price?"
success = "Nine of ten"
decide_by = 2027-01-15
data = "internal"

[tool.hipflask.serve]
workers = 2
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_what_stands_there_and_leaves_other_tables_alone(tmp_path: Path) -> None:
    path = write(tmp_path, FULL)
    inner = tmp_path / "src" / "shop"
    inner.mkdir(parents=True)
    record = read_record(inner)
    assert record == StageRecord(
        stage="pilot",
        owner="Ada <ada@example.com>",
        question="Does it price?",
        success="Nine of ten",
        decide_by=date(2027, 1, 15),
        data="internal",
        path=path.resolve(),
    )
    assert read_tables(path)["serve"] == {"workers": 2}
    assert line_of(path, "decide_by") == 9
    assert line_of(path, "on_expiry") == 4
    assert not record.is_overdue(date(2027, 1, 15))
    assert record.is_overdue(date(2027, 1, 16))


def test_a_day_in_quotes_is_a_day(tmp_path: Path) -> None:
    path = write(tmp_path, '[tool.hipflask]\nstage = "prototype"\ndecide_by = "2027-01-15"\n')
    record = read_record(path)
    assert record is not None and record.decide_by == date(2027, 1, 15)


@pytest.mark.parametrize("text", ["", "[tool.hipflask.serve]\nworkers = 2\n", "[tool]\nx = 1\n"])
def test_no_record(tmp_path: Path, text: str) -> None:
    assert read_record(write(tmp_path, text)) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.hipflask]\nstage = 'pilott'\n", "tool.hipflask.stage: 'pilott' is none of"),
        ("[tool.hipflask]\nowner = 'a'\n", "tool.hipflask.stage: missing"),
        ("[tool.hipflask]\nstage = 'pilot'\nowners = 'a'\n", "Did you mean 'owner'?"),
        ("[tool.hipflask]\nstage = 'pilot'\nzz = 'a'\n", "There are stage, owner"),
        ("[tool.hipflask]\nstage = 'pilot'\nowner = 3\n", "tool.hipflask.owner: expected `str`"),
        ("[tool.hipflask]\nstage = 'pilot'\ndecide_by = 'soon'\n", "'soon' is no day"),
        ("[tool.hipflask]\nstage = 'pilot'\ndata = 'public'\n", "'synthetic', 'internal'"),
        ("[tool]\nhipflask = 3\n", "is to be a table"),
        ("[tool.hipflask\n", "is not TOML"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RecordError) as caught:
        read_record(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
