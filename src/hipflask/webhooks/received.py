"""What a handler is told of the delivery that its event came in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from werkzeug.datastructures import Headers

from .delivery import Delivery
from .events import plain_event


@dataclass(frozen=True, kw_only=True, repr=False)
class Received:
    """A delivery as it was stored, for one handler: the event's head and its bytes.

    `id` is the sender's, or the SHA-256 of the body where it gave none. `type` and `key` are
    None where the sender tells no type and the event has no ordering key. `received_at` is in
    seconds since 1970. `attempt` counts from 1. `secret_no` is the number of the secret that
    matched, from 1; 0 where none was needed.
    """

    source: str
    id: str
    type: str | None
    key: str | None
    seq: int
    received_at: float
    method: str
    query: bytes
    #: (name, value) in the order they came, as bytes.
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    scheme: str
    secret_no: int
    attempt: int = 1
    handler: str = ""

    @cached_property
    def headers(self) -> Headers:
        """The header fields, to be looked up by name in any case; text as Latin-1."""
        return Headers([(n.decode("latin-1"), v.decode("latin-1")) for n, v in self.fields])

    @cached_property
    def event(self) -> Any:
        """The body as an unannotated handler gets it: see `events.plain_event`."""
        return plain_event(self.fields, self.body)

    @property
    def idempotency_key(self) -> str:
        """The same for each attempt and replay of this event by this handler; 64 hex digits.

        Give it to what the handler calls, so that a repetition has no second effect.
        """
        parts = (self.source, self.id, self.handler)
        text = "".join(f"{len(part.encode())}:{part}" for part in parts)
        return hashlib.sha256(text.encode()).hexdigest()

    def delivery(self) -> Delivery:
        """What the sender delivered, to check its signature again."""
        return Delivery(self.fields, self.body, method=self.method, query=self.query)

    def __repr__(self) -> str:
        return f"<Received {self.source} {self.type or '-'} {self.id} attempt {self.attempt}>"
