"""Lists of rows: whose, which, in what order, and how much of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

import pytest
import sqlalchemy as sa

from hipflask import Flask
from hipflask.scaffold import SetupError
from hipflask.security import Identity
from hipflask.tools import Tool

Ask = Callable[..., Any]
_link = re.compile(r'href="/ops/tables/orders/rows/(\d+)"').findall


def keys(response: Any) -> list[int]:
    return [int(key) for key in _link(response.text)]


@pytest.fixture
def orders(ops: Tool) -> Any:
    return ops.table(
        "orders",
        read="support",
        search=["customer", "status"],
        filters=["status", "amount", "created", "archived", "note"],
    )


def test_a_function_narrows_the_rows(ops: Tool, get: Ask) -> None:
    @ops.table("orders", read="support", search=["customer"], filters=["status"])
    def orders(query: Any, user: Identity) -> Any:
        assert user.name == "sue"
        return query.where(query.selected_columns.status == "open")

    assert keys(get("/ops/tables/orders"))[:3] == [1, 3, 5]
    assert keys(get("/ops/tables/orders?q=customer+2&sort=id.asc"))[:2] == [21, 23]
    assert keys(get("/ops/tables/orders?status.has=paid")) == []
    assert get("/ops/tables/orders/rows/2").status_code == 404
    assert get("/ops/tables/orders/rows/1").status_code == 200


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?q=customer+120", [120]),
        ("?q=paid+customer+12", [12, 112, 120]),
        ("?q=100%25", []),
        ("?amount.from=119", [119, 120]),
        ("?amount.to=2.5", [1, 2]),
        ("?amount.from=3&amount.to=5", [3, 4]),
        ("?amount.is=7.50", [7]),
        ("?created.from=2026-12-12", [11, 23, 47, 71, 83, 95, 107]),
        ("?created.is=2026-02-02", [1, 85]),
        ("?created.to=2026-01-01", [84]),
        ("?status.is=paid&q=customer+2&size=25&sort=id.desc&page=1", [120, 112, 102]),
        ("?archived.is=yes", []),
        ("?note.null=no", []),
        ("?status.is=open&status.is=paid&sort=id.desc", [120, 119, 118]),
    ],
)
def test_rows_are_found(orders: Any, get: Ask, query: str, expected: list[int]) -> None:
    response = get(f"/ops/tables/orders{query}")
    assert response.status_code == 200
    assert keys(response)[: len(expected) or None] == expected


@pytest.mark.parametrize(
    "query",
    [
        "?amount.from=many",
        "?created.from=yesterday",
        "?customer.has=x",
        "?archived.is=perhaps",
        "?sort=nothing.asc",
        "?amount.like=3",
        "?page=5000",
        "?q=%00",
        "?id.is=99999999999999999999999",
        "?note.null=perhaps",
    ],
)
def test_what_cannot_be_read_shows_no_rows(orders: Any, get: Ask, query: str) -> None:
    response = get(f"/ops/tables/orders{query}")
    assert response.status_code == 400
    assert keys(response) == []
    assert 'role="alert"' in response.text


def test_a_wrong_filter_keeps_what_was_typed(orders: Any, get: Ask) -> None:
    page = get("/ops/tables/orders?amount.from=many").text
    field = re.search(r'<input id="([^"]+)"[^>]*name="amount.from"[^>]*>', page)
    assert field is not None
    assert 'value="many"' in field[0]
    assert f'aria-describedby="{field[1]}-error"' in field[0]
    assert f'id="{field[1]}-error"' in page
    assert f'href="#{field[1]}"' in page


def test_equal_values_are_sorted_by_the_key(orders: Any, get: Ask) -> None:
    assert keys(get("/ops/tables/orders?sort=status.asc"))[:3] == [1, 3, 5]
    assert keys(get("/ops/tables/orders?sort=status.desc"))[:3] == [120, 118, 116]


def test_pages_hold_each_row_once(orders: Any, get: Ask) -> None:
    found: list[int] = []
    path: str | None = "/ops/tables/orders?sort=status.asc&size=25"
    while path:
        page = get(path)
        found += keys(page)
        following = re.search(r'<a href="([^"]+)" rel="next"', page.text)
        path = following[1].replace("&amp;", "&") if following else None
    assert sorted(found) == list(range(1, 121))
    assert "101 to 120 of 120 rows" in page.text


def test_links_keep_the_state(orders: Any, get: Ask) -> None:
    page = get("/ops/tables/orders?q=customer&amount.from=2&sort=id.desc&show=id&show=status").text
    assert (
        "?q=customer&amp;amount.from=2&amp;sort=id.desc&amp;show=id&amp;show=status&amp;page=2"
        in page
    )
    form = page[page.index('role="search"') : page.index("</form>")]
    assert '<input type="hidden" name="sort" value="id.desc">' in form
    assert '<input type="hidden" name="show" value="status">' in form


def test_columns_are_chosen(ops: Tool, get: Ask) -> None:
    ops.table(
        "orders",
        read="support",
        columns=["id", "status"],
        hide=["customer"],
        labels={"status": "State"},
    )
    page = get("/ops/tables/orders").text
    assert "State" in page
    assert "1.50" not in page
    assert "1.50" in get("/ops/tables/orders?show=id&show=amount").text
    for path in ("/ops/tables/orders?show=customer", "/ops/tables/orders/rows/1"):
        assert "customer 1" not in get(path).text
    assert get("/ops/tables/orders?sort=customer.asc").status_code == 400


def test_counts_end_somewhere(ops: Tool, get: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hipflask.tools.table.MOST_COUNTED", 100)
    ops.table("orders", read="support")
    page = get("/ops/tables/orders").text
    assert "1 to 50 of more than 100 rows" in page
    assert 'rel="next"' in page


def test_queries_are_tables(app: Flask, ops: Tool, get: Ask) -> None:
    @ops.table(read="support", key=["status"])
    def by_status(user: Identity) -> Any:
        status: Any = sa.column("status", sa.String)
        query = sa.select(status, sa.func.count().label("orders"))
        return query.select_from(sa.table("orders")).group_by(status)

    page = get("/ops/tables/by-status?sort=status.desc").text
    assert page.index("paid") < page.index("open")
    assert get("/ops/tables/by-status/rows/open").status_code == 200
    assert get("/ops/tables/by-status/rows/shut").status_code == 404


@dataclass
class Host:
    id: str
    load: float | None
    up: Any


def test_anything_iterable_is_a_table(ops: Tool, get: Ask) -> None:
    hosts = [Host("a/b", 0.5, True), Host("c d", None, "no"), Host("e", 2, None)]
    ops.table(hosts, name="orders", read="support", search=["id"], filters=["load", "up"])
    page = get("/ops/tables/orders?sort=load.desc").text
    assert page.index(">e<") < page.index(">a/b<")
    assert "/ops/tables/orders/rows/a~2Fb" in page
    assert ">c d<" in get("/ops/tables/orders/rows/c~20d").text
    assert "1 row" in get("/ops/tables/orders?load.from=1").text
    assert get("/ops/tables/orders?sort=up.asc").status_code == 200


class Tone(Enum):
    GOOD = "good"


def test_a_cell_is_written_as_its_kind(ops: Tool, get: Ask) -> None:
    values = {
        "none": (None, '<td role="cell" class="none" data-label="None"><span class="none">none'),
        "number": (-2.5, '<td role="cell" class="n" data-label="Number">-2.5</td>'),
        "flag": (True, '<td role="cell" data-label="Flag">yes</td>'),
        "text": ("<b>", '<td role="cell" data-label="Text">&lt;b&gt;</td>'),
        "long": ("x" * 130, f'<td role="cell" data-label="Long">{"x" * 120}…</td>'),
        "day": (date(2026, 1, 2), 'data-label="Day"><time datetime="2026-01-02">2026-01-02</time>'),
        "raw": (b"abc", '<td role="cell" data-label="Raw">3 bytes</td>'),
        "tone": (Tone.GOOD, '<td role="cell" data-label="Tone"><span class="badge'),
    }
    row = {"id": 7, **{name: value for name, (value, _) in values.items()}}
    ops.table([row], name="orders", read="support", columns=list(row))
    page = get("/ops/tables/orders").text
    assert '<th role="rowheader" scope="row"><a href="/ops/tables/orders/rows/7">7</a></th>' in page
    for written in (text for _, text in values.values()):
        assert written in page


def test_rows_without_anything_in_them_are_a_page(ops: Tool, get: Ask) -> None:
    ops.table([{}, {}], name="orders", read="support")
    response = get("/ops/tables/orders")
    assert response.status_code == 200
    assert response.text.count('<tr role="row">') == 3


def test_a_function_gives_rows_for_its_user(ops: Tool, get: Ask) -> None:
    @ops.table(read=["support", "stock"])
    def mine(user: Identity) -> Any:
        """What is mine."""
        return [{"id": 1, "owner": user.name}]

    assert ">tom<" in get("/ops/tables/mine", "tom").text
    assert "What is mine." in get("/ops/tables/mine").text


def test_mistakes_in_tables_are_told(ops: Tool) -> None:
    table = ops.table("order", read="support")
    with pytest.raises(SetupError, match="has no table 'order'; it has orders"):
        table.columns(None)
    with pytest.raises(SetupError, match="names 'nr', no column"):
        _ = ops.table("orders", read="support", key=["nr"]).columns(None)

    narrowed = ops.table("orders", name="none", read="support")
    narrowed(lambda query, user: None)
    with pytest.raises(TypeError, match=r"return query\.where"):
        narrowed.listing({}, None)
    with pytest.raises(SetupError, match="has a function already"):
        narrowed(lambda query, user: query)
    with pytest.raises(SetupError, match="takes 3 arguments"):
        ops.table("orders", name="three", read="support")(lambda one, two, three: one)
