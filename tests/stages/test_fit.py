"""What to do about a need: each answer that decides, decides."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from hipflask.cli.fit import fit_command
from hipflask.stages.fit import QUESTIONS, Limits, UnfitAnswers, fit, parse_answers, read_answers

PLAIN = {
    "need": "Refund orders without the database client",
    "kind": "api",
    "exists": "no",
    "hours": 6,
    "peak": 5,
    "pages": 0,
    "data": "internal",
    "away": "waiting",
    "stack": "flask",
    "keepers": 2,
}


def sheet(limits: Limits | None = None, **changed):
    return fit(parse_answers({**PLAIN, **changed}, "here"), limits or Limits())


def test_there_are_ten_questions():
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(
    ("changed", "way", "framework", "command"),
    [
        ({}, "build", "hipflask", "hipflask new api refund-orders"),
        ({"kind": "tool"}, "build", "hipflask", "hipflask new tool refund-orders"),
        ({"kind": "tool", "hours": 1}, "start simpler", "hipflask", ""),
        ({"exists": "yes"}, "integrate", "hipflask", "hipflask new webhook refund-orders"),
        ({"exists": "partly"}, "integrate", "hipflask", "hipflask new webhook refund-orders"),
        ({"kind": "job"}, "automate", "something else", ""),
        ({"kind": "experiment"}, "start simpler", "hipflask",
         "hipflask new prototype refund-orders"),
        ({"keepers": 0}, "start simpler", "hipflask", ""),
        ({"pages": 31, "kind": "site"}, "build", "Django", ""),
        ({"kind": "site", "stack": "django"}, "build", "Django", ""),
        ({"stack": "fastapi"}, "build", "FastAPI", ""),
        ({"stack": "fastapi", "kind": "webhook"}, "build", "hipflask",
         "hipflask new webhook refund-orders"),
    ],
)  # fmt: skip
def test_answers_decide(changed, way, framework, command):
    made = sheet(**changed)
    assert (made.way.what, made.framework.what, made.command) == (way, framework, command)
    assert made.way.because and made.framework.because and made.first_step.because


def test_limits_are_the_teams():
    assert sheet(Limits(hours=0.5), kind="tool", hours=1).way.what == "build"
    assert sheet(Limits(pages=100), pages=31, kind="site").framework.what == "hipflask"


def test_risks_name_what_they_come_from():
    risks = {
        line.what: line.because for line in sheet(data="personal", keepers=1, away="harm").risks
    }
    assert set(risks) == {"it is orphaned", "data", "it is away"}
    assert "below the limit of 2" in risks["it is orphaned"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"kind": "apj"}, "kind"), ({"hours": -1}, "hours"), ({"keepers": "two"}, "keepers"),
     ({"colour": "red"}, "colour")],
)  # fmt: skip
def test_wrong_answers_are_named(changed, said):
    with pytest.raises(UnfitAnswers, match=f"here.*{said}"):
        sheet(**changed)


def test_a_question_that_is_not_answered_is_asked(tmp_path):
    path = tmp_path / "answers.toml"
    path.write_text('need = "x"\n')
    with pytest.raises(UnfitAnswers, match="kind is not answered: What is it"):
        read_answers(path)


def test_the_command_reads_a_file(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text(json.dumps({**PLAIN, "limits": {"keepers": 3}}))
    told = CliRunner().invoke(fit_command, ["--answers", str(path)])
    assert told.exit_code == 0
    assert "then    hipflask new api refund-orders" in told.output
    assert "keepers  2 (limit 3, yours to edit)" in told.output
    made = CliRunner().invoke(fit_command, ["--answers", str(path), "--json"])
    assert json.loads(made.output)["way"]["what"] == "build"


def test_the_command_asks():
    answers = "\n".join(str(value) for value in PLAIN.values()) + "\n"
    told = CliRunner().invoke(fit_command, input=answers)
    assert told.exit_code == 0
    assert "10. How many people" in told.output
    assert "way     build: no product does it" in told.output


def test_the_command_says_what_is_wrong(tmp_path):
    path = tmp_path / "answers.toml"
    path.write_text("need = ")
    told = CliRunner().invoke(fit_command, ["--answers", str(path)])
    assert told.exit_code == 2
    assert "answers.toml is neither TOML nor JSON" in told.output
