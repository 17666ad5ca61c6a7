"""The supplier: a catalogue, a list of it in pages, and a webhook for each change.

A stand-in that is as unreliable as real ones: on purpose some webhooks are never sent, some are
sent twice, and some overtake those before them.
"""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hipflask import Flask
from hipflask.webhooks import sign

from .shapes import Changed, Product, ProductPage

SENDERS = 8
TRIES = 5


class Burst(msgspec.Struct):
    """What to do: so many products change, and so much goes wrong with the webhooks."""

    products: Annotated[int, Meta(ge=1)]
    seed: int = 1
    #: Share of the webhooks, 0 to 1.
    dropped: float = 0.03
    duplicated: float = 0.05
    reordered: float = 0.10


class Sent(msgspec.Struct):
    """How far the burst is."""

    changes: int = 0
    webhooks: int = 0
    acknowledged: int = 0
    dropped: int = 0
    duplicated: int = 0
    reordered: int = 0
    failed: int = 0
    is_done: bool = False


class Catalogue:
    """The products, and who tells the shop of their changes; safe to use from any thread."""

    def __init__(self, size: int, url: str, secret: str) -> None:
        self.products = {
            sku: Product(sku, 1, f"Product {number}", 500 + number, number % 50)
            for number in range(size)
            if (sku := f"sku-{number:05d}")
        }
        self.sent = Sent(is_done=True)
        self._url, self._secret = urlsplit(url), secret
        self._lock = threading.Lock()
        self._connections = threading.local()

    def page(self, after: str, limit: int) -> ProductPage:
        """Up to `limit` products whose SKU comes after that one."""
        with self._lock:
            skus = sorted(sku for sku in self.products if sku > after)
            return ProductPage([self.products[sku] for sku in skus[:limit]], len(skus) > limit)

    def burst(self, wanted: Burst) -> None:
        """Change so many products, half of them twice, and send what is to be sent."""
        luck = random.Random(wanted.seed)
        chosen = luck.sample(sorted(self.products), min(wanted.products, len(self.products)))
        # Second changes come among the first ones, but each after the first of its product.
        skus = list(chosen)
        for sku in chosen[: len(chosen) // 2]:
            skus.insert(luck.randrange(skus.index(sku) + 1, len(skus) + 1), sku)
        changes = [self._change(sku, luck) for sku in skus]
        out: list[Changed] = []
        for change in changes:
            chance = luck.random()
            if chance < wanted.dropped:
                self.sent.dropped += 1
                continue
            out.append(change)
            if chance < wanted.dropped + wanted.duplicated:
                self.sent.duplicated += 1
                out.append(change)
        for at in range(len(out)):
            if luck.random() < wanted.reordered:
                other = min(len(out) - 1, at + luck.randrange(1, 50))
                out[at], out[other] = out[other], out[at]
                self.sent.reordered += 1
        with ThreadPoolExecutor(SENDERS) as pool:
            for _ in pool.map(self._deliver, out):
                pass
        self.sent.is_done = True

    def _change(self, sku: str, luck: random.Random) -> Changed:
        with self._lock:
            old = self.products[sku]
            new = Product(
                sku, old.version + 1, old.name, luck.randrange(100, 99_000), luck.randrange(500)
            )
            self.products[sku] = new
            self.sent.changes += 1
        return Changed(f"{sku}-{new.version}", "product.changed", new)

    def _deliver(self, change: Changed) -> None:
        """Send it until the shop takes it; a real supplier would wait longer in between."""
        body = msgspec.json.encode(change)
        with self._lock:
            self.sent.webhooks += 1
        for attempt in range(TRIES):
            fields = dict(sign("standard", body, self._secret, id=change.id))
            try:
                if self._post(body, fields) < 300:
                    with self._lock:
                        self.sent.acknowledged += 1
                    return
            except (OSError, http.client.HTTPException):
                self._connections.own = None
            time.sleep(0.05 * 2**attempt)
        with self._lock:
            self.sent.failed += 1

    def _post(self, body: bytes, fields: dict[str, str]) -> int:
        connection = getattr(self._connections, "own", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._url.netloc, timeout=10)
            self._connections.own = connection
        connection.request("POST", self._url.path, body, fields)
        answer = connection.getresponse()
        answer.read()
        return int(answer.status)


def create_app() -> Flask:
    """Return the supplier's service; `SHOP_HOOK` is where its webhooks go."""
    app = Flask(__name__)
    catalogue = Catalogue(
        int(os.environ.get("SUPPLIER_PRODUCTS", "2500")),
        os.environ["SHOP_HOOK"],
        os.environ["SUPPLIER_SECRET"],
    )

    @app.get("/products")
    def products(after: str = "", limit: Annotated[int, Meta(ge=1, le=500)] = 250) -> ProductPage:
        return catalogue.page(after, limit)

    @app.post("/burst")
    def burst(wanted: Burst) -> Sent:
        catalogue.sent = Sent()
        threading.Thread(target=catalogue.burst, args=(wanted,), daemon=True).start()
        return catalogue.sent

    @app.get("/burst")
    def how_far() -> Sent:
        return catalogue.sent

    return app
