"""The guard of `make guard`: what it reads, how it judges, when it refuses. It counts in CI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks import guard, guarded  # noqa: E402  (found by the line above)

NAMES = ["reference", "W1 plaintext", "W9 made up"]
BUDGET = {"W1 plaintext": {"ratio": 0.5, "left": 0.0}, "W9 made up": {"ratio": 2.0, "left": 1.0}}


@pytest.fixture(autouse=True)
def no_orders_from_outside(monkeypatch):
    for name in ("RECORD", "FAULT", "PROFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def budget(tmp_path, monkeypatch):
    """A budget for this Python, in a file of the test's own."""
    path = tmp_path / "budget.json"
    path.write_text(json.dumps({guard.python_version(): {"workloads": BUDGET}}))
    monkeypatch.setattr(guard, "BUDGET", path)
    monkeypatch.setattr(guard, "ROOT", tmp_path)
    monkeypatch.setattr(guard, "find_valgrind", lambda: "valgrind")
    return path


def counted(plaintext=500.0, made_up=2000.0, left=0.0):
    figures = (1000.0, plaintext, made_up)
    counts = {name: guard.Count(each, 0.0) for name, each in zip(NAMES, figures, strict=True)}
    counts["W1 plaintext"] = guard.Count(plaintext, left)
    return counts


def answer(monkeypatch, counts):
    monkeypatch.setattr(guard, "count", lambda valgrind: counts)


def run_main(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["guard", *words])
    return guard.main()


def run_module(module, *words, **environ):
    return subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=ROOT,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=120,
    )


# --- reading -------------------------------------------------------------------------------------


def write_counts(folder, *totals):
    for at, total in enumerate(totals, 1):
        (folder / f"counts.{at}").write_text(f"version: 1\nsummary: 7\ntotals: {total}\n")
    (folder / "counts").write_text("totals: 99\n")


def test_a_count_leaves_out_what_a_run_costs_once(tmp_path):
    once = 1_000
    totals = []
    for each in (10, 20, 30, 40):
        totals += [123, once + each * guard.REPEATS, once + 3 * each * guard.REPEATS]
    write_counts(tmp_path, *totals)
    left = {"a": 0.0, "b": 0.0, "c": 0.0, "d": 2.5}
    counts = guard.read_counts(tmp_path / "counts", left)
    assert [each.instructions for each in counts.values()] == [10, 20, 30, 40]
    assert counts["d"].left == 2.5


def test_marks_that_callgrind_did_not_see_are_told(tmp_path):
    write_counts(tmp_path, 1, 2)
    with pytest.raises(guard.NotCounted, match="saw 2 marks instead of 3"):
        guard.read_counts(tmp_path / "counts", {"a": 0.0})


def test_a_file_without_totals_is_told(tmp_path):
    write_counts(tmp_path, 1, 2, 3)
    (tmp_path / "counts.2").write_text("creator: somebody else\n")
    with pytest.raises(guard.NotCounted, match="counts.2 has no totals"):
        guard.read_counts(tmp_path / "counts", {"a": 0.0})


# --- judging -------------------------------------------------------------------------------------


def test_five_percent_more_is_within_budget(budget, monkeypatch, capsys):
    answer(monkeypatch, counted(plaintext=524.9, made_up=2099.0))
    assert run_main(monkeypatch) == 0
    assert "within budget" in capsys.readouterr().out


def test_more_than_that_fails_and_is_named(budget, monkeypatch, capsys):
    answer(monkeypatch, counted(plaintext=530.0))
    assert run_main(monkeypatch) == 1
    said = capsys.readouterr().out
    assert "guard: W1 plaintext takes 0.9% more than its budget" in said
    assert "W9 made up takes" not in said
    assert "make guard PROFILE=W1" in said


def test_a_slower_reference_is_no_excuse_nor_fault(budget, monkeypatch):
    double = {
        name: guard.Count(2 * each.instructions, each.left) for name, each in counted().items()
    }
    answer(monkeypatch, double)
    assert run_main(monkeypatch) == 0


def test_objects_left_to_the_collector_fail(budget, monkeypatch, capsys):
    answer(monkeypatch, counted(left=3.0))
    assert run_main(monkeypatch) == 1
    assert "W1 plaintext leaves 3.0 objects in cycles a request" in capsys.readouterr().out


def test_a_budget_of_other_workloads_is_refused(budget, monkeypatch, capsys):
    counts = counted()
    del counts["W9 made up"]
    answer(monkeypatch, counts)
    assert run_main(monkeypatch) == 2
    assert "budget.json has W1 plaintext, W9 made up" in capsys.readouterr().err


def test_what_was_won_is_told(budget, monkeypatch, capsys):
    answer(monkeypatch, counted(plaintext=400.0))
    assert run_main(monkeypatch) == 0
    assert "RECORD=1 keeps what was won: W1 plaintext" in capsys.readouterr().out


def test_other_versions_than_recorded_are_named_beside_a_failure():
    rows = guard.judge(counted(plaintext=900.0), BUDGET)
    said = "\n".join(guard.verdict(rows, {"werkzeug": "0.0.1"}))
    assert "recorded with werkzeug 0.0.1, this is" in said
    assert "werkzeug" not in "\n".join(guard.verdict(rows, guard.versions()))


# --- recording -----------------------------------------------------------------------------------


def test_record_writes_what_was_counted(budget, monkeypatch):
    monkeypatch.setenv("RECORD", "1")
    answer(monkeypatch, counted(plaintext=300.0, left=1.0))
    assert run_main(monkeypatch) == 0
    kept = json.loads(budget.read_text())[guard.python_version()]
    assert kept["workloads"]["W1 plaintext"] == {"ratio": 0.3, "left": 1.0}
    assert kept["recorded with"] == guard.versions()
    monkeypatch.delenv("RECORD")
    assert run_main(monkeypatch) == 0


def test_a_fault_is_not_recorded(budget, monkeypatch, capsys):
    before = budget.read_text()
    monkeypatch.setenv("RECORD", "1")
    monkeypatch.setenv("FAULT", "1")
    assert run_main(monkeypatch) == 2
    assert "give one of them" in capsys.readouterr().err
    assert budget.read_text() == before


def test_a_python_without_budget_is_skipped_in_words(budget, monkeypatch, capsys):
    budget.write_text(json.dumps({"2.7": {}}))
    assert run_main(monkeypatch) == 0
    said = capsys.readouterr().out
    assert f"no budget for Python {guard.python_version()}, only for 2.7" in said


# --- valgrind ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apt", "user"), [(None, 0), ("/usr/bin/apt-get", 1000)])
def test_a_missing_valgrind_fails_with_the_way_out(budget, monkeypatch, capsys, apt, user):
    monkeypatch.undo()
    monkeypatch.setattr(guard, "BUDGET", budget)
    monkeypatch.setattr(guard.shutil, "which", {"apt-get": apt}.get)
    monkeypatch.setattr(guard.os, "geteuid", lambda: user, raising=False)
    assert run_main(monkeypatch) == 2
    assert "valgrind is missing; on Debian: apt-get install valgrind" in capsys.readouterr().err


def test_a_valgrind_that_cannot_be_installed_fails_with_apt_s_words(monkeypatch):
    asked = []

    def refuse(command, **_):
        asked.append(command[1])
        return SimpleNamespace(returncode=100, stderr="E: no such package\n")

    monkeypatch.setattr(guard.shutil, "which", {"apt-get": "/usr/bin/apt-get"}.get)
    monkeypatch.setattr(guard.os, "geteuid", lambda: 0, raising=False)
    monkeypatch.setattr(guard.subprocess, "run", refuse)
    with pytest.raises(guard.NotCounted, match="could not be installed:\nE: no such package"):
        guard.find_valgrind()
    assert asked == ["install", "update", "install"]


def test_a_run_that_fails_is_told_with_its_words():
    with pytest.raises(guard.NotCounted, match="ended with 3:\nno luck"):
        guard.run([sys.executable, "-c", "import sys; sys.stderr.write('no luck'); sys.exit(3)"])


def test_a_run_sees_one_hash_seed_and_none_of_our_settings(monkeypatch):
    for name in ("HIPFLASK_DEFAULTS", "FLASK_DEBUG", "PYTHONHASHSEED", "PYTHONMALLOC"):
        monkeypatch.setenv(name, "7")
    seen = guard.run([sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))"])
    starts = ("HIPFLASK", "FLASK", "PYTHON")
    names = {name: text for name, text in json.loads(seen).items() if name.startswith(starts)}
    assert names.pop("PYTHONHASHSEED") == "0"
    assert names.keys() <= {"PYTHONPATH", "PYTHONPYCACHEPREFIX"}


# --- what is counted -----------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "getsid"), reason="marks are calls of getsid")
def test_the_recorded_budget_is_of_these_workloads_and_they_leave_no_cycles():
    done = run_module("benchmarks.guarded", "3")
    assert done.returncode == 0, done.stderr
    left = json.loads(done.stdout)
    for recorded in json.loads((ROOT / "benchmarks" / "budget.json").read_text()).values():
        assert recorded["workloads"].keys() == left.keys() - {guard.REFERENCE}
    assert set(left.values()) == {0.0}


def test_the_reference_stays_what_the_budget_was_recorded_with():
    assert [guarded.one_round(number) for number in range(3)] == [226, 226, 226]


def test_a_workload_that_answers_with_an_error_is_refused():
    caller = guarded.Caller(guarded.make_app(), PATH_INFO="/absent")
    with pytest.raises(guarded.WrongAnswer, match="W1: 404 NOT FOUND"):
        guarded.sound("W1", caller)


def test_profile_names_the_functions_and_a_fault_shows():
    calls = []
    for fault in ("", "1"):
        done = run_module("benchmarks.guard", "--profile", "w1", FAULT=fault)
        assert done.returncode == 0, done.stderr
        assert "hipflask/front/wsgi.py" in done.stdout
        calls.append(int(done.stdout.split("W1 plaintext: ")[1].split()[0]))
    assert calls[1] > calls[0]


def test_profile_of_an_unknown_workload_names_those_there_are():
    done = run_module("benchmarks.guard", "--profile", "W99")
    assert done.returncode == 2
    assert "there are reference, W1 plaintext" in done.stderr
