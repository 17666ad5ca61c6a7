"""What a sender would deliver: signed requests, with the faults that networks have.

    letters = list(deliveries(Sample("github", secret, [Event(body, "push")]), copies=3))

Nothing is sent here: `hipflask hooks send` and tests do that, over HTTP or through an
application's own door.
"""

from __future__ import annotations

import random
import secrets as tokens
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from ..scaffold import SetupError
from .scheme import Scheme
from .schemes import find_scheme
from .signer import Headers, sign, with_body_hash
from .verifier import Secrets


@dataclass(frozen=True)
class Event:
    """The body of an event as the sender would write it, and its type.

    The type is put where the sender names it: in a header field, or else in a member of the JSON
    body, which is then written anew. None leaves it as it is.
    """

    body: bytes
    type: str | None = None


@dataclass(frozen=True)
class Sample:
    """What is to be sent: a scheme, what signs, and the events.

    `id` is put where the sender has its id; without it each event has an id of its own, made up
    where the body has none. `url` is the address it goes to, which Square and Twilio sign;
    `webhook_id` is PayPal's.
    """

    scheme: str | Scheme
    secrets: Secrets = field(repr=False)
    events: Sequence[Event]
    id: str | None = None
    url: str | None = None
    webhook_id: str | None = None
    content_type: str = "application/json"


@dataclass(frozen=True)
class Letter:
    """One request to be sent: header fields, body, and the URL's query if the scheme adds one."""

    headers: Headers
    body: bytes
    id: str
    copy: int
    query: str = ""
    #: Whether it was changed after it was signed, so that it must be refused.
    is_corrupt: bool = False


def deliveries(
    sample: Sample,
    *,
    copies: int = 1,
    is_reordered: bool = False,
    is_corrupt: bool = False,
    now: float | None = None,
    seed: int | None = None,
) -> Iterator[Letter]:
    """The requests in the order they are to be sent.

    Each event is sent `copies` times: the same id, the same bytes, signed anew. Reordered, they
    come in an order that is not the sender's (a shuffle; `seed` makes it the same each time).
    Corrupt, one byte of each body changes after it was signed. Raises SetupError for what
    cannot be signed so.
    """
    scheme = find_scheme(sample.scheme)
    if sample.id is not None and len(sample.events) > 1:
        raise SetupError(f"One id, {sample.id!r}, for {len(sample.events)} events: send one.")
    ready = [_with_names(scheme, sample, event) for event in sample.events]
    order = [(event, id, copy) for event, id in ready for copy in range(1, copies + 1)]
    if is_reordered:
        _shuffle(order, random.Random(seed))
    for event, id, copy in order:
        yield _letter(scheme, sample, event, id, copy, is_corrupt, now)


def _letter(
    scheme: Scheme,
    sample: Sample,
    event: Event,
    id: str,
    copy: int,
    is_corrupt: bool,
    now: float | None,
) -> Letter:
    body = event.body
    url, query = sample.url, ""
    if scheme.signs_form and url and not sample.content_type.startswith("application/x-www-form"):
        url = with_body_hash(url, body)
        query = url.partition("?")[2]
    headers = sign(
        scheme,
        body,
        sample.secrets,
        id=id,
        now=now,
        url=url,
        webhook_id=sample.webhook_id,
        content_type=sample.content_type,
    )
    if event.type is not None and scheme.type_header:
        headers.append((scheme.type_header, event.type))
    sent = _corrupted(body) if is_corrupt else body
    return Letter(headers, sent, id, copy, query, is_corrupt)


def _with_names(scheme: Scheme, sample: Sample, event: Event) -> tuple[Event, str]:
    """The event with the type in its body, if that is its place, and its id; and the id."""
    changes: dict[str, str] = {}
    if event.type is not None and not scheme.type_header:
        # The first that is a member of the whole and not of a part.
        names = (name for name in scheme.body_type if "." not in name)
        changes[next(names, "type")] = event.type
    known = _member(event.body, scheme.body_id) if scheme.body_id else None
    id = sample.id or known or f"{'evt' if scheme.body_id else 'msg'}_{tokens.token_hex(12)}"
    if scheme.body_id and id != known:
        changes[scheme.body_id] = id
    body = _changed(scheme, event.body, changes) if changes else event.body
    return Event(body, event.type), id


def _member(body: bytes, name: str) -> str | None:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    value = found.get(name) if isinstance(found, dict) else None
    return value if isinstance(value, str) and value else None


def _changed(scheme: Scheme, body: bytes, changes: dict[str, str]) -> bytes:
    """The JSON object with these members; its other members and its numbers stay as written."""
    try:
        found = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SetupError(
            f"Scheme {scheme.name!r} has {' and '.join(map(repr, changes))} in a JSON object, and"
            f" this body is none: {error}."
        ) from None
    encoded = {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in changes.items()}
    return msgspec.json.encode({**found, **encoded})


def _corrupted(body: bytes) -> bytes:
    """The body with its middle byte changed; a body without bytes gets one."""
    if not body:
        return b"\n"
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


def _shuffle(order: list[tuple[Event, str, int]], source: random.Random) -> None:
    """Put several in another order than they had: a shuffle may leave them as they were."""
    before = list(order)
    if len(set(order)) < 2:
        return
    while order == before:
        source.shuffle(order)
