"""The shop: takes the supplier's webhooks, and writes the products that are newer than its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import click
from sqlalchemy import Connection, text

from hipflask import Flask
from hipflask.webhooks import Hooks

from .nightly import reconcile
from .shapes import Changed

#: For everybody to try it with; a real shop has its secret in the environment alone.
SECRET = "whsec_" + "dGhlIHN1cHBsaWVyIGFuZCB0aGUgc2hvcCBvZiB0aGUgZGVtbw=="
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS product (sku TEXT PRIMARY KEY, version INTEGER NOT NULL,"
    " name TEXT NOT NULL, cents INTEGER NOT NULL, stock INTEGER NOT NULL)"
)
# An older change may come after a newer one, and a change twice: only a newer version is written.
PUT = text(
    "INSERT INTO product VALUES (:sku, :version, :name, :cents, :stock) ON CONFLICT (sku) DO"
    " UPDATE SET version = excluded.version, name = excluded.name, cents = excluded.cents,"
    " stock = excluded.stock WHERE excluded.version > product.version"
)


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Return the shop; its products are in the database of its inbox."""
    app = Flask(__name__)
    app.config["SUPPLIER_SECRET"] = os.environ.get("SUPPLIER_SECRET", SECRET)
    app.config["SUPPLIER_URL"] = os.environ.get("SUPPLIER_URL", "http://127.0.0.1:8004")
    app.config["SHOP_INBOX"] = os.environ.get("SHOP_INBOX")
    app.config.update(config or {})
    hooks = Hooks(app, inbox=app.config["SHOP_INBOX"])

    @hooks.receive("/supplier", scheme="standard", secrets="SUPPLIER_SECRET", key="product.sku")
    def changed(event: Changed, tx: Connection) -> None:
        product = event.product
        tx.execute(
            PUT,
            {
                "sku": product.sku,
                "version": product.version,
                "name": product.name,
                "cents": product.cents,
                "stock": product.stock,
            },
        )

    @app.get("/products")
    def products() -> dict[str, dict[str, int]]:
        """What is sold: version, price and stock by SKU."""
        with hooks.database.read() as db:
            rows = db.execute(text("SELECT sku, version, cents, stock FROM product"))
            return {
                sku: {"version": version, "cents": cents, "stock": stock}
                for sku, version, cents, stock in rows
            }

    @app.get("/unfinished")
    def unfinished() -> dict[str, int]:
        """How many events are received and not yet worked on."""
        return {"events": hooks.inbox.backlog(0).rows}

    @app.cli.command("prepare")
    def prepare() -> None:
        """Make the tables."""
        with hooks.database.begin() as db:
            db.execute(text(SCHEMA))

    @app.cli.command("reconcile")
    def nightly() -> None:
        """Read the supplier's list, and put into the inbox what was missed. For the night."""
        seen, missed = reconcile(hooks, app.config["SUPPLIER_URL"])
        click.echo(f"{seen} products seen, {missed} missed")

    return app
