"""Hostile requests to running servers: refused with a 4xx, nothing stored, nothing told."""

from __future__ import annotations

import http.client
import logging
import re

import pytest

from hipflask.webhooks import Delivery, Verifier, sign

from ..senders import BODY, NAMES, OWN, SENDERS, T
from ..test_hostile import BODIES, TIMES, VALUES

ALLOWED = {400, 401, 413, 415, 431}
# What http.client refuses to send is sent by hand: a server's own parser is not ours to test.
LARGEST_FIELD = 60_000
# Granian leaves out a field whose value is not ASCII, so that it is as if it were not there;
# under WSGI it keeps one of two fields. What is left is truly signed then, and received.
UNSEEN = {"id b'\\xe9'"}


def fields_of(name):
    """The name of the signature's field, and a true delivery's fields without it."""
    scheme = SENDERS[name].verifier().scheme
    delivery = SENDERS[name].deliver()
    kept = [field for field in delivery.headers if field[0].decode() != scheme.header]
    return scheme, delivery, kept


def cases(name):
    """(label, fields, body, query) of at least 40 requests that are wrong in one thing each."""
    scheme, delivery, kept = fields_of(name)
    query = delivery.query
    for label, value in VALUES.items():
        raw = Delivery([("a", value)], b"").headers[0][1]
        yield label, [*kept, (scheme.header.encode(), raw)], delivery.body, query
    signature = delivery.values(scheme.header)[0]
    field = (scheme.header.encode(), signature)
    yield "missing", kept, delivery.body, query
    yield "repeated", [*delivery.headers, field], delivery.body, query
    yield (
        "repeated in another case",
        [*delivery.headers, (field[0].upper(), b"x")],
        delivery.body,
        query,
    )
    yield "nothing", [], delivery.body, b""
    yield "encoded", [*delivery.headers, (b"Content-Encoding", b"gzip")], delivery.body, query
    if scheme.time_header:
        head = scheme.time_header.encode()
        others = [one for one in delivery.headers if one[0] != head]
        for moment in TIMES:
            raw = Delivery([("a", moment)], b"").headers[0][1]
            yield f"time {moment[:9]}", [*others, (head, raw)], delivery.body, query
    if scheme.id_header:
        head = scheme.id_header.encode()
        others = [one for one in delivery.headers if one[0] != head]
        for id in (b"a b", b"\xe9", b"a" * 257, b"a" * 20_000):
            yield f"id {id[:9]!r}", [*others, (head, id)], delivery.body, query
    if scheme.is_body_signed:
        for body in BODIES:
            yield f"body {body[:9]!r}", delivery.headers, body, query


def send(server, path, fields, body, query):
    """The status of the answer; 0 where the server closed without one, or cannot be told it."""
    fields = [
        (name, value.replace(b"\r\n", b" "))
        for name, value in fields
        if len(value) <= LARGEST_FIELD
    ]
    query = query.decode("latin-1").replace(" ", "+")
    query = "".join(c if "!" <= c <= "~" else f"%{ord(c):02x}" for c in query)
    try:
        return server.ask("POST", f"{path}?{query}" if query else path, fields, body)[0]
    except (OSError, http.client.HTTPException):
        return 0


@pytest.mark.parametrize("name", NAMES)
def test_malformed_deliveries_are_refused_and_leave_nothing(door, name):
    before, said = door.count(), len(door.said)
    number = 0
    for label, fields, body, query in cases(name):
        if door.kind != "asgi" and label in UNSEEN or door.kind == "wsgi" and "case" in label:
            continue
        status = send(door, f"/{name}", fields, body, query)
        assert status == 0 or status in ALLOWED, (label, status)
        number += 1
    assert number >= 40
    assert door.count() == before
    told = door.said[said:]
    assert "Traceback" not in told
    assert_tells_nothing(told, name)
    # The source still receives.
    assert door.deliver(f"/{name}", SENDERS[name].deliver())[0] < 300


def assert_tells_nothing(told, name):
    """No secret, and no signature that would have been right."""
    sender = SENDERS[name]
    delivery = sender.deliver()
    right = delivery.values(sender.verifier().scheme.header)[0].decode("latin-1")
    for secret in [
        sender.secret,
        sender.signing,
        right,
        *re.findall(r"[0-9a-f]{40,}|[\w+/]{27,}=", right),
    ]:
        assert not secret or str(secret) not in told


def test_a_caller_is_told_nothing_but_the_status(door):
    for headers in ({}, {"X-Hub-Signature-256": "sha256=" + "0" * 64}):
        answer = door.answer("POST", "/github", headers, b"{}")
        assert answer.status == 401 and answer.body == b"401\n"


def test_a_field_of_a_megabyte(door):
    """The server's own limit: 4xx or a closed connection, never a 5xx."""
    for value in (b"A" * 1_000_000, b"v1," * 300_000):
        head = (
            b"POST /github HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nX-Hub-Signature-256: "
            + value
            + b"\r\n\r\n{}"
        )
        answer = door.talk(head)
        assert not answer or answer.split(b" ", 2)[1][:1] == b"4", answer[:100]
    assert door.deliver("/github", SENDERS["github"].deliver())[0] == 202


def test_a_function_of_your_own_that_fails_is_a_503(tmp_path, caplog):
    from hipflask import Flask
    from hipflask.webhooks import Hooks, own_scheme

    def check(delivery, secret):
        raise RuntimeError(f"cannot compare with {secret!r}")

    app = Flask(__name__)
    app.config["OWN"] = "s3cret-of-ours"
    hooks = Hooks(app, f"sqlite:///{tmp_path}/inbox.db", workers=0)
    hooks.source("/own", scheme=own_scheme("mine", check), secrets="OWN")
    hooks.source("/key", scheme=OWN, secrets="OWN", key=lambda delivery: 1 / 0)
    with caplog.at_level(logging.DEBUG):
        answer = app.test_client().post("/own", data=b"x")
        import hashlib

        right = hashlib.sha256(b"s3cret-of-ours" + b"x").hexdigest()
        other = app.test_client().post("/key", data=b"x", headers={"X-Own": right})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert other.status_code == 503 and "ZeroDivisionError" in caplog.text
    assert "RuntimeError" in caplog.text and "s3cret" not in caplog.text
    hooks.stop()


def test_refusals_do_not_flood_the_log(tmp_path, caplog):
    from hipflask import Flask
    from hipflask.webhooks import Hooks

    app = Flask(__name__)
    app.config["GITHUB"] = "s3cret-of-ours"
    hooks = Hooks(app, f"sqlite:///{tmp_path}/inbox.db", workers=0)
    hooks.source("/github", scheme="github", secrets="GITHUB")
    client = app.test_client()
    for _ in range(100):
        assert client.post("/github", data=BODY).status_code == 401
    assert 1 <= len([r for r in caplog.records if "refused" in r.getMessage()]) < 20
    hooks.stop()


def test_stale_deliveries_are_refused_and_say_so_in_the_log(tmp_path, caplog):
    from hipflask import Flask
    from hipflask.webhooks import Hooks

    app = Flask(__name__)
    app.config["STANDARD"] = SENDERS["standard"].secret
    hooks = Hooks(app, f"sqlite:///{tmp_path}/inbox.db", workers=0)
    hooks.source("/standard", scheme="standard", secrets="STANDARD")
    old = sign("standard", BODY, SENDERS["standard"].secret, now=T)
    assert app.test_client().post("/standard", data=BODY, headers=old).status_code == 401
    assert "stale" in caplog.text and isinstance(Verifier, type)
    hooks.stop()
