"""What the views of all peers share: a number that changes, the rows of the page, an order."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ..workloads import FILE_CONTENT, ROWS

TEMPLATES = Path(__file__).parent / "templates"
#: Written when first wanted: no binary in the repository.
FILE = Path(__file__).resolve().parents[2] / ".cache" / "benchmarks" / "file.bin"

#: Returns another number each time, so that no answer can be kept.
next_number = count(1).__next__


@dataclass
class Product:
    """A row of the page."""

    name: str
    maker: str
    stock: int
    price: float
    is_new: bool


PRODUCTS = [
    Product(f"Widget <{n}>", f"Maker & Sons {n % 7}", n * 3 % 11, 9.5 + n, n % 5 == 0)
    for n in range(ROWS)
]


def file_path() -> Path:
    """Return the file to be downloaded."""
    if not FILE.exists() or FILE.stat().st_size != len(FILE_CONTENT):
        FILE.parent.mkdir(parents=True, exist_ok=True)
        part = FILE.with_suffix(f".{os.getpid()}")
        part.write_bytes(FILE_CONTENT)
        part.replace(FILE)
    return FILE


def read_order(data: Any) -> dict[str, Any]:
    """Return the order in `data`, its types checked by hand; ValueError says what is wrong.

    For peers without typed bodies: what a careful user writes.
    """
    try:
        order = {
            "number": next_number(),
            "customer": _checked(data["customer"], str),
            "address": _checked(data["address"], str),
            "express": _checked(data["express"], bool),
            "items": [
                {
                    "sku": _checked(item["sku"], str),
                    "quantity": _checked(item["quantity"], int),
                    "price": _checked(item["price"], float),
                }
                for item in data["items"]
            ],
        }
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an order: {error!r}") from error
    _checked(data.get("number"), int)
    return order


def _checked(value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
