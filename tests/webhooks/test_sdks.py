"""Each provider's own library signs and we verify; we sign and it verifies."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from hipflask.webhooks import Delivery, Verifier, sign, with_body_hash

from .senders import BODY, PUBLIC_HEX, SEED, WHSEC

# The libraries look at the clock themselves.
TEXT = BODY.decode()
SECRET = "a secret of the two of us"


@pytest.fixture
def now() -> int:
    """Of this test: the libraries take no signature for long."""
    return int(time.time())


def sdk(name: str, package: str):
    return pytest.importorskip(name, reason=f"signs and verifies for real: pip install {package}")


def test_standardwebhooks(now):
    webhook = sdk("standardwebhooks", "standardwebhooks").Webhook(WHSEC)
    moment = datetime.fromtimestamp(now, tz=UTC)
    made = webhook.sign("msg_1", moment, TEXT)
    fields = [("webhook-id", "msg_1"), ("webhook-timestamp", str(now)), ("webhook-signature", made)]
    verdict = Verifier("standard", WHSEC).verify(Delivery(fields, BODY), now=now)
    assert verdict.ok and verdict.id == "msg_1" and verdict.is_id_signed
    for scheme in ("standard", "gitlab"):
        webhook.verify(BODY, dict(sign(scheme, BODY, WHSEC, now=now)))


def test_standardwebhooks_takes_one_of_two_signatures(now):
    module = sdk("standardwebhooks", "standardwebhooks")
    other = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="
    headers = dict(sign("standard", BODY, [other, WHSEC], now=now))
    module.Webhook(WHSEC).verify(BODY, headers)
    module.Webhook(other).verify(BODY, headers)


def test_svix(now):
    module = sdk("svix.webhooks", "svix")
    made = module.Webhook(WHSEC).sign("msg_1", datetime.fromtimestamp(now, tz=UTC), TEXT)
    fields = [("svix-id", "msg_1"), ("svix-timestamp", str(now)), ("svix-signature", made)]
    assert Verifier("svix", WHSEC).verify(Delivery(fields, BODY), now=now).ok
    module.Webhook(WHSEC).verify(BODY, dict(sign("svix", BODY, WHSEC, now=now)))


def test_stripe(now):
    signature = sdk("stripe", "stripe").WebhookSignature
    made = signature.generate_signature_header(TEXT, "whsec_test", now)
    delivery = Delivery([("Stripe-Signature", made)], BODY)
    assert Verifier("stripe", "whsec_test").verify(delivery, now=now).ok
    headers = dict(sign("stripe", BODY, ["whsec_old", "whsec_test"], now=now))
    assert signature.verify_header(BODY, headers["Stripe-Signature"], "whsec_test", 300)


@pytest.mark.parametrize("body", [BODY, b"token=a&text=&command=%2Fdo", b""])
def test_slack_sdk(body, now):
    verifier = sdk("slack_sdk.signature", "slack_sdk").SignatureVerifier(SECRET)
    made = verifier.generate_signature(timestamp=str(now), body=body)
    fields = [("X-Slack-Request-Timestamp", str(now)), ("X-Slack-Signature", made)]
    assert Verifier("slack", SECRET).verify(Delivery(fields, body), now=now).ok
    assert verifier.is_valid_request(body, dict(sign("slack", body, SECRET, now=now)))


URL = "https://example.com/sms"
FORM = {"From": "+14158675309", "Body": "grüße & more", "Empty": "", "To": "+18005551212"}


def form_body() -> bytes:
    from urllib.parse import urlencode

    return urlencode(FORM).encode()


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
@pytest.mark.parametrize("query", ["", "a=1&b=%20x"])
def test_twilio_form(algorithm, query):
    module = sdk("twilio.request_validator", "twilio")
    validator = module.RequestValidator(SECRET)
    full = f"{URL}?{query}" if query else URL
    name = f"HMAC_{algorithm.upper()}"
    fields = [
        ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"),
        ("X-Twilio-Signature", validator.compute_signature(full, FORM, name)),
        ("X-Twilio-Webhooks-Signature-Settings", f"key=k1,algorithm={name}"),
    ]
    delivery = Delivery(fields, form_body(), query=query)
    assert Verifier("twilio", SECRET, url=URL).verify(delivery).ok
    headers = dict(
        sign(
            "twilio",
            form_body(),
            SECRET,
            url=full,
            algorithm=algorithm,
            content_type="application/x-www-form-urlencoded",
        )
    )
    settings = headers.get("X-Twilio-Webhooks-Signature-Settings")
    named = module.get_signature_algorithm(settings)
    assert validator.validate(full, FORM, headers["X-Twilio-Signature"], named)


def test_twilio_json():
    validator = sdk("twilio.request_validator", "twilio").RequestValidator(SECRET)
    full = with_body_hash(URL, BODY)
    query = full.partition("?")[2]
    fields = [
        ("Content-Type", "application/json"),
        ("X-Twilio-Signature", validator.compute_signature(full, {})),
    ]
    assert Verifier("twilio", SECRET, url=URL).verify(Delivery(fields, BODY, query=query)).ok
    headers = dict(sign("twilio", BODY, SECRET, url=full))
    assert validator.validate(full, TEXT, headers["X-Twilio-Signature"])


@pytest.mark.parametrize("signed", ["https://example.com/sms", "https://example.com:443/sms"])
@pytest.mark.parametrize("told", ["https://example.com/sms", "https://example.com:443/sms"])
def test_twilio_port(signed, told):
    validator = sdk("twilio.request_validator", "twilio").RequestValidator(SECRET)
    made = validator.compute_signature(signed, {})
    delivery = Delivery([("X-Twilio-Signature", made)], b"", method="GET")
    assert Verifier("twilio", SECRET, url=told).verify(delivery).ok


def test_square():
    helper = sdk("square.utils.webhooks_helper", "squareup")
    headers = dict(sign("square", BODY, "asdf1234", url=URL))
    name = "x-square-hmacsha256-signature"
    assert helper.verify_signature(
        request_body=TEXT,
        signature_header=headers[name],
        signature_key="asdf1234",
        notification_url=URL,
    )


def test_paddle():
    module = sdk("paddle_billing.Notifications", "paddle-python-sdk")

    class Request:
        body = BODY
        headers = dict(sign("paddle", BODY, ["pdl_old", "pdl_new"]))

    verifier = module.Verifier(5)
    assert verifier.verify(Request, module.Secret("pdl_new"))
    assert verifier.verify(Request, module.Secret("pdl_old"))
    assert not verifier.verify(Request, module.Secret("pdl_none"))


def test_discord_interactions(now):
    module = sdk("discord_interactions", "discord-interactions")
    headers = dict(sign("discord", BODY, SEED.hex(), now=now))
    made, moment = headers["X-Signature-Ed25519"], headers["X-Signature-Timestamp"]
    assert module.verify_key(BODY, made, moment, PUBLIC_HEX)


def test_pynacl_signs_for_discord_and_for_standard_webhooks(now):
    from base64 import b64encode

    key = sdk("nacl.signing", "discord-interactions").SigningKey(SEED)
    fields = [
        ("X-Signature-Ed25519", key.sign(str(now).encode() + BODY).signature.hex()),
        ("X-Signature-Timestamp", str(now)),
    ]
    assert Verifier("discord", PUBLIC_HEX).verify(Delivery(fields, BODY), now=now).ok
    made = key.sign(b"msg_1." + str(now).encode() + b"." + BODY).signature
    fields = [
        ("webhook-id", "msg_1"),
        ("webhook-timestamp", str(now)),
        ("webhook-signature", "v1a," + b64encode(made).decode()),
    ]
    public = "whpk_" + b64encode(bytes.fromhex(PUBLIC_HEX)).decode()
    assert Verifier("standard", public).verify(Delivery(fields, BODY), now=now).ok
