"""Stripe: the list of events, which goes back 30 days.

API reference, "List all events": newest first, `created[gte]` in seconds, the next page behind
the id of the last event of this one. An event in the list is the one that is sent.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec

from .listing import Answered, Ask, Found, Listed, decode

_LIMIT = 100


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool


class _Event(msgspec.Struct):
    id: str
    type: str
    created: float


class Stripe:
    """Reads `/v1/events`."""

    schemes: tuple[str, ...] = ("stripe",)
    url: str = "https://api.stripe.com/v1/events"
    example: str = url

    def ask(self, url: str, token: str, since: float, cursor: str | None) -> Ask:
        """Events of the whole account: a source's handlers filter what it never subscribed to."""
        query = {"limit": str(_LIMIT), "created[gte]": str(int(since))}
        if cursor:
            query["starting_after"] = cursor
        return Ask(f"{url}?{urlencode(query)}", (("Authorization", f"Bearer {token}"),))

    def read(self, answered: Answered) -> Listed:
        """Each event laid out as Stripe sends it, indented by two spaces."""
        page = decode(answered.body, _List, "Stripe's list of events")
        events = [
            (raw, decode(bytes(raw), _Event, "An event of Stripe's list")) for raw in page.data
        ]
        found = [
            Found(
                event.id,
                event.type,
                event.created,
                (("Content-Type", "application/json; charset=utf-8"),),
                msgspec.json.format(bytes(raw), indent=2),
            )
            for raw, event in events
        ]
        return Listed(found, found[-1].event_id if found and page.has_more else None)

    def ask_whole(self, url: str, token: str, found: Found) -> None:
        """The list has it all."""

    def read_whole(self, answered: Answered, found: Found) -> Found:
        """The event as the list had it."""
        return found
