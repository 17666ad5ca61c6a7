"""Tables in a database: indexes are used, and not more is read than is shown."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, text

from hipflask import Flask
from hipflask.database import Database
from hipflask.security import Identity
from hipflask.tools import Tool
from hipflask.tools.exporting import dump_csv

Ask = Callable[..., Any]


@pytest.fixture
def ops(app: Flask, tmp_path: Path) -> Iterator[Tool]:
    path = tmp_path / "big.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, at INTEGER, kind INTEGER, body TEXT)"
    )
    connection.execute("CREATE INDEX big_at ON big (at)")
    connection.executemany(
        "INSERT INTO big (at, kind, body) VALUES (?, ?, ?)",
        ((number * 7919 % 20011, number % 3, "x" * 1000) for number in range(20_000)),
    )
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()
    tool = Tool(app, "ops", data=f"sqlite:///{path}")
    yield tool
    tool.close()


def plans(tool: Tool, path: str, get: Ask) -> list[str]:
    """How SQLite goes about each query that a page makes."""
    asked: list[tuple[str, Any]] = []
    engine = tool.data.engine

    @event.listens_for(engine, "before_cursor_execute")
    def note(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        asked.append((statement, values))

    assert get(path).status_code == 200
    event.remove(engine, "before_cursor_execute", note)
    with engine.connect() as connection:
        return [
            " / ".join(
                row[3]
                for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            )
            for statement, values in asked
            if statement.startswith("SELECT")
        ]


@pytest.mark.parametrize("way", ["asc", "desc"])
def test_an_indexed_order_is_not_sorted_anew(ops: Tool, get: Ask, way: str) -> None:
    @ops.table("big", read="support", filters=["kind"])
    def big(query: Any, user: Identity) -> Any:
        return query.where(query.selected_columns.kind < 3)

    get("/ops/tables/big")  # the table is looked up once
    rows, count = plans(ops, f"/ops/tables/big?sort=at.{way}", get)
    assert "big_at" in rows
    assert "TEMP B-TREE" not in rows
    assert "TEMP B-TREE" not in count


def test_long_cells_are_cut_by_the_database(ops: Tool, get: Ask) -> None:
    table = ops.table("big", read="support")
    listing = table.listing({}, None)
    assert max(len(row["body"]) for row in listing.rows) == 400
    row = table.row("1", None)
    assert row is not None
    assert len(row["body"]) == 1000


def test_an_export_holds_a_batch_at_a_time(ops: Tool) -> None:
    table = ops.table("big", read="support")
    columns, rows = table.stream(table.ask({}, None), None)
    tracemalloc.start()
    size = sum(len(piece) for piece in dump_csv(columns, rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 20_000_000
    assert peak < 5_000_000


def test_keys_of_all_that_match(ops: Tool) -> None:
    table = ops.table("big", read="support", filters=["kind", "at"])
    asked = table.ask({}, None)
    assert len(table.keys(asked, None, 100)) == 101


def test_engines_of_all_kinds_are_taken(app: Flask, ops: Tool, tmp_path: Path, get: Ask) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/big.db")
    store = Database(f"sqlite:///{tmp_path}/both.db")
    store.prepare()
    with store.begin() as connection:
        connection.execute(text("CREATE TABLE few (id INTEGER PRIMARY KEY)"))
        connection.execute(text("INSERT INTO few VALUES (1), (2)"))
    ops.table("big", name="one", read="support", data=engine)
    ops.table("big", name="two", read="support", data=lambda: engine)
    ops.table("few", read="support", data=store)
    for name in ("one", "two", "few"):
        assert get(f"/ops/tables/{name}").status_code == 200
    engine.dispose()
    store.close()


def test_the_store_may_be_the_same_file(app: Flask, tmp_path: Path, get: Ask, post: Ask) -> None:
    url = f"sqlite:///{tmp_path}/both.db"
    store = Database(url)
    store.prepare()
    with store.begin() as connection:
        connection.execute(text("CREATE TABLE few (id INTEGER PRIMARY KEY, name TEXT)"))
    given = {"one": url, "two": None, "three": store}
    tools = {name: Tool(app, name, data=data, store=store) for name, data in given.items()}
    for tool in tools.values():
        tool.table("few", read="support", create="lead")
    for name, tool in tools.items():
        made = post(f"/{name}/tables/few/new", {"v.name": name})
        assert made.status_code == 303
        assert get(made.location).status_code == 200
        tool.close()
    store.close()
