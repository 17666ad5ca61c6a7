"""What goes over the wire: the shapes that views read and answer, and two errors."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from hipflask.api import Paging, Problem

Number = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Sku = Annotated[
    str,
    Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$", max_length=40, examples=["mug-blue", "pot-iron"]),
]
Price = Annotated[str, Meta(pattern=r"^[0-9]{1,6}\.[0-9]{2}$", examples=["9.90"])]
Label = Annotated[str, Meta(min_length=1, max_length=80)]
Email = Annotated[str, Meta(pattern=r"^[a-z0-9._-]+@[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=99)]


class Missing(Problem):
    code = 404


class NotPossible(Problem):
    code = 409
    type = "/problems/not-possible"
    title = "What is there does not allow it"


class Offer(Struct, forbid_unknown_fields=True):
    """A product as a manager describes it."""

    name: Label
    price: Annotated[Price, Meta(description="In euros.")]
    stock: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class Product(Struct):
    """Something the shop sells."""

    sku: Sku
    name: str
    price: Annotated[Decimal, Meta(description="In euros.")]
    stock: Annotated[int, Meta(description="How many are left.")]


class ProductSearch(Paging, frozen=True):
    words: Annotated[str, Meta(max_length=100, description="Part of the name.")] = ""
    in_stock: Annotated[bool, Meta(description="Leave out what is sold out.")] = False


class NewCustomer(Struct, forbid_unknown_fields=True):
    """Somebody who wants to order."""

    name: Label
    email: Email


class Customer(NewCustomer):
    """Somebody who may order."""

    number: Number
    since: date


class Line(Struct, forbid_unknown_fields=True):
    """So many of one product."""

    sku: Sku
    quantity: Annotated[int, Meta(ge=1, le=99)] = 1


class NewOrder(Struct, forbid_unknown_fields=True):
    """What a customer wants."""

    customer: Number
    lines: Annotated[list[Line], Meta(min_length=1, max_length=20)]
    wanted_by: date | None = None


class Status(StrEnum):
    """Where an order stands."""

    NEW = "new"
    PAID = "paid"
    SENT = "sent"
    CANCELLED = "cancelled"

    @property
    def next(self) -> tuple[Status, ...]:
        """What may follow."""
        after = {"new": (Status.PAID, Status.CANCELLED), "paid": (Status.SENT, Status.CANCELLED)}
        return after.get(self.value, ())


class Change(Struct, forbid_unknown_fields=True):
    status: Status


class Order(Struct):
    """What was ordered, and where it stands."""

    number: Number
    customer: Number
    status: Status
    lines: list[Line]
    total: Annotated[Decimal, Meta(description="In euros, at the prices of that day.")]
    placed: datetime
    clerk: Annotated[str, Meta(description="Who changed it last.")]
    wanted_by: date | None = None


class OrderSearch(Paging, frozen=True):
    status: Status | None = None
    customer: Number | None = None
    since: Annotated[date | None, Meta(description="Placed on this day or later.")] = None
