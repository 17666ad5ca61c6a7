"""scripts/pytest_twice.py: an accident passes at the second run, a fault does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "pytest_twice.py"
#: The second passes where the first has not left its mark in the process.
LEFT = """
import sys

def test_leaves_something():
    sys.left = True

def test_minds():
    assert not hasattr(sys, "left")
"""


def run(folder: Path, text: str) -> tuple[int, str]:
    (folder / "test_it.py").write_text(text, encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "-q", "."]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (LEFT, 0, "TWICE test_it.py::test_minds"),
        ("def test_it(): assert False", 1, "TWICE test_it.py::test_it"),
        ("def test_it(): pass", 0, "1 passed"),
        ("import nothing_of_the_kind", 2, "1 error"),
        ("", 5, "no tests ran"),
    ],
    ids=["left", "fault", "well", "broken", "none"],
)
def test_what_fails_has_a_second_run_of_its_own(
    tmp_path: Path, text: str, code: int, said: str
) -> None:
    ended, told = run(tmp_path, text)
    assert (ended, said in told) == (code, True), told


def test_many_failures_are_no_accident(tmp_path: Path) -> None:
    text = "import pytest\n@pytest.mark.parametrize('n', range(11))\ndef test_it(n): assert n < 0\n"
    ended, told = run(tmp_path, text)
    assert ended == 1
    assert "TWICE" not in told
