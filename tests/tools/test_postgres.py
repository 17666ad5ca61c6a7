"""A tool over PostgreSQL: what its types and its locks make different."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from hipflask import Flask
from hipflask.tools import Tool, audit

from ..database.fixtures import postgres
from ..database.stores import new_database

__all__ = ["postgres"]
Ask = Callable[..., Any]

ORDERS = """
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number uuid NOT NULL DEFAULT gen_random_uuid(),
    customer varchar(20) NOT NULL,
    amount numeric(10, 2),
    at timestamptz NOT NULL,
    state state NOT NULL DEFAULT 'open',
    more jsonb,
    twice numeric GENERATED ALWAYS AS (amount * 2) STORED
)
"""
FILL = """
INSERT INTO orders (customer, amount, at, more)
SELECT 'customer ' || n, CASE WHEN n % 10 = 0 THEN NULL ELSE n END,
       timestamptz '2026-01-01 00:00+00' + n * interval '1 hour', '{"n": "<b>"}'
FROM generate_series(1, 60) AS n
"""


@pytest.fixture
def ops(app: Flask, postgres: Any) -> Iterator[Tool]:
    url = new_database(postgres)
    tool = Tool(app, "ops", data=url, store=url)
    with tool.data.begin() as connection:
        for statement in ("CREATE TYPE state AS ENUM ('open', 'paid')", ORDERS, FILL):
            connection.execute(sa.text(statement))
    tool.table(
        "orders",
        read="support",
        export="lead",
        edit="lead",
        create="lead",
        search=["customer", "number"],
        filters=["amount", "at", "state", "number", "customer"],
    )
    yield tool
    tool.close()
    tool.store.close()


def keys(page: Any) -> list[int]:
    return [int(key) for key in re.findall(r'href="/ops/tables/orders/rows/(\d+)"', page.text)]


def test_rows_of_its_types_are_listed_and_found(ops: Tool, get: Ask) -> None:
    page = get("/ops/tables/orders?sort=amount.desc&size=25")
    assert page.status_code == 200
    # NULL stands where PostgreSQL puts it.
    assert keys(page)[:7] == [60, 50, 40, 30, 20, 10, 59]
    assert "&lt;b&gt;" in page.text
    assert keys(get("/ops/tables/orders?at.is=2026-01-02&sort=id.asc"))[:2] == [24, 25]
    assert keys(get("/ops/tables/orders?at.from=2026-01-03T10:00%2B02:00"))[:1] == [56]
    assert len(keys(get("/ops/tables/orders?state.is=open&size=100"))) == 60
    assert keys(get("/ops/tables/orders?customer.is=customer+7")) == [7]
    row = get("/ops/tables/orders/rows/7").text
    number = re.search(r"[0-9a-f]{8}-[0-9a-f-]{27}", row)
    assert number is not None
    assert keys(get(f"/ops/tables/orders?number.is={number[0]}")) == [7]
    assert keys(get(f"/ops/tables/orders?q={number[0][:13]}")) == [7]
    assert get("/ops/tables/orders?customer.has=%00").status_code == 400
    assert get("/ops/tables/orders/rows/~00").status_code == 404
    assert get("/ops/tables/orders/rows/99999999999999999999").status_code == 404
    assert get("/ops/tables/orders?amount.is=1e4000").status_code in (200, 400)


def test_edits_lock_and_refuse(ops: Tool, get: Ask, post: Ask) -> None:
    path = "/ops/tables/orders/rows/7/edit"
    page = get(path, "lea").text
    assert 'name="v.twice"' not in page
    assert 'name="v.more"' not in page
    version = re.search(r'name="version" value="(\w+)"', page)
    assert version is not None
    data = {"version": version[1], "v.state": "paid", "v.at": "2026-05-05T08:30"}
    assert post(path, data).status_code == 303
    assert post(path, data).status_code == 409
    shown = get("/ops/tables/orders/rows/7").text
    assert "2026-05-05 08:30:00Z" in shown
    assert "paid" in shown
    (line,) = audit.read(ops.store, "ops")
    assert line.detail["changed"]["state"] == ["open", "paid"]


def test_rows_are_made_and_exported(ops: Tool, get: Ask, post: Ask) -> None:
    new = "/ops/tables/orders/new"
    assert 'name="v.id"' not in get(new, "lea").text
    made = post(new, {"v.customer": "=Ada", "v.at": "2026-01-01T00:00:00Z", "v.amount": "-5.00"})
    assert made.status_code == 303
    csv = get("/ops/tables/orders/export.csv?sort=id.desc", "lea").text.splitlines()
    assert len(csv) == 62
    assert "'=Ada,-5.00," in csv[1]
    long = post(new, {"v.customer": "x" * 21, "v.at": "2026-01-01T00:00:00Z"})
    assert long.status_code == 422
    nul = post(new, {"v.customer": "a\0b", "v.at": "2026-01-01T00:00:00Z"})
    assert nul.status_code == 409
