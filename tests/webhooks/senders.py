"""A sender for each scheme: what it signs with, what checks it, what it delivers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from hipflask.webhooks import (
    SCHEMES,
    Delivery,
    Verifier,
    hmac_scheme,
    own_scheme,
    sign,
    with_body_hash,
)

T = 1674087231
BODY = (
    b'{"type":"contact.created","timestamp":"2022-11-03T20:26:10.344522Z",'
    b'"data":{"id":"1f81eb52-5198-4599-803e-771906343485"}}'
)
SEED = bytes(range(32))
PUBLIC_HEX = "03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8"
PUBLIC_STANDARD = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
PRIVATE_STANDARD = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@cache
def paypal_pair() -> tuple[str, str]:
    """(private key, certificate), both PEM, valid for ten years around T."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "messages.paypal.test")])
    begin = datetime.fromtimestamp(T, tz=UTC) - timedelta(days=1800)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=3600))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private.decode(), certificate.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Sender:
    """Signs and delivers as a provider does."""

    name: str
    secret: Any = "a secret of the two of us"
    signing: Any = None
    scheme: Any = None
    options: dict[str, Any] = field(default_factory=dict)
    content_type: str = "application/json"
    body: bytes = BODY
    hashes_body: bool = False

    def verifier(self, **more: Any) -> Verifier:
        options = dict(self.options)
        if "url" in options:
            options["url"] = options["url"].partition("?")[0]
        return Verifier(self.scheme or self.name, self.secret, **{**options, **more})

    def deliver(self, body: bytes | None = None, now: float = T, **more: Any) -> Delivery:
        body = self.body if body is None else body
        options = {**self.options, **more}
        if self.hashes_body:
            options["url"] = with_body_hash(options["url"], body)
        secret = self.secret if self.signing is None else self.signing
        headers = sign(
            self.scheme or self.name,
            body,
            secret,
            now=now,
            content_type=self.content_type,
            **options,
        )
        query = urlsplit(options["url"]).query if "url" in options else ""
        return Delivery(headers, body, query=query)


def _senders() -> dict[str, Sender]:
    url = "https://example.com/hooks"
    linear = b'{"action":"create","type":"Issue","webhookTimestamp":1674087231000}'
    acme = hmac_scheme(
        "acme",
        header="X-Acme-Signature",
        prefix="v1=",
        encoding="base64url",
        algorithm="sha512",
        content="{id}.{time}.{body}",
        time_header="X-Acme-Time",
        time_form="ms",
        id_header="X-Acme-Id",
    )
    found = [Sender(name) for name in SCHEMES]
    senders = {sender.name: sender for sender in found}
    for name in ("standard", "svix", "gitlab"):
        senders[name].secret = WHSEC
    senders["discord"].secret, senders["discord"].signing = PUBLIC_HEX, SEED.hex()
    senders["linear"].body = linear
    senders["square"].options = {"url": url}
    senders["twilio"].options = {"url": url}
    senders["twilio"].hashes_body = True
    private, certificate = paypal_pair()
    senders["paypal"].secret, senders["paypal"].signing = certificate, private
    senders["paypal"].options = {"webhook_id": "1JE4291016473214C"}
    senders["gitlab-token"].secret = senders["cloudevents"].secret = "glt-0123456789abcdef"
    senders["standard-v1a"] = Sender(
        "standard-v1a", PUBLIC_STANDARD, PRIVATE_STANDARD, SCHEMES["standard"]
    )
    senders["twilio-form"] = Sender(
        "twilio-form",
        scheme=SCHEMES["twilio"],
        options={"url": url + "?foo=1&bar=2"},
        content_type="application/x-www-form-urlencoded",
        body=b"CallSid=CA1234567890ABCDE&From=%2B14158675309&Digits=1234",
    )
    senders["acme"] = Sender("acme", scheme=acme)
    return senders


SENDERS = _senders()
NAMES = sorted(SENDERS)
# Whose signature covers every byte of the body.
SIGNED_BODY = [name for name in NAMES if name not in ("gitlab-token", "cloudevents", "paypal")]


def own_check(delivery: Delivery, secret: bytes) -> bool:
    return hashlib.sha256(secret + delivery.body).hexdigest().encode() in delivery.values("X-Own")


OWN = own_scheme("own", own_check, id_header="X-Own-Id")
