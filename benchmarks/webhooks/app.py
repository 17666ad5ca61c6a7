"""The service under test: two sources, effects written through `tx`, and one destination.

`STORM_STORE` is the store's URL, `STORM_OUTSIDE` the receiver's. While the file `STORM_HEALED`
is absent, events that say so are refused for good, and end among the dead.
"""

from __future__ import annotations

# Before anything reads the environment.
from . import pointed  # isort: skip

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, text

from hipflask import Flask
from hipflask.webhooks import Hooks, Permanent, Received

from . import faults
from .events import STANDARD_SECRET, STRIPE_SECRET, is_sent_on

EFFECT = text("INSERT INTO storm_effect (source, event_id, key) VALUES (:source, :id, :key)")

app = Flask(__name__)
app.config["ORDERS_SECRET"] = STANDARD_SECRET
app.config["PAYMENTS_SECRET"] = STRIPE_SECRET
hooks = Hooks(app, inbox=os.environ["STORM_STORE"])
write = faults.plant(hooks)
outside = hooks.destination(
    "outside",
    env="STORM_OUTSIDE",
    timeout_s=5,
    retries="300ms, 500ms, 1s, 1s, 1s, 1s, 1s, 2s, 2s, 2s",
)
KEY = "data.object.customer"


@hooks.receive("/orders", scheme="standard", secrets="ORDERS_SECRET", key=KEY)
def ordered(event: Any, tx: Connection, delivery: Received) -> None:
    work(event, tx, delivery)


@hooks.receive("/payments", scheme="stripe", secrets="PAYMENTS_SECRET", key=KEY)
def paid(event: Any, tx: Connection, delivery: Received) -> None:
    work(event, tx, delivery)


def work(event: Any, tx: Connection, delivery: Received) -> None:
    """Write the effect, and send one event in five on."""
    if event["data"]["object"]["is_poison"] and not Path(os.environ["STORM_HEALED"]).exists():
        raise Permanent("poison")
    values = {"source": delivery.source, "id": delivery.id, "key": delivery.key}
    write(tx, EFFECT, values)
    if is_sent_on(delivery.id):
        outside.post("/take", delivery.id.encode())


pointed.arm(app)
pointed.note()
