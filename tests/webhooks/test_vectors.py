# ruff: noqa: E501 (a vector is a line)
"""Signatures that providers' own libraries made, or published."""

from __future__ import annotations

import hashlib
import zlib

import pytest

from hipflask.webhooks import SCHEMES, Delivery, Verifier, hmac_scheme, sign, verify
from hipflask.webhooks.claims import read_claim

from .senders import BODY, PRIVATE_STANDARD, PUBLIC_HEX, PUBLIC_STANDARD, SEED, WHSEC, T

ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
SLACK = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
    b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
    b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
    b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
FORM = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
PHP = "https://mycompany.com/myapp.php?foo=1&bar=2"
HOOK = "https://mycompany.com/hook?bodySHA256=" + hashlib.sha256(BODY).hexdigest()
IS_FORM = {"content_type": "application/x-www-form-urlencoded"}

# scheme, what checks, what signs, body, options of sign, the signature
VECTORS = [
    ("standard", WHSEC, WHSEC, BODY, {"id": ID, "now": T}, "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ="),
    ("standard", WHSEC, WHSEC, b'{"test": 2432232314}', {"id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "now": 1614265330}, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ("standard", PUBLIC_STANDARD, PRIVATE_STANDARD, BODY, {"id": ID, "now": T}, "v1a,9WMPN5fBW9vm1uGlvFzBO4lpdfFKN4AQCSr2vrWsFuOibXSOTWlcWrPRSWk+YpmD9fAwgYREKtLcYCyZrvXFBw=="),
    ("svix", WHSEC, WHSEC, BODY, {"id": ID, "now": T}, "v1,ARw42xaAApl/nxRo+iPGYwSaMQaOwMo2eyH5JBRA+bQ="),
    ("stripe", "whsec_test_secret", None, BODY, {"now": T}, "t=1674087231,v1=9c8615745d7e94f6cddcd73e9a4bb6bb5dc52920935a10f196fd43fa63ef54be"),
    ("github", "It's a Secret to Everybody", None, b"Hello, World!", {}, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"),
    ("gitlab", "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=", None, BODY, {"id": "f5e5f430-f57b-4e6e-9fac-d9128cd7232f", "now": T}, "v1,8lZRzEkDt86hXohHsd+ZrcEcvfTC9J9H9Q8noRrpA6A="),
    ("slack", "8f742231b10e8888abcd99yyyzzz85a5", None, SLACK, {"now": 1531420618}, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
    ("shopify", "hush", None, BODY, {}, "hDA7e3OY4ZQvlRDmfRLGalN25MwAKElS90gDsyA3FPA="),
    ("square", "asdf1234", None, BODY, {"url": "https://example.com/webhook"}, "kXaCpu+5N05rfoZMM8hSZ46JRKLhzUn9T/+HDTpfLD8="),
    ("twilio", "12345", None, FORM, {"url": PHP, **IS_FORM}, "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("twilio", "12345", None, FORM, {"url": PHP, "algorithm": "sha256", **IS_FORM}, "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s="),
    ("twilio", "12345", None, BODY, {"url": HOOK}, "n/Vwph7uMcbTevClsvxyr1wTf3w="),
    ("paddle", "pdl_ntfset_test", None, BODY, {"now": T}, "ts=1674087231;h1=134daebb561a9d83a1e12ed3dc41ce57fde663a00848c8ad610bdb64dbd3093a"),
    ("linear", "lin_wh_test", None, b'{"action":"create","type":"Issue","webhookTimestamp":1674087231000}', {}, "505d89f9fa9c4783e587fa83be64f14f9f860092d6c5b58536d1f6515ad648be"),
    ("discord", PUBLIC_HEX, SEED.hex(), BODY, {"now": T}, "c536c4e301c6fab1f8f7eec145de500c6bc9d8810ca8504aa858e53ac72964120c4796cb5a12b21628d527da3187c9bed1c8591429726995d001595f75a79201"),
    ("hookdeck", "hkd_test", None, BODY, {}, "mYisWma1vd2GAZiYnOSvbioCnyEzj4GN0gQj3f988K0="),
    ("hook0", "s3", None, BODY, {"id": "e1", "now": T}, "t=1674087231,h=x-event-id,v1=bc88c7384e14b5a08293a0fc79be0abd2137eb1d70fbe4b87adeb3fa177f9188"),
    ("outpost", "whsec_x", None, BODY, {}, "v0=2f9ddad72f6091fc5d908dd71db76102497633edbbf495737416e54cc8045637"),
]  # fmt: skip


def test_the_body_is_the_one_the_vectors_were_made_with():
    assert len(BODY) == 121
    assert hashlib.sha256(BODY).hexdigest()[:8] == "ffd5f0ed"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector[0])
def test_vector_is_signed_and_verified(vector):
    scheme, secret, signing, body, options, signature = vector
    headers = sign(scheme, body, signing or secret, **options)
    assert headers[-1] == (SCHEMES[scheme].header, signature)
    url, _, query = options.get("url", "").partition("?")
    delivery = Delivery(headers, body, query=query)
    now = options.get("now", T)
    verdict = verify(scheme, delivery, secret, now=now, url=url or None)
    assert verdict.ok and verdict.secret_no == 1
    assert not verify(scheme, delivery, secret, now=now, url=url or None, tolerance_s=0).reason
    wrong = Delivery(headers, body + b" ", query=query)
    assert not verify(scheme, wrong, secret, now=now, url=url or None)


def test_paypal_message():
    headers = [
        ("PAYPAL-TRANSMISSION-ID", "69cd13f0-d67a-11e5-baa3-778b53f4ae55"),
        ("PAYPAL-TRANSMISSION-TIME", "2016-02-18T20:01:35Z"),
        ("PAYPAL-TRANSMISSION-SIG", "AAAA"),
    ]
    claim = read_claim(SCHEMES["paypal"], Delivery(headers, BODY), "", "1JE4291016473214C")
    assert claim.contents == [
        b"69cd13f0-d67a-11e5-baa3-778b53f4ae55|2016-02-18T20:01:35Z|1JE4291016473214C|25857416"
    ]
    assert claim.time_s == 1455825695
    assert zlib.crc32(BODY) == 25857416


def test_template_keeps_its_order_and_its_text():
    assert SCHEMES["slack"].template % {b"time": b"1", b"body": b"%(id)b"} == b"v0:1:%(id)b"
    scheme = hmac_scheme("own", header="X-Own", content="100% {body}", tolerance_s=None)
    assert scheme.template % {b"body": b"2"} == b"100% 2"


def test_every_scheme_has_a_vector_or_a_reason():
    # Tokens sign nothing; PayPal's message is above, its RSA in test_certificates.py.
    without = set(SCHEMES) - {vector[0] for vector in VECTORS}
    assert without == {"gitlab-token", "cloudevents", "paypal"}


def test_hook0_signs_several_fields():
    import hmac

    body = b"{}"
    content = b"1674087231.content-type x-event-id.application/json.e1." + body
    made = hmac.new(b"s3", content, "sha256").hexdigest()
    headers = [
        ("Content-Type", "application/json"),
        ("X-Event-Id", "e1"),
        ("X-Hook0-Signature", f"t={T},h=content-type x-event-id,v0=00,v1={made}"),
    ]
    verdict = Verifier("hook0", "s3").verify(Delivery(headers, body), now=T)
    assert verdict.ok and verdict.id == "e1" and verdict.is_id_signed
    changed = [headers[0], ("X-Event-Id", "e2"), headers[2]]
    assert not Verifier("hook0", "s3").verify(Delivery(changed, body), now=T)


def test_hook0_id_that_is_not_named_is_not_trusted():
    import hmac

    made = hmac.new(b"s3", f"{T}...".encode(), "sha256").hexdigest()
    headers = [("X-Event-Id", "e1"), ("X-Hook0-Signature", f"t={T},h=,v1={made}")]
    verdict = Verifier("hook0", "s3").verify(Delivery(headers, b""), now=T)
    assert verdict.ok and verdict.id == "e1" and not verdict.is_id_signed
