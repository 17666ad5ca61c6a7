"""Signs as the senders do: for tests, and to send to oneself."""

from __future__ import annotations

import hashlib
import secrets as random
import time
import zlib
from urllib.parse import urlsplit

from ..scaffold import SetupError
from . import forms
from .certificates import RsaSigner
from .delivery import Delivery
from .encodings import dump_time
from .keys import Key, Signed, make_key
from .scheme import Scheme
from .schemes import find_scheme
from .verdict import Refusal
from .verifier import Secrets, list_secrets

Headers = list[tuple[str, str]]


def sign(
    scheme: str | Scheme,
    body: bytes,
    secrets: Secrets,
    *,
    id: str | None = None,
    now: float | None = None,
    url: str | None = None,
    webhook_id: str | None = None,
    content_type: str = "application/json",
    algorithm: str | None = None,
) -> Headers:
    """The header fields, Content-Type among them, with which the sender would deliver the body.

    `secrets` are the sender's: the private key where signatures have two (`whsk_`, 64 hex
    digits for Discord, a key in PEM for PayPal). Several sign together where the scheme has a
    place for that. `id` is made up if not given, `now` is in seconds since 1970. For Twilio
    `url` has its query, with the `bodySHA256` that `with_body_hash` puts there, and `algorithm`
    may be "sha256". Raises SetupError for what cannot be signed so.

        headers = sign("github", b"Hello, World!", "It's a Secret to Everybody")
    """
    row = find_scheme(scheme)
    if row.check is not None:
        raise SetupError(f"Scheme {row.name!r} is a function that checks; it cannot sign.")
    if row.needs_url and not url:
        raise SetupError(f"Scheme {row.name!r} signs the URL: say which, with url=.")
    if row.needs_webhook_id and not webhook_id:
        raise SetupError(f"Scheme {row.name!r} signs the webhook's id: give webhook_id=.")
    if algorithm is not None and not (row.signs_form and algorithm in ("sha1", "sha256")):
        raise SetupError(f"Scheme {row.name!r} does not sign with algorithm={algorithm!r}.")
    keys = _make_keys(row, secrets)
    moment = dump_time(time.time() if now is None else now, row.time_form)
    own_id = id if id is not None else f"msg_{random.token_hex(12)}"
    names = row.id_header.lower() if "{names}" in row.pieces else ""

    headers: Headers = [("Content-Type", content_type)]
    if row.id_header:
        headers.append((row.id_header, own_id))
    if row.time_header:
        headers.append((row.time_header, moment))
    headers += row.fixed
    if algorithm == "sha256":
        headers.append((forms.SETTINGS_HEADER, "key=local,algorithm=HMAC_SHA256"))
    if row.signs_form:
        content = _twilio_content(url or "", body, content_type)
    else:
        content = row.template % {
            b"id": own_id.encode(),
            b"time": moment.encode(),
            b"body": body,
            b"url": (url or "").encode(),
            b"webhook_id": (webhook_id or "").encode(),
            b"crc32": str(zlib.crc32(body)).encode(),
            b"names": names.encode(),
            b"values": own_id.encode(),
        }
    signed = Signed(content, algorithm or row.algorithm, row.encoding)
    made = [(key.version, key.sign(signed)) for key in keys]
    headers.append((row.header, row.layout.dump(made, moment, names)))
    return headers


def with_body_hash(url: str, body: bytes) -> str:
    """The URL to which Twilio delivers a body that is no form: with its SHA-256 in the query."""
    sign_before = "&" if urlsplit(url).query else "?"
    return f"{url}{sign_before}bodySHA256={hashlib.sha256(body).hexdigest()}"


def _make_keys(row: Scheme, secrets: Secrets) -> list[Key | RsaSigner]:
    given = list_secrets(secrets, row)
    if not given or (len(given) > 1 and not row.layout.takes_several):
        raise SetupError(
            f"Scheme {row.name!r} was given {len(given)} secrets to sign with; give one."
        )
    keys: list[Key | RsaSigner] = []
    for number, secret in enumerate(given, start=1):
        where = f"Secret {number} for the scheme {row.name!r}"
        if row.key == "certificate":
            pem = secret.encode() if isinstance(secret, str) else secret
            keys.append(RsaSigner(pem, where))
        else:
            keys.append(make_key(row.key, row.algorithm, secret, where, to_sign=True))
    return keys


def _twilio_content(url: str, body: bytes, content_type: str) -> bytes:
    """What Twilio would sign; SetupError where its signature would not cover the body."""
    query = urlsplit(url).query
    delivery = Delivery([], body, query=query)
    try:
        base = url.partition("?")[0]
        return forms.contents_of(base, delivery, [content_type.encode()])[0]
    except Refusal as refusal:
        raise SetupError(f"{refusal.detail} Make the URL with with_body_hash(url, body).") from None
