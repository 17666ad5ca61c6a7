"""Decisions: what stops one, what it writes, and that it writes once."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib

import pytest
from click.testing import CliRunner

from hipflask.cli import ScriptInfo
from hipflask.cli.promote import promote_command

EVIDENCE = '{"trials": 200, "right": 188}\n'


@pytest.fixture
def prototype(make_project):
    project = make_project("prototype")
    project.put("evidence.json", EVIDENCE)
    return project


def promote(project, *words: str, code: int = 0) -> str:
    return project.hipflask(
        "promote", *words, "--evidence", "evidence.json", "--answer", "yes", code=code
    )


def stage(project) -> str:
    return tomllib.loads(project.read("pyproject.toml"))["tool"]["hipflask"]["stage"]


def recorded(project) -> None:
    project.run("-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_harden_writes_a_decision_and_the_stage_once(prototype):
    recorded(prototype)
    before = prototype.files()
    promote(prototype, "harden", "--by", "ada", "--days", "3")
    after = prototype.files()
    changed = {name for name in after if before.get(name) != after[name]}
    assert changed == {
        "decisions/0001-harden.md", "decisions/0001-harden-evidence.json", "pyproject.toml"
    }  # fmt: skip
    assert stage(prototype) == "pilot"
    text = prototype.read("decisions/0001-harden.md")
    assert "- From: prototype\n- To: pilot\n" in text
    assert re.search(r"- Evidence: decisions/0001-harden-evidence.json [0-9a-f]{64}\n", text)
    assert "- Days spent: 3\n" in text
    assert "Decided before, nothing written" in promote(prototype, "harden", "--by", "ada")
    assert prototype.files() == after
    # The check agrees with what was written.
    assert "S01" not in prototype.hipflask("check", "--only", "S01")


def test_one_that_was_cut_off_is_finished(prototype):
    recorded(prototype)
    old = prototype.read("pyproject.toml")
    promote(prototype, "harden", "--by", "ada")
    done = prototype.files()
    prototype.put("pyproject.toml", old)  # the last that is written
    promote(prototype, "harden", "--by", "ada")
    assert prototype.files() == done


def test_an_open_error_stops_it_until_somebody_accepts_it(prototype):
    app = prototype.read("app.py").replace("    app.access = public\n", "")
    prototype.put("app.py", app)
    before = prototype.files()
    said = promote(prototype, "harden", "--by", "ada", code=1)
    assert "E A01" in said and "Nothing was written" in said
    assert prototype.files() == before
    lines = [line.strip() for line in said.splitlines() if line.strip().startswith("{ id")]
    accepted = "\n".join(lines).replace('reason = "..."', 'reason = "two weeks"')
    accepted = accepted.replace('owner = "..."', 'owner = "grace"')
    accepted = accepted.replace('until = "..."', 'until = "2099-01-01"')
    table = f"\n[tool.hipflask.check]\nsilence = [\n{accepted}\n]\n"
    prototype.put("pyproject.toml", prototype.read("pyproject.toml") + table)
    promote(prototype, "harden", "--by", "ada")
    text = prototype.read("decisions/0001-harden.md")
    assert "- A01 " in text and "two weeks (grace, until 2099-01-01)" in text
    assert stage(prototype) == "pilot"


def test_extend_is_once(prototype):
    promote(prototype, "extend", "--by", "ada", "--until", "2099-01-01")
    assert "decide_by = 2099-01-01" in prototype.read("pyproject.toml")
    assert stage(prototype) == "prototype"
    prototype.put("evidence.json", "{}")
    said = promote(prototype, "extend", "--by", "ada", code=2)
    assert "was extended by decisions/0001-extend.md, and once is all" in said


def test_from_a_pilot_on_the_author_alone_does_not_decide(prototype):
    table = prototype.read("pyproject.toml").replace('stage = "prototype"', 'stage = "pilot"')
    prototype.put("pyproject.toml", table)
    said = promote(prototype, "extend", "--by", "Ada", code=2)
    assert "the author alone does not decide" in said
    promote(prototype, "extend", "--by", "Ada", "--by", "grace")


def test_replace_exports_what_the_successor_is_held_against(prototype):
    recorded(prototype)
    promote(prototype, "replace", "--by", "ada")
    folder = "decisions/0001-replace"
    assert json.loads(prototype.read(f"{folder}/openapi.json"))["openapi"].startswith("3.1")
    answers = json.loads(prototype.read(f"{folder}/answers.json"))
    assert answers["POST /trials"]["200"]["shape"] == {"$ref": "#/components/schemas/Trial"}
    assert answers["GET /evidence"]["200"]["seen"] == 1
    # Nobody measured it: that is not 0.
    assert json.loads(prototype.read(f"{folder}/usage.json"))["requests"]["GET /evidence"] is None
    assert stage(prototype) == "prototype"


def test_discard_sets_the_end_and_lists_what_is_left(prototype):
    said = promote(prototype, "discard", "--by", "ada", code=2)
    assert "--until 2027-02-01" in said
    promote(prototype, "discard", "--by", "ada", "--until", "2099-02-01",
            "--link", "https://example.org/why")  # fmt: skip
    table = tomllib.loads(prototype.read("pyproject.toml"))["tool"]["hipflask"]
    assert table["stage"] == "sunset"
    assert str(table["sunset"]["ends"]) == "2099-02-01"
    assert "- [ ] folder instance/" in prototype.read("decisions/0001-discard.md")
    headers = prototype.run(
        "-c",
        "import app; h = app.create_app().test_client().get('/evidence').headers;"
        "print(h['Sunset'], h['Deprecation'], h['Link'])",
    )
    assert headers.startswith("Sun, 01 Feb 2099 00:00:00 GMT @")
    promote(prototype, "discard", "--by", "grace", "--to", "retired")
    assert stage(prototype) == "retired"


def test_the_commit_is_named_where_there_is_one(prototype):
    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=Ada", "-c", "user.email=a@b.example", *words]
        done = subprocess.run(command, cwd=prototype.folder, capture_output=True, check=True)
        return done.stdout.decode().strip()

    git("init", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "begin")
    promote(prototype, "extend", "--by", "ada")
    assert f"- Commit: {git('rev-parse', 'HEAD')}\n" in prototype.read("decisions/0001-extend.md")
    assert "- Author: Ada\n" in prototype.read("decisions/0001-extend.md")
    # It commits nothing by itself.
    assert git("log", "--oneline").count("\n") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["promote", "extend", "--answer", "yes", "--by", "ada"], "--evidence FILE"),
        (["promote", "extend", "--answer", "yes", "--evidence", "nowhere", "--by", "ada"],
         "nowhere cannot be read"),
        (["promote", "extend", "--answer", "yes", "--evidence", "evidence.json"], "--by NAME"),
        (["promote", "harden", "--answer", "yes", "--evidence", "evidence.json", "--by", "ada",
          "--to", "service"], "leads from prototype to pilot"),
        (["promote", "discard", "--answer", "no", "--evidence", "evidence.json", "--by", "ada",
          "--until", "1999-01-01"], "has passed"),
        (["promote", "discard", "--answer", "no", "--until", "soon"], "is no day"),
    ],
)  # fmt: skip
def test_what_cannot_be_decided_says_why(prototype, monkeypatch, words, said):
    monkeypatch.chdir(prototype.folder)
    before = prototype.files()
    told = CliRunner().invoke(promote_command, words[1:], obj=ScriptInfo())
    assert told.exit_code == 2
    assert said in told.output
    assert prototype.files() == before


def test_without_a_record_there_is_nothing_to_decide(prototype):
    prototype.put("pyproject.toml", "[project]\nname = 'x'\n")
    said = promote(prototype, "harden", "--by", "ada", code=2)
    assert "has a stage in [tool.hipflask]" in said
