"""What is counted is what a person counts; what nobody knows is unknown; a diff says what moved."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from hipflask.assess import fit, sheet, showing
from hipflask.assess.assessing import Asked, assess
from hipflask.assess.model import Assessment, Line
from hipflask.assess.traffic import UnreadableTraffic, read_traffic
from hipflask.cli import cli

from ..checks.projects import TODAY, copy_app, write_record

#: Counted by hand in tests/checks/apps: dimension -> label -> value.
BY_HAND = {
    "stock": {
        "endpoints": {"routes, by method": (3, None), "open to everybody": (0, 3),
                      "for known callers": (3, 3),
                      "with a contract (typed, and in the document)": (3, 3)},
        "validation": {"bodies with a model": (1, 1)},
        "authentication": {"providers": ("ApiKey", None), "roles": (1, None),
                           "routes that say who may call": (3, 3)},
    },
    "notes": {
        "endpoints": {"routes, by method": (4, None), "open to everybody": (3, 4),
                      "with a contract (typed, and in the document)": (0, 4)},
        "validation": {"bodies with a model": (0, 2), "bodies read raw, as declared": (1, 2)},
        "authentication": {"providers": ("none", None), "routes that say who may call": (3, 4)},
        "integrations": {"calls without a timeout": (1, None)},
    },
    "desk": {
        "endpoints": {"routes, by method": (4, None), "open to everybody": (1, 4),
                      "for known callers": (3, 4)},
        "validation": {"without a body, as declared": (1, 1)},
        "authentication": {"providers": ("SessionLogin", None), "roles": (0, None)},
        "operator interface": {"templates": (0, None), "actions": (0, None)},
    },
}  # fmt: skip
GAPS = {
    "stock": {"endpoints": 0, "validation": 0, "authentication": 0},
    # /notes POST is not declared; /export has no stance, and nothing tells who calls.
    "notes": {"endpoints": 4, "validation": 1, "authentication": 2, "integrations": 1},
    "desk": {"endpoints": 4, "validation": 0, "authentication": 0},
}
NAMES = {"stock": "app:create_app"}
LOG = """\
{"time":"2026-11-01T08:00:00.000Z","logger":"hipflask.access","method":"GET","route":"/parts/<int:number>","path":"/parts/7","status":200,"duration_ms":12.5,"bytes":40,"client":"192.0.2.7","user":"u-4711"}
{"time":"2026-11-15T08:00:00.000Z","logger":"hipflask.access","method":"POST","route":"/parts","path":"/parts","status":422,"duration_ms":300,"bytes":90,"client":"192.0.2.7","user":null}
{"time":"2026-11-15T08:00:01.000Z","logger":"shop","message":"not a request"}
"""  # noqa: E501


def assessed(folder: Path, name: str = "", **more: object) -> Assessment:
    app = NAMES.get(name, "app")
    return assess(Asked(app=app, start=folder, today=TODAY, limit_s=120, **more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("assessed")


@pytest.fixture(scope="module")
def stock(folder: Path) -> tuple[Path, Assessment]:
    path = copy_app("stock", folder)
    write_record(path, ("/parts", "POST", "known", 200), ("/old", "GET", "anonymous", 401))
    (path / "log.jsonl").write_text(LOG)
    made = assessed(path, "stock", traffic=str(path / "log.jsonl"), effort=True)
    return path, made


def lines_of(made: Assessment, dimension: str) -> dict[str, Line]:
    (found,) = [one for one in made.dimensions if one.name == dimension]
    return {line.label: line for line in found.lines}


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_what_is_counted_is_what_a_person_counts(
    name: str, folder: Path, stock: tuple[Path, Assessment]
) -> None:
    made = stock[1] if name == "stock" else assessed(copy_app(name, folder), name)
    for dimension, expected in BY_HAND[name].items():
        lines = lines_of(made, dimension)
        assert {k: (lines[k].value, lines[k].of) for k in expected} == expected
    gaps = {one.name: len(one.gaps) for one in made.dimensions}
    assert {key: gaps[key] for key in GAPS[name]} == GAPS[name]


def test_every_figure_has_a_source_and_unknown_is_never_0(stock: tuple[Path, Assessment]) -> None:
    for dimension in stock[1].dimensions:
        for line in dimension.lines:
            assert line.source if line.value is not None else line.why, line
    tables = lines_of(stock[1], "persistence")["tables"]
    assert tables.value is None and "SQLAlchemy" in tables.why


def test_traffic_is_routes_and_never_people(stock: tuple[Path, Assessment]) -> None:
    path, made = stock
    lines = lines_of(made, "endpoints")
    assert (lines["asked lately"].value, lines["asked lately"].of) == (2, 3)
    assert lines["GET /old"].value == "not seen: window too short to say unused"
    assert lines_of(made, "validation")["requests refused as invalid"].value == 1
    assert lines_of(made, "monitoring")["errors, 5xx"].value == 0
    assert {one.name: one.value for one in made.signals}["p95_ms"] == 500
    text = showing.as_json(made)
    assert "192.0.2.7" not in text and "u-4711" not in text
    (path / "empty.txt").write_text("nothing\n")
    with pytest.raises(UnreadableTraffic, match="holds no requests"):
        read_traffic(path / "empty.txt")


def test_traffic_of_counters(tmp_path: Path) -> None:
    name = "http_server_request_duration_seconds"
    labels = 'method="GET",route="/a",status='
    (tmp_path / "m").write_text(
        f'# TYPE {name} histogram\n{name}_count{{{labels}"200"}} 7\n'
        f'{name}_count{{{labels}"503"}} 2\n{name}_count{{method="GET",route="_UNMATCHED"}} 9\n'
    )
    traffic = read_traffic(tmp_path / "m")
    assert (traffic.requests, traffic.count("5xx"), traffic.days) == (9, 2, None)


def test_a_new_route_changes_only_its_lines(stock: tuple[Path, Assessment]) -> None:
    path, _ = stock
    before = showing.as_text(assessed(path, "stock"))
    assert showing.as_text(assessed(path, "stock")) == before, "twice the same"
    app = path / "app.py"
    text = app.read_text()
    view = '    @app.get("/new", access=public)\n    def new() -> Part:\n        return 1\n\n'
    changed = text.replace("    @app.errorhandler", view + "    @app.errorhandler")
    changed = changed.replace("hashed_keys, roles", "hashed_keys, public, roles")
    app.write_text(changed)
    try:
        after = showing.as_text(assessed(path, "stock"))
    finally:
        app.write_text(text)
    moved = [
        line[2:].strip()
        for line in difflib.ndiff(before.splitlines(), after.splitlines())
        if line[0] in "+-"
    ]
    # Figures that count routes, and what is said of this one.
    allowed = ("/new", " of 3", " of 4", "routes", "gaps to close", "errors of check")
    assert moved and [line for line in moved if not any(word in line for word in allowed)] == []


def test_limits_are_the_teams(tmp_path: Path) -> None:
    limits = fit.read_limits({"routes": 2}, "pyproject.toml")
    assert limits["routes"] == 2 and limits["tables"] == 25
    for table, said in (({"route": 2}, "no such limit"), ({"routes": "x"}, "is no number")):
        with pytest.raises(fit.WrongLimit, match=said):
            fit.read_limits(table, "pyproject.toml")


def test_a_signal_is_a_question_and_never_a_verdict(stock: tuple[Path, Assessment]) -> None:
    from hipflask.checks.facts import Facts

    limits = {**fit.LIMITS, "jobs": 1}
    (jobs,) = [one for one in fit.signals(Facts(jobs=2), None, limits) if one.name == "jobs"]
    assert jobs.prompt.endswith("?")
    assert all(one.prompt == "" for one in stock[1].signals)


def test_the_three_ways_stand_on_one_sheet_and_effort_only_when_asked(
    stock: tuple[Path, Assessment],
) -> None:
    path, made = stock
    assert [one.name for one in made.paths] == ["harden", "replace", "stop"]
    page = sheet.as_page(made)
    assert "uncalibrated guess" in page and "Effort" in page
    assert "<script" not in page and "http://" not in page and "https://" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    plain = assessed(path, "stock")
    assert plain.effort is None and "Effort" not in sheet.as_page(plain)
    assert json.loads(showing.as_json(plain))["effort"] is None


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = copy_app("notes", tmp_path)
    monkeypatch.chdir(path)
    words = ["assess", "--app", "app", "--page", "sheet.html"]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0 and (path / "sheet.html").read_text().startswith("<!doctype html>")
    for more, code in (
        (["--traffic", "none.jsonl"], 2), (["--json", "--page", "x"], 2), (["--app", "nope"], 3),
    ):  # fmt: skip
        given = ["assess", "--app", "app", *more]
        wrong = CliRunner().invoke(cli, given)
        assert wrong.exit_code == code, wrong.output
        assert "Traceback" not in wrong.output
