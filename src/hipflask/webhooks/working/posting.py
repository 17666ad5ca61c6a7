"""Where a call to a destination goes: into the transaction of the handler that makes it.

`destination.post(...)` in a handler writes nothing at once. What it wants sent is kept until the
handler has returned, and is stored with the event's end, in one transaction: a handler that
fails sends nothing, one that is done always sends. Elsewhere, in a view or a command, it is
stored at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec

from ...database import WhenDead
from ...forward import Destination, Request, idempotency_key, join_path
from ...forward.destination import Sign
from ...ops.tracing import fields_to_send
from ...scaffold import SetupError
from ..configured import Names, check_names, read_secrets
from ..inbox import Outgoing
from ..schemes import find_scheme
from ..signer import sign as make_signature
from ..sources import parse_rate

Fields = Mapping[str, str] | Sequence[tuple[str, str]]
# The key of the event that is handled; of a post outside a handler, none.
_OF_EVENT: Any = object()


class Handling:
    """One event at one handler: the posts it makes, in order."""

    def __init__(self, source: str, event_id: str, seq: int, key: str | None, handler: str) -> None:
        self.source = source
        self.event_id = event_id
        self.seq = seq
        self.key = key
        self.handler = handler
        self.posts: list[Outgoing] = []
        self._numbers: dict[str, int] = {}

    def next_key(self, destination: str) -> str:
        """The Idempotency-Key of the next post to that destination, equal at each attempt."""
        number = self._numbers.get(destination, 0)
        self._numbers[destination] = number + 1
        return idempotency_key(self.source, self.event_id, self.handler, destination, number)


_handling: ContextVar[Handling | None] = ContextVar("handling", default=None)


@contextmanager
def handling(one: Handling) -> Iterator[Handling]:
    """Have posts made in this context belong to `one`."""
    token = _handling.set(one)
    try:
        yield one
    finally:
        _handling.reset(token)


class OutboxDestination:
    """A destination whose calls are stored before they are made; from `Hooks.destination`.

    `destination` says where and how. `when_dead` is what a request that is given up does to the
    later ones of its key, `concurrency` and `rate_per_s` hold over all processes. `store`
    writes requests in a transaction of their own.
    """

    def __init__(
        self,
        destination: Destination,
        store: Callable[[Sequence[Outgoing]], Any],
        *,
        when_dead: WhenDead = "skip",
        concurrency: int | None = None,
        rate_per_s: float | None = None,
    ) -> None:
        self.destination = destination
        self.when_dead = when_dead
        self.concurrency = concurrency
        self.rate_per_s = rate_per_s
        self._store = store

    @property
    def name(self) -> str:
        """Its name, which is its lane in the outbox."""
        return self.destination.name

    def post(
        self,
        path: str,
        body: Any = None,
        *,
        method: str = "POST",
        headers: Fields = (),
        key: str | None = _OF_EVENT,
    ) -> str:
        """Have a request sent to `path` below the address; returns its Idempotency-Key.

        `body` is bytes, text, or anything that is written as JSON. Requests with one `key` are
        sent one after the other, in the order they were stored; by default that of the event,
        None for no order. In a handler the request is stored with the event's end, elsewhere at
        once, and that raises StoreUnavailable. Raises UnsafePath for a path that leads
        elsewhere, ValueError for header fields that HTTP cannot carry.

            ledger.post("/entries", {"order": event.order})
        """
        data, media_type = dump_body(body)
        pairs = list_fields(headers)
        if media_type and not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("Content-Type", media_type))
        # Whoever gets it continues the trace that it was posted in.
        if not any(name.lower() == "traceparent" for name, _ in pairs):
            pairs.extend(fields_to_send(()))
        # Raises here, where the mistake is, and not when it is sent.
        Request(method, join_path("http://localhost", path), tuple(pairs))
        current = _handling.get()
        idem = uuid.uuid4().hex if current is None else current.next_key(self.name)
        if key is _OF_EVENT:
            key = None if current is None else current.key
        outgoing = Outgoing(
            destination=self.name,
            method=method,
            path=path,
            headers=[(n.encode("latin-1"), v.encode("latin-1")) for n, v in pairs],
            body=data,
            idempotency_key=idem,
            key=key,
            inbox_seq=None if current is None else current.seq,
            handler=None if current is None else current.handler,
        )
        if current is None:
            self._store([outgoing])
        else:
            current.posts.append(outgoing)
        return idem

    def __repr__(self) -> str:
        return f"<OutboxDestination {self.name!r}>"


def make_destination(
    name: str,
    store: Callable[[Sequence[Outgoing]], Any],
    config: Callable[[], Mapping[str, Any]],
    *,
    when_dead: WhenDead = "skip",
    concurrency: int | None = None,
    rate: str | None = None,
    sign: Sign | str | None = None,
    secrets: Names = (),
    **options: Any,
) -> OutboxDestination:
    """A destination from the options of `Hooks.destination`; SetupError for what cannot work."""
    where = f"The destination {name!r}"
    if when_dead not in ("park", "block", "skip"):
        raise SetupError(f"{where}: when_dead={when_dead!r} is none of park, block, skip.")
    if concurrency is not None and not concurrency >= 1:
        raise SetupError(f"{where}: concurrency={concurrency!r}: give 1 or more, or None.")
    if isinstance(sign, str):
        sign = signs_with(sign, check_names(secrets, where), config, where)
    elif secrets:
        raise SetupError(f"{where}: secrets= goes with sign= and the name of a scheme.")
    return OutboxDestination(
        Destination(name, sign=sign, **options),
        store,
        when_dead=when_dead,
        concurrency=concurrency,
        rate_per_s=None if rate is None else parse_rate(rate, where),
    )


def signs_with(
    scheme: str, names: tuple[str, ...], config: Callable[[], Mapping[str, Any]], where: str
) -> Sign:
    """What signs each attempt by a scheme, with the secrets that the settings `names` hold.

    The signature's id is the Idempotency-Key; its time is that of the attempt.
    """
    if not names:
        raise SetupError(f"{where}: sign={scheme!r} needs secrets=, the name of a setting.")
    row = find_scheme(scheme)

    def fields(id: str, now: float, body: bytes) -> Iterable[tuple[str, str]]:
        secrets = read_secrets(config(), names, where)
        made = make_signature(row, body, secrets, id=id, now=now)
        # Its Content-Type is a guess; the request has one of its own.
        return [pair for pair in made if pair[0].lower() != "content-type"]

    return fields


def list_fields(headers: Fields) -> list[tuple[str, str]]:
    """Header fields as pairs."""
    return list(headers.items() if isinstance(headers, Mapping) else headers)


def dump_body(body: Any) -> tuple[bytes, str]:
    """The bytes of a body and its media type, "" for none."""
    if body is None:
        return b"", ""
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body), "application/octet-stream"
    if isinstance(body, str):
        return body.encode(), "text/plain; charset=utf-8"
    return msgspec.json.encode(body), "application/json"
