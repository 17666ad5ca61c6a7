"""Reads an invoice: lines of `Name: value`, or a JSON object. Sans-IO: bytes in, fields out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation

#: What a field is called in documents, lower-case.
NAMES = {
    "supplier": ("supplier", "from", "seller"),
    "number": ("invoice", "invoice no", "invoice number", "number"),
    "issued": ("date", "issued", "invoice date"),
    "net": ("net", "subtotal", "net amount"),
    "tax": ("tax", "vat"),
    "total": ("total", "amount due", "gross"),
    "order": ("order", "purchase order", "po"),
}
_NAME_OF = {name: field for field, names in NAMES.items() for name in names}
_line = re.compile(r"\s*([A-Za-z ]{2,30}?)\s*[:#]\s*(\S.*?)\s*").fullmatch
_amount = re.compile(r"(?:EUR|€)?\s*(-?\d[\d., ]*)\s*(?:EUR|€)?").fullmatch
_thousands = re.compile(r"(?<=\d)[., ](?=\d{3}(?:\D|$))")
LONGEST = 64 * 1024


@dataclass(frozen=True)
class Fields:
    """What stands in an invoice; None for what is not there or cannot be read."""

    supplier: str | None = None
    number: str | None = None
    issued: date | None = None
    net: Decimal | None = None
    tax: Decimal | None = None
    total: Decimal | None = None
    order: str | None = None


def extract(data: bytes) -> Fields:
    """The fields of an invoice. What is unknown is left out, and never guessed.

    Raises ValueError for what is no text, and for more than `LONGEST` bytes.
    """
    if len(data) > LONGEST:
        raise ValueError(f"The document has {len(data):,} bytes; {LONGEST:,} are read.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("The document is no text: upload a .txt or .json file.") from None
    if "\0" in text:
        raise ValueError("The document is no text: it holds NUL.")
    found: dict[str, str] = {}
    for name, value in _pairs(text):
        field = _NAME_OF.get(" ".join(name.lower().split()))
        if field is not None:
            found.setdefault(field, value[:80])
    return Fields(
        supplier=found.get("supplier"),
        number=found.get("number"),
        issued=_date(found.get("issued")),
        net=_money(found.get("net")),
        tax=_money(found.get("tax")),
        total=_money(found.get("total")),
        order=found.get("order"),
    )


def _pairs(text: str) -> list[tuple[str, str]]:
    if text.lstrip().startswith("{"):
        try:
            given = json.loads(text, parse_float=str, parse_int=str)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"The document is no JSON: {error}.") from None
        return [(str(name), str(value)) for name, value in given.items()]
    return [(each[1], each[2]) for row in text.splitlines() if (each := _line(row))]


def _date(text: str | None) -> date | None:
    if text is None:
        return None
    if found := re.fullmatch(r"(\d{1,2})[./](\d{1,2})[./](\d{4})", text):
        text = f"{found[3]}-{found[2]:0>2}-{found[1]:0>2}"
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _money(text: str | None) -> Decimal | None:
    """1,190.00, 1.190,00, 1190 or EUR 1190: two digits at most are cents."""
    found = None if text is None else _amount(text.strip())
    if found is None:
        return None
    plain = _thousands.sub("", found[1].strip()).replace(" ", "").replace(",", ".")
    try:
        amount = Decimal(plain)
    except InvalidOperation:
        return None
    return amount.quantize(Decimal("0.01")) if abs(amount) < 10**8 else None
