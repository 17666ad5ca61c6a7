"""What a sender is answered, and what is on disk by then, on every server that people run."""

from __future__ import annotations

import hashlib
import json
import time
from itertools import count

import pytest

from hipflask.webhooks import Delivery, sign

from ..senders import NAMES, SENDERS, T

NUMBERS = count(1)
GITHUB = SENDERS["github"].secret


def signed(body, name="github", **more):
    """A delivery with an id of its own."""
    sender = SENDERS[name]
    fields = sign(name, body, sender.signing or sender.secret, content_type="application/json")
    return Delivery({**dict(fields), **more}, body)


def fresh(**members):
    return json.dumps({"n": next(NUMBERS), "at": time.time_ns(), **members}).encode()


@pytest.mark.parametrize("name", NAMES)
def test_each_sender_is_received_and_stored_as_it_came(everywhere, name):
    delivery = SENDERS[name].deliver()
    status, body = everywhere.deliver(f"/{name}", delivery)
    assert status == everywhere_ack(name) and body == b"", everywhere.said
    row = next(row for row in everywhere.rows() if row.source == name)
    assert row.body == delivery.body and row.digest == hashlib.sha256(delivery.body).digest()
    assert row.state == "received" and row.secret_no == 1 and row.method == "POST"
    assert row.query == delivery.query.decode()
    stored = {(field.lower(), value) for field, value in row.headers}
    assert {(field.lower(), value) for field, value in delivery.headers} <= stored
    # What is stored can be verified again at any time.
    again = Delivery(row.headers, row.body, method=row.method, query=row.query)
    assert SENDERS[name].verifier().verify(again, now=T + 1e6, is_replay=True)


def everywhere_ack(name):
    return SENDERS[name].verifier().scheme.ack


def test_repetition_conflict_and_replay_under_a_new_id(everywhere):
    first = signed(fresh())
    id = first.values("X-GitHub-Delivery")[0].decode()
    other = signed(fresh(), **{"X-GitHub-Delivery": id})
    renamed = Delivery(
        {n.decode(): v.decode() for n, v in first.headers} | {"X-GitHub-Delivery": f"{id}-new"},
        first.body,
    )
    for delivery in (first, first, other, renamed):
        assert everywhere.deliver("/github", delivery)[0] == 202
    rows = {row.event_id: row for row in everywhere.rows() if row.event_id.startswith(id)}
    assert rows.pop(id).dup_count == 1
    assert {row.state for row in rows.values()} == {"conflict"} and len(rows) == 2


def test_paypals_headers_under_a_body_of_the_same_crc_are_a_conflict(everywhere):
    true = SENDERS["paypal"].deliver(b"plumless")
    swapped = Delivery(true.headers, b"buckeroo")
    for delivery in (true, swapped):
        assert everywhere.deliver("/paypal", delivery)[0] == everywhere_ack("paypal")
    id = true.values("PayPal-Transmission-Id")[0].decode()
    rows = [row for row in everywhere.rows() if row.event_id.startswith(id)]
    assert {(row.state, row.body) for row in rows} == {
        ("received", b"plumless"),
        ("conflict", b"buckeroo"),
    }


@pytest.mark.parametrize(
    ("path", "change", "status"),
    [
        ("/github", {"X-Hub-Signature-256": "sha256=" + "0" * 64}, 401),
        ("/github", {"X-Hub-Signature-256": ""}, 401),
        ("/github", {"Content-Encoding": "gzip"}, 415),
        ("/github", {"Content-Encoding": "br, identity"}, 415),
        ("/github", {"Content-Encoding": "identity"}, 202),
        ("/github", {"Content-Type": "text/whatever"}, 202),
        ("/json", {"Content-Type": "text/plain"}, 415),
        ("/json", {"Content-Type": "application/vnd.github+json; v=3"}, 202),
        ("/gone", {}, 410),
        ("/nowhere", {}, 404),
    ],
)
def test_answers(everywhere, path, change, status):
    before = everywhere.count()
    delivery = signed(fresh(), **change)
    answered, text = everywhere.deliver(path, delivery)
    assert answered == status
    assert everywhere.count() - before == (status == 202)
    if status == 401:
        assert text == b"401\n"


def test_methods(everywhere):
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        assert everywhere.ask(method, "/github")[0] == 405


def test_no_json_where_the_source_demands_it(everywhere):
    assert everywhere.deliver("/json", signed(b"{"))[0] == 400
    assert everywhere.deliver("/github", signed(b"{"))[0] == 202


def test_slack_is_answered_its_challenge_and_nothing_is_stored(everywhere):
    before = everywhere.count()
    body = b'{"type":"url_verification","challenge":"3eZbrw1aBm2rZgRN"}'
    assert everywhere.deliver("/slack", signed(body, "slack")) == (200, b"3eZbrw1aBm2rZgRN")
    wrong = signed(body, "slack", **{"X-Slack-Signature": "v0=" + "0" * 64})
    assert everywhere.deliver("/slack", wrong)[0] == 401
    assert everywhere.count() == before


def test_discord_is_answered_its_ping_and_its_probe(everywhere):
    before = everywhere.count()
    status, body = everywhere.deliver("/discord", signed(b'{"type":1}', "discord"))
    assert (status, json.loads(body)) == (200, {"type": 1})
    probe = signed(b'{"type":1}', "discord", **{"X-Signature-Ed25519": "0" * 128})
    assert everywhere.deliver("/discord", probe)[0] == 401
    assert everywhere.count() == before


def test_cloudevents_asks_whether_it_may(everywhere):
    asked = {"WebHook-Request-Origin": "events.example.com"}
    answer = everywhere.answer("OPTIONS", "/events", {**asked, "WebHook-Request-Rate": "120"})
    assert answer.status == 200
    assert answer.headers["WebHook-Allowed-Origin"] == "events.example.com"
    assert answer.headers["WebHook-Allowed-Rate"] == "120"
    answer = everywhere.answer("OPTIONS", "/events", asked)
    assert answer.status == 200 and "WebHook-Allowed-Rate" not in answer.headers
    assert everywhere.ask("OPTIONS", "/events", {"WebHook-Request-Origin": "evil.test"})[0] == 403
    assert everywhere.answer("OPTIONS", "/events").headers["Allow"] == "OPTIONS, POST"


def test_forms_are_signed_as_they_came(everywhere):
    body = b"token=x&text=a%%20b+c&command=%%2Fdo&n=%d" % time.time_ns()
    delivery = signed(body, "slack", **{"Content-Type": "application/x-www-form-urlencoded"})
    assert everywhere.deliver("/slack", delivery)[0] == 200
    row = everywhere.rows()[0]
    assert row.body == body and row.event_type == "/do"


@pytest.mark.parametrize("how", ["form", "data"])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "application/json"])
def test_a_body_that_a_hook_has_read_is_whole(everywhere, how, kind):
    body = b"a=1&n=%d" % time.time_ns()
    delivery = signed(body, **{"Content-Type": kind})
    delivery = Delivery(delivery.headers, body, query=f"read={how}")
    assert everywhere.deliver("/github", delivery)[0] == 202
    assert everywhere.rows()[0].body == body


def test_a_body_that_a_hook_has_taken_is_never_stored_cut(everywhere):
    body = fresh()
    status, _ = everywhere.deliver(
        "/gitlab-token",
        Delivery(SENDERS["gitlab-token"].deliver().headers, body, query="read=stream"),
    )
    assert status in (202, 400)
    stored = [row.body for row in everywhere.rows() if row.source == "gitlab-token"]
    assert (body in stored) is (status == 202) and b"" not in stored


def test_no_secret_is_logged(everywhere):
    said = everywhere.said
    for sender in SENDERS.values():
        secret = sender.secret if isinstance(sender.secret, str) else str(sender.secret)
        assert secret not in said
    assert "Traceback" not in said
