"""An application whose callers say who they are, and a shop's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hipflask import Flask
from hipflask.security import Identity
from hipflask.tools import Tool

ROLES = {"sue": {"support"}, "lea": {"support", "lead"}, "tom": {"stock"}}


class Named:
    """Believes the field X-Who; for tests alone."""

    name = "named"
    is_quick = True

    def identify(self, request: Any) -> Identity | None:
        name = request.headers.get("X-Who")
        return Identity(name, roles=ROLES[name]) if name in ROLES else None

    def challenge(self, error: str = "", description: str = "") -> str:
        return ""

    def scheme(self) -> tuple[str, dict[str, Any]]:
        return "named", {"type": "apiKey", "in": "header", "name": "X-Who"}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    app = Flask("shop")
    app.config["HIPFLASK_DATABASE_URL"] = f"sqlite:///{tmp_path}/runs.db"
    app.identities = [Named()]
    yield app
    for database in app.extensions.get("hipflask.databases", {}).values():
        database.close()


@pytest.fixture
def shop(tmp_path: Path) -> str:
    """The URL of a database of 120 orders: odd ones are open, even ones are paid."""
    path = tmp_path / "shop.db"
    connection = sqlite3.connect(path)
    connection.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer VARCHAR(80) NOT NULL,"
        " status VARCHAR(10) NOT NULL, amount NUMERIC(10, 2), note TEXT, created DATETIME,"
        " archived BOOLEAN NOT NULL DEFAULT 0)"
    )
    connection.executemany(
        "INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                number,
                f"customer {number}",
                "open" if number % 2 else "paid",
                f"{number}.50",
                None,
                f"2026-{1 + number % 12:02}-{1 + number % 28:02} 08:30:00.000000",
                0,
            )
            for number in range(1, 121)
        ],
    )
    connection.commit()
    connection.close()
    return f"sqlite:///{path}"


@pytest.fixture
def ops(app: Flask, shop: str) -> Iterator[Tool]:
    tool = Tool(app, "ops", data=shop)
    yield tool
    tool.close()


@pytest.fixture
def get(app: Flask) -> Callable[..., Any]:
    """Ask for a page as somebody."""

    def ask(path: str, who: str = "sue") -> Any:
        return app.test_client().get(path, headers={"X-Who": who})

    return ask


@pytest.fixture
def post(app: Flask) -> Callable[..., Any]:
    """Send a form as somebody, from a page of ours."""

    def send(path: str, data: Any, who: str = "lea", **headers: str) -> Any:
        sent = {"X-Who": who, "Sec-Fetch-Site": "same-origin", **headers}
        return app.test_client().post(path, data=data, headers=sent)

    return send
