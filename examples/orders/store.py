"""The shop's rows in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from . import shapes
from .shapes import Missing, NotPossible

SCHEMA = """
CREATE TABLE IF NOT EXISTS product (
    sku TEXT PRIMARY KEY, name TEXT, cents INTEGER, stock INTEGER, picture BLOB, media_type TEXT
);
CREATE TABLE IF NOT EXISTS customer (
    number INTEGER PRIMARY KEY, name TEXT, email TEXT UNIQUE, since TEXT
);
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY, customer INTEGER REFERENCES customer, status TEXT, lines TEXT,
    cents INTEGER, placed TEXT, clerk TEXT, wanted_by TEXT, request TEXT UNIQUE
);
INSERT OR IGNORE INTO product (sku, name, cents, stock) VALUES
    ('mug-blue', 'Mug, blue', 990, 1000), ('mug-white', 'Mug, white', 890, 0),
    ('pot-iron', 'Iron pot', 6450, 12), ('board-oak', 'Oak board', 2800, 40);
INSERT OR IGNORE INTO customer VALUES (1, 'Ada', 'ada@example.com', '2026-01-15');
"""
PATIENCE_S = 10


def prepare(path: Path) -> Path:
    """Make and fill the database at `path` unless it is there, and return `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, timeout=PATIENCE_S)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT")
    return path


class Store:
    """One connection, used by one request at a time, whichever threads it runs on."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(
            path, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        self.db.row_factory = sqlite3.Row

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All of what happens inside, or nothing of it; one writer at a time."""
        self.db.execute("BEGIN IMMEDIATE")
        with self.db:  # commits, or rolls back
            yield

    def row(self, table: str, key: str, value: object) -> sqlite3.Row:
        sql = f"SELECT * FROM {table} WHERE {key} = ?"
        row: sqlite3.Row | None = self.db.execute(sql, [value]).fetchone()
        if row is None:
            raise Missing(detail=f"There is no {table.rstrip('s')} {value}.")
        return row

    def products(self, asked: shapes.ProductSearch) -> list[shapes.Product]:
        sql = "SELECT * FROM product WHERE instr(lower(name), lower(?)) AND stock >= ?"
        values = [asked.words, asked.in_stock, asked.limit, asked.offset]
        return list(map(_product, self.db.execute(f"{sql} ORDER BY sku LIMIT ? OFFSET ?", values)))

    def product(self, sku: str) -> shapes.Product:
        return _product(self.row("product", "sku", sku))

    def put_product(self, sku: str, offer: shapes.Offer) -> None:
        self.db.execute(
            "INSERT INTO product (sku, name, cents, stock) VALUES (?, ?, ?, ?) ON CONFLICT DO"
            " UPDATE SET name = excluded.name, cents = excluded.cents, stock = excluded.stock",
            [sku, offer.name, int(Decimal(offer.price) * 100), offer.stock],
        )

    def put_picture(self, sku: str, data: bytes, media_type: str) -> None:
        self.product(sku)
        sql = "UPDATE product SET picture = ?, media_type = ? WHERE sku = ?"
        self.db.execute(sql, [data, media_type, sku])

    def add_customer(self, new: shapes.NewCustomer) -> shapes.Customer:
        values = [new.name, new.email, date.today().isoformat()]
        sql = "INSERT INTO customer (name, email, since) VALUES (?, ?, ?)"
        try:
            return self.customer(self.db.execute(sql, values).lastrowid)
        except sqlite3.IntegrityError:
            raise NotPossible(detail=f"{new.email} is the address of a customer.") from None

    def customer(self, number: int | None) -> shapes.Customer:
        return msgspec.convert(dict(self.row("customer", "number", number)), shapes.Customer)

    def orders(self, asked: shapes.OrderSearch) -> Iterator[shapes.Order]:
        """The orders that were asked for, newest first, read as they are taken."""
        sql = (
            "SELECT * FROM orders WHERE status = ifnull(?, status) AND"
            " customer = ifnull(?, customer) AND placed >= ifnull(?, '')"
            " ORDER BY number DESC LIMIT ? OFFSET ?"
        )
        since = asked.since and asked.since.isoformat()
        values = [asked.status, asked.customer, since, asked.limit, asked.offset]
        return map(_order, self.db.execute(sql, values))

    def order(self, number: int | None) -> shapes.Order:
        return _order(self.row("orders", "number", number))

    def place(
        self, new: shapes.NewOrder, clerk: str, request: str | None
    ) -> tuple[shapes.Order, bool]:
        """The order, and whether it is new: the same `request` places one order."""
        with self.writing():
            for row in self.db.execute("SELECT * FROM orders WHERE request = ?", [request]):
                return _order(row), False
            try:
                self.customer(new.customer)
                cents = sum(map(self.take, new.lines))
            except Missing as error:
                raise NotPossible(detail=error.detail) from None
            lines = msgspec.json.encode(new.lines).decode()
            placed = datetime.now(UTC).isoformat(timespec="seconds")
            wanted_by = new.wanted_by and new.wanted_by.isoformat()
            values = (new.customer, lines, cents, placed, clerk, wanted_by, request)
            sql = "INSERT INTO orders VALUES (NULL, ?, 'new', ?, ?, ?, ?, ?, ?)"
            return self.order(self.db.execute(sql, values).lastrowid), True

    def take(self, line: shapes.Line) -> int:
        """Take a line out of stock; what it costs in cents."""
        row = self.row("product", "sku", line.sku)
        if row["stock"] < line.quantity:
            raise NotPossible(detail=f"Of {line.sku}, {row['stock']} are left.")
        sql = "UPDATE product SET stock = stock - ? WHERE sku = ?"
        self.db.execute(sql, [line.quantity, line.sku])
        return int(row["cents"]) * line.quantity

    def change(self, number: int, status: shapes.Status, clerk: str) -> shapes.Order:
        with self.writing():
            now = self.order(number).status
            if status not in now.next:
                raise NotPossible(detail=f"Order {number} is {now}; it cannot become {status}.")
            sql = "UPDATE orders SET status = ?, clerk = ? WHERE number = ?"
            self.db.execute(sql, [status, clerk, number])
            return self.order(number)


def _product(row: sqlite3.Row) -> shapes.Product:
    return shapes.Product(row["sku"], row["name"], _euros(row["cents"]), row["stock"])


def _order(row: sqlite3.Row) -> shapes.Order:
    values: dict[str, Any] = dict(row)
    values |= {"lines": msgspec.json.decode(row["lines"]), "total": _euros(row["cents"])}
    return msgspec.convert(values, shapes.Order)


def _euros(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)
