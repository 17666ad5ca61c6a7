"""The table that every kit shows: 1,200 orders in a file of SQLite, the same in every run."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from pathlib import Path

COUNT = 1_200
#: What every kit shows of it, in this order.
COLUMNS = ("id", "customer", "email", "country", "status", "amount", "created")
#: Rows to a page, in every kit that has pages.
PAGE = 50
#: Stands in the first row, and nowhere else.
FIRST = "Ada Abbott 0001"
_NAMES = ("Ada Abbott", "Bo Berg", "Cem Can", "Dora Diaz", "Eli Eder", "Fay Fox", "Gil Gray")
_COUNTRIES = ("AT", "BE", "DE", "DK", "FR", "IT", "NL", "PL", "SE")
_STATUSES = ("new", "paid", "shipped", "refunded")


def make(path: Path) -> None:
    """Write the file."""
    found = []
    for number in range(1, COUNT + 1):
        name = _NAMES[(number - 1) % len(_NAMES)]
        found.append(
            (
                f"{name} {number:04}",
                f"{name.partition(' ')[0].lower()}.{number}@shop.example",
                _COUNTRIES[number * 7 % len(_COUNTRIES)],
                _STATUSES[number * 5 % len(_STATUSES)],
                number * 37 % 40_000 / 100,
                f"2026-{number % 9 + 1:02}-{number % 28 + 1:02} {number % 24:02}:15:00",
            )
        )
    with closing(sqlite3.connect(path)) as shop:
        shop.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer VARCHAR(80) NOT NULL,"
            " email VARCHAR(120) NOT NULL, country VARCHAR(2) NOT NULL,"
            " status VARCHAR(10) NOT NULL, amount NUMERIC(10, 2) NOT NULL,"
            " created DATETIME NOT NULL)"
        )
        shop.executemany(
            "INSERT INTO orders (customer, email, country, status, amount, created)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            found,
        )
        shop.commit()


def digest(path: Path) -> str:
    """What tells whether anything in the table has changed."""
    with closing(sqlite3.connect(path)) as shop:
        found = shop.execute("SELECT * FROM orders ORDER BY id").fetchall()
    return hashlib.sha256(repr(found).encode()).hexdigest()
