"""What we write down is what prometheus-client's parsers read, and it is judged by them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask.ops import exposition
from hipflask.ops.exposition import OPENMETRICS, TEXT
from hipflask.ops.metrics import Registry

plain = pytest.importorskip("prometheus_client.parser")
strict = pytest.importorskip("prometheus_client.openmetrics.parser")


def parse(body: bytes, kind: str = TEXT) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    parser = plain if kind == TEXT else strict
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def a_registry() -> Registry:
    registry = Registry()
    orders = registry.counter("orders_total", 'Orders "taken",\nby kind \\ shop.', ["kind"])
    orders.add(3, 'a "quoted"\n\\ kind {x="y"} #')
    orders.add(2.5, "")
    registry.counter("odd", "A counter without its ending.").add(1)
    took = registry.histogram("took_seconds", "Took.", ["route"])
    for value in (0.004, 0.005, 1, 100):
        took.observe(value, "/items/<int:id>")
    registry.gauge("depth", "Depth.").set(-1.5)
    registry.gauge("away", "Away.").set(math.nan)
    registry.gauge("most", "Most.").set(math.inf)
    registry.counter("never", "Of no label yet.", ["x"])
    return registry


@pytest.mark.parametrize("kind", [TEXT, OPENMETRICS])
def test_the_reference_parsers_read_the_same_figures(kind: str) -> None:
    registry = a_registry()
    found = parse(exposition.dump(registry.families(), kind), kind)
    if kind == TEXT:
        wanted = {
            (sample.name, frozenset(sample.labels)): sample.value
            for _, samples in registry.collect()
            for sample in samples
        }
        # The parser gives every counter its ending.
        wanted["odd_total", frozenset()] = wanted.pop(("odd", frozenset()))
        assert set(found) == set(wanted)
        same = {key for key in wanted if found[key] == pytest.approx(wanted[key], nan_ok=True)}
        assert same == set(wanted)
    assert found["took_seconds_count", frozenset({("route", "/items/<int:id>")})] == 4
    assert found["orders_total", frozenset({("kind", "")})] == 2.5
    assert math.isnan(found["away", frozenset()])
    assert found["most", frozenset()] == math.inf
    assert found["odd_total", frozenset()] == 1


@given(st.text(), st.text(), st.floats())
def test_any_text_and_number_comes_back(text: str, label: str, value: float) -> None:
    registry = Registry()
    registry.gauge("g", text.replace("\r", ""), ["x"]).set(value, label)
    # The parser splits lines as Python does, which breaks at more than line feeds.
    if any(len(each.splitlines()) > 1 or each.endswith("\r") for each in (text, label)):
        return
    (found,) = parse(exposition.dump(registry.families())).items()
    assert found[0] == ("g", frozenset({("x", label)}))
    assert found[1] == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize(
    "accept, kind",
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/html", TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4",
            OPENMETRICS,
        ),
        ("application/openmetrics-text;q=0.1,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        (
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6,"
            "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            OPENMETRICS,
        ),
        (", ; q=x \x00" * 500, TEXT),
    ],
)
def test_the_format_is_what_is_asked_for(accept: str, kind: str) -> None:
    assert exposition.choose(accept) == kind


def test_a_view_answers_with_the_figures_of_its_process() -> None:
    registry = Registry()
    registry.counter("orders_total", "Orders.").add(1)
    body, fields = exposition.answer("", registry)
    assert b"\norders_total 1\n" in body
    assert fields["Content-Type"] == TEXT
