"""What the benchmark loads: one source, and with `TIMED_WORKERS` a handler that is run."""

from __future__ import annotations

import os
import time
from typing import Any

from hipflask import Flask
from hipflask.webhooks import Hooks

from . import faults
from .events import STANDARD_SECRET

app = Flask(__name__)
app.config["ORDERS_SECRET"] = STANDARD_SECRET
workers = int(os.environ.get("TIMED_WORKERS", "0"))
# Without workers the rows pile up: no limit here.
hooks = Hooks(app, inbox=os.environ["TIMED_STORE"], workers=workers, most_rows=10**9)
faults.plant(hooks)


@hooks.receive("/orders", scheme="standard", secrets="ORDERS_SECRET")
def ordered(event: Any) -> None:
    """Nothing to do: what is timed is the acknowledgement."""


if os.environ.get("FAULT"):

    @app.before_request
    def burn() -> None:
        until = time.perf_counter() + 0.001
        while time.perf_counter() < until:
            pass
