"""Rows made and changed by forms: what is written, what is refused, what is told."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from hipflask import Flask
from hipflask.security import Identity
from hipflask.tools import Tool, audit

Ask = Callable[..., Any]
EDIT = "/ops/tables/orders/rows/7/edit"


@pytest.fixture
def table(ops: Tool) -> Any:
    return ops.table("orders", read="support", edit="lead", create="lead")


@pytest.fixture
def stored(shop: str) -> Callable[..., Any]:
    def run(statement: str) -> Any:
        connection = sqlite3.connect(shop.removeprefix("sqlite:///"))
        try:
            found = connection.execute(statement).fetchone()
            connection.commit()
            return found
        finally:
            connection.close()

    return run


def version(page: Any) -> str:
    found = re.search(r'name="version" value="([0-9a-f]+)"', page.text)
    assert found is not None
    return found[1]


def test_an_edit_writes_what_was_changed(
    ops: Tool, table: Any, get: Ask, post: Ask, stored: Ask
) -> None:
    page = get(EDIT, "lea")
    assert 'value="customer 7"' in page.text
    sent = post(EDIT, {"version": version(page), "v.customer": "Ada", "v.amount": "7.50"})
    assert sent.status_code == 303
    assert stored("SELECT customer, amount, status FROM orders WHERE id = 7") == (
        "Ada",
        7.5,
        "open",
    )
    (line,) = audit.read(ops.store, "ops")
    assert (line.event, line.target, line.subject) == ("edit", "orders", "lea")
    assert line.detail == {"key": "7", "changed": {"customer": ["customer 7", "Ada"]}}
    assert "Saved." in get(sent.location, "lea").text


def test_a_row_that_was_changed_meanwhile_is_refused_with_both_versions(
    ops: Tool, table: Any, get: Ask, post: Ask, stored: Ask
) -> None:
    old = version(get(EDIT, "lea"))
    stored("UPDATE orders SET customer = 'Grace' WHERE id = 7")
    refused = post(EDIT, {"version": old, "v.customer": "Ada"})
    assert refused.status_code == 409
    assert "Grace" in refused.text
    assert "Ada" in refused.text
    assert stored("SELECT customer FROM orders WHERE id = 7") == ("Grace",)
    assert audit.count(ops.store, "ops") == 0
    # With the version that was shown beside it, it may be written over.
    again = post(EDIT, {"version": version(refused), "v.customer": "Ada"})
    assert again.status_code == 303
    assert stored("SELECT customer FROM orders WHERE id = 7") == ("Ada",)


def test_another_column_that_was_changed_counts(
    table: Any, get: Ask, post: Ask, stored: Ask
) -> None:
    old = version(get(EDIT, "lea"))
    stored("UPDATE orders SET note = 'called' WHERE id = 7")
    assert post(EDIT, {"version": old, "v.customer": "Ada"}).status_code == 409
    assert post(EDIT, {"v.customer": "Ada"}).status_code == 409


def test_errors_keep_what_was_typed(table: Any, get: Ask, post: Ask) -> None:
    page = get(EDIT, "lea")
    data = {"version": version(page), "v.amount": "a lot", "v.customer": "<b>Ada</b>"}
    refused = post(EDIT, data)
    assert refused.status_code == 422
    assert 'value="a lot"' in refused.text
    assert "&lt;b&gt;Ada" in refused.text
    field = re.search(r'<input[^>]*value="a lot"[^>]*>', refused.text)
    assert field is not None
    assert 'aria-invalid="true"' in field[0]
    error = re.search(r'aria-describedby="([^" ]+-error)', field[0])
    assert error is not None
    assert f'id="{error[1]}"' in refused.text


def test_only_who_may_edit_does(table: Any, get: Ask, post: Ask) -> None:
    assert get(EDIT, "sue").status_code == 403
    assert post(EDIT, {}, "sue").status_code == 403
    assert "/edit" not in get("/ops/tables/orders/rows/7", "sue").text
    assert get(EDIT, "tom").status_code == 403
    assert get("/ops/tables/orders/rows/700/edit", "lea").status_code == 404


def test_a_row_is_made(ops: Tool, table: Any, get: Ask, post: Ask, stored: Ask) -> None:
    new = "/ops/tables/orders/new"
    assert get(new, "sue").status_code == 403
    assert get(new, "lea").status_code == 200
    assert post(new, {"v.customer": "", "v.status": "open"}).status_code == 422
    made = post(new, {"v.customer": "Ada\r\nLovelace", "v.status": "open", "v.amount": "-5.00"})
    assert made.status_code == 303
    found = stored("SELECT customer, amount, archived FROM orders WHERE id = 121")
    assert found == ("Ada\nLovelace", -5, 0)
    (line,) = audit.read(ops.store, "ops")
    assert line.event == "create"
    assert line.detail["changed"]["customer"][1] == "Ada\nLovelace"


def test_what_the_database_refuses_is_told(table: Any, post: Ask, stored: Ask) -> None:
    twice = post("/ops/tables/orders/new", {"v.id": "7", "v.customer": "A", "v.status": "open"})
    assert twice.status_code == 409
    assert "UNIQUE constraint failed" in twice.text
    beyond = {"v.id": "9" * 30, "v.customer": "A", "v.status": "open"}
    assert post("/ops/tables/orders/new", beyond).status_code == 409


def test_no_edit_leads_out_of_the_rows_one_may_see(
    ops: Tool, get: Ask, post: Ask, stored: Ask
) -> None:
    @ops.table("orders", read="support", edit="lead", create="lead")
    def orders(query: Any, user: Identity) -> Any:
        return query.where(query.selected_columns.status == "open")

    data = {"version": version(get(EDIT, "lea")), "v.status": "paid"}
    refused = post(EDIT, data)
    assert refused.status_code == 409
    assert "among those you may see" in refused.text
    assert stored("SELECT status FROM orders WHERE id = 7") == ("open",)
    made = post("/ops/tables/orders/new", {"v.customer": "Ada", "v.status": "paid"})
    assert made.status_code == 409
    assert stored("SELECT count(*) FROM orders") == (120,)
    assert get("/ops/tables/orders/rows/8/edit", "lea").status_code == 404
    assert audit.count(ops.store, "ops") == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {},
    ],
    ids=repr,
)
def test_forged_writes_are_refused(
    app: Flask, table: Any, get: Ask, stored: Ask, headers: dict[str, str]
) -> None:
    data = {"version": version(get(EDIT, "lea")), "v.customer": "Mallory"}
    browser = app.test_client()
    browser.set_cookie("session", "x")  # a browser that says nothing is none of today's
    sent = browser.post(EDIT, data=data, headers={"X-Who": "lea", **headers})
    assert sent.status_code == 403
    assert stored("SELECT customer FROM orders WHERE id = 7") == ("customer 7",)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://localhost"},
    ],
    ids=repr,
)
def test_own_writes_are_not(app: Flask, table: Any, get: Ask, headers: dict[str, str]) -> None:
    data = {"version": version(get(EDIT, "lea")), "v.customer": "Ada"}
    browser = app.test_client()
    browser.set_cookie("session", "x")
    sent = browser.post(EDIT, data=data, headers={"X-Who": "lea", **headers})
    assert sent.status_code == 303


def test_a_program_with_a_credential_of_its_own_may_write(app: Flask, table: Any, get: Ask) -> None:
    data = {"version": version(get(EDIT, "lea")), "v.customer": "Ada"}
    sent = app.test_client().post(EDIT, data=data, headers={"X-Who": "lea"})
    assert sent.status_code == 303


def test_what_a_form_cannot_hold_stays_as_it_is(
    table: Any, get: Ask, post: Ask, stored: Ask
) -> None:
    stored("UPDATE orders SET note = 'a' || char(13) || 'b' || char(0) || 'c' WHERE id = 7")
    page = get(EDIT, "lea")
    found = re.search(r'<textarea[^>]*name="v.note"[^>]*>\n(.*?)</textarea>', page.text, re.S)
    assert found is not None
    assert found[1] == "a\nb\ufffdc"
    note = found[1].replace("\n", "\r\n")  # as browsers send it
    data = {"version": version(page), "v.note": note, "v.customer": "Ada"}
    assert post(EDIT, data).status_code == 303
    assert stored("SELECT hex(note) FROM orders WHERE id = 7") == ("610D620063",)


def test_a_text_that_is_too_long_is_not_in_the_form(
    table: Any, get: Ask, post: Ask, stored: Ask
) -> None:
    stored("UPDATE orders SET note = hex(zeroblob(30000)) WHERE id = 7")
    page = get(EDIT, "lea")
    assert "Not in this form" in page.text
    assert 'name="v.note"' not in page.text
    assert post(EDIT, {"version": version(page), "v.customer": "Ada"}).status_code == 303


def test_editable_names_the_fields(ops: Tool, get: Ask, post: Ask, stored: Ask) -> None:
    ops.table("orders", read="support", edit="lead", editable=["note"])
    page = get(EDIT, "lea")
    assert 'name="v.customer"' not in page.text
    post(EDIT, {"version": version(page), "v.customer": "Ada", "v.note": "called"})
    assert stored("SELECT customer, note FROM orders WHERE id = 7") == ("customer 7", "called")


def test_reads_are_told_where_that_is_asked_for(ops: Tool, get: Ask) -> None:
    ops.table("orders", read="support", edit="lead", search=["customer"], audit_reads=True)
    get("/ops/tables/orders/rows/7")
    get("/ops/tables/orders?q=customer+11&sort=id.desc&page=1")
    get(EDIT, "lea")
    # Neither shows a row.
    get("/ops/tables/orders?q=nobody")
    get("/ops/")
    told = [(line.event, line.subject, line.detail) for line in audit.read(ops.store, "ops")]
    assert told[::-1] == [
        ("read", "sue", {"key": "7"}),
        ("list", "sue", {"query": "?q=customer+11&sort=id.desc", "rows": 11}),
        ("read", "lea", {"key": "7"}),
    ]


def test_reads_are_not_told_where_nobody_asks(ops: Tool, table: Any, get: Ask) -> None:
    get("/ops/tables/orders/rows/7")
    get("/ops/tables/orders")
    get(EDIT, "lea")
    assert audit.count(ops.store, "ops") == 0
