"""Signed events, made by the senders' own libraries (`standardwebhooks` and `stripe`)."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

#: What the service under test checks with; 32 bytes, as both libraries want.
STANDARD_SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes for the harness").decode()
STRIPE_SECRET = "whsec_for_the_harness"
SIZE = 2_000
KEYS = 400
#: One event in so many is sent on by the service.
SENT_ON = 5


def is_sent_on(number: str) -> bool:
    """Whether the service under test sends the event with this id to its destination."""
    return int(number.rpartition("_")[2]) % SENT_ON == 0


@dataclass(frozen=True)
class Event:
    """One delivery; `wire` is the request as it goes over the connection."""

    id: str
    source: str
    digest: bytes
    wire: bytes
    #: Where the body begins in `wire`.
    body_at: int


class Maker:
    """Makes events with ids of its own; `name` goes into them, `seed` into what they hold."""

    def __init__(self, name: str, seed: int, *, dead_percent: float = 0.0) -> None:
        from standardwebhooks.webhooks import Webhook
        from stripe import WebhookSignature

        self._name = name
        self._random = random.Random(seed)
        self._dead = dead_percent / 100
        self._made = 0
        self._standard = Webhook(STANDARD_SECRET)
        self._stripe = WebhookSignature

    def standard(self) -> Event:
        """An event of Standard Webhooks: its id is a signed header."""
        number, body = self._body("orders")
        now = int(time.time())
        signature = self._standard.sign(number, datetime.fromtimestamp(now, tz=UTC), body)
        return _event(
            number,
            "orders",
            body.encode(),
            {"webhook-id": number, "webhook-timestamp": now, "webhook-signature": signature},
        )

    def stripe(self) -> Event:
        """An event of Stripe: its id is in the body."""
        number, body = self._body("payments")
        signature = self._stripe.generate_signature_header(body, STRIPE_SECRET, int(time.time()))
        return _event(number, "payments", body.encode(), {"Stripe-Signature": signature})

    def any(self) -> Event:
        """One in four is Stripe's."""
        return self.stripe() if self._made % 4 == 3 else self.standard()

    def _body(self, source: str) -> tuple[str, str]:
        self._made += 1
        number = f"evt_{self._name}_{self._made:07d}"
        content: dict[str, Any] = {
            "id": number,
            "type": f"{source}.changed",
            "created": int(time.time()),
            "data": {
                "object": {
                    "customer": f"cus_{self._random.randrange(KEYS):03d}",
                    "is_poison": self._random.random() < self._dead,
                }
            },
        }
        short = json.dumps(content | {"note": ""})
        # Half of it is made up anew each time, so that no two bodies are alike.
        note = self._random.randbytes((SIZE - len(short)) // 4).hex()
        content["note"] = note + "." * (SIZE - len(short) - len(note))
        return number, json.dumps(content)


def _event(number: str, source: str, body: bytes, fields: dict[str, object]) -> Event:
    lines = [f"POST /{source} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    lines += [f"Content-Length: {len(body)}", "", ""]
    head = "\r\n".join(lines).encode()
    return Event(number, source, hashlib.sha256(body).digest(), head + body, len(head))


def write_standard(count: int, bodies: int, seed: int) -> Iterator[bytes]:
    """Lines for wrk: `id time signature number-of-the-body`, all signed now.

    The signature covers the id, so bodies may come again: the first `bodies` lines are those, in
    hexadecimal digits.
    """
    maker = Maker(f"b{seed}", seed)
    texts = [maker._body("orders")[1] for _ in range(bodies)]
    for text in texts:
        yield text.encode().hex().encode() + b"\n"
    now = datetime.now(UTC).replace(microsecond=0)
    stamp = int(now.timestamp())
    for number in range(count):
        name = f"msg_{seed}_{number:07d}"
        at = number % bodies
        signature = maker._standard.sign(name, now, texts[at])
        yield f"{name} {stamp} {signature} {at + 1}\n".encode()
