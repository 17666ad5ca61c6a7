"""What the pages say about the code is what the code says."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import click
from packaging.version import Version

import hipflask
from hipflask import Flask, request
from hipflask.cli import cli, serve_command
from hipflask.config import DEFAULTS

from .from_flask import PAGE, make_page
from .reader import ROOT

LIFE = (ROOT / "docs" / "why" / "life-of-a-request.md").read_text(encoding="utf-8")
# `Matcher.match` (`routing.py`)
_NAMED = re.compile(r"`([A-Za-z_][\w.]*)` \(`([\w/]+\.py)`\)")
PACKAGE = Path(hipflask.__file__).parent


def test_from_flask_lists_every_difference_the_code_tells():
    text = PAGE.read_text(encoding="utf-8")
    assert text == make_page(text), "run: python tests/docs/from_flask.py"


def test_life_of_a_request_names_what_is_there():
    named = _NAMED.findall(LIFE)
    assert len(named) > 20
    for name, file in named:
        module = "hipflask." + file.removesuffix(".py").replace("/", ".")
        found = importlib.import_module(module)
        for part in name.split("."):
            assert part in vars(found), f"{name} is not in {file}"
            found = vars(found)[part]
        assert getattr(found, "__module__", module) == module, f"{name} only passes through {file}"


def calls_of_a_request() -> list[tuple[str, str]]:
    """The functions of the package that answering a request with hooks enters, in order."""
    app = Flask("traced")
    app.before_request(lambda: None if request.path else "no path")
    app.after_request(lambda response: response)
    app.teardown_request(lambda error: None)
    app.add_url_rule("/<name>", view_func=lambda name: name, endpoint="hello")
    client = app.test_client()
    client.get("/first")
    # The client has contexts of its own around the request; a server has not.
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/Ada",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
    }
    calls: list[tuple[str, str]] = []

    def note(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE):
            calls.append((frame.f_code.co_qualname, path.relative_to(PACKAGE).as_posix()))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        b"".join(app(environ, lambda status, headers, exc_info=None: lambda data: None))
    finally:
        sys.setprofile(before)
    return calls


def test_life_of_a_request_tells_the_steps_in_their_order():
    told = _NAMED.findall(LIFE.partition("## The same")[0])
    calls = calls_of_a_request()
    missing = [step for step in told if step not in calls]
    assert not missing, f"a request does not enter {missing}"
    assert sorted(told, key=calls.index) == told


def test_life_of_a_request_is_told_in_five_files():
    told = {file for _, file in _NAMED.findall(LIFE.partition("## The same")[0])}
    assert told == {"front/wsgi.py", "responses.py", "ctx.py", "routing.py", "dispatch.py"}


def read_rows(page: str) -> list[list[str]]:
    text = (ROOT / page).read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return [row for row in rows if row[0] not in ("package", "extra", "setting", "variable")]


def test_every_dependency_has_its_reason_and_licence():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    ours = {"all", "test", "contract", "ecosystem", "fuzz", "senders", "browser", "lint"}
    ours |= {"release", "dev"}
    wanted = project["dependencies"] + [
        one for name, group in extras.items() if name not in ours for one in group
    ]
    # An extra may bring another one of ours.
    names = {re.split(r"[<>=!~\[ ]", one)[0].lower() for one in wanted} - {"hipflask"}
    rows = read_rows("docs/why/dependencies.md")
    told = {row[0 if len(row) == 5 else 1].lower(): row[-3] for row in rows}
    assert told.keys() == names
    for name, licence in told.items():
        about = importlib.metadata.metadata(name)
        stated = about.get("License-Expression") or about.get("License") or ""
        stated += " ".join(about.get_all("Classifier") or ())
        assert licence.removesuffix("-3-Clause") in stated, f"{name}: {stated}"


def test_every_setting_is_told_with_its_default():
    rows = {row[0].strip("`"): row[1] for row in read_rows("docs/lookup/settings.md")}
    for key, value in DEFAULTS.items():
        assert rows.get(key) == f"`{value!r}`", f"{key} is {value!r}"
    others = ("FLASK_", "HIPFLASK_", "HOOKS_")
    assert DEFAULTS.keys() == {key for key in rows if not key.startswith(others)}


def test_every_command_and_option_is_told():
    text = (ROOT / "docs" / "lookup" / "commands.md").read_text(encoding="utf-8")
    for name, command in cli.commands.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, f"no section about {name}"
        for option in command.params:
            if isinstance(option, click.Option):
                assert f"`{option.opts[-1]}" in section, f"{name} {option.opts}"
    for option in cli.params:
        assert f"`{option.opts[-1]}" in text, option.opts


def test_serve_options_are_told():
    text = (ROOT / "docs" / "do" / "run-in-production.md").read_text(encoding="utf-8")
    for option in serve_command.params:
        assert f"`{option.opts[-1]}" in text, option.opts


def test_changelog_has_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    told = [Version(one) for one in re.findall(r"^## ([\w.]+), ", text, re.MULTILINE)]
    assert told == sorted(told, reverse=True)
    version = Version(importlib.metadata.version("hipflask"))
    # Between releases the version counts commits towards the next one, which is the first told.
    if version.is_devrelease:
        assert Version(version.base_version) <= told[0]
    else:
        assert version in told


def test_changelog_is_in_order():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    order = ["Breaking", "Added", "Changed", "Deprecated", "Fixed", "Security"]
    for release in text.split("\n## ")[1:]:
        parts = re.findall(r"^### (\w+)", release, re.MULTILINE)
        assert parts == sorted(set(parts), key=order.index), release.partition("\n")[0]


def test_the_next_release_is_the_fallback_of_the_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    fallback = project["tool"]["hatch"]["version"]["fallback-version"]
    assert text.partition("\n## ")[2].startswith(Version(fallback).base_version + ",")
