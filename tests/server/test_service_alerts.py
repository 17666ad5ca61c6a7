"""The alerts, the dashboard and the page name figures that there are, of a real service."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from .process import until
from .test_figures import ask

DOCS = Path(__file__).parents[2] / "docs" / "do"
RULES = DOCS / "service-alerts.yml"
DASHBOARD = DOCS / "service-dashboard.json"
PAGE = (DOCS / "metrics.md").read_text(encoding="utf-8")
PREFIXES = ("http_server_", "hipflask_", "process_")
NAME = re.compile(rf"\b(?:{'|'.join(PREFIXES)})\w+")
ENDINGS = ("_bucket", "_sum", "_count")
# There when it happens first.
AT_FIRST_NEED = {"hipflask_loop_blocked_total": set(), "hipflask_slow_requests_total": set()}
APP = """
from hipflask import Flask
from hipflask.database import Database

app = Flask(__name__)
store = Database("sqlite:///store.db")

@app.get("/")
def index():
    with store.read() as connection:
        return "one"
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and unix sockets")


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """The figures of a service that has done everything once, each with its labels."""
    from .process import DRIVER, Server

    folder = tmp_path_factory.mktemp("service")
    (folder / "driver.py").write_text(DRIVER)
    (folder / "app.py").write_text(APP)
    options = {"bind": ["127.0.0.1:0"], "workers": 1, "ops_bind": "127.0.0.1:0"}
    options |= {"run_dir": str(folder / "run"), "drain_wait_s": 0}
    server = Server(folder, ["driver.py", "serve", json.dumps(options)])
    try:
        until(lambda: "; Ctrl-C stops" in server.said, "the worker")
        found = r"(figures|serving).*? on http://127\.0\.0\.1:(\d+)"
        ports = {name: int(port) for name, port in re.findall(found, server.said)}
        assert ask(ports["serving"], "/")[0] == 200

        def status():
            told = json.loads(ask(ports["figures"], "/status")[1])["figures"]
            names = {family["name"]: family for family in told}
            return names if "http_server_request_duration_seconds" in names else None

        told = until(status, "the request to be counted")
    finally:
        server.clean_up()
    labels = {
        name: {label for series in family["series"] for label in series["labels"]}
        for name, family in told.items()
    }
    return {**AT_FIRST_NEED, **labels}


def base(name):
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)


def check(expression, figures):
    names = NAME.findall(expression)
    assert names, expression
    labels = {"le", "instance"}
    for name in names:
        found = name if name in figures else base(name)
        assert found in figures, f"there is no figure {name}"
        labels |= figures[found]
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", group)) <= labels, expression
    for matchers in re.findall(r"\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= labels, expression
    assert expression.count("(") == expression.count(")")


@pytest.fixture(scope="module")
def rules():
    yaml = pytest.importorskip("yaml")
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def test_every_rule_asks_for_figures_that_there_are(rules, figures):
    for rule in rules:
        check(rule["expr"], figures)
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_every_rule_is_explained_and_no_other(rules):
    table = PAGE.partition("## The rules")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [rule["alert"] for rule in rules]


def test_every_figure_is_explained_with_its_labels_and_no_other(figures):
    table = PAGE.partition("## The figures")[2]
    told = {}
    for first, second in re.findall(r"^\| (`[^|]*`) \| ?([^|]*)\|", table, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", first):
            told[name] = set(re.findall(r"`(\w+)`", second))
    ours = {name: labels for name, labels in figures.items() if name.startswith(PREFIXES)}
    assert told == {name: labels for name, labels in ours.items() if "webhooks" not in name}


def test_the_dashboard_asks_for_figures_that_there_are(figures):
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    places = []
    for panel in board["panels"]:
        for target in panel["targets"]:
            check(target["expr"], figures)
        at = panel["gridPos"]
        places += [(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 10
    assert len(places) == len(set(places)), "panels lie over one another"
    assert max(x for x, _ in places) < 24
