"""The table of schemes. A row says all that differs between senders; no other file names one.

Where a fact could not be confirmed, the row takes the lenient reading and says so in `lenient`.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from ..scaffold import SetupError
from .handshakes import discord_ping, slack_challenge
from .layouts import Listed, Pairs, Versions, Whole
from .scheme import Scheme

_FIVE_MINUTES_S = 300


def _standard(name: str, title: str, prefix: str, source: str, **more: str) -> Scheme:
    """A row for the senders that sign as Standard Webhooks has it, in fields of this prefix."""
    return Scheme(
        name=name,
        title=title,
        header=f"{prefix}-signature",
        layout=Versions(),
        content="{id}.{time}.{body}",
        encoding="base64",
        key="standard",
        id_header=f"{prefix}-id",
        is_id_signed=True,
        time_header=f"{prefix}-timestamp",
        tolerance_s=_FIVE_MINUTES_S,
        future_s=_FIVE_MINUTES_S,
        type_header=more.get("type_header", ""),
        body_type=("object_kind",) if name == "gitlab" else ("type", "eventType"),
        answer_s=10 if name == "gitlab" else 15,
        source=source,
        rotation=more["rotation"],
        patience=more["patience"],
        notes=("`v1` is checked with a `whsec_` secret, `v1a` (Ed25519) with a `whpk_` key.",),
        lenient=(more["lenient"],) if "lenient" in more else (),
    )


_ROWS = (
    _standard(
        "standard",
        "Standard Webhooks",
        "webhook",
        "Standard Webhooks: Signature scheme",
        rotation="signs with the old and the new secret",
        patience="15 to 30 s; 10 tries in 75 h; 410 stops them",
    ),
    _standard(
        "svix",
        "Svix",
        "svix",
        "Svix: Verifying webhooks manually",
        rotation="the old secret signs too, for 24 h",
        patience="30 s; 8 tries in 28 h; switched off after 5 days of failures",
    ),
    Scheme(
        name="stripe",
        title="Stripe",
        header="Stripe-Signature",
        layout=Pairs(",", "t", "v1"),
        content="{time}.{body}",
        body_id="id",
        is_id_signed=True,
        tolerance_s=_FIVE_MINUTES_S,
        body_type=("type",),
        answer_s=10,
        source="Stripe: Verify webhook signatures",
        rotation="one `v1` for each secret, up to 24 h",
        patience="tries for 3 days",
        notes=(
            "The secret is the whole text, `whsec_` included.",
            "A time in the future is accepted, as Stripe's own library does: the time is signed.",
        ),
        lenient=("How long the old secret goes on signing.",),
    ),
    Scheme(
        name="github",
        title="GitHub",
        header="X-Hub-Signature-256",
        layout=Whole("sha256="),
        id_header="X-GitHub-Delivery",
        type_header="X-GitHub-Event",
        type_detail="action",
        answer_s=10,
        max_body=25 * 1024 * 1024,
        source="GitHub: Validating webhook deliveries",
        rotation="one secret: give the old and the new one while you change it",
        patience="10 s; never tries again, redeliver by hand within 3 days",
        notes=("No time is signed, so an old delivery can be sent again by anybody who has it.",),
        lenient=("Bodies have up to 25 MB.",),
    ),
    _standard(
        "gitlab",
        "GitLab, signing token",
        "webhook",
        "GitLab: Webhooks, Signing tokens",
        rotation="one secret",
        patience="10 s; switched off after 4 failures, for 1 min to 24 h",
        type_header="X-Gitlab-Event",
        lenient="How long it waits; whether self-managed GitLab has it switched on.",
    ),
    Scheme(
        name="gitlab-token",
        title="GitLab, secret token",
        header="X-Gitlab-Token",
        content="",
        algorithm="token",
        id_header="Idempotency-Key",
        is_body_signed=False,
        type_header="X-Gitlab-Event",
        body_type=("object_kind",),
        answer_s=10,
        source="GitLab: Webhooks, Secret token",
        rotation="one token",
        patience="10 s; switched off after 4 failures, for 1 min to 24 h",
        notes=("The token is sent as it is and signs nothing. Prefer `gitlab`.",),
        lenient=("How long it waits.",),
    ),
    Scheme(
        name="slack",
        title="Slack",
        header="X-Slack-Signature",
        layout=Whole("v0="),
        content="v0:{time}:{body}",
        body_id="event_id",
        is_id_signed=True,
        time_header="X-Slack-Request-Timestamp",
        tolerance_s=_FIVE_MINUTES_S,
        future_s=_FIVE_MINUTES_S,
        body_type=("event.type", "type", "command"),
        asks=slack_challenge,
        ack=200,
        answer_s=3,
        source="Slack: Verifying requests from Slack",
        rotation="one secret",
        patience="3 s; tries again at once, after 1 min and 5 min",
        notes=(
            "The body is signed as it came, forms of commands too; those have no `event_id`.",
            "Asks once with `url_verification`: `slack_challenge`.",
        ),
    ),
    Scheme(
        name="shopify",
        title="Shopify",
        header="X-Shopify-Hmac-SHA256",
        encoding="base64",
        id_header="X-Shopify-Webhook-Id",
        type_header="X-Shopify-Topic",
        ack=200,
        answer_s=5,
        source="Shopify: Deliver webhooks through HTTPS",
        rotation="the new secret signs up to an hour after the change",
        patience="5 s; 8 tries in 4 h, then the subscription is deleted",
        notes=(
            "The secret is the app's client secret. `X-Shopify-Triggered-At` is not signed, and"
            " not looked at.",
        ),
        lenient=("How late the new secret is used.",),
    ),
    Scheme(
        name="twilio",
        title="Twilio",
        header="X-Twilio-Signature",
        content="{url}",
        algorithm="sha1",
        encoding="base64",
        id_header="I-Twilio-Idempotency-Token",
        needs_url=True,
        signs_form=True,
        body_type=("EventType", "MessageStatus", "CallStatus"),
        ack=200,
        source="Twilio: Webhooks security",
        rotation="the secondary token: give both",
        patience="15 s",
        notes=(
            "Signed are the URL with its query and the sorted names and values of the form; a"
            " body that is no form is covered by `bodySHA256` in the query.",
            "`X-Twilio-Webhooks-Signature-Settings` says if it is HMAC-SHA256.",
            "Names and values are joined without a border: `a=12` and `a1=2` sign alike.",
        ),
        lenient=(
            "How long it waits; that the secondary token signs; the name of the field with the id.",
            "The URL may have been signed with the port or without it.",
        ),
    ),
    Scheme(
        name="paypal",
        title="PayPal",
        header="PAYPAL-TRANSMISSION-SIG",
        content="{id}|{time}|{webhook_id}|{crc32}",
        algorithm="rsa-sha256",
        encoding="base64",
        key="certificate",
        id_header="PAYPAL-TRANSMISSION-ID",
        is_id_signed=True,
        is_body_signed=False,
        time_header="PAYPAL-TRANSMISSION-TIME",
        time_form="iso",
        needs_webhook_id=True,
        fixed=(
            ("PAYPAL-AUTH-ALGO", "SHA256withRSA"),
            (
                "PAYPAL-CERT-URL",
                "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-local",
            ),
        ),
        body_type=("event_type",),
        ack=200,
        source="PayPal: Webhooks, Integration guide",
        rotation="by certificate",
        patience="25 tries in 3 days",
        notes=(
            "Of the body only the CRC-32 is signed: whoever has one delivery can make another"
            " body for it. Read amounts back from PayPal's API.",
            "Certificates are given in the settings, or fetched, by your function, from"
            " PayPal's API over https only.",
            "A delivery of any age is accepted, as in its library; set `tolerance_s` for less.",
        ),
        lenient=(
            "How often it tries; that all certificates are on api.paypal.com, api-m.paypal.com or"
            " their sandboxes.",
        ),
    ),
    Scheme(
        name="square",
        title="Square",
        header="x-square-hmacsha256-signature",
        content="{url}{body}",
        encoding="base64",
        body_id="event_id",
        is_id_signed=True,
        needs_url=True,
        body_type=("type",),
        ack=200,
        answer_s=10,
        source="Square: Verify and validate an event notification",
        rotation="a new key by its API",
        patience="as soon as possible; tries up to 24 h",
        notes=("`url` is the notification URL, letter by letter as Square has it.",),
    ),
    Scheme(
        name="linear",
        title="Linear",
        header="Linear-Signature",
        id_header="Linear-Delivery",
        body_time="webhookTimestamp",
        time_form="ms",
        tolerance_s=60,
        future_s=60,
        body_type=("type",),
        type_detail="action",
        ack=200,
        answer_s=5,
        source="Linear: Webhooks, Securing webhooks",
        rotation="one secret",
        patience="5 s; tries after 1 min, 1 h, 6 h",
        notes=("The time is in the body, in milliseconds; `Linear-Timestamp` is no proof.",),
        lenient=("When it tries again.",),
    ),
    Scheme(
        name="paddle",
        title="Paddle",
        header="Paddle-Signature",
        layout=Pairs(";", "ts", "h1"),
        content="{time}:{body}",
        body_id="event_id",
        is_id_signed=True,
        tolerance_s=60,
        future_s=60,
        body_type=("event_type",),
        ack=200,
        answer_s=5,
        source="Paddle: Verify webhook signatures",
        rotation="one `h1` for each secret",
        patience="5 s; 60 tries in 3 days",
        notes=("Paddle's library allows 5 s, too little behind a queue; here it is 60.",),
        lenient=("How often it tries.",),
    ),
    Scheme(
        name="discord",
        title="Discord",
        header="X-Signature-Ed25519",
        content="{time}{body}",
        algorithm="ed25519",
        key="ed25519",
        body_id="id",
        is_id_signed=True,
        time_header="X-Signature-Timestamp",
        body_type=("event.type", "type"),
        asks=discord_ping,
        ack=200,
        answer_s=3,
        source="Discord: Interactions, Security and authorization",
        rotation="the application's key",
        patience="3 s; never tries again",
        notes=(
            "Asks with PING: `discord_ping`. Sends wrong signatures on purpose and expects 401.",
            "A delivery of any age is accepted, as in its library; set `tolerance_s` for less.",
        ),
        lenient=("How long it waits.",),
    ),
    Scheme(
        name="hookdeck",
        title="Hookdeck",
        header="x-hookdeck-signature",
        encoding="base64",
        id_header="x-hookdeck-eventid",
        body_type=("type",),
        source="Hookdeck: Verify webhook signatures",
        patience="60 s",
        lenient=("How long it waits; the name of the field with the id.",),
    ),
    Scheme(
        name="outpost",
        title="Outpost",
        header="x-outpost-signature",
        layout=Listed("v0="),
        id_header="x-outpost-event-id",
        type_header="x-outpost-topic",
        answer_s=5,
        source="Outpost: Webhook destination",
        rotation="signs with both secrets for 24 h",
        patience="5 s; 10 tries",
        lenient=("The name of the field with the id.",),
    ),
    Scheme(
        name="hook0",
        title="Hook0",
        header="X-Hook0-Signature",
        layout=Pairs(",", "t", "v1", "h"),
        content="{time}.{names}.{values}.{body}",
        id_header="X-Event-Id",
        tolerance_s=_FIVE_MINUTES_S,
        future_s=_FIVE_MINUTES_S,
        type_header="X-Event-Type",
        source="Hook0: Implementing webhook authentication",
        rotation="two secrets",
        patience="15 s; 24 tries in 8 days",
        notes=(
            "`h` names the fields that are signed; the id is trusted only if it is among them.",
            "The older `v0`, over time and body, is not accepted.",
        ),
    ),
    Scheme(
        name="cloudevents",
        title="CloudEvents, bearer token",
        header="Authorization",
        layout=Whole("Bearer ", any_case=True),
        content="",
        algorithm="token",
        id_header="ce-id",
        is_body_signed=False,
        type_header="ce-type",
        body_type=("type",),
        id_with="ce-source",
        body_id="id",
        body_id_with="source",
        source="CloudEvents: HTTP 1.1 Web Hooks for event delivery",
        patience="202 if not yet processed; 410 stops it; 429 needs Retry-After",
        notes=(
            "The token is sent as it is and signs nothing. An event is known by `ce-id` and"
            " `ce-source` together.",
            "Asks with OPTIONS: `cloudevents_options`. A token in the query is refused.",
        ),
    ),
)

#: Name -> scheme, read-only.
SCHEMES: Mapping[str, Scheme] = MappingProxyType({scheme.name: scheme for scheme in _ROWS})


def find_scheme(scheme: str | Scheme) -> Scheme:
    """The scheme of that name, or the one given; SetupError with the nearest name otherwise."""
    if isinstance(scheme, Scheme):
        return scheme
    found = SCHEMES.get(scheme)
    if found is None:
        near = get_close_matches(str(scheme), SCHEMES, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        known = ", ".join(SCHEMES)
        raise SetupError(
            f"There is no scheme {scheme!r}.{hint} Known are {known}; make others with"
            " hmac_scheme() or own_scheme()."
        )
    return found
