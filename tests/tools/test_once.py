"""A form for a new row makes one row, however often it is sent."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hipflask import Flask
from hipflask.tools import Tool, audit, once

Ask = Callable[..., Any]
NEW = "/ops/tables/orders/new"


@pytest.fixture(params=["own file", "the store"])
def ops(request: Any, app: Flask, shop: str) -> Any:
    """A tool whose table is in a database of its own, or in that of runs and audit."""
    if request.param == "the store":
        app.config["HIPFLASK_DATABASE_URL"] = shop
    tool = Tool(app, "ops", data=shop)
    tool.table("orders", read="support", create="support", edit="lead")
    yield tool
    tool.close()


@pytest.fixture
def count(shop: str) -> Callable[[], int]:
    def run() -> int:
        connection = sqlite3.connect(shop.removeprefix("sqlite:///"))
        try:
            found: int = connection.execute("SELECT count(*) FROM orders").fetchone()[0]
            return found
        finally:
            connection.close()

    return run


def key_of_form(page: Any) -> str:
    found = re.search(r'name="once" value="([\w-]+)"', page.text)
    assert found is not None
    return found[1]


def test_sent_twice_it_makes_one_row(ops: Tool, get: Ask, post: Ask, count: Ask) -> None:
    data = {"once": key_of_form(get(NEW)), "v.customer": "Ada", "v.status": "open"}
    first, second = post(NEW, data), post(NEW, data)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first.location == second.location
    assert get(second.location).status_code == 200
    assert count() == 121
    assert [line.event for line in audit.read(ops.store, "ops")] == ["create"]
    # The same values in a form of its own are a row of their own, and so is the key for others.
    assert post(NEW, {**data, "once": key_of_form(get(NEW))}).status_code == 303
    assert post(NEW, data, "sue").status_code == 303
    assert count() == 123


def test_pressed_many_times_at_once_it_makes_one_row(
    ops: Tool, get: Ask, post: Ask, count: Ask
) -> None:
    data = {"once": key_of_form(get(NEW)), "v.customer": "Ada", "v.status": "open"}
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda: answers.append(post(NEW, data).location)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6 and len(set(answers)) == 1
    assert count() == 121


def test_filled_in_otherwise_it_asks_first(get: Ask, post: Ask, count: Ask, ops: Tool) -> None:
    data = {"once": key_of_form(get(NEW)), "v.customer": "Ada", "v.status": "open"}
    assert post(NEW, data).status_code == 303
    other = {**data, "v.customer": "Grace"}
    asked = post(NEW, other)
    assert asked.status_code == 409
    assert "A row was made of this form before" in asked.text
    assert 'value="Grace"' in asked.text
    assert count() == 121
    assert post(NEW, {**other, "once": key_of_form(asked)}).status_code == 303
    assert count() == 122


def test_what_was_refused_may_be_sent_again(ops: Tool, get: Ask, post: Ask, count: Ask) -> None:
    data = {"once": key_of_form(get(NEW)), "v.id": "7", "v.customer": "A", "v.status": "open"}
    for _ in range(2):
        assert "UNIQUE constraint" in post(NEW, data).text
    assert post(NEW, {**data, "v.customer": ""}).status_code == 422
    assert post(NEW, {**data, "v.id": "700"}).status_code == 303
    assert count() == 121


def test_after_a_crash_nobody_tries_again_by_themselves(
    ops: Tool, get: Ask, post: Ask, count: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process has died between the row and the note of it."""
    monkeypatch.setattr(once, "WAIT_S", 0.0)
    data = {"once": key_of_form(get(NEW)), "v.customer": "Ada", "v.status": "open"}
    with monkeypatch.context() as crashing:
        crashing.setattr(once.Once, "done", lambda self, *given: None)
        assert post(NEW, data).status_code == 303
    again = post(NEW, data)
    assert again.status_code == 409
    assert "Look into the table first" in again.text
    assert count() == 121


def test_an_edit_needs_no_key(get: Ask, ops: Tool) -> None:
    assert 'name="once"' not in get("/ops/tables/orders/rows/7/edit", "lea").text
