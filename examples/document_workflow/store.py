"""Documents, suppliers, and a stand-in for the books. Nothing in here knows HTTP, or tools."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Date,
    DateTime,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    create_engine,
    func,
    insert,
    select,
    update,
)

from .reading import Fields, extract
from .rules import Supplier, check

STATES = ("held", "checked", "posted", "rejected")
_ACCOUNTS = (("4000 Goods", "net"), ("1570 Input tax", "tax"))

METADATA = MetaData()
suppliers = Table(
    "suppliers",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("most", Numeric(10, 2), nullable=False),
    Column("is_blocked", Boolean, nullable=False, default=False),
)
documents = Table(
    "documents",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("file", String(120), nullable=False),
    Column("state", Enum(*STATES, name="state"), nullable=False, index=True),
    Column("supplier", String(80)),
    Column("number", String(80)),
    Column("issued", Date),
    Column("net", Numeric(10, 2)),
    Column("tax", Numeric(10, 2)),
    Column("total", Numeric(10, 2)),
    Column("flaws", Text, nullable=False, default=""),
    Column("came_at", DateTime, nullable=False, index=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("text", Text, nullable=False),
)
postings = Table(
    "postings",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("document_id", ForeignKey("documents.id"), nullable=False, index=True),
    Column("account", String(40), nullable=False),
    Column("debit", Numeric(10, 2), nullable=False, default=0),
    Column("credit", Numeric(10, 2), nullable=False, default=0),
    Column("posted_at", DateTime, nullable=False),
    Column("text", String(120), nullable=False),
)


class Archive:
    """The documents' database, by its URL. Makes what is missing; an empty one is filled."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)
        METADATA.create_all(self.engine)
        with self.engine.begin() as connection:
            is_new = connection.scalar(select(func.count()).select_from(suppliers)) == 0
            if is_new:
                connection.execute(insert(suppliers), SUPPLIERS)
        if is_new:
            for name, data in seed(_now().date()):
                self.take_in(name, data)

    def close(self) -> None:
        """Close its connections."""
        self.engine.dispose()

    # What actions do

    def take_in(self, file: str, data: bytes) -> int:
        """Keep a document with what stands in it and what is wrong with it; its number.

        ValueError for what is no text, and for a file that came before.
        """
        fields = extract(data)
        digest = hashlib.sha256(data).hexdigest()
        with self.engine.begin() as connection:
            known = connection.scalar(select(documents.c.id).where(documents.c.digest == digest))
            if known is not None:
                raise ValueError(f"This very file is document {known}.")
            flaws = self._flaws(connection, fields)
            made = connection.execute(
                insert(documents).values(
                    file=file[:120], state="held" if flaws else "checked", flaws="\n".join(flaws),
                    supplier=fields.supplier, number=fields.number, issued=fields.issued,
                    net=fields.net, tax=fields.tax, total=fields.total, came_at=_now(),
                    digest=digest, text=data.decode("utf-8-sig"),
                )
            )  # fmt: skip
            return int(made.inserted_primary_key[0])

    def check_again(self, document_id: int) -> None:
        """Hold what stands in the columns against the rules once more, after a correction."""
        with self.engine.begin() as connection:
            row = self._open(connection, document_id)
            fields = Fields(row.supplier, row.number, row.issued, row.net, row.tax, row.total)
            flaws = self._flaws(connection, fields, document_id)
            self._set(
                connection, document_id, "held" if flaws else "checked", flaws="\n".join(flaws)
            )

    def reject(self, document_id: int, reason: str) -> None:
        """Set a document aside for good."""
        with self.engine.begin() as connection:
            self._open(connection, document_id)
            self._set(connection, document_id, "rejected", flaws=reason)

    def reopen(self, document_id: int) -> None:
        """Take `reject` back."""
        with self.engine.begin() as connection:
            self._set(connection, document_id, "held")
        self.check_again(document_id)

    def post(self, document_id: int) -> None:
        """Write a document into the books, once; ValueError unless it is checked."""
        with self.engine.begin() as connection:
            row = self._open(connection, document_id)
            if row.state != "checked":
                raise ValueError(f"Document {document_id} is {row.state}: it cannot be posted.")
            # Somebody may have edited it since it was checked.
            fields = Fields(row.supplier, row.number, row.issued, row.net, row.tax, row.total)
            if flaws := self._flaws(connection, fields, document_id):
                raise ValueError(f"Document {document_id}: {' '.join(flaws)}")
            self._book(connection, row)
            self._set(connection, document_id, "posted")

    def post_back(self, document_id: int) -> None:
        """Take `post` back, by opposite lines: nothing is ever removed from books."""
        with self.engine.begin() as connection:
            row = connection.execute(select(documents).where(documents.c.id == document_id)).one()
            if row.state != "posted":
                raise ValueError(f"Document {document_id} is {row.state}: nothing is posted.")
            self._book_back(connection, row)
            self._set(connection, document_id, "checked")

    # What is shown

    def wrong(self, fields: Fields) -> list[str]:
        """What would be wrong with an invoice that came now."""
        with self.engine.connect() as connection:
            return self._flaws(connection, fields)

    def balance(self) -> Decimal:
        """Debit minus credit over all lines: zero, in books that are right."""
        with self.engine.connect() as connection:
            sums = select(func.sum(postings.c.debit), func.sum(postings.c.credit))
            debit, credit = connection.execute(sums).one()
        return Decimal(debit or 0) - Decimal(credit or 0)

    def by_state(self) -> list[tuple[str, int]]:
        """How many documents there are in each state."""
        query = select(documents.c.state, func.count()).group_by(documents.c.state)
        with self.engine.connect() as connection:
            found: dict[str, int] = dict(connection.execute(query).all())
        return [(state, found.get(state, 0)) for state in STATES]

    def _flaws(self, connection: Connection, fields: Fields, own_id: int = 0) -> list[str]:
        row = connection.execute(
            select(suppliers).where(suppliers.c.name == fields.supplier)
        ).first()
        supplier = None if row is None else Supplier(row.name, row.most, row.is_blocked)
        known = connection.scalars(
            select(documents.c.number)
            .where(documents.c.supplier == fields.supplier, documents.c.id != own_id)
            .where(documents.c.state != "rejected")
        ).all()
        return check(fields, supplier, known, _now().date())

    def _open(self, connection: Connection, document_id: int) -> Any:
        row = connection.execute(select(documents).where(documents.c.id == document_id)).one()
        if row.state not in ("held", "checked"):
            raise ValueError(f"Document {document_id} is {row.state} already.")
        return row

    def _set(self, connection: Connection, document_id: int, state: str, **values: Any) -> None:
        connection.execute(
            update(documents).where(documents.c.id == document_id).values(state=state, **values)
        )

    def _book(self, connection: Connection, row: Any) -> None:
        lines = [(account, "debit", getattr(row, name)) for account, name in _ACCOUNTS]
        lines.append(("3300 Suppliers", "credit", row.total))
        text = f"{row.supplier} {row.number}"[:120]
        for account, side, amount in lines:
            self._line(connection, row.id, account, text, **{side: amount})

    def _book_back(self, connection: Connection, row: Any) -> None:
        # What stands in the books counts, not what the document has become since.
        sums = select(
            postings.c.account,
            func.sum(postings.c.debit).label("debit"),
            func.sum(postings.c.credit).label("credit"),
        ).where(postings.c.document_id == row.id)
        for line in connection.execute(sums.group_by(postings.c.account)).all():
            left = line.debit - line.credit
            side = "credit" if left > 0 else "debit"
            self._line(connection, row.id, line.account, "Taken back", **{side: abs(left)})

    def _line(
        self, connection: Connection, document_id: int, account: str, text: str, **side: Decimal
    ) -> None:
        connection.execute(
            insert(postings).values(
                document_id=document_id, account=account, posted_at=_now(), text=text,
                **{"debit": 0, "credit": 0, **side},
            )
        )  # fmt: skip


SUPPLIERS = [
    {"name": "Acme Paper", "most": Decimal(2000), "is_blocked": False},
    {"name": "Norden Freight", "most": Decimal(5000), "is_blocked": False},
    {"name": "Bright Lamps", "most": Decimal(800), "is_blocked": False},
    {"name": "Old Friends Ltd", "most": Decimal(1000), "is_blocked": True},
]


def invoice(
    supplier: str, number: str, issued: date, net: Decimal, total: Decimal | None = None
) -> str:
    """The text of an invoice at 19 % tax; with a `total` that need not be right."""
    tax = (net * Decimal("0.19")).quantize(Decimal("0.01"))
    return (
        f"Supplier: {supplier}\nInvoice No: {number}\nDate: {issued}\n"
        f"Net: {net:.2f}\nTax: {tax}\nTotal: {total or net + tax}\n"
    )


def seed(today: date) -> list[tuple[str, bytes]]:
    """Made-up documents: most are right, some are not."""
    names = [str(each["name"]) for each in SUPPLIERS]
    found = []
    for number in range(24):
        supplier = names[number % 3]
        net = Decimal(100 + number * 13)
        text = invoice(supplier, f"{supplier[0]}-{1000 + number}", today - timedelta(number), net)
        found.append((f"invoice-{number + 1}.txt", text.encode()))
    yesterday = today - timedelta(1)
    for name, text in (
        ("blocked.txt", invoice(names[3], "O-1", yesterday, Decimal(100))),
        ("sum.txt", invoice(names[0], "A-1", yesterday, Decimal(100), Decimal(200))),
        ("twice.txt", invoice(names[0], "A-1000", yesterday, Decimal(100))),
        ("stranger.txt", invoice("Nobody & Sons", "N-1", yesterday, Decimal(100))),
        ("large.txt", invoice(names[2], "B-1", yesterday, Decimal(900))),
        ("letter.txt", "Dear Sirs,\nplease find the invoice attached.\n"),
    ):
        found.append((name, text.encode()))
    return found


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)
