"""Views that people keep for themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from hipflask.tools import Tool, saving

Ask = Callable[..., Any]
PATH = "/ops/tables/orders"


@pytest.fixture(autouse=True)
def table(ops: Tool) -> Any:
    return ops.table("orders", read="support", filters=["status"], search=["customer"])


def test_a_view_is_kept_for_who_kept_it(get: Ask, post: Ask) -> None:
    query = "status.has=paid&sort=id.desc&page=3"
    kept = post(f"{PATH}/views", {"name": "  My <b>  paid ", "query": query}, "sue")
    assert kept.status_code == 303
    assert kept.location == f"{PATH}?status.has=paid&sort=id.desc"
    page = get(PATH, "sue").text
    assert f'href="{PATH}?status.has=paid&amp;sort=id.desc">My &lt;b&gt; paid<' in page
    assert "My &lt;b&gt;" not in get(PATH, "lea").text
    post(f"{PATH}/views", {"forget": "My <b> paid", "query": ""}, "sue")
    assert "My &lt;b&gt;" not in get(PATH, "sue").text


def test_a_name_is_kept_once(ops: Tool, post: Ask) -> None:
    for query in ("q=1", "q=2"):
        post(f"{PATH}/views", {"name": "mine", "query": query}, "sue")
    assert saving.read_views(ops.store, "ops", "orders", "sue") == [("mine", "q=2")]


@pytest.mark.parametrize(
    "data",
    [
        {"name": "", "query": ""},
        {"name": "x" * 61, "query": ""},
        {"name": "x", "query": "amount.from=1"},
        {"name": "x\0", "query": ""},
        {"name": "x", "query": "&".join(["status.has=" + "y" * 900] * 9)},
    ],
    ids=["none", "long", "unknown", "nul", "query"],
)
def test_what_cannot_be_kept_is_refused(ops: Tool, post: Ask, data: dict[str, str]) -> None:
    assert post(f"{PATH}/views", data, "sue").status_code == 400
    assert saving.read_views(ops.store, "ops", "orders", "sue") == []


def test_views_are_not_without_end(ops: Tool, post: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saving, "MOST", 2)
    codes = [
        post(f"{PATH}/views", {"name": name, "query": ""}, "sue").status_code for name in "abc"
    ]
    assert codes == [303, 303, 400]


def test_nobody_leads_elsewhere_by_a_view(post: Ask) -> None:
    sent = post(f"{PATH}/views", {"name": "x", "query": "//evil.example\r\nX: y"}, "sue")
    assert sent.location.startswith(PATH)
    assert "evil" not in sent.location
