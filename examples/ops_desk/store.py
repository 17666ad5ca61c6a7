"""Orders and refunds in a database. Nothing in here knows HTTP, or tools."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Column,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    create_engine,
    func,
    insert,
    select,
    update,
)

STATUSES = ("new", "paid", "shipped", "refunded")
ORDERS = 1_200

METADATA = MetaData()
orders = Table(
    "orders",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("customer", String(80), nullable=False),
    Column("email", String(120), nullable=False),
    Column("country", String(2), nullable=False),
    Column("status", Enum(*STATUSES, name="status"), nullable=False, index=True),
    Column("amount", Numeric(10, 2), nullable=False),
    Column("refunded", Numeric(10, 2), nullable=False, default=0),
    Column("created_at", DateTime, nullable=False, index=True),
    Column("note", String(500)),
)
refunds = Table(
    "refunds",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("order_id", ForeignKey("orders.id"), nullable=False, index=True),
    Column("amount", Numeric(10, 2), nullable=False),
    Column("reason", String(200), nullable=False),
    Column("asked_by", String(80), nullable=False),
    Column("made_at", DateTime, nullable=False),
    Column("taken_back_at", DateTime),
)


class Desk:
    """The desk's database, by its URL. Makes what is missing; an empty one is filled."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        METADATA.create_all(self.engine)
        with self.engine.begin() as connection:
            if connection.scalar(select(func.count()).select_from(orders)) == 0:
                connection.execute(insert(orders), seed(ORDERS, _now()))

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    # What actions do

    def ship(self, order_id: int) -> None:
        """Mark a paid order as shipped; ValueError for another."""
        self._move(order_id, "paid", "shipped")

    def unship(self, order_id: int) -> None:
        """Take `ship` back."""
        self._move(order_id, "shipped", "paid")

    def refund(self, order_id: int, amount: Decimal, reason: str, asked_by: str) -> None:
        """Give back a part of what was paid, or all; ValueError for more than is left."""
        with self.engine.begin() as connection:
            order = connection.execute(select(orders).where(orders.c.id == order_id)).one()
            left = order.amount - order.refunded
            if order.status == "new" or amount > left:
                raise ValueError(f"Of order {order_id} there are {left} EUR left to refund.")
            connection.execute(
                insert(refunds).values(
                    order_id=order_id, amount=amount, reason=reason, asked_by=asked_by,
                    made_at=_now(),
                )
            )  # fmt: skip
            self._set_refunded(connection, order_id, order.refunded + amount, order.amount)

    def take_back(self, order_id: int, amount: Decimal) -> None:
        """Take the latest refund of that amount back; ValueError where there is none."""
        with self.engine.begin() as connection:
            found = connection.execute(
                select(refunds.c.id)
                .where(refunds.c.order_id == order_id, refunds.c.amount == amount)
                .where(refunds.c.taken_back_at.is_(None))
                .order_by(refunds.c.id.desc())
            ).first()
            if found is None:
                raise ValueError(f"Order {order_id} has no refund of {amount} EUR to take back.")
            connection.execute(
                update(refunds).where(refunds.c.id == found.id).values(taken_back_at=_now())
            )
            order = connection.execute(select(orders).where(orders.c.id == order_id)).one()
            self._set_refunded(connection, order_id, order.refunded - amount, order.amount)

    def remind(self, order_id: int) -> None:
        """Stand in for a mail to a customer who has not paid: a note says that it went out."""
        with self.engine.begin() as connection:
            connection.execute(
                update(orders)
                .where(orders.c.id == order_id)
                .values(note=f"Reminded on {_now():%Y-%m-%d}.")
            )

    def unpaid(self, most: int) -> list[Any]:
        """The oldest orders that are not paid, and of which nobody was reminded."""
        query = select(orders.c.id, orders.c.customer).where(
            orders.c.status == "new", orders.c.note.is_(None)
        )
        with self.engine.connect() as connection:
            return list(connection.execute(query.order_by(orders.c.created_at).limit(most)))

    # What charts show

    def orders_a_day(self, days: int = 30) -> list[tuple[str, int]]:
        """How many orders came on each of the last days."""
        with self.engine.connect() as connection:
            last = connection.scalar(select(func.max(orders.c.created_at)))
            day = func.date(orders.c.created_at)
            rows = connection.execute(select(day, func.count()).group_by(day)).all()
        found: dict[str, int] = dict(rows)
        wanted = [(last - timedelta(days=back)).date() for back in range(days)][::-1]
        return [(f"{each:%d %b}", found.get(each.isoformat(), 0)) for each in wanted]

    def sums_by_status(self) -> list[tuple[str, Decimal]]:
        """The sum of all orders in each state."""
        query = select(orders.c.status, func.sum(orders.c.amount)).group_by(orders.c.status)
        with self.engine.connect() as connection:
            found: dict[str, Any] = dict(connection.execute(query).all())
        return [(status, Decimal(found.get(status, 0))) for status in STATUSES]

    def _move(self, order_id: int, old: str, new: str) -> None:
        with self.engine.begin() as connection:
            moved = connection.execute(
                update(orders)
                .where(orders.c.id == order_id, orders.c.status == old)
                .values(status=new)
            )
        if moved.rowcount == 0:
            raise ValueError(f"Order {order_id} is not {old} any more.")

    def _set_refunded(
        self, connection: Any, order_id: int, refunded: Decimal, amount: Decimal
    ) -> None:
        status = "refunded" if refunded == amount else "paid"
        connection.execute(
            update(orders).where(orders.c.id == order_id).values(refunded=refunded, status=status)
        )


def seed(count: int, now: datetime) -> list[dict[str, Any]]:
    """Made-up orders, the same ones each time, the newest at `now`."""
    chance = random.Random(8)
    first = ("Ada", "Grace", "Edsger", "Barbara", "Donald", "Radia", "Alan", "Hedy", "Tim", "Joan")
    last = ("Meyer", "Novak", "Rossi", "Dubois", "Jansen", "Silva", "Kowalski", "Berg", "Costa")
    found = []
    at = now
    for number in range(count, 0, -1):
        name = f"{chance.choice(first)} {chance.choice(last)}"
        found.append(
            {
                "id": number,
                "customer": name,
                "email": f"{name.replace(' ', '.').lower()}@example.com",
                "country": chance.choice(("DE", "FR", "IT", "NL", "PL", "PT")),
                "status": chance.choices(STATUSES[:3], (2, 5, 3))[0],
                "amount": Decimal(chance.randint(500, 40_000)) / 100,
                "refunded": Decimal(0),
                "created_at": at,
                "note": None,
            }
        )
        at -= timedelta(minutes=chance.randint(5, 90))
    return found[::-1]


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
