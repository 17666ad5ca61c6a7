"""Named places where a process may be made to stop."""

from __future__ import annotations

import signal

import pytest

from hipflask.database import failpoints

from .stores import run_child

PROGRAM = """
from hipflask.database import failpoints
for n in range(5):
    print(n, flush=True)
    failpoints.hit("P1")
    failpoints.hit("P2")
"""


def test_unset_it_costs_an_empty_call() -> None:
    assert failpoints.hit is failpoints._nothing
    with failpoints.during("P4"):
        failpoints.hit("P3")


def test_kills_at_the_named_time() -> None:
    done = run_child(PROGRAM, HIPFLASK_FAILPOINT="P2:3")
    assert (done.returncode, done.stdout.split()) == (-signal.SIGKILL, ["0", "1", "2"])


def test_without_a_number_it_is_the_first_time() -> None:
    assert run_child(PROGRAM, HIPFLASK_FAILPOINT="P9,P1").stdout.split() == ["0"]


def test_raises_where_asked() -> None:
    done = run_child(PROGRAM, HIPFLASK_FAILPOINT="P1:2:RAISE")
    assert done.returncode == 1 and "FailpointReached: failpoint P1" in done.stderr


@pytest.mark.parametrize("text", ["P1:x", "P1:0", ":3", "P1:1:EXPLODE"])
def test_a_wrong_setting_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        failpoints.parse_setting(text)
    done = run_child(PROGRAM, HIPFLASK_FAILPOINT=text)
    assert done.returncode == 1 and done.stdout == ""


def test_several_points() -> None:
    assert failpoints.parse_setting(" P1:2 , P3:1:STOP") == {"P1": (2, "KILL"), "P3": (1, "STOP")}


DURING = """
import sqlite3, sys
from hipflask.database import failpoints
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
print("before", flush=True)
with failpoints.during("P4"):
    connection.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT max(i) FROM n LIMIT 1")
print("after", flush=True)
"""


def test_inside_a_call_of_the_driver() -> None:
    """The statement never ends: only from inside can the process be killed."""
    done = run_child(DURING, ":memory:", HIPFLASK_FAILPOINT="P4")
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "before\n")
    raised = run_child(DURING, ":memory:", HIPFLASK_FAILPOINT="P4:1:RAISE")
    assert raised.returncode == 1 and "FailpointReached" in raised.stderr
