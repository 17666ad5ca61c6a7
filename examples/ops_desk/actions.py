"""What may be done at the desk. Each is planned first, shown, and only then done.

Its digest covers this file: an approval is for what the code says now.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

from msgspec import Meta

from hipflask.tools import Row, Table, Tool, Upload
from hipflask.tools.actions import Run

from .store import Desk


def add_actions(ops: Tool, orders: Table, desk: Desk) -> None:
    """Give the tool its actions."""

    @orders.action(
        roles="support",
        approve="lead",
        limit=50,
        undo_for="24h",
        available=lambda row: row.status in ("paid", "shipped"),
    )
    def refund(
        run: Run,
        row: Row,
        amount: Annotated[Decimal, Meta(gt=0, le=500, description="In EUR, of each order.")],
        reason: Annotated[str, Meta(min_length=5, max_length=200)],
        receipt: Upload | None = None,
    ) -> None:
        """Give back a part of what was paid, or all of it."""
        left = row.amount - row.refunded
        if amount > left:
            raise ValueError(f"Order {row.id} has {left} EUR left to refund.")
        run.do(
            f"refund {amount} EUR on order {row.id} of {row.customer}",
            desk.refund, row.id, amount, reason, run.by.name,
            undo=(desk.take_back, row.id, amount),
        )  # fmt: skip

    @orders.action(roles="support", undo_for="1h", available=lambda row: bool(row.status == "paid"))
    def ship(run: Run, row: Row) -> None:
        """Mark paid orders as shipped."""
        run.do(
            f"mark order {row.id} of {row.customer} as shipped", desk.ship, row.id,
            undo=(desk.unship, row.id),
        )  # fmt: skip

    @ops.action(roles="lead")
    def remind(run: Run, most: Annotated[int, Meta(ge=1, le=500)] = 20) -> None:
        """Write to those who have not paid, the oldest orders first."""
        found: list[Any] = desk.unpaid(most)
        if not found:
            raise ValueError("Everybody has paid, or was reminded.")
        for order in found:
            run.do(f"remind {order.customer} of order {order.id}", desk.remind, order.id)
