"""Charts and named lists on a tool's first page: who sees them, and what they show."""

from __future__ import annotations

import re

import pytest

from hipflask.scaffold import SetupError


@pytest.fixture
def orders(ops):
    return ops.table("orders", read="support", filters=["status"])


def test_a_chart_stands_beside_its_figures_for_who_may_see_it(ops, orders, get):
    @ops.chart("Orders a day", read="support", kind="line", name="Day", unit="Orders")
    def orders_a_day():
        """The last week."""
        return [("Mon", 3), ("Tue", None), ("Wed", 5)]

    @ops.chart("Sums", read="lead")
    def sums(user):
        return [(user.name, 1)]

    page = get("/ops/").text
    assert "<svg" in page and "Orders a day" in page and "The last week." in page
    assert re.search(r'scope="row">Wed</th><td role="cell" class="n">5</td>', page)
    assert "Sums" not in page
    page = get("/ops/", "lea").text
    assert "Sums" in page and ">lea</th>" in page, "it may ask who looks"


def test_a_chart_that_fails_does_not_take_the_others(ops, orders, get, caplog):
    @ops.chart("Broken", read="support")
    def broken():
        return [("a", 1 / 0)]

    @ops.chart("Whole", read="support")
    def whole():
        return [("a", 1)]

    page = get("/ops/").text
    assert "cannot be read at the moment" in page and page.count("<svg") == 1
    assert "ZeroDivisionError" not in page and "the chart 'Broken'" in caplog.text


def test_a_chart_alone_lets_somebody_in(ops, orders, get):
    assert get("/ops/", "tom").status_code == 403

    @ops.chart("Stock", read="stock")
    def stock():
        return [("a", 1)]

    page = get("/ops/", "tom")
    assert page.status_code == 200 and "Stock" in page.text
    assert "/tables/orders" not in page.text


def test_what_a_chart_cannot_be_is_refused(ops):
    with pytest.raises(SetupError, match=r"kind='pie'; kinds are bars, line.*|.*pie"):
        ops.chart("Pie", read="support", kind="pie")(lambda: [])
    with pytest.raises(SetupError, match="nobody could see it"):
        ops.chart("Hidden", read=None)(lambda: [])


def test_a_view_is_on_the_first_page_and_above_its_list(ops, orders, get):
    ops.view("Open ones", orders, "?status.has=open&sort=id.desc")
    address = "/ops/tables/orders?status.has=open&amp;sort=id.desc"
    assert f'href="{address}">Open ones</a>' in get("/ops/").text
    page = get("/ops/tables/orders?status.has=open&sort=id.desc").text
    assert re.search(r'aria-current="true">Open ones</a>', page)
    assert 'aria-current="true">All</a>' in get("/ops/tables/orders").text


def test_who_may_not_read_the_table_sees_no_view(ops, orders, get):
    ops.table("orders", name="stock", read="stock")
    ops.view("Secret plans", orders, "status.has=open")
    assert "Secret plans" not in get("/ops/", "tom").text


def test_what_a_view_cannot_be_is_refused(ops, orders):
    with pytest.raises(SetupError, match="there is no table 'nothing'"):
        ops.view("x", "nothing", "a=1")
    with pytest.raises(SetupError, match="asks for nothing"):
        ops.view("x", "orders", "")
