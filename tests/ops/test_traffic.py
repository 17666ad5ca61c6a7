"""Requests are counted by route, through each door."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from hipflask import Flask
from hipflask.ops.metrics import OTHER, Registry
from hipflask.ops.traffic import NAME, UNMATCHED, count_requests


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.fixture
def app(registry: Registry) -> Flask:
    app = Flask("counted")
    count_requests(app, registry)
    count_requests(app, registry)  # twice is once

    @app.route("/items/<int:number>", methods=["GET", "POST"])
    def item(number: int) -> Any:
        active.append(counts(registry, "http_server_active_requests"))
        return str(number)

    active: list[Any] = []
    app.extensions["active"] = active

    @app.get("/boom")
    def boom() -> str:
        raise ValueError

    @app.get("/pieces")
    def pieces() -> Any:
        yield "one"
        yield "two"

    return app


def counts(registry: Registry, name: str) -> dict[tuple[str, ...], float]:
    for family in registry.families():
        if family.name == name:
            width = len(family.bounds) + 1
            return {labels: sum(numbers[:width]) for labels, numbers in family.series.items()}
    return {}


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_requests_are_counted_by_the_rule_that_matched(
    app: Flask, registry: Registry, door: str
) -> None:
    client = app.test_client(door=door)
    for number in range(3):
        assert client.get(f"/items/{number}").status_code == 200
    client.post("/items/3")
    client.open("/items/4", method="DELETE")
    client.get("/nowhere/1")
    client.get("/nowhere/2")
    client.open("/nowhere/3", method="BREW")
    assert client.get("/boom").status_code == 500
    assert client.get("/pieces").text == "onetwo"
    gc.collect()
    assert counts(registry, NAME) == {
        ("GET", "/items/<int:number>", "200"): 3,
        ("POST", "/items/<int:number>", "200"): 1,
        ("DELETE", UNMATCHED, "405"): 1,
        ("GET", UNMATCHED, "404"): 2,
        (OTHER, UNMATCHED, "404"): 1,
        ("GET", "/boom", "500"): 1,
        ("GET", "/pieces", "200"): 1,
    }
    assert {tuple(each.items()) for each in app.extensions["active"]} == {
        ((("/items/<int:number>",), 1.0),)
    }
    assert set(counts(registry, "http_server_active_requests").values()) == {0}


def test_what_clients_make_up_takes_no_room(app: Flask, registry: Registry) -> None:
    client = app.test_client()
    for number in range(50):
        client.open(f"/nowhere/{number}", method=f"MADEUP{number}")
    assert counts(registry, NAME) == {(OTHER, UNMATCHED, "404"): 50}
