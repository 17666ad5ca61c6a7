"""The short way to accept says what the long one says, and there is one where there can be."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hipflask.webhooks import (
    SCHEMES,
    Delivery,
    Listed,
    Pairs,
    Reason,
    Verifier,
    Versions,
    Whole,
    hmac_scheme,
    sign,
)
from hipflask.webhooks.accepting import LARGEST_BYTES
from hipflask.webhooks.verdict import Refusal

from .senders import NAMES, SENDERS, WHSEC, T

SECRETS = ["whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q=", WHSEC]
SHORT = {
    *("standard", "svix", "stripe", "github", "gitlab", "slack", "shopify", "square", "paddle"),
    *("hookdeck", "outpost"),
}


def in_lower_case(delivery: Delivery) -> Delivery:
    """As servers give it: names in lower case, all in text."""
    fields = [(n.decode().lower(), v.decode("latin-1")) for n, v in delivery.headers]
    return Delivery(fields, delivery.body, method=delivery.method, query=delivery.query)


def counted(verifier: Verifier) -> list[int]:
    """How often the verifier has to go the long way."""
    calls: list[int] = []
    long_way = verifier._verify

    def verify(*args):
        calls.append(1)
        return long_way(*args)

    verifier._verify = verify  # type: ignore[method-assign]
    return calls


@pytest.mark.parametrize("name", NAMES)
def test_what_a_sender_sends_goes_the_short_way(name):
    verifier = SENDERS[name].verifier()
    calls = counted(verifier)
    delivery = in_lower_case(SENDERS[name].deliver())
    verdict = verifier.verify(delivery, now=T)
    assert verdict == verifier._verify(delivery, T, False)
    if name in SHORT:
        assert len(calls) == 1  # the one of the line above


def test_each_scheme_that_can_go_the_short_way_is_among_those():
    signs_by_hmac = {
        name
        for name, one in SCHEMES.items()
        if one.algorithm.startswith("sha") and not (one.signs_form or one.body_time)
    }
    assert signs_by_hmac - SHORT == {"hook0"}


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_both_ways_say_the_same(name, data):
    sender = SENDERS[name]
    verifier = sender.verifier()
    delivery = in_lower_case(sender.deliver())
    fields = [(n.decode(), v.decode("latin-1")) for n, v in delivery.headers]
    body, now = delivery.body, float(T)
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(fields) - 1)) if fields else 0
        what = data.draw(st.sampled_from(CHANGES))
        if what == "body":
            body = data.draw(st.binary(max_size=50))
        elif what == "now":
            now = data.draw(
                st.sampled_from([T - 301.0, T - 300.0, T + 300.0, T + 301.0, float("nan")])
            )
        elif fields:
            fields = change(fields, place, what, data)
    changed = Delivery(fields, body, query=delivery.query)
    assert verifier.verify(changed, now=now) == verifier._verify(changed, now, False)


CHANGES = ("body", "now", "twice", "gone", "upper", "title", "space", "join", "text", "letter", "")


def change(fields, place, what, data):
    """The fields with one of them changed."""
    name, value = fields[place]
    if what == "twice":
        return [*fields, (name, value)]
    if what == "gone":
        return fields[:place] + fields[place + 1 :]
    if what == "letter" and value:
        at = data.draw(st.integers(0, len(value) - 1))
        letter = data.draw(st.characters(min_codepoint=0, max_codepoint=255))
        value = value[:at] + letter + value[at + 1 :]
    elif what == "text":
        value = data.draw(st.text(st.characters(max_codepoint=0x17F), max_size=20))
    else:
        value = {
            "upper": value.upper(),
            "space": f" {value} ",
            "join": data.draw(st.sampled_from([",", " ", ";"])).join([value, value]),
        }.get(what, value)
    return [
        *fields[:place],
        (name.title() if what == "title" else name, value),
        *fields[place + 1 :],
    ]


LAYOUTS = [
    Whole(), Whole("a="), Whole("Bearer ", any_case=True), Listed(), Listed("v0="), Listed("a"),
    Versions(), Pairs(",", "t", "v1"), Pairs(";", "ts", "h1"), Pairs(",", "t", "t"),
    Pairs(" ", "t", "v1"), Pairs(",", "T", "v-1"), Pairs(",", "t", "v1", "h"),
]  # fmt: skip
CONTENTS = [
    "{body}", "{time}.{body}", "{body}.{time}", "{id}%{time}.{body}", "{time}:{id}.{body}",
    "{url}{body}", "{id}.{body}", "100%{body}", "{body}{body}", "{time}{time}{body}",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    layout=st.sampled_from(LAYOUTS),
    content=st.sampled_from(CONTENTS),
    algorithm=st.sampled_from(["sha1", "sha256", "sha384", "sha512"]),
    encoding=st.sampled_from(["hex", "base64", "base64url"]),
    time_form=st.sampled_from(["s", "ms", "iso"]),
    known=st.integers(0, 2),
    body=st.binary(max_size=40),
)
def test_both_ways_say_the_same_of_schemes_of_ones_own(
    layout, content, algorithm, encoding, time_form, known, body
):
    scheme = hmac_scheme(
        "own",
        header="X-Signature",
        algorithm=algorithm,
        encoding=encoding,
        content=content,
        time_header="X-Time" if "{time}" in content else "",
        time_form=time_form,
        id_header="X-Id" if "{id}" in content else "",
        layout=layout,
    )
    url = "https://hooks.example/in" if scheme.needs_url else None
    secrets = ["first", "second", "third"]
    fields = sign(scheme, body, secrets[known], now=T, id="evt_1", url=url)
    delivery = Delivery([(name.lower(), value) for name, value in dict(fields).items()], body)
    verifier = Verifier(scheme, secrets, url=url)
    found = verifier.verify(delivery, now=T)
    assert found == verifier._verify(delivery, T, False)
    if layout in (Whole(), Whole("a="), Listed("v0="), Versions()):
        assert found.secret_no == known + 1


def test_a_standard_secret_signs_what_has_a_version():
    scheme = replace(SCHEMES["standard"], layout=Whole("v1,"))
    verifier = Verifier(scheme, WHSEC)
    delivery = in_lower_case(SENDERS["standard"].deliver())
    assert verifier.verify(delivery, now=T) == verifier._verify(delivery, T, False)
    assert not verifier.verify(delivery, now=T)


def test_a_layout_that_reads_in_another_way_goes_the_long_way():
    class Strict(Whole):
        def parse(self, value, name):
            raise Refusal(Reason.MALFORMED, "never")

    scheme = replace(SCHEMES["github"], layout=Strict("sha256="))
    verifier = Verifier(scheme, SENDERS["github"].secret)
    delivery = in_lower_case(SENDERS["github"].deliver())
    assert verifier.verify(delivery, now=T).reason is Reason.MALFORMED


def test_a_large_body_is_not_hashed_twice():
    for size, times in ((LARGEST_BYTES, 0), (LARGEST_BYTES + 1, 1)):
        body = b"x" * size
        signature = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
        verifier = Verifier("github", "s3cret")
        calls = counted(verifier)
        assert verifier.verify(Delivery({"x-hub-signature-256": f"sha256={signature}"}, body))
        assert len(calls) == times


def test_a_replay_of_any_age_goes_the_long_way():
    verifier = SENDERS["stripe"].verifier()
    delivery = in_lower_case(SENDERS["stripe"].deliver())
    calls = counted(verifier)
    assert verifier.verify(delivery, now=T + 10**6, is_replay=True)
    assert calls == [1]
