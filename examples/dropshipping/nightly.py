"""The supplier's list against the shop's products: what was missed goes into the inbox."""

from __future__ import annotations

import hashlib
import http.client
import time
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import msgspec
from sqlalchemy import text

from hipflask.webhooks import Hooks
from hipflask.webhooks.fields import dump_headers
from hipflask.webhooks.inbox import Arrival

from .shapes import Changed, Product, ProductPage

PAGE = 250
VERSIONS = text("SELECT sku, version FROM product WHERE sku > :after AND sku <= :last")


def reconcile(hooks: Hooks, url: str) -> tuple[int, int]:
    """Read the whole list; returns how many products it has, and how many were missed.

    A missed change is stored as if its webhook had come, under the same id: should that come
    after all, it is a repetition. Can be killed and begun again at any time.
    """
    seen = missed = 0
    after = ""
    for products in read_pages(url):
        last = products[-1].sku
        with hooks.database.read() as db:
            rows = db.execute(VERSIONS, {"after": after, "last": last})
            known = dict(rows.tuples().all())
        newer = [product for product in products if product.version > known.get(product.sku, 0)]
        if newer:
            hooks.inbox.append([arrival_of(product) for product in newer])
        seen, missed, after = seen + len(products), missed + len(newer), last
    return seen, missed


def read_pages(url: str) -> Iterator[list[Product]]:
    """The supplier's products by SKU, a page at a time; OSError if it does not answer."""
    after, more = "", True
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        while more:
            connection.request("GET", f"/products?limit={PAGE}&after={quote(after)}")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise OSError(f"the supplier answered {answer.status}")
            page = msgspec.json.decode(body, type=ProductPage)
            more = page.more
            if page.products:
                after = page.products[-1].sku
                yield page.products
    finally:
        connection.close()


def arrival_of(product: Product) -> Arrival:
    """What the inbox would have had of the webhook."""
    event = Changed(f"{product.sku}-{product.version}", "product.changed", product)
    body = msgspec.json.encode(event)
    return Arrival(
        source="supplier",
        event_id=event.id,
        key=product.sku,
        event_type=event.type,
        scheme="standard",
        secret_no=0,
        is_id_signed=True,
        method="POST",
        query="",
        headers=dump_headers([(b"content-type", b"application/json")]),
        body=body,
        digest=hashlib.sha256(body).digest(),
        received_at=time.time(),
    )
