"""The alerts and the dashboard of the docs name figures that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import hipflask.webhooks.hooks  # noqa: F401  # brings every figure into the registry
from hipflask.ops import metrics

DOCS = Path(__file__).parents[2] / "docs" / "do"
RULES = DOCS / "webhook-alerts.yml"
DASHBOARD = DOCS / "webhook-dashboard.json"
PREFIX = "hipflask_webhooks_"
# What Prometheus makes of a histogram.
ENDINGS = ("_bucket", "_sum", "_count")


def known():
    return {
        metric.name: metric for metric, _ in metrics.collect() if metric.name.startswith(PREFIX)
    }


def check(expression):
    """Every figure is there, and every label that is matched or summed by is one of its own."""
    figures = known()
    names = re.findall(rf"{PREFIX}\w+", expression)
    assert names, expression
    labels = {"le", "instance"}
    for name in names:
        base = next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)
        metric = figures.get(name) or figures.get(base)
        assert metric is not None, f"there is no figure {name}"
        assert (metric.kind == "histogram") == (name not in figures), name
        labels |= set(metric.labels)
    for group in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", group)) <= labels, expression
    for matchers in re.findall(r"\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)\s*[=!]", matchers)) <= labels, expression
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


@pytest.fixture(scope="module")
def rules():
    yaml = pytest.importorskip("yaml")
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def test_every_rule_asks_for_figures_that_there_are(rules):
    for rule in rules:
        check(rule["expr"])
        used = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        by = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"]))))
        assert used <= by | {"instance", "source"}, rule["alert"]
        assert rule["labels"]["severity"] in ("page", "ticket", "info")


def test_every_rule_is_explained_and_no_other(rules):
    page = (DOCS / "webhook-alerts.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| `(Webhooks\w+)`", page, re.MULTILINE)
    assert explained == [rule["alert"] for rule in rules]


def test_every_figure_is_explained_and_no_other():
    page = (DOCS / "webhook-alerts.md").read_text(encoding="utf-8")
    table = page[page.index("## The figures") :]
    explained = set()
    for first in re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE):
        explained |= {PREFIX + name for name in re.findall(r"`(\w+)`", first)}
    assert explained == set(known())


def test_the_dashboard_asks_for_figures_that_there_are():
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids)) > 10
    for panel in board["panels"]:
        for target in panel["targets"]:
            check(target["expr"])
    places = [
        (panel["gridPos"]["x"] + dx, panel["gridPos"]["y"] + dy)
        for panel in board["panels"]
        for dx in range(panel["gridPos"]["w"])
        for dy in range(panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places)), "panels lie over one another"
    assert max(x for x, _ in places) < 24
