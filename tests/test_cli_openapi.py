"""The command `openapi`: writing, drift, breaking changes, and what it answers when it cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from hipflask.cli import cli
from hipflask.cli.openapi import drift

SOURCE = """
import msgspec
from hipflask import Flask

class Item(msgspec.Struct):
    name: str
    {extra}

app = Flask(__name__)
app.config["TYPED_VIEWS"] = True

@app.get("/items/<int:number>")
def show(number) -> Item:
    "{summary}"
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "")

    def write(summary: str = "Show one.", extra: str = "size: int = 1") -> None:
        (tmp_path / "openapi_shop.py").write_text(SOURCE.format(summary=summary, extra=extra))
        sys.modules.pop("openapi_shop", None)

    write()
    yield write
    sys.modules.pop("openapi_shop", None)


def run(*arguments: str, app: str = "openapi_shop") -> Result:
    sys.dont_write_bytecode = True
    sys.modules.pop("openapi_shop", None)
    return CliRunner().invoke(cli, ["openapi", "--app", app, *arguments])


def test_it_writes_beside_the_module(shop, tmp_path):
    result = run()
    assert (result.exit_code, result.stdout) == (0, f"Wrote {tmp_path / 'openapi.json'}\n")
    written = json.loads((tmp_path / "openapi.json").read_text())
    assert list(written["paths"]) == ["/items/{number}"]


def test_it_writes_to_standard_output(shop, tmp_path):
    result = run("-o", "-")
    assert json.loads(result.stdout)["openapi"] == "3.1.1"
    assert not (tmp_path / "openapi.json").exists()


def test_it_writes_yaml_by_the_suffix(shop, tmp_path):
    yaml = pytest.importorskip("yaml")
    assert run("-o", "api.yaml").exit_code == 0
    assert yaml.safe_load((tmp_path / "api.yaml").read_text())["openapi"] == "3.1.1"
    assert run("-o", "api.yaml", "--check").exit_code == 0


def test_yaml_needs_its_package(shop, tmp_path, monkeypatch):
    (tmp_path / "old.yaml").write_text("openapi: 3.1.1")
    monkeypatch.setitem(sys.modules, "yaml", None)
    for arguments in (["-o", "api.yaml"], ["--diff", "old.yaml"]):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "pip install 'hipflask[docs]'" in result.stderr
        assert result.stderr.count("\n") == 1


def test_check_says_whether_the_file_is_up_to_date(shop, tmp_path):
    missing = run("--check")
    assert missing.exit_code == 1 and "does not exist" in missing.stderr
    run()
    fresh = run("--check")
    assert (fresh.exit_code, fresh.stdout) == (0, f"{tmp_path / 'openapi.json'} is up to date.\n")
    shop(summary="Show it.")
    stale = run("--check")
    assert stale.exit_code == 1
    assert '/paths/~1items~1{number}/get/summary: was "Show one.", is "Show it."' in stale.stderr
    assert (
        json.loads((tmp_path / "openapi.json").read_text())["paths"]["/items/{number}"]["get"][
            "summary"
        ]
        == "Show one."
    )


def test_diff_names_what_breaks(shop):
    run("-o", "old.json")
    same = run("--diff", "old.json")
    assert (same.exit_code, same.stdout) == (0, "0 breaking, 0 others.\n")
    shop(extra="")
    result = run("--diff", "old.json")
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "breaking: GET /items/{number}, 200 body.size: was required, is absent",
        "1 breaking, 0 others.",
    ]


def test_diff_as_json_names_all(shop):
    run("-o", "old.json")
    shop(extra="size: int = 1\n    colour: str = ''")
    result = run("--diff", "old.json", "--json")
    assert result.exit_code == 0
    (change,) = json.loads(result.stdout)
    assert change == {
        "where": "GET /items/{number}, 200 body.colour",
        "was": "absent",
        "now": "required",
        "is_breaking": False,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "has no member 'openapi'"),
        ('{"openapi": "3.1.1", "paths": 3}', "not well-formed"),
    ],
)
def test_an_old_document_that_is_none_is_a_line_and_code_2(shop, tmp_path, text, words):
    (tmp_path / "old.json").write_text(text)
    result = run("--diff", "old.json")
    assert result.exit_code == 2
    assert words in result.stderr and result.stderr.count("\n") == 1


def test_yaml_that_is_none_is_a_line_and_code_2(shop, tmp_path):
    pytest.importorskip("yaml")
    (tmp_path / "old.yaml").write_text("a: [")
    result = run("--diff", "old.yaml")
    assert result.exit_code == 2
    assert "is no YAML" in result.stderr and result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_a_line_and_code_2(shop):
    result = run("-o", "missing/openapi.json")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr and result.stderr.count("\n") == 1


def test_an_app_that_fails_is_a_line_and_code_2(shop, tmp_path):
    (tmp_path / "openapi_shop.py").write_text("1 / 0")
    result = run()
    assert result.exit_code == 2
    assert result.stderr == "Error: The app failed to load: ZeroDivisionError: division by zero\n"


def test_a_view_that_cannot_be_told_is_a_line_and_code_2(shop, tmp_path):
    text = SOURCE.format(extra="", summary="") + (
        "\nfrom hipflask.api import operation\n"
        "for name in 'ab':\n"
        "    app.add_url_rule(f'/{name}', name, operation(operation_id='x')(lambda: ''))\n"
    )
    (tmp_path / "openapi_shop.py").write_text(text)
    result = run()
    assert result.exit_code == 2
    assert "Two operations have the id 'x'" in result.stderr and result.stderr.count("\n") == 1


def test_an_app_that_is_not_there_has_code_2(shop):
    assert run(app="openapi_nowhere").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [["--check", "--diff", "openapi_shop.py"], ["--json"], ["--check", "-o", "-"]],
)
def test_questions_that_do_not_go_together(shop, arguments):
    assert run(*arguments).exit_code == 2


def test_drift_names_each_place():
    old = {"a": 1, "b/c": [1, 2], "d": 1, "e": [1], "text": "x" * 99}
    new = {"a": 1, "b/c": [1, 3], "f": 1, "e": [1, 2], "text": ""}
    assert list(drift(old, new)) == [
        "/b~1c/1: was 2, is 3",
        "/d: is not there any more",
        "/e: was [1], is [1, 2]",
        f'/text: was "{"x" * 56}..., is ""',
        "/f: is new",
    ]
