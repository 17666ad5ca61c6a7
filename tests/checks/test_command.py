"""`hipflask check` as it is typed: exit codes, formats, silences, what is wrong in pyproject."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hipflask.checks import catalogue as catalogues
from hipflask.checks import reporting
from hipflask.checks.catalogue import WrongPlugin, catalogue
from hipflask.checks.declaring import Check, Found
from hipflask.checks.project import Unusable, look_around
from hipflask.checks.running import Report
from hipflask.cli import cli

from .projects import look_at

APP = """\
from hipflask import Flask
app = Flask(__name__)
@app.get("/a")
def a(): return ""
@app.get("/b")
def b(): return ""
"""
PROJECT = """\
[tool.hipflask]
stage = "pilot"
owner = "ada"

[[tool.hipflask.check.silence]]
id = "A01"
where = "GET /a*"
reason = "looks like a door"
owner = "ada"
until = "2099-01-01"
"""


def write(folder: Path, project: str = PROJECT) -> Path:
    (folder / "app.py").write_text(APP)
    (folder / "pyproject.toml").write_text(project)
    return folder


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return look_at(write(tmp_path_factory.mktemp("shown")), app="app", only=("A01", "A02"))


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["check", *words])


def test_text_shows_findings_silences_and_what_was_not_made(report: Report) -> None:
    text = reporting.as_text(report)
    assert "E A01 GET /b: nobody declared who may call it (app.py:5)" in text
    assert "      fix: declare it" in text
    assert "- A01 GET /a: silenced: looks like a door (ada, until 2099-01-01)" in text
    assert "- A02: not made: needs --probe" in text
    assert "1 error, 0 warnings, 0 notes, 1 silenced; 1 check made, 1 not." in text


def test_json_and_sarif_and_github(report: Report) -> None:
    told = json.loads(reporting.as_json(report))
    assert told["errors"] == 1 and told["stage"] == "pilot"
    assert [one["where"] for one in told["findings"]] == ["GET /a", "GET /b"]
    (run,) = json.loads(reporting.as_sarif(report))["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["A01"]
    first, second = run["results"]
    assert first["suppressions"][0]["kind"] == "external" and "suppressions" not in second
    place = second["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("app.py", 5)
    assert reporting.as_github(report).startswith(
        "::error file=app.py,line=5,title=A01 GET /b::nobody declared who may call it."
    )


def test_exit_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write(tmp_path))
    found = run("--app", "app", "--only", "A01")
    assert found.exit_code == 1 and "A01" in found.output
    assert run("--app", "app", "--only", "C03").exit_code == 0
    wrong = run("--app", "app", "--only", "Z99")
    assert wrong.exit_code == 2 and "There is no check 'Z99'" in wrong.output
    absent = run("--app", "no_such_module")
    assert absent.exit_code == 3 and "could not be loaded" in absent.output
    assert "Traceback" not in absent.output


def test_list_and_explain_need_no_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listed = run("--list")
    assert listed.exit_code == 0
    assert len(listed.output.splitlines()) == len(catalogue())
    told = run("--explain", "A02")
    assert told.exit_code == 0 and "needs      --probe" in told.output
    assert run("--explain", "A99").exit_code == 2


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('silence = [{id = "A01"}]', "missing required field `where`"),
        ("silences = []", "unknown field `silences`"),
        ('path_style = "("', "tool.hipflask.check.path_style"),
        ('silence = [{id="A", where="b", reason=" ", owner="o", until="2026-01-01"}]', "reason"),
        ('silence = [{id="A", where="b", reason="r", owner="o", until="soon"}]', "is no day"),
    ],
)
def test_what_is_wrong_in_pyproject_names_file_and_key(
    table: str, said: str, tmp_path: Path
) -> None:
    write(tmp_path, f"[tool.hipflask.check]\n{table}\n")
    with pytest.raises(Unusable) as caught:
        look_around(tmp_path)
    assert said in str(caught.value)
    assert "pyproject.toml, tool.hipflask.check" in str(caught.value)


class Entry:
    value = "acme:checks"

    def __init__(self, name: str, *ids: str) -> None:
        self.name = name
        self._ids = ids

    def load(self) -> list[Check]:
        return [
            Check(id=id, name="x", levels=("W", "W", "W"), needs="app", inspects="a", why="b",
                  fix="c", find=lambda look: iter([Found("here", "so")]))
            for id in self._ids
        ]  # fmt: skip


def with_plugin(monkeypatch: pytest.MonkeyPatch, entry: Entry) -> dict[str, Check]:
    monkeypatch.setattr(catalogues.importlib.metadata, "entry_points", lambda group: [entry])
    return catalogue.__wrapped__()


def test_plugins_come_under_their_own_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ACME-1" in with_plugin(monkeypatch, Entry("acme", "ACME-1"))


@pytest.mark.parametrize("id", ["A01", "B01", "ACME", "OTHER-1"])
def test_plugins_keep_to_their_prefix(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WrongPlugin, match="acme:checks"):
        with_plugin(monkeypatch, Entry("acme", id))
