"""The application of these tests: payments in a table of their own, and actions on them.

Run as a program it works on runs, with leases for people in a hurry.
"""

from __future__ import annotations

import os
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
from sqlalchemy import Column, Integer, MetaData, Numeric, Table, Text, create_engine, text

from hipflask import Flask
from hipflask.security import Identity
from hipflask.settings import Secret
from hipflask.tools import Accepts, Tool, Upload
from hipflask.tools.actions import Run

ROLES = {
    "sue": {"support"},
    "sam": {"support"},
    "lea": {"support", "lead"},
    "max": {"lead"},
    "tom": {"stock"},
}
PAYMENT = Table(
    "payment",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("customer", Text),
    Column("amount", Numeric(10, 2)),
    Column("refunded", Numeric(10, 2)),
)
EFFECT = Table(
    "effect",
    PAYMENT.metadata,
    Column("number", Integer, primary_key=True),
    Column("what", Text),
)
Amount = Annotated[Decimal, msgspec.Meta(gt=0, le=500)]
Receipt = Annotated[Upload, Accepts("text/*", max_bytes=1 << 20)]


class Named:
    """Believes the field X-Who, and shows the name in X-Shown; for tests alone."""

    name = "named"
    is_quick = True

    def identify(self, request: Any) -> Identity | None:
        name = request.headers.get("X-Who")
        if name not in ROLES:
            return None
        claims = {"name": request.headers.get("X-Shown", name)}
        return Identity(name, roles=ROLES[name], claims=claims)

    def challenge(self, error: str = "", description: str = "") -> str:
        return ""

    def scheme(self) -> tuple[str, dict[str, Any]]:
        return "named", {"type": "apiKey", "in": "header", "name": "X-Who"}


class Shop:
    """One application with its tool; `told` are the notices of its hook."""

    def __init__(self, store: Any, data: str, workers: int = 0) -> None:
        self.engine = create_engine(data)
        self.told: list[str] = []
        self.app = Flask("shop")
        self.app.identities = [Named()]
        self.tool = Tool(
            self.app,
            "ops",
            data=self.engine,
            store=store,
            workers=workers,
            audit="lead",
            notify=lambda notice: self.told.append(notice.event),
            terminal={"ann": Identity("sue", roles={"support"})},
        )
        _declare(self)

    @property
    def gate(self) -> Any:
        return self.tool.runs.gate

    def seed(self, count: int = 5) -> None:
        """Make the tables, with so many payments of 100."""
        PAYMENT.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(
                PAYMENT.insert(),
                [
                    {"id": n, "customer": f"customer {n}", "amount": 100, "refunded": 0}
                    for n in range(1, count + 1)
                ],
            )

    def write(self, what: str) -> None:
        """An effect that can be counted."""
        with self.engine.begin() as connection:
            connection.execute(EFFECT.insert(), {"what": what})

    def effects(self) -> list[str]:
        with self.engine.connect() as connection:
            found = connection.execute(text("SELECT what FROM effect ORDER BY number"))
            return list(found.scalars())

    def edit(self, id: int, **values: Any) -> None:
        """Change a payment behind everybody's back."""
        with self.engine.begin() as connection:
            connection.execute(PAYMENT.update().where(PAYMENT.c.id == id).values(**values))

    def close(self) -> None:
        self.tool.runs.stop()
        self.tool.close()
        self.engine.dispose()


def _declare(shop: Shop) -> None:
    ops = shop.tool

    @ops.table(PAYMENT, name="payments", read=["support", "lead"], filters=["customer", "id"])
    def payments(query: Any, user: Identity) -> Any:
        # The last one is nobody's but the lead's.
        return query if "lead" in user.roles else query.where(PAYMENT.c.id != 5)

    def pay_back(id: int, amount: Decimal) -> None:
        shop.write(f"refund {id} {amount}")

    def take_back(id: int) -> None:
        shop.write(f"take back {id}")

    @payments.action(roles="support", approve="lead", limit=3, undo_for="24h")
    def refund(run: Run, row: Any, amount: Amount, reason: str = "asked") -> None:
        """Refund a payment and tell the customer."""
        run.do(
            f"refund {amount} on #{row.id}: {reason}",
            pay_back,
            row.id,
            amount,
            undo=(take_back, row.id),
        )

    def keep(id: int, receipt: Upload, more: list[Upload]) -> None:
        texts = [each.read().decode() for each in (receipt, *more)]
        shop.write(f"{id} {receipt.filename} {receipt.mimetype} {' '.join(texts)}")

    @payments.action(roles="support", approve="lead")
    def attach(
        run: Run,
        row: Any,
        receipt: Receipt,
        more: list[Upload] = [],  # noqa: B006 (never changed)
    ) -> None:
        """Keep receipts with a payment."""
        total = receipt.read().decode().splitlines()[0]
        run.do(f"attach a receipt of {total} to #{row.id}", keep, row.id, receipt, more)

    @ops.action(roles="support")
    def remind(run: Run, whom: str) -> None:
        """Write a reminder."""
        run.do(f"remind {whom}", shop.write, f"remind {whom}")

    @ops.action(roles="support")
    def connect(run: Run, host: str, password: Secret) -> None:
        """Log in at a partner's."""

        def log_in() -> None:
            if host == "broken":
                raise RuntimeError(f"{host} refused {password.reveal()}")
            shop.write(f"logged in at {host}")

        run.do(f"log in at {host}", log_in)

    @ops.action(roles="support")
    def slow(run: Run, steps: int, folder: str) -> None:
        """Work until somebody says go on."""

        def work(number: int) -> None:
            shop.write(f"slow {number} in {os.getpid()}")
            run.progress(number, steps, "at step")
            (Path(folder) / f"at-{number}").touch()
            while not (Path(folder) / f"go-{number}").exists():
                time.sleep(0.02)
                run.progress(number, steps, "at step")

        for number in range(steps):
            run.do(f"step {number}", work, number)


def create_app() -> Flask:
    """The application of a process that serves it, or works for it."""
    shop = Shop(os.environ["STORE_URL"], os.environ["DATA_URL"])
    if every := os.environ.get("EVERY"):
        clock = Identity("clock", roles={"support"})
        action = shop.tool.actions["remind"]
        action.schedule("often", every=every, by=clock, values={"whom": "all"})
    return shop.app


def work(shop: Shop, lease_s: float) -> None:
    """What a serving process does, until it is killed."""
    from hipflask.tools.runs.working import make_crew

    crew = make_crew(shop.tool.runs, threads=2, lease_s=lease_s, sweep_s=lease_s)
    crew.start()
    threading.Event().wait()


if __name__ == "__main__":
    work(Shop(os.environ["STORE_URL"], os.environ["DATA_URL"]), float(os.environ["LEASE_S"]))
