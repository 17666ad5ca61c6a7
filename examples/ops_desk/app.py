"""The factory: who logs in, which tables there are for whom, and what is drawn."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hipflask import Flask, redirect
from hipflask.security import Identity, add_login, hash_password, hashed_passwords, public
from hipflask.tools import Tool

from .actions import add_actions
from .store import Desk, orders, refunds

#: Name, password and roles of each. For a machine of one's own: they stand in the open.
PEOPLE = {
    "sue": ("support", {"support"}),
    "sam": ("support", {"support"}),
    "lea": ("lead", {"support", "lead"}),
}


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the desk; DESK_URL is its database, HIPFLASK_DATABASE_URL that of runs and audit."""
    app = Flask(__name__)
    app.config["SECRET_KEY"] = os.environ.get("SECRET_KEY") or secrets.token_hex(32)
    app.config["DESK_URL"] = os.environ.get("DESK_URL", "sqlite:///ops_desk.db")
    app.config.update(config or {})
    desk = Desk(app.config["DESK_URL"])
    known = {
        name: (hash_password(password), Identity(name, roles=roles))
        for name, (password, roles) in PEOPLE.items()
    }
    add_login(app, hashed_passwords(known), after="/ops/")
    add_desk(app, desk)
    app.add_url_rule("/", "index", lambda: redirect("/ops/"), access=public)
    return app


def add_desk(app: Flask, desk: Desk) -> Tool:
    """The tool itself."""
    ops = Tool(app, "ops", title="Operations desk", data=lambda: desk.engine, audit="lead")
    shown = ops.table(
        orders,
        search=["customer", "email"],
        filters=["status", "country", "amount", "created_at"],
        columns=["id", "customer", "country", "status", "amount", "refunded", "created_at"],
        sort="created_at.desc",
        views={
            "Paid, to be shipped": "status.is=paid&sort=created_at.asc",
            "Large ones": "amount.from=300&sort=amount.desc",
        },
        read="support",
        edit="lead",
        export="lead",
        editable=["customer", "email", "note"],
    )
    ops.table(refunds, filters=["order_id"], sort="id.desc", read="support")

    @ops.chart(read="support", kind="line", name="Day", unit="Orders")
    def orders_a_day() -> list[tuple[str, int]]:
        """The last thirty days."""
        return desk.orders_a_day()

    @ops.chart(read="lead", name="Status", unit="EUR")
    def sums_by_status() -> list[tuple[str, Decimal]]:
        """All that is stored."""
        return desk.sums_by_status()

    add_actions(ops, shown, desk)
    app.extensions["desk"] = desk
    return ops
