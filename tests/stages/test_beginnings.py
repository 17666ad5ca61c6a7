"""What `hipflask new` writes: few files that pass their own tests, and how far one has come."""

from __future__ import annotations

import ast
import tomllib
from datetime import date
from importlib.util import find_spec

import pytest
import yaml
from click.testing import CliRunner
from packaging.requirements import Requirement

from hipflask.cli.new import new_command
from hipflask.stages import beginnings
from hipflask.stages.beginnings import KINDS, Beginning, BeginningError, check_name, render

MADE = date(2026, 11, 23)
MOST_FILES = 12
MOST_LINES = 200  # without empty ones


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_is_small_and_whole(kind):
    files = render(Beginning(kind=kind, name="spare-parts", made=MADE), "ada")
    assert len(files) <= MOST_FILES
    code = {name: text for name, text in files.items() if name.endswith(".py")}
    own = {name: text for name, text in code.items() if not name.startswith("tests/")}
    lines = [line for text in own.values() for line in text.splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES
    for name, text in code.items():
        ast.parse(text, name)
        assert max(map(len, text.splitlines())) <= 100, name
    folders = {name.partition("/")[0] for name in files if "/" in name}
    assert folders == {*KINDS[kind].folders, "tests"}
    assert {"app.py", "settings.py", "errors.py", "README.md", "Dockerfile"} <= files.keys()
    assert tomllib.loads(files["pyproject.toml"])["tool"]["hipflask"]["stage"] == KINDS[kind].stage
    kinds = [one["kind"] for one in yaml.safe_load_all(files["deployment.yaml"])]
    assert kinds == ["Deployment", "PersistentVolumeClaim"]
    assert not any(
        "{{" in text or "{%" in text for name, text in files.items() if name != "routes/trials.py"
    )


@pytest.mark.parametrize("installed", ["1.2.0", "0.1.0.dev188+g4b8d417e5"])
def test_a_project_asks_for_a_version_that_can_be_asked_for(installed, monkeypatch):
    """What names a commit is no part of a requirement: pip refuses it."""
    monkeypatch.setattr(beginnings, "version", lambda name: installed)
    files = render(Beginning(kind="api", name="spare-parts", made=MADE), "ada")
    (asked,) = tomllib.loads(files["pyproject.toml"])["project"]["dependencies"]
    assert Requirement(asked).specifier.contains(installed, prereleases=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_passes_its_tests(kind, make_project):
    said = make_project(kind).run("-m", "pytest", "-q", "-p", "no:cacheprovider")
    assert " passed" in said


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["x", "a-name-that-is-as-long-as-it-can-be-at-all"[:40]])
def test_a_project_is_formatted_whatever_its_name(kind, name, make_project):
    project = make_project(kind, name)
    project.run("-m", "ruff", "check", "--no-cache", ".")
    project.run("-m", "ruff", "format", "--no-cache", "--check", ".")


@pytest.mark.parametrize("name", ["", "Billing", "1st", "a b", "a--b", "class", "../x", "a" * 41])
def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(BeginningError, match="cannot be the name"):
        check_name(name)


def test_the_command_writes_over_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = CliRunner().invoke(new_command, ["prototype", "trial", "--owner", "ada"])
    assert first.exit_code == 0
    assert "12 files. Next, in trial: pip install -e '.[dev]', hipflask run" in first.output
    (tmp_path / "trial" / "app.py").write_text("mine")
    again = CliRunner().invoke(new_command, ["prototype", "trial"])
    assert again.exit_code == 2
    assert "trial is there already" in again.output
    assert (tmp_path / "trial" / "app.py").read_text() == "mine"


def test_compare_shows_what_became_different(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    runner.invoke(new_command, ["api", "billing", "--owner", "ada"])
    monkeypatch.chdir(tmp_path / "billing")
    same = runner.invoke(new_command, ["--compare"])
    assert (same.exit_code, same.output) == (0, "As a new one would be.\n")
    (tmp_path / "billing" / "settings.py").write_text("# mine\n")
    (tmp_path / "billing" / "Dockerfile").unlink()
    changed = runner.invoke(new_command, ["--compare"])
    assert changed.exit_code == 1
    assert "--- new/settings.py\n+++ here/settings.py" in changed.output
    assert "only in a new project: Dockerfile" in changed.output


def test_compare_needs_a_project_of_new(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = CliRunner().invoke(new_command, ["--compare"])
    assert told.exit_code == 2
    assert "nothing here was made by hipflask new" in told.output
