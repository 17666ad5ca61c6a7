"""`hipflask hooks reconcile` against the stand-in of the providers' list APIs, over TCP."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hipflask.cli import cli
from hipflask.cli.script import ScriptInfo
from hipflask.database import Query
from hipflask.webhooks import sign
from hipflask.webhooks.reconcile import asking

from ..reconcile.standin import TOKEN, github_bytes
from ..reconcile.test_run import IDS, PLACES
from ..shop import SECRET

COUNT = 25
SINCE = "2023-11-14T21:00"


@pytest.fixture(params=sorted(PLACES))
def provider(request) -> str:
    if request.param != "github":
        pytest.importorskip("square" if request.param == "square" else "stripe")
    return str(request.param)


@pytest.fixture
def port() -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.webhooks.reconcile.standin", str(COUNT)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process.stdout.readline().strip()
        process.stdin.close()


@pytest.fixture
def run(shop, port, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda s: None)  # the stand-in asks for 7 seconds
    shop.app.config["SQUARE_KEY"] = "asdf1234"
    shop.hooks.source(
        "/square", scheme="square", secrets="SQUARE_KEY", url="https://example.com/webhook"
    )
    for name, place in PLACES.items():
        shop.app.config[f"HOOKS_{name.upper()}_LIST_URL"] = f"http://127.0.0.1:{port}{place}"
        shop.app.config[f"HOOKS_{name.upper()}_LIST_TOKEN"] = TOKEN

    def run(*words, code=0):
        info = ScriptInfo(create_app=lambda: shop.app, set_debug_flag=False)
        found = CliRunner().invoke(cli, ["hooks", "reconcile", *words], obj=info)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == code, found.output
        return found

    return run


def rows(shop, source):
    return shop.hooks.inbox.find(Query(lane=source, limit=1000))[::-1]


def test_what_never_came_is_stored_and_handled_like_any_other(shop, run, provider):
    said = run(provider, "--since", SINCE)
    assert "25 listed since 2023-11-14 21:00:00Z: 0 had come, 25 stored." in said.stdout
    found = rows(shop, provider)
    prefix = IDS[provider]
    assert [row.event_id for row in found] == [f"{prefix}{n}" for n in range(COUNT - 1, -1, -1)]
    assert {row.scheme for row in found} == {"reconciled"} and not any(r.error for r in found)
    assert all(row.event_type for row in found)
    shop.hooks.work()
    assert {str(row.state) for row in rows(shop, provider)} <= {"done", "filtered"}


def test_a_second_run_and_one_that_was_stopped_store_nothing_twice(shop, run, provider):
    run(provider, "--since", SINCE)
    assert "25 had come, 0 stored." in run(provider, "--since", SINCE).stdout
    assert len(rows(shop, provider)) == COUNT
    assert {row.dup_count for row in rows(shop, provider)} == {0}


def test_a_dry_run_stores_nothing(shop, run, provider):
    said = run(provider, "--since", SINCE, "--dry-run")
    assert "25 would be stored" in said.stdout and rows(shop, provider) == []
    assert shop.hooks.database.shared.get(f"reconcile:{provider}") == {}


def test_types_are_chosen(shop, run, provider):
    kind = {"github": "push", "stripe": "invoice.*", "square": "payment.*"}[provider]
    found = json.loads(run(provider, "--since", SINCE, "--event", kind, "--json").stdout)
    assert (found["listed"], found["stored"], found["unwanted"]) == (25, 12, 13)


def test_what_had_come_is_left_alone(shop, run):
    body = github_bytes(5)
    headers = [*sign("github", body, SECRET, id="guid-5"), ("X-GitHub-Event", "push")]
    assert shop.client.post("/github", data=body, headers=headers).status_code == 202
    assert "1 had come, 24 stored." in run("github", "--since", SINCE).stdout
    first = rows(shop, "github")[0]
    assert (first.event_id, first.scheme, first.dup_count) == ("guid-5", "github", 0)


def test_a_delivery_that_comes_after_all_is_a_duplicate(shop, run):
    run("github", "--since", SINCE)
    body = github_bytes(5)
    headers = [*sign("github", body, SECRET, id="guid-5"), ("X-GitHub-Event", "push")]
    assert shop.client.post("/github", data=body, headers=headers).status_code == 202
    row = next(row for row in rows(shop, "github") if row.event_id == "guid-5")
    assert row.dup_count == 1 and row.secret_no == 1


def test_the_next_run_begins_where_the_last_one_began(shop, run):
    run("stripe", "--since", SINCE) if _has("stripe") else run("github", "--since", SINCE)
    source = "stripe" if _has("stripe") else "github"
    began = shop.hooks.database.shared.get(f"reconcile:{source}")["began"]
    found = json.loads(run(source, "--json").stdout)
    assert found["since"] == began - 600
    assert found["listed"] == 0, "the stand-in's events are years old"


def _has(name: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(name) is not None


def test_what_the_provider_says_is_told_in_a_line(shop, run, port, monkeypatch):
    shop.app.config["HOOKS_GITHUB_LIST_TOKEN"] = "wrong"
    assert "GitHub refused the token (401)" in run("github", "--since", SINCE, code=2).stderr
    shop.app.config["HOOKS_GITHUB_LIST_URL"] = "http://127.0.0.1:9/"
    monkeypatch.setattr(asking, "TRIES", 2)
    said = run("github", "--since", SINCE, code=2).stderr
    assert "GitHub did not answer in 2 tries" in said and "call it again" in said
    assert "'soon' is no time" in run("github", "--since", "soon", code=2).stderr


def test_a_source_with_ids_of_its_own_is_not_reconciled(shop, run, port):
    shop.hooks.source("/own", scheme="github", secrets="GITHUB_SECRET", id="order", name="own")
    shop.app.config["HOOKS_OWN_LIST_URL"] = f"http://127.0.0.1:{port}{PLACES['github']}"
    shop.app.config["HOOKS_OWN_LIST_TOKEN"] = TOKEN
    said = run("own", "--since", SINCE, code=2).stderr
    assert "what has come would be fetched and handled again" in said
    assert rows(shop, "own") == []


def test_what_the_provider_does_not_give_is_told_and_the_rest_is_stored(shop, run, monkeypatch):
    from hipflask.webhooks.reconcile import GitHub, Missing

    real = GitHub.read_whole

    def read(self, answered, found):
        if found.event_id == "guid-7":
            raise Missing("gone by now")
        return real(self, answered, found)

    monkeypatch.setattr(GitHub, "read_whole", read)
    said = run("github", "--since", SINCE, code=2)
    assert "24 stored" in said.stdout and "1 are in the list and were not given" in said.stderr
    assert len(rows(shop, "github")) == COUNT - 1
    assert shop.hooks.database.shared.get("reconcile:github") == {}, "it looks back as far again"


def test_a_scheme_without_a_list_is_told(shop, run):
    shop.app.config["S"] = "x"
    shop.hooks.source("/slack", scheme="slack", secrets="S")
    said = run("slack", code=2).stderr
    assert "no list of its events is known. There are lists for github, stripe and square." in said
