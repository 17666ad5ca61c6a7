"""What the supplier tells, as both sides read it."""

from __future__ import annotations

import msgspec


class Product(msgspec.Struct):
    """A product as it is from `version` on."""

    sku: str
    version: int
    name: str
    cents: int
    stock: int


class Changed(msgspec.Struct):
    """The webhook: the whole product, so that a later one makes up for an earlier one."""

    id: str
    type: str
    product: Product


class ProductPage(msgspec.Struct):
    """Some products, and whether there are more."""

    products: list[Product]
    more: bool
