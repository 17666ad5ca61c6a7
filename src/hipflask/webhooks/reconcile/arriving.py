"""Makes arrivals of what a list told of, and the shelf that is an application's inbox."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...forward.client import Client, default_client
from ...forward.deadlines import Deadlines
from ...forward.request import Request
from ...scaffold import SetupError
from .. import metrics
from ..configured import read_secrets, read_text
from ..delivery import Delivery
from ..identify import Identifier
from ..inbox.rows import Arrival, Kind
from ..verdict import Verdict
from ..verifier import Verifier
from .asking import Send
from .listing import Answered, Ask, Found, Provider
from .run import Shelf

#: The scheme of rows that were fetched, in place of the one that a signature was checked by.
SCHEME = "reconciled"
#: A page of a hundred events with large bodies takes its time.
DEADLINES = Deadlines(total_s=60, connect_s=10, read_s=30)
MOST_BYTES = 64 * 1024 * 1024
# Ids asked for at once: SQLite takes a limited number of values.
_IDS = 500


class Arriving:
    """Makes arrivals for one source: as if they had come, but that nobody signed them for us.

    Where a list has the signature that was sent, and it fits the bytes, the number of the
    secret is kept. Raises SetupError for a source that has ids of its own.
    """

    def __init__(self, source: Any, config: Mapping[str, Any]) -> None:
        if source.id is not None:
            raise SetupError(
                f"{source.where} knows its events by id={source.id!r}, and the provider's list by"
                " the provider's id: what has come would be fetched and handled again. Leave out"
                " id= to have it reconciled."
            )
        self._source = source
        self._identifier = Identifier(
            source.scheme, id=source.id, key=source.key, type=source.type, where=source.where
        )
        try:
            self._verifier: Verifier | None = Verifier(
                source.scheme,
                read_secrets(config, source.secrets, source.where),
                url=read_text(config, source.url, source.where),
            )
        except SetupError:  # no secret here: then the bytes are not compared with a signature
            self._verifier = None

    def make(self, found: Found, now: float) -> Arrival:
        """The arrival of an event that the list told of."""
        source = self._source
        delivery = Delivery(found.headers, found.body)
        verdict = Verdict(scheme=source.scheme.name, id=found.event_id, is_id_signed=True)
        if self._verifier is not None:
            checked = self._verifier.verify(delivery, now=now, is_replay=True)
            if checked.ok:
                verdict = checked
        identity = self._identifier.identify(delivery, verdict)
        return Arrival(
            source=source.name,
            event_id=found.event_id,
            key=identity.key,
            event_type=identity.type or found.event_type or None,
            scheme=SCHEME,
            secret_no=verdict.secret_no or 0,
            # The provider itself told us the id, over a connection of ours.
            is_id_signed=True,
            method="POST",
            query="",
            headers=delivery.dump_headers(),
            body=found.body,
            digest=hashlib.sha256(found.body).digest(),
            received_at=now,
        )


def shelf_of(hooks: Any, source: Any, *, now: Callable[[], float] = time.time) -> Shelf:
    """The inbox of `hooks`, for the events of one source."""
    arriving = Arriving(source, hooks.app.config)

    def known(ids: Sequence[str]) -> set[str]:
        return set(find_ids(hooks.inbox, source.name, ids))

    def take(found: Sequence[Found]) -> int:
        # Asked again: what came while the list was read is no conflict.
        there = known([each.event_id for each in found])
        arrivals = [arriving.make(each, now()) for each in found if each.event_id not in there]
        receipts = hooks.inbox.append(arrivals)
        stored = sum(receipt.kind is Kind.STORED for receipt in receipts)
        metrics.reconciled.add(stored, source.name)
        return stored

    return Shelf(known, take)


def find_ids(inbox: Any, source: str, ids: Sequence[str]) -> dict[str, int]:
    """Those of the ids that the inbox has, purged ones included, with the numbers of their rows."""
    statement = inbox.sql(
        "SELECT event_id, seq FROM {table} WHERE lane = :lane AND event_id IN :ids"
    )
    found: dict[str, int] = {}
    with inbox.database.read() as connection:
        for start in range(0, len(ids), _IDS):
            values = {"lane": source, "ids": list(ids[start : start + _IDS])}
            found.update((id, seq) for id, seq in connection.execute(statement, values))
    return found


def settings_of(hooks: Any, source: Any, provider: Provider) -> tuple[str, str]:
    """URL and token of the source's list API, from configuration or environment.

    `HOOKS_<SOURCE>_LIST_URL` and `HOOKS_<SOURCE>_LIST_TOKEN`, the source's name in capitals with
    `_` for other characters. Raises SetupError for one that is missing.
    """
    word = "".join(c if c.isascii() and c.isalnum() else "_" for c in source.name.upper())
    config = hooks.app.config
    values = []
    for name, default, example in (
        (f"HOOKS_{word}_LIST_URL", provider.url, provider.example),
        (f"HOOKS_{word}_LIST_TOKEN", "", "a token that may read the list"),
    ):
        value = config.get(name) or os.environ.get(name) or default
        if not value:
            raise SetupError(
                f"{source.where} needs the setting {name} to be reconciled, and it is neither in"
                f" app.config nor in the environment. Set it to {example}."
            )
        values.append(str(value).rstrip("/"))
    return values[0], values[1]


def sender(client: Client | None = None) -> Send:
    """What sends requests to a provider, over the client of `hipflask.forward`."""
    chosen = client or default_client()

    def send(ask: Ask) -> Answered:
        answer = chosen.send(
            Request(ask.method, ask.url, ask.headers, ask.body),
            DEADLINES,
            keep_bytes=MOST_BYTES,
            read_bytes=MOST_BYTES,
        )
        if answer.status is None or not answer.is_whole:
            raise OSError(answer.error or "the answer was cut")
        headers = {name.lower(): value for name, value in answer.headers}
        return Answered(answer.status, headers, answer.body)

    return send
