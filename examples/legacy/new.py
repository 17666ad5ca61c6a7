"""The new service. What it does wrong is in its release, which the story deploys:

- release 1 rounds half a cent to the even one, as Python's `round` does;
- release 2 rounds as the old service does;
- release 3 fails for every third order.

The file that RELEASE names says which one is running; without it, it is release 2.
"""

from __future__ import annotations

import os
import time
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

from hipflask import Flask, abort

from .old import receipt
from .orders import ORDERS, VAT_PERCENT, items_of

CENT = Decimal("0.01")


def create_app() -> Flask:
    """The service, at /orders/N and /orders/N/receipt."""
    app = Flask(__name__)

    @app.get("/orders/<int:number>")
    def order(number: int) -> Any:
        return order_of(number)

    @app.get("/orders/<int:number>/receipt")
    def order_receipt(number: int) -> Any:
        return receipt(order_of(number))

    @app.errorhandler(404)
    def missing(error: Exception) -> Any:
        return {"error": "no such order"}, 404

    return app


def order_of(number: int) -> dict[str, Any]:
    """An order, in the old service's shape. Raises 404."""
    if not 1 <= number <= ORDERS:
        abort(404)
    release = deployed()
    if release == 3 and number % 3 == 0:
        raise ConnectionError("the pool of connections is empty")
    net = sum(quantity * cents for _, quantity, cents in items_of(number)) * CENT
    way = ROUND_HALF_EVEN if release == 1 else ROUND_HALF_UP
    vat = (net * VAT_PERCENT / 100).quantize(CENT, way)
    return {
        "id": str(number),
        "lines": [
            {"article": name, "quantity": str(quantity), "price": str(Decimal(cents) * CENT)}
            for name, quantity, cents in items_of(number)
        ],
        "net": str(net),
        "vat": str(vat),
        "total": str(net + vat),
        "note": None if number % 3 else "",
        "server": "new1",
        "generated_at": f"{time.time():.4f}",
    }


def deployed() -> int:
    """The number of the release that runs."""
    file = os.environ.get("RELEASE")
    return int(Path(file).read_text()) if file else 2
