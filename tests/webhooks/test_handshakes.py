"""What senders ask, and the answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask, request
from hipflask.webhooks import (
    Delivery,
    cloudevents_options,
    discord_ping,
    sign,
    slack_challenge,
    verify,
)

from .senders import PUBLIC_HEX, SEED, T

CHALLENGE = "3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"
SLACK = b'{"token":"x","challenge":"%s","type":"url_verification"}' % CHALLENGE.encode()
# Neither asks anything, whatever it is.
NOTHING = [
    b"",
    b"{",
    b"[]",
    b"null",
    b"\xff",
    b"[" * 100_000,
    b"{}",
    b'{"type":2}',
    b'{"type":"1"}',
]
NOTHING += [b'{"type":"url_verification"}', b'{"type":"url_verification","challenge":5}']
NOTHING += [b'{"type":"url_verification","challenge":""}', b'{"type":1.5}', b'{"type":1e400}']
NOTHING += [b'{"type":"url_verification","challenge":"<b>\\n"}', b"a=b"]
NOTHING += [b'{"type":"url_verification","challenge":"' + b"a" * 1025 + b'"}']


def test_slack_challenge_is_echoed_as_text():
    reply = slack_challenge(Delivery([], SLACK))
    assert reply.body == CHALLENGE
    assert reply.status == 200 and reply.headers["Content-Type"] == "text/plain"


def test_discord_ping_is_answered_with_pong():
    reply = discord_ping(Delivery([], b'{"type":1,"id":"5"}'))
    assert (reply.body, reply.status) == ('{"type":1}', 200)


@pytest.mark.parametrize("body", NOTHING, ids=lambda body: repr(body[:40]))
def test_what_asks_nothing(body):
    assert slack_challenge(Delivery([], body)) is None
    assert discord_ping(Delivery([], body)) is None


@given(st.binary(max_size=100))
def test_any_body_is_taken(body):
    slack_challenge(Delivery([], body))
    discord_ping(Delivery([], body))


def options(*fields, method="OPTIONS", **more):
    allowed = {"origins": ["Events.example.com"], **more}
    return cloudevents_options(Delivery(fields, b"", method=method), **allowed)


ORIGIN = ("WebHook-Request-Origin", "events.example.com")


@pytest.mark.parametrize(
    ("asked", "limit", "told"),
    [
        (None, 100, None),
        ("120", None, "120"),
        ("120", 100, "100"),
        ("50", 100, "50"),
        ("*", 100, "100"),
        ("*", None, "*"),
    ],
)
def test_cloudevents_rate(asked, limit, told):
    fields = [ORIGIN] + ([("WebHook-Request-Rate", asked)] if asked else [])
    reply = options(*fields, rate_per_minute=limit)
    assert reply.status == 200 and reply.headers["Allow"] == "POST"
    assert reply.headers["WebHook-Allowed-Origin"] == "events.example.com"
    assert reply.headers.get("WebHook-Allowed-Rate") == told


def test_cloudevents_origin_must_be_allowed():
    reply = options(("webhook-request-origin", "evil.example"))
    assert reply.status == 403 and list(reply.headers) == ["Allow"]
    assert options(("webhook-request-origin", "any.example"), origins=["*"]).status == 200


@pytest.mark.parametrize(
    "origin", ["", "a b", "\xe9.example", "a\r\nX: 1", "*", "http://a", "a" * 9999]
)
def test_cloudevents_origin_is_a_dns_name(origin):
    reply = options(("WebHook-Request-Origin", origin), origins=["*"])
    assert reply.status == 400 and list(reply.headers) == ["Allow"]


@pytest.mark.parametrize("rate", ["", "0", "-1", "1e3", "\u0661", "9" * 50, "1.5"])
def test_cloudevents_rate_is_a_number(rate):
    reply = options(ORIGIN, ("WebHook-Request-Rate", rate))
    assert reply.status == 400 and list(reply.headers) == ["Allow"]


def test_cloudevents_fields_may_come_once():
    assert options(ORIGIN, ORIGIN).status == 400
    rate = ("WebHook-Request-Rate", "1")
    assert options(ORIGIN, rate, rate).status == 400


def test_cloudevents_asks_with_options_only():
    assert options(ORIGIN, method="POST") is None
    assert options() is None


def test_a_view_returns_the_answer():
    app = Flask(__name__)

    @app.route("/discord", methods=["POST"])
    def discord():
        delivery = Delivery.of(request)
        if not (verdict := verify("discord", delivery, PUBLIC_HEX, now=T)):
            return "", verdict.status
        return discord_ping(delivery) or ("", 202)

    @app.route("/events", methods=["OPTIONS"])
    def events():
        return cloudevents_options(Delivery.of(request), origins=["*"]) or ("", 405)

    client = app.test_client()
    body = b'{"type":1}'
    headers = sign("discord", body, SEED.hex(), now=T)
    answer = client.post("/discord", data=body, headers=headers)
    assert (answer.status_code, answer.json) == (200, {"type": 1})
    wrong = [*headers[:-1], (headers[-1][0], "00" * 64)]
    assert client.post("/discord", data=body, headers=wrong).status_code == 401
    answer = client.options("/events", headers=[ORIGIN])
    assert answer.headers["WebHook-Allowed-Origin"] == "events.example.com"
