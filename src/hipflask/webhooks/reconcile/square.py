"""Square: the search for events, which goes back 28 days and must be switched on (EnableEvents).

API reference, "SearchEvents": a POST with filter and sort, newest first, the next page behind a
cursor. No Square-Version is sent: the one of the application holds, as for its webhooks.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from ...look.moments import dump_iso
from .listing import Answered, Ask, Found, Listed, decode, to_seconds

_LIMIT = 100


class _Events(msgspec.Struct):
    events: list[msgspec.Raw] | None = None
    cursor: str | None = None


class _Event(msgspec.Struct):
    event_id: str
    created_at: datetime
    type: str = ""


class Square:
    """Asks `/v2/events`."""

    schemes: tuple[str, ...] = ("square",)
    url: str = "https://connect.squareup.com/v2/events"
    example: str = url

    def ask(self, url: str, token: str, since: float, cursor: str | None) -> Ask:
        """The query is the same for each page, as Square wants it."""
        query = {
            "filter": {"created_at": {"start_at": dump_iso(since)}},
            "sort": {"field": "DEFAULT", "order": "DESC"},
        }
        asked = {"limit": _LIMIT, "query": query, **({"cursor": cursor} if cursor else {})}
        headers = (("Authorization", f"Bearer {token}"), ("Content-Type", "application/json"))
        return Ask(url, headers, "POST", msgspec.json.encode(asked))

    def read(self, answered: Answered) -> Listed:
        """Each event as compact JSON, as Square sends it."""
        page = decode(answered.body, _Events, "Square's list of events")
        found = []
        for raw in page.events or ():
            event = decode(bytes(raw), _Event, "An event of Square's list")
            found.append(
                Found(
                    event.event_id,
                    event.type,
                    to_seconds(event.created_at),
                    (("Content-Type", "application/json"),),
                    msgspec.json.format(bytes(raw), indent=-1),
                )
            )
        return Listed(found, page.cursor or None)

    def ask_whole(self, url: str, token: str, found: Found) -> None:
        """The list has it all."""

    def read_whole(self, answered: Answered, found: Found) -> Found:
        """The event as the list had it."""
        return found
