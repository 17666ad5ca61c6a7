"""Keys of a TOML file set, the rest left as it was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from hipflask.stages import RecordError
from hipflask.stages.toml import changed

TEXT = """# mine
[project]
name = "x"  # stays

[tool.hipflask]
stage = "prototype"
owner = "ada"

[tool.hipflask.check]
silence = []
"""


def test_only_what_is_set_changes():
    made = changed(
        TEXT,
        {"tool.hipflask": {"stage": '"pilot"', "decide_by": "2027-01-01"}},
        Path("pyproject.toml"),
    )
    expected = TEXT.replace('"prototype"', '"pilot"')
    assert made == expected.replace('owner = "ada"\n', 'owner = "ada"\ndecide_by = 2027-01-01\n')


def test_a_table_that_is_not_there_is_added():
    made = changed(TEXT, {"tool.hipflask.sunset": {"ends": "2027-01-01"}}, Path("pyproject.toml"))
    assert made == TEXT + "\n[tool.hipflask.sunset]\nends = 2027-01-01\n"


@pytest.mark.parametrize(
    "text",
    [
        '[tool]\nhipflask = {stage = "prototype"}\n',
        '[tool.hipflask]\nstage = """\nprototype"""\n',
        'tool.hipflask.stage = "prototype"\n',
    ],
)
def test_what_a_program_cannot_change_is_left_to_a_person(text):
    tomllib.loads(text)
    with pytest.raises(RecordError, match="Set this by hand"):
        changed(text, {"tool.hipflask": {"stage": '"pilot"'}}, Path("pyproject.toml"))
