"""A tool's pages, and who sees them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hipflask import Flask
from hipflask.scaffold import SetupError
from hipflask.security import Identity, authenticated
from hipflask.tools import Tool

Ask = Callable[..., Any]


def test_a_table_is_seen_by_its_role_alone(app: Flask, ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support", search=["customer"])
    ops.table("orders", name="stock", read="stock")
    assert "customer 50" in get("/ops/tables/orders").text
    assert get("/ops/tables/orders", "tom").status_code == 404
    assert get("/ops/tables/nothing", "sue").status_code == 404
    assert get("/ops/tables/stock", "tom").status_code == 200
    assert app.test_client().get("/ops/tables/orders").status_code == 401


def test_who_sees_nothing_does_not_come_in(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support")
    assert get("/ops/", "tom").status_code == 403
    home = get("/ops/").text
    assert "/ops/tables/orders" in home
    assert "120 rows" in home


def test_navigation_has_what_may_be_seen(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support")
    ops.table("orders", name="books", read="lead", title="The books")
    assert "The books" not in get("/ops/").text
    assert "The books" in get("/ops/", "lea").text


def test_who_may_export_or_edit_may_read(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support", name="orders", export="stock")
    assert get("/ops/tables/orders", "tom").status_code == 200
    assert get("/ops/tables/orders/export.csv", "tom").status_code == 200
    assert get("/ops/tables/orders/export.csv", "sue").status_code == 403


def test_a_stance_is_as_good_as_a_role(ops: Tool, get: Ask) -> None:
    ops.table("orders", read=authenticated)
    assert get("/ops/tables/orders", "tom").status_code == 200


def test_pages_have_a_strict_policy_and_stay_in_no_cache(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support")
    for path in ("/ops/", "/ops/tables/orders", "/ops/tables/orders/rows/1", "/ops/tables/no"):
        headers = get(path).headers
        assert "unsafe" not in headers["Content-Security-Policy"], path
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "same-origin"


def test_setup_that_cannot_work_says_why(app: Flask, ops: Tool, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="nobody could see it"):
        ops.table("orders")
    with pytest.raises(SetupError, match="write search="):
        ops.table("orders", read="support", search="customer")
    with pytest.raises(SetupError, match="at least one role"):
        ops.table("orders", read="")
    ops.table("orders", read="support")
    with pytest.raises(SetupError, match="has a table 'orders' already"):
        ops.table("orders", read="support")
    with pytest.raises(SetupError, match="gone through once"):
        ops.table(iter([{"id": 1}]), name="once", read="support")
    with pytest.raises(SetupError, match="small letters"):
        Tool(app, "Ops Desk")
    with pytest.raises(SetupError, match="a tool 'ops' already"):
        Tool(app, "ops")
    with pytest.raises(SetupError, match="is not the URL"):
        Tool(app, "other", data="shop.db").table("orders", read="support")
    missing = Tool(app, "missing", data=f"sqlite:///{tmp_path}/no.db")
    with pytest.raises(SetupError, match="no such file"):
        missing.table("orders", read="support").columns(None)


def test_a_tool_may_come_before_its_application(app: Flask, shop: str, get: Ask) -> None:
    tool = Tool(name="late", data=shop)
    tool.table("orders", read="support")
    tool.init_app(app)
    assert get("/late/tables/orders").status_code == 200
    tool.close()


def test_a_table_that_cannot_be_read_leaves_the_others(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support")

    @ops.table(read="support")
    def broken(user: Identity) -> Any:
        raise ValueError("no")

    home = get("/ops/").text
    assert "120 rows" in home
    assert "cannot be read" in home
