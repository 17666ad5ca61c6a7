"""Each provider's own library signs; what it signed is sent over TCP, received and stored."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest

from hipflask.webhooks import Delivery, with_body_hash

from ..senders import SEED, SENDERS, WHSEC
from ..test_sdks import sdk

NOW = int(time.time())
URL = "https://example.com/hooks"
JSON = ("Content-Type", "application/json")


def secret(name):
    return SENDERS[name].secret


def standard(body, prefix="webhook", module="standardwebhooks"):
    webhook = sdk(module, module.partition(".")[0]).Webhook(WHSEC)
    id = f"msg_{json.loads(body)['n']}"
    made = webhook.sign(id, datetime.fromtimestamp(NOW, tz=UTC), body.decode())
    return [
        JSON,
        (f"{prefix}-id", id),
        (f"{prefix}-timestamp", str(NOW)),
        (f"{prefix}-signature", made),
    ]


def svix(body):
    return standard(body, "svix", "svix.webhooks")


def stripe(body):
    signature = sdk("stripe", "stripe").WebhookSignature
    made = signature.generate_signature_header(body.decode(), secret("stripe"), NOW)
    return [JSON, ("Stripe-Signature", made)]


def slack(body):
    verifier = sdk("slack_sdk.signature", "slack_sdk").SignatureVerifier(secret("slack"))
    made = verifier.generate_signature(timestamp=str(NOW), body=body)
    return [JSON, ("X-Slack-Request-Timestamp", str(NOW)), ("X-Slack-Signature", made)]


def twilio(body):
    validator = sdk("twilio.request_validator", "twilio").RequestValidator(secret("twilio"))
    return [
        JSON,
        ("X-Twilio-Signature", validator.compute_signature(with_body_hash(URL, body), {})),
    ]


def discord(body):
    signing = sdk("nacl.signing", "PyNaCl").SigningKey(SEED)
    made = signing.sign(str(NOW).encode() + body).signature.hex()
    return [JSON, ("X-Signature-Ed25519", made), ("X-Signature-Timestamp", str(NOW))]


def v1a(body):
    import base64

    signing = sdk("nacl.signing", "PyNaCl").SigningKey(SEED)
    made = signing.sign(f"m.{NOW}.".encode() + body).signature
    text = base64.b64encode(made).decode()
    return [
        JSON,
        ("webhook-id", "m"),
        ("webhook-timestamp", str(NOW)),
        ("webhook-signature", f"v1a,{text}"),
    ]


SIGNERS = {
    "standard": standard,
    "gitlab": standard,
    "svix": svix,
    "stripe": stripe,
    "slack": slack,
    "twilio": twilio,
    "discord": discord,
    "standard-v1a": v1a,
}


@pytest.mark.parametrize("name", SIGNERS)
def test_what_the_library_signed_is_received(door, name):
    body = json.dumps({"id": f"evt_{name}", "event_id": f"Ev_{name}", "n": 1, "type": "x"}).encode()
    query = with_body_hash(URL, body).partition("?")[2] if name == "twilio" else ""
    delivery = Delivery(SIGNERS[name](body), body, query=query)
    assert door.deliver(f"/{name}", delivery)[0] < 300, door.said
    (row,) = [row for row in door.rows() if row.source == name]
    assert row.body == body
    changed = Delivery(delivery.headers, body.replace(b"x", b"y"), query=query)
    assert door.deliver(f"/{name}", changed)[0] == 401


def test_twilio_form(door):
    validator = sdk("twilio.request_validator", "twilio").RequestValidator(secret("twilio-form"))
    form = {"From": "+14158675309", "Body": "grüße & more", "CallStatus": "ringing"}
    fields = [
        ("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"),
        ("X-Twilio-Signature", validator.compute_signature(f"{URL}?a=1", form)),
    ]
    delivery = Delivery(fields, urlencode(form).encode(), query="a=1")
    assert door.deliver("/twilio-form", delivery)[0] == 200
    (row,) = [row for row in door.rows() if row.source == "twilio-form"]
    assert row.event_type == "ringing" and row.body == delivery.body


def test_slack_command(door):
    body = b"token=a&team_id=T1&command=%2Fdeploy&text=now"
    fields = [("Content-Type", "application/x-www-form-urlencoded"), *slack(body)[1:]]
    assert door.deliver("/slack", Delivery(fields, body))[0] == 200
    assert "/deploy" in {row.event_type for row in door.rows()}
