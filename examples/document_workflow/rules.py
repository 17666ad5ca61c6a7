"""What an invoice has to be before anybody is asked to approve it. Values in, sentences out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from .reading import Fields

OLDEST = timedelta(days=365)
CENT = Decimal("0.01")


@dataclass(frozen=True)
class Supplier:
    """Whom we buy from, and up to how much an invoice of theirs may be."""

    name: str
    most: Decimal
    is_blocked: bool = False


def check(
    fields: Fields, supplier: Supplier | None, known: Collection[str], today: date
) -> list[str]:
    """What is wrong with an invoice, in sentences; nothing for one that is right.

    `known` are the numbers of the supplier's other invoices.
    """
    wrong = [
        f"The {name} is missing, or cannot be read."
        for name in ("supplier", "number", "issued", "net", "tax", "total")
        if getattr(fields, name) is None
    ]
    if fields.supplier is not None:
        if supplier is None:
            wrong.append(f"{fields.supplier} is no supplier of ours.")
        elif supplier.is_blocked:
            wrong.append(f"{supplier.name} is blocked.")
    if fields.number is not None and fields.number in known:
        wrong.append(f"Invoice {fields.number} of this supplier has come before.")
    if fields.issued is not None and not today - OLDEST <= fields.issued <= today:
        wrong.append(f"It is of {fields.issued}: not within the last {OLDEST.days} days.")
    return wrong + _check_sums(fields, supplier)


def _check_sums(fields: Fields, supplier: Supplier | None) -> list[str]:
    net, tax, total = fields.net, fields.tax, fields.total
    wrong = []
    if net is not None and tax is not None and total is not None and abs(net + tax - total) > CENT:
        wrong.append(f"{net} and {tax} are {net + tax}, and not {total}.")
    if total is not None and total <= 0:
        wrong.append(f"The total is {total}: a credit note is posted by hand.")
    if total is not None and supplier is not None and total > supplier.most:
        wrong.append(f"{total} is above the {supplier.most} agreed with {supplier.name}.")
    return wrong
