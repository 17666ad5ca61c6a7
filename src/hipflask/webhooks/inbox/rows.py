"""What inbox and outbox take and hand out."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from ...database.rows import Row

# Ordered as they came or go; names and values as bytes.
Headers = Sequence[tuple[bytes, bytes]]


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A verified delivery, about to be stored. `digest` is the SHA-256 of `body`."""

    source: str
    event_id: str
    key: str | None
    event_type: str | None
    scheme: str
    # Which of the secrets matched, counted from 1; 0 where the scheme has none.
    secret_no: int
    is_id_signed: bool
    method: str
    query: str
    # As `fields.dump_headers` writes them.
    headers: bytes
    body: bytes
    digest: bytes
    received_at: float


class Kind(StrEnum):
    """What became of an arrival; each is a reason to answer 2xx."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """The row that keeps the arrival: on disk."""

    seq: int
    kind: Kind


class InboxRow(Row, frozen=True, kw_only=True):
    """A stored delivery. `body` and `headers` are None where they were not read or are purged."""

    event_id: str
    event_type: str | None
    scheme: str
    secret_no: int
    is_id_signed: bool
    method: str
    query: str
    digest: bytes
    dup_count: int
    # Names of the handlers that have finished.
    done_by: tuple[str, ...]
    headers: tuple[tuple[bytes, bytes], ...] | None = None
    body: bytes | None = None

    @property
    def source(self) -> str:
        """The lane, by its name in the inbox."""
        return self.lane

    @property
    def received_at(self) -> float:
        """When it was received, in seconds since 1970."""
        return self.created_at


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is to be sent to a destination."""

    destination: str
    method: str
    path: str
    headers: Headers
    body: bytes
    idempotency_key: str
    key: str | None = None
    inbox_seq: int | None = None
    handler: str | None = None


class OutboxRow(Row, frozen=True, kw_only=True):
    """A request that is to be sent, or was."""

    method: str
    path: str
    idempotency_key: str
    inbox_seq: int | None
    handler: str | None
    headers: tuple[tuple[bytes, bytes], ...] | None = None
    body: bytes | None = None

    @property
    def destination(self) -> str:
        """The lane, by its name in the outbox."""
        return self.lane


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to send a row. `answer` is at most the first 2 kB; status None: no answer came."""

    at: float
    duration_s: float
    status: int | None
    answer: bytes = b""
    error: str | None = None


class Backlog(msgspec.Struct, frozen=True):
    """What is unfinished: rows, bytes of their bodies, age of the oldest in seconds (0: none)."""

    rows: int
    bytes: int
    oldest_age_s: float
