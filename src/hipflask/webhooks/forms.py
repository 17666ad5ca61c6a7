"""What Twilio signs: the URL, and behind it the names and values of a form, sorted.

Twilio: "Webhooks security". The pieces follow each other without anything between them, so
that `a=12` and `a1=2` sign alike; whoever holds one delivery can move such a border in it.
"""

from __future__ import annotations

import hashlib
import re
from hmac import compare_digest
from urllib.parse import parse_qsl, unquote_to_bytes, urlsplit

from ..scaffold import SetupError
from .delivery import Delivery
from .verdict import Reason, Refusal

SETTINGS_HEADER = "X-Twilio-Webhooks-Signature-Settings"
ALGORITHMS = {b"HMAC_SHA1": "sha1", b"HMAC_SHA256": "sha256"}

# As many as Werkzeug reads from a form at most.
_MOST_PARTS = 1000

_is_form = re.compile(rb"\s*application/x-www-form-urlencoded\s*(?:;|\Z)", re.IGNORECASE).match


def parse_settings(value: bytes | None) -> str:
    """The algorithm named in `key=...,algorithm=HMAC_SHA256`; sha1 without the field."""
    if value is None:
        return "sha1"
    found = [
        text.strip(b" ")
        for key, equals, text in (piece.partition(b"=") for piece in value.split(b","))
        if equals and key.strip(b" ") == b"algorithm"
    ]
    if not found:
        return "sha1"
    if len(found) > 1:
        raise Refusal(Reason.DUPLICATE, f"{SETTINGS_HEADER} names more than one algorithm.")
    if found[0] not in ALGORITHMS:
        raise Refusal(Reason.MALFORMED, f"{SETTINGS_HEADER} names no algorithm we know.")
    return ALGORITHMS[found[0]]


def check_url(url: str, where: str, *, has_query: bool) -> None:
    """SetupError for a public URL that is none, or has a query where each delivery brings it."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its other half
        is_whole = False
    if not is_whole or not url.isprintable() or " " in url:
        raise SetupError(f"{where}: url={url!r} is not the whole URL, with https:// and a host.")
    if not has_query and (parts.query or parts.fragment):
        raise SetupError(
            f"{where}: url={url!r} has a query. Leave it out: it is taken from each delivery."
        )


def urls_of(url: str, delivery: Delivery) -> list[bytes]:
    """The URLs that may have been signed: Twilio leaves a port out, or puts the usual one in."""
    query = b"?" + delivery.query if delivery.query else b""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    name = re.sub(r":[0-9]*\Z", "", host)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    user = parts.netloc[: len(parts.netloc) - len(host)]
    found = [parts._replace(netloc=user + text).geturl() for text in (name, f"{name}:{port}")]
    if not parts.port:
        found.insert(0, url)
    return list(dict.fromkeys(text.encode() + query for text in found))


def contents_of(url: str, delivery: Delivery, content_types: list[bytes]) -> list[bytes]:
    """What may have been signed; `Refusal` where that would leave the body out."""
    is_form = bool(content_types) and _is_form(content_types[0]) is not None
    stated = _body_hashes(delivery.query)
    if len(stated) > 1:
        raise Refusal(Reason.DUPLICATE, "The URL has bodySHA256 more than once.")
    if stated:
        given = hashlib.sha256(delivery.body).hexdigest().encode()
        if not compare_digest(given, stated[0].lower()):
            raise Refusal(Reason.MISMATCH, "The body is not the one that bodySHA256 stands for.")
    elif delivery.body and not is_form:
        raise Refusal(
            Reason.UNSIGNED_BODY, "The body is no form, and the URL has no bodySHA256 for it."
        )
    behind = joined_form(delivery.body) if is_form else b""
    return [text + behind for text in urls_of(url, delivery)]


def _body_hashes(query: bytes) -> list[bytes]:
    pieces = (piece.partition(b"=") for piece in query.split(b"&"))
    return [unquote_to_bytes(text) for name, _, text in pieces if unquote_to_bytes(name) == _HASH]


_HASH = b"bodySHA256"


def joined_form(body: bytes) -> bytes:
    """Names and values of a form, sorted, each pair once, without anything between them."""
    try:
        text = body.decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARTS)
    except ValueError:  # no UTF-8, or too many parts
        raise Refusal(Reason.MALFORMED, "The body is no form in UTF-8.") from None
    return "".join(name + value for name, value in sorted(set(pairs))).encode()
