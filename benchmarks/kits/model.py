"""The table as the kits that work on SQLAlchemy's models take it; KITS_FILE is where it is."""

from __future__ import annotations

import os
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Numeric, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_engine(
    f"sqlite:///{os.environ['KITS_FILE']}", connect_args={"check_same_thread": False}
)


class Base(DeclarativeBase):
    """What SQLAlchemy's models derive from."""


class Order(Base):
    """A row."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(120))
    country: Mapped[str] = mapped_column(String(2))
    status: Mapped[str] = mapped_column(String(10))
    amount: Mapped[Decimal] = mapped_column(Numeric(10, 2))
    created: Mapped[datetime]
