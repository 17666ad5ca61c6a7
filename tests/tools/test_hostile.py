"""Rows that somebody has made to break a page: they are shown, and nothing else happens."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hipflask import Flask
from hipflask.tools import Tool

Ask = Callable[..., Any]
NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7 * 7 }}",
    "\u202egnp.exe",
    "a\0b",
    "\u2028",
    "",
    "x" * 1_000_000,
    "=cmd|' /C calc'!A0",
]
ODD_KEYS = ["a/b", "a%2Fb", "a b", "..", ".", "~", "a,b", "?q=1", "#x", "ü\u202e", "", "a~2Fb", "+"]


class Tags(HTMLParser):
    """The tags of a page, and attributes that would run something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts = 0
        self.running: list[str] = []
        self.ids: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        for name, value in attrs:
            leads = name in ("href", "src", "action", "formaction")
            runs = leads and (value or "").strip().lower().startswith("javascript:")
            if name.startswith("on") or name == "style" or runs:
                self.running.append(f"{tag} {name}={value}")
            if name == "id":
                self.ids.append(value)
        # Of ours there is one, with an address and nothing in it.
        if tag == "script" and not dict(attrs).get("src", "").startswith("/ops/static/"):
            self.scripts += 1


def check(response: Any, is_form: bool = False) -> Any:
    assert response.status_code == 200
    tags = Tags(response.text)
    assert tags.running == []
    assert tags.scripts == 0
    assert len(tags.ids) == len(set(tags.ids))
    assert "\0" not in response.text
    for steering in "\u202e\u2028":
        # A form holds what is stored, each in a widget of its own.
        assert is_form or steering not in response.text
    return response


@pytest.fixture
def make(app: Flask, tmp_path: Path) -> Iterator[Callable[..., Tool]]:
    made: list[Tool] = []

    def run(*statements: tuple[str, Any]) -> Tool:
        path = tmp_path / "odd.db"
        connection = sqlite3.connect(path)
        for statement, values in statements:
            if values:
                connection.executemany(statement, values)
            else:
                connection.execute(statement)
        connection.commit()
        connection.close()
        tool = Tool(app, "ops", data=f"sqlite:///{path}")
        made.append(tool)
        return tool

    yield run
    for tool in made:
        tool.close()


def links(page: str) -> list[str]:
    return re.findall(r'href="(/ops/tables/t/rows/[^"/]+)"', page)


def test_cells_are_shown_and_not_run(make: Any, get: Ask, post: Ask) -> None:
    tool = make(
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR, more BLOB)", None),
        ("INSERT INTO t (name, more) VALUES (?, x'00ff')", [(text,) for text in NASTY]),
    )
    who = {"read": "support", "export": "lead", "edit": "lead"}
    tool.table("t", search=["name"], filters=["name"], **who)
    page = check(get("/ops/tables/t"))
    assert len(page.data) < 120_000
    assert "2 bytes" in page.text
    for link in links(page.text):
        check(get(link))
        check(get(f"{link}/edit", "lea"), is_form=True)
    for text in NASTY[:6]:
        query = {"q": text, "name.has": text}
        for name, value in query.items():
            found = get(f"/ops/tables/t?{_query(**{name: value})}")
            assert found.status_code in (200, 400)
            assert Tags(found.text).running == []
    csv = get("/ops/tables/t/export.csv", "lea")
    assert csv.status_code == 200
    assert "'=cmd" in csv.text


def _query(**names: str) -> str:
    from urllib.parse import urlencode

    return urlencode(names)


@pytest.mark.parametrize("kind", ["TEXT", "VARCHAR(20)", "NUMERIC"])
def test_odd_keys_have_addresses_that_hold(make: Any, get: Ask, kind: str) -> None:
    tool = make(
        (f"CREATE TABLE t (a {kind}, b INTEGER, PRIMARY KEY (a, b))", None),
        ("INSERT INTO t VALUES (?, ?)", [(key, place) for place, key in enumerate(ODD_KEYS)]),
        ("INSERT INTO t VALUES (NULL, 99)", None),
    )
    tool.table("t", read="support")
    found = links(check(get("/ops/tables/t")).text)
    assert len(set(found)) == len(ODD_KEYS) + 1
    for link in found:
        assert re.fullmatch(r"[A-Za-z0-9_~,/-]+", link)
        number = re.search(r",(\d+)$", link)
        assert number is not None
        assert f"<dd>{number[1]}</dd>" in check(get(link)).text


def test_columns_may_be_named_as_anything(make: Any, get: Ask, post: Ask) -> None:
    names = [
        "q",
        "sort",
        "page",
        "size",
        "show",
        "v.q",
        "a.is",
        "keys",
        "version",
        "did",
        "<b>",
        "x y",
        '"',
        "%",
    ]
    columns = ", ".join('"' + name.replace('"', '""') + '" INTEGER' for name in names)
    tool = make(
        (f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})", None),
        (
            f"INSERT INTO t VALUES (?{', ?' * len(names)})",
            [[row] * (len(names) + 1) for row in range(1, 61)],
        ),
    )
    tool.table("t", read="support", edit="lead", export="lead", filters=names, search=["q"])
    for name in names:
        page = check(get(f"/ops/tables/t?{_query(**{f'{name}.from': '2', f'{name}.to': '4'})}"))
        assert len(set(links(page.text))) == 3
        page = check(get(f"/ops/tables/t?{_query(sort=f'{name}.desc', show='id')}"))
        assert links(page.text)[0].endswith("/60")
    assert len(set(links(get("/ops/tables/t?page=2").text))) == 10
    page = check(get("/ops/tables/t/rows/7/edit", "lea"))
    version = re.search(r'name="version" value="(\w+)"', page.text)
    assert version is not None
    data = {"version": version[1], **{f"v.{name}": "8" for name in names}}
    assert post("/ops/tables/t/rows/7/edit", data).status_code == 303
    assert len(set(links(get("/ops/tables/t?version.is=8").text))) == 2


def test_two_hundred_columns(make: Any, get: Ask) -> None:
    columns = ", ".join(f"c{number} TEXT" for number in range(200))
    tool = make(
        (f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})", None),
        ("INSERT INTO t (c0) VALUES (?)", [("x",)] * 60),
    )
    tool.table("t", read="support", export="support", edit="support")
    assert len(check(get("/ops/tables/t")).data) < 120_000
    every = "&".join(f"show=c{number}" for number in range(200))
    check(get(f"/ops/tables/t?{every}"))
    check(get("/ops/tables/t/rows/1"))
    check(get("/ops/tables/t/rows/1/edit"))


def test_values_that_are_not_of_their_columns_type(make: Any, get: Ask, post: Ask) -> None:
    tool = make(
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, at DATETIME, day DATE, n INTEGER,"
            " d NUMERIC(9, 2), f BOOLEAN)",
            None,
        ),
        (
            "INSERT INTO t (at, day, n, d, f) VALUES (?, ?, ?, ?, ?)",
            [
                ("2026-01-01 00:00:00", "2026-01-01", 1, 1.5, 1),
                ("2026-01-01T00:00:00+02:00", "1.1.26", "many", "dear", "perhaps"),
                (17, 18, 2.5, b"\xff", 7),
                (None, None, None, None, None),
            ],
        ),
    )
    tool.table(
        "t", read="support", edit="lead", export="lead", filters=["at", "day", "n", "d", "f"]
    )
    for name in ("id", "at", "day", "n", "d", "f"):
        for way in ("asc", "desc"):
            page = check(get(f"/ops/tables/t?sort={name}.{way}"))
            assert len(set(links(page.text))) == 4
    for link in links(get("/ops/tables/t").text):
        check(get(link))
        check(get(f"{link}/edit", "lea"), is_form=True)
    assert get("/ops/tables/t/export.csv", "lea").text.count("\n") == 5
    check(get("/ops/tables/t?at.from=2026-01-01&d.from=1&n.to=5"))


def test_bytes_that_are_no_text(make: Any, get: Ask) -> None:
    tool = make(
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)", None),
        ("INSERT INTO t (name) VALUES (CAST(x'FF61' AS TEXT))", None),
    )
    tool.table("t", read="support")
    assert "\ufffda" in check(get("/ops/tables/t")).text


class Bad:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_rows_of_anything(app: Flask, tmp_path: Path, get: Ask) -> None:
    tool = Tool(app, "ops")
    values: list[Any] = [
        None,
        1,
        2.5,
        float("nan"),
        "text",
        "<b>",
        b"\xff",
        Bad(),
        [1, "<i>"],
        {"a": "\u202e"},
        datetime(2026, 1, 1),
        datetime(2026, 1, 1, tzinfo=UTC),
        True,
        10**5000,
    ]
    rows = [{"id": place, "value": value} for place, value in enumerate(values)]
    tool.table(rows, name="t", read="support", export="support", filters=["value"])
    for path in ("", "?sort=value.asc", "?sort=value.desc", "?value.has=a", "?value.null=yes"):
        check(get(f"/ops/tables/t{path}"))
    for link in links(get("/ops/tables/t").text):
        check(get(link))
