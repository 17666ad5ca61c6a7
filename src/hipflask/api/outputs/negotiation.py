"""Which form of an answer a client wants: JSON or msgpack (RFC 9110, 12.5.1)."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

JSON = "application/json"
#: The names msgpack goes by; the first is the one that is registered.
MSGPACK = ("application/vnd.msgpack", "application/msgpack", "application/x-msgpack")


def accept_of(request: Any) -> str | None:
    """The Accept field as sent, from whichever door; nothing else of the request is made."""
    exchange = request._exchange
    if exchange is None:
        value: str | None = request._environ.get("HTTP_ACCEPT")
        return value
    value = exchange.header("accept")
    return value


def preferred_msgpack(accept: str | None) -> str | None:
    """The name of msgpack to answer under, or None where `accept` rather wants JSON.

    JSON where both are named alike; msgpack where it is named and JSON only by `*/*`.
    """
    if accept is None or "msgpack" not in accept.lower():
        return None
    wanted = parse_accept_header(accept, MIMEAccept)
    named = {value.partition(";")[0].strip().lower() for value in wanted.values()}
    json_quality = wanted.quality(JSON)
    quality, name = max(
        ((wanted.quality(name), name) for name in MSGPACK if name in named),
        key=lambda found: found[0],
        default=(0, None),
    )
    if quality > json_quality or (quality == json_quality > 0 and JSON not in named):
        return name
    return None
