"""The Idempotency-Key of a call: the same on each attempt, replay and machine."""

from __future__ import annotations

import hashlib


def idempotency_key(source: str, event_id: str, handler: str, destination: str, n: int = 0) -> str:
    """The key of the `n`th call that `handler` makes to `destination` for one event.

    32 hexadecimal digits. Each part is hashed with its length, so that ("a", "bc") and ("ab", "c")
    differ.

        idempotency_key("stripe", "evt_1", "paid", "ledger")
    """
    found = hashlib.sha256(b"hipflask-idempotency-1")
    for part in (source, event_id, handler, destination, str(n)):
        data = part.encode("utf-8", "surrogatepass")
        found.update(b"%d:" % len(data))
        found.update(data)
    return found.hexdigest()[:32]
