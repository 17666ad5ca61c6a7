"""What a sender would deliver: verified by our verifiers, faults included."""

from __future__ import annotations

import msgspec
import pytest

from hipflask.scaffold import SetupError
from hipflask.webhooks import Delivery, Verifier
from hipflask.webhooks.sending import Event, Sample, deliveries

from .senders import WHSEC, paypal_pair

BODY = b'{"number":1.50,"type":"first","id":"evt_1"}'


def check(letter, verifier):
    delivery = Delivery(letter.headers, letter.body, query=letter.query)
    return verifier.verify(delivery)


def test_github_has_event_and_id_in_headers():
    sample = Sample("github", "secret", [Event(BODY, "push")], id="one")
    (letter,) = deliveries(sample)
    verdict = check(letter, Verifier("github", "secret"))
    assert verdict.ok and verdict.id == letter.id == "one"
    assert dict(letter.headers)["X-GitHub-Event"] == "push"
    assert letter.body == BODY


def test_stripe_has_event_and_id_in_the_body_and_other_bytes_stay():
    sample = Sample("stripe", "whsec_x", [Event(BODY, "invoice.paid")], id="evt_2")
    (letter,) = deliveries(sample)
    assert check(letter, Verifier("stripe", "whsec_x")).ok
    assert letter.body == b'{"number":1.50,"type":"invoice.paid","id":"evt_2"}'


def test_a_body_keeps_its_own_id_and_one_without_gets_one():
    sample = Sample("stripe", "whsec_x", [Event(BODY), Event(b"{}")])
    first, second = deliveries(sample)
    assert (first.id, first.body) == ("evt_1", BODY)
    assert msgspec.json.decode(second.body) == {"id": second.id}


def test_copies_have_one_id_and_the_same_bytes():
    letters = list(deliveries(Sample("standard", WHSEC, [Event(BODY), Event(b"[]")]), copies=3))
    assert [letter.copy for letter in letters] == [1, 2, 3, 1, 2, 3]
    assert len({letter.id for letter in letters}) == 2
    assert all(check(letter, Verifier("standard", WHSEC)).ok for letter in letters)


def test_reordered_is_never_the_order_it_was():
    bodies = [b"%d" % number for number in range(3)]
    for seed in range(50):
        letters = list(
            deliveries(
                Sample("github", "s", list(map(Event, bodies))), is_reordered=True, seed=seed
            )
        )
        sent = [letter.body for letter in letters]
        assert sent != bodies and sorted(sent) == bodies


def test_corrupt_is_refused():
    for body in (BODY, b""):
        (letter,) = deliveries(Sample("github", "s", [Event(body)]), is_corrupt=True)
        assert letter.is_corrupt and letter.body != body
        assert not check(letter, Verifier("github", "s"))


def test_twilio_signs_the_url_and_the_body_through_it():
    url = "https://example.org/hook"
    (letter,) = deliveries(Sample("twilio", "token", [Event(BODY)], url=url))
    assert check(letter, Verifier("twilio", "token", url=url)).ok
    form = "application/x-www-form-urlencoded"
    (letter,) = deliveries(Sample("twilio", "token", [Event(b"a=1")], url=url, content_type=form))
    assert letter.query == "" and check(letter, Verifier("twilio", "token", url=url)).ok


def test_what_cannot_be_is_refused_at_once():
    with pytest.raises(SetupError, match="One id, 'a', for 2 events"):
        list(deliveries(Sample("github", "s", [Event(b"1"), Event(b"2")], id="a")))
    with pytest.raises(SetupError, match="'id' in a JSON object, and this body is none"):
        list(deliveries(Sample("stripe", "s", [Event(b"a=1")], id="a")))
    with pytest.raises(SetupError, match=r"No scheme is named|githbu"):
        list(deliveries(Sample("githbu", "s", [Event(b"1")])))


@pytest.mark.parametrize(
    ("scheme", "member"),
    [("paddle", "event_type"), ("paypal", "event_type"), ("slack", "type"), ("gitlab", None)],
)
def test_the_type_stands_where_the_sender_has_it(scheme, member):
    secret = {"gitlab": WHSEC, "paypal": None}.get(scheme, "secret")
    if secret is None:
        pytest.importorskip("cryptography")
        secret = paypal_pair()[0]
    sample = Sample(scheme, secret, [Event(b"{}", "a.b")], webhook_id="1")
    (letter,) = deliveries(sample)
    if member is None:
        assert dict(letter.headers)["X-Gitlab-Event"] == "a.b"
    else:
        assert msgspec.json.decode(letter.body)[member] == "a.b"
