"""A tool's pages, and who sees them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hipflask import Flask
from hipflask.security import Identity
from hipflask.tools import Tool

Ask = Callable[..., Any]


def test_a_table_is_seen_by_its_role_alone(app: Flask, ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support", search=["customer"])
    assert "customer 50" in get("/ops/tables/orders").text
    assert get("/ops/tables/orders", "tom").status_code == 403
    assert app.test_client().get("/ops/tables/orders").status_code == 401


def test_a_function_narrows_the_rows(ops: Tool, get: Ask) -> None:
    @ops.table("orders", read="support")
    def orders(query: Any, user: Identity) -> Any:
        return query.where(query.selected_columns.status == "open")

    assert "customer 1<" in get("/ops/tables/orders").text
    assert "customer 2<" not in get("/ops/tables/orders").text
    assert get("/ops/tables/orders/rows/2").status_code == 404
    assert get("/ops/tables/orders/rows/1").status_code == 200
