"""Tables as CSV: whole, and of no use to a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from hipflask.security import Identity
from hipflask.tools import Tool, audit
from hipflask.tools.exporting import dump_cell

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Decimal("-5.00"), "-5.00"),
        (-3, "-3"),
        (-2.5, "-2.5"),
        (None, ""),
        (True, "true"),
        (b"\x01\xff", "01ff"),
        ("plain", "plain"),
        *((f"{sign}1+1", f"'{sign}1+1") for sign in "=+-@\t\r\n\uff1d"),
        ({"a": 1}, '{"a":1}'),
        (["=1"], '["=1"]'),
    ],
    ids=repr,
)
def test_the_guard_goes_by_type(value: Any, written: str) -> None:
    assert dump_cell(value) == written


def test_the_address_of_a_list_is_that_of_its_export(ops: Tool, get: Ask) -> None:
    @ops.table("orders", read="support", export="lead", search=["customer"])
    def orders(query: Any, user: Identity) -> Any:
        return query.where(query.selected_columns.status == "open")

    response = get("/ops/tables/orders/export.csv?q=customer+1&sort=id.desc", "lea")
    assert response.mimetype == "text/csv"
    assert "attachment" in response.headers["Content-Disposition"]
    head, *rows = csv.reader(io.StringIO(response.text))
    assert head[:3] == ["id", "customer", "status"]
    found = [int(row[0]) for row in rows]
    # One page shows 50 of them, the file has all; narrowed as the list is.
    assert found == [n for n in range(119, 0, -1) if n % 2 and "1" in str(n)]
    assert rows[0][3] == "119.50"


def test_an_export_writes_a_line_of_the_audit(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support", export="lead", filters=["status"])
    assert get("/ops/tables/orders/export.csv?status.has=paid", "sue").status_code == 403
    assert audit.count(ops.store, "ops") == 0
    get("/ops/tables/orders/export.csv?status.has=paid", "lea")
    (line,) = audit.read(ops.store, "ops")
    assert (line.event, line.target, line.subject) == ("export", "orders", "lea")
    assert line.detail["query"] == "?status.has=paid"


def test_an_export_of_what_cannot_be_read_is_refused(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support", export="support")
    assert get("/ops/tables/orders/export.csv?amount.from=x").status_code == 400
