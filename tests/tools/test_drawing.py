"""Charts on a tool's pages: for whom they are, and always with their figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hipflask.scaffold import SetupError
from hipflask.tools import Tool

Ask = Callable[..., Any]


def test_a_chart_stands_on_the_first_page_and_on_its_tables(ops: Tool, get: Ask) -> None:
    orders = ops.table("orders", read="support")

    @ops.chart(read="lead", title="Orders a <day>", name="Day", unit="Orders", on=orders)
    def a_day(user: Any) -> Any:
        return [("<Mon>", 3), ("Tue", None), (user.name, 5)]

    for path in ("/ops/", "/ops/tables/orders"):
        page = get(path, "lea").text
        assert "<svg" in page
        assert "Orders a &lt;day&gt;" in page
        assert "&lt;Mon&gt;" in page
        assert "<svg" not in get(path, "sue").text


def test_who_sees_a_chart_comes_in(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support")
    assert get("/ops/", "tom").status_code == 403

    @ops.chart(read="stock", kind="line")
    def shelves() -> Any:
        return [("a", 1), ("b", 2)]

    assert "<svg" in get("/ops/", "tom").text


def test_a_chart_that_cannot_be_drawn_leaves_the_page(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support")

    @ops.chart(read="support")
    def broken(user: Any) -> Any:
        raise RuntimeError("no")

    page = get("/ops/")
    assert page.status_code == 200
    assert "Broken: cannot be drawn" in page.text


def test_mistakes_in_charts_are_told(ops: Tool) -> None:
    with pytest.raises(SetupError, match="kind='pie'; it is one of bars, line"):
        ops.chart(read="support", kind="pie")(lambda user: [])
    with pytest.raises(SetupError, match="takes more than the user"):
        ops.chart(read="support")(lambda user, more: [])


def test_views_are_a_press_away(ops: Tool, get: Ask) -> None:
    ops.table(
        "orders",
        read="support",
        filters=["status"],
        views={"Paid": "?status.has=paid&sort=id.desc"},
    )
    page = get("/ops/tables/orders").text
    assert 'href="/ops/tables/orders?status.has=paid&amp;sort=id.desc">Paid<' in page
    there = get("/ops/tables/orders?status.has=paid&sort=id.desc").text
    assert 'sort=id.desc" aria-current="true">Paid<' in there
