"""GitHub: the deliveries of a webhook. GitHub never tries again by itself, so ask it.

REST API, "List deliveries for a repository webhook" and "Get a delivery for a repository
webhook" (organizations and apps answer alike): newest first, kept for three days, the next page
behind a cursor in the Link field. A delivery tells the headers that were sent, signature
included, and the payload as JSON.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from urllib.parse import parse_qs, quote_plus, urlencode, urlsplit

import msgspec

from .listing import Answered, Ask, Found, Listed, NotUnderstood, decode, to_seconds

_next_of = re.compile(r'<([^<>]*)>\s*;[^,]*rel="?next"?').search
_PER_PAGE = 100


class _Delivery(msgspec.Struct):
    id: int | str
    guid: str
    delivered_at: datetime
    event: str


class _Request(msgspec.Struct):
    headers: dict[str, str]
    payload: msgspec.Raw


class _Whole(msgspec.Struct):
    request: _Request


class GitHub:
    """Reads `/repos/{owner}/{repo}/hooks/{id}/deliveries`."""

    schemes: tuple[str, ...] = ("github",)
    url: str = ""
    example: str = "https://api.github.com/repos/OWNER/REPO/hooks/ID/deliveries"

    def ask(self, url: str, token: str, since: float, cursor: str | None) -> Ask:
        """The list knows no time to begin at: who reads it stops there."""
        query = {"per_page": str(_PER_PAGE), **({"cursor": cursor} if cursor else {})}
        return Ask(f"{url}?{urlencode(query)}", _headers(token))

    def read(self, answered: Answered) -> Listed:
        """A delivery that was repeated is there more than once; so is its event."""
        rows = decode(answered.body, list[_Delivery], "GitHub's list of deliveries")
        return Listed(
            [
                Found(row.guid, row.event, to_seconds(row.delivered_at), number=str(row.id))
                for row in rows
            ],
            # Of the link only the cursor counts: what is asked next is ours to say.
            _cursor_of(answered.headers.get("link", "")),
        )

    def ask_whole(self, url: str, token: str, found: Found) -> Ask:
        """The delivery by itself, which holds headers and payload."""
        return Ask(f"{url}/{quote_plus(found.number)}", _headers(token))

    def read_whole(self, answered: Answered, found: Found) -> Found:
        """The payload in the form in which GitHub sends it: compact, or as a form's field."""
        request = decode(answered.body, _Whole, "GitHub's delivery").request
        names = {name.lower(): value for name, value in request.headers.items()}
        if names.get("x-github-delivery", found.event_id) != found.event_id:
            raise NotUnderstood(
                f"GitHub's delivery {found.number} is {names['x-github-delivery']!r}, and its list"
                f" says {found.event_id!r}."
            )
        body = msgspec.json.format(bytes(request.payload), indent=-1)
        if names.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            body = b"payload=" + quote_plus(body).encode()
        return replace(found, headers=tuple(request.headers.items()), body=body)


def _headers(token: str) -> tuple[tuple[str, str], ...]:
    return (
        ("Accept", "application/vnd.github+json"),
        ("Authorization", f"Bearer {token}"),
        ("User-Agent", "hipflask"),
        ("X-GitHub-Api-Version", "2022-11-28"),
    )


def _cursor_of(link: str) -> str | None:
    found = _next_of(link)
    try:
        cursors = parse_qs(urlsplit(found[1]).query).get("cursor") if found else None
    except ValueError:  # no URL
        return None
    return cursors[0] if cursors else None
