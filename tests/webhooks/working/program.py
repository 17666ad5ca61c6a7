"""The application that the workers of these tests work for; run, a worker with short leases.

Its one source takes numbered events. Each handling writes a row into `effect`, so that an effect
too many, one that is missing, and a wrong order can be counted.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from typing import Any

from sqlalchemy import Connection, text

from hipflask import Flask
from hipflask.webhooks import Hooks, Received

app = Flask(__name__)
app.config["SECRET"] = "a secret for tests"
hooks = Hooks(app, inbox=os.environ["STORE_URL"], workers=0)
SHARE_FAILING = float(os.environ.get("SHARE_FAILING", "0"))
WORK_S = float(os.environ.get("WORK_S", "0"))
RETRIES = os.environ.get("RETRIES", "50ms, 100ms, 200ms, 400ms, 1s, 1s, 1s, 1s")
ADD = text("INSERT INTO effect (event_id, key, attempt, pid) VALUES (:id, :key, :attempt, :pid)")

orders = hooks.source(
    "/orders", scheme="hookdeck", secrets="SECRET", retries=RETRIES, when_dead="park"
)
ledger = None
if "LEDGER_URL" in os.environ:
    ledger = hooks.destination(
        "ledger", env="LEDGER_URL", timeout_s=5, retries=RETRIES, breaker=None
    )


def fails(event_id: str, attempt: int) -> bool:
    """Whether the attempt is one of those that fail: by the id, alike in each process."""
    digest = hashlib.sha256(f"{event_id} {attempt}".encode()).digest()
    return digest[0] / 256 < SHARE_FAILING and attempt < 4


@orders.on()
def take(event: Any, tx: Connection, delivery: Received) -> None:
    if event.get("kills"):
        os.kill(os.getpid(), 9)
    if event.get("is_bad"):
        raise ValueError("cannot be done")
    tx.execute(
        ADD,
        {
            "id": delivery.id,
            "key": delivery.key,
            "attempt": delivery.attempt,
            "pid": os.getpid(),
        },
    )
    if WORK_S:
        time.sleep(WORK_S)
    if ledger is not None:
        ledger.post("/entries", {"id": delivery.id})
    if fails(delivery.id, delivery.attempt):
        raise RuntimeError("one of those that fail")


def work(threads: int, lease_s: float) -> None:
    """What `hipflask worker` does, with leases for people in a hurry."""
    from hipflask.webhooks.working.crews import make_crew

    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    crew = make_crew(hooks, threads=threads, lease_s=lease_s, sweep_s=lease_s)
    crew.start()
    while not stopped.wait(0.1):
        pass
    crew.stop()


if __name__ == "__main__":
    work(int(os.environ["THREADS"]), float(os.environ["LEASE_S"]))
