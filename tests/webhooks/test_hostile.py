"""Whatever a caller sends, the answer is a verdict: never an exception, never a secret."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hipflask.webhooks import Delivery, Reason, Verifier, own_scheme

from .senders import BODY, NAMES, OWN, SENDERS, SIGNED_BODY, T

VERIFIERS = {name: SENDERS[name].verifier() for name in NAMES}
# PayPal's keys come from where the caller says: only the pattern of the URL stands before it.
FETCHED: list[str] = []


def never(url: str) -> bytes:
    FETCHED.append(url)
    raise OSError("no network here")


VERIFIERS["paypal-fetch"] = Verifier("paypal", webhook_id="1JE4291016473214C", fetch=never)
ALL = sorted(VERIFIERS)

BIG = "A" * 1_000_000
VALUES = {
    "empty": "",
    "space": " ",
    "comma": ",",
    "equals": "=",
    "semicolon": ";",
    "latin-1": "sha256=\xe9\xff\xfe",
    "not-latin-1": "sha256=\u20ac\U0001f600",
    "surrogate": "v1,\udc80\ud800",
    "nul": "v0=\0\0\0",
    "newline": "v1,abc\r\nX-Other: 1",
    "megabyte": BIG,
    "megabyte-of-hex": "sha256=" + "a" * 1_000_000,
    "megabyte-of-pairs": "t=1," + "v1=00," * 170_000,
    "megabyte-of-versions": "v1, " * 250_000,
    "bad-base64-length": "v1,AAAAA",
    "bad-base64-padding": "v1,AAAA====",
    "bad-base64-inside": "v1,AA=A",
    "base64-with-rest-bits": "v1," + "A" * 42 + "B=",
    "base64-of-nothing": "v1,",
    "right-size-base64": "A" * 43 + "=",
    "right-size-hex": "0" * 64,
    "right-size-prefixed": "sha256=" + "0" * 64,
    "right-size-slack": "v0=" + "f" * 64,
    "odd-hex": "v0=abc",
    "no-hex": "v0=" + "g" * 64,
    "arabic-digits": "t=\u0661\u0662\u0663,v1=00",
    "superscript": "\xb2\xb3\xb9",
    "two-commas": "v1,,AAAA",
    "double-space": "v1,AAAA  v1,BBBB",
    "no-comma": "v1AAAA",
    "no-time": "v1=" + "0" * 64,
    "empty-time": "t=,v1=" + "0" * 64,
    "two-times": f"t={T},t={T},v1=" + "0" * 64,
    "two-times-paddle": f"ts={T};ts={T};h1=" + "0" * 64,
    "nan": "t=nan,v1=" + "0" * 64,
    "infinite": "t=inf,v1=" + "0" * 64,
    "exponent": "t=1e400,v1=" + "0" * 64,
    "huge-time": "t=" + "9" * 5000 + ",v1=" + "0" * 64,
    "negative-time": "t=-1,v1=" + "0" * 64,
    "underscored-time": "t=1_0,v1=" + "0" * 64,
    "new-keys": f"t={T};ts={T};v9=1;h1=" + "0" * 64,
    "hook0-missing-field": f"t={T},h=x-none,v1=" + "0" * 64,
    "hook0-odd-names": f"t={T},h=\xff \0  a,v1=" + "0" * 64,
    "quotes": '"; DROP TABLE x --',
    "percent": "%s%d%n{0}{time}",
    "bearer": "Bearer",
    "bearer-empty": "Bearer ",
    "json": '{"v1": []}',
}
TIMES = [
    "",
    "nan",
    "inf",
    "-1",
    "1e9",
    "0x1",
    "٣",
    "1" * 5000,
    "9" * 11,
    "1.5",
    " 1",
    "1\0",
    "\xff",
]
TIMES += ["2016-13-45T99:99:99Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2016-02-18"]
BODIES = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"{",
    b"[" * 100_000,
    b'{"webhookTimestamp":NaN}',
    b"a=%ff&b",
    b"&",
]
BODIES += [b'{"webhookTimestamp":1e400}', b'{"webhookTimestamp":"1"}', b'{"webhookTimestamp":[]}']


@cache
def delivered(name: str) -> Delivery:
    """A delivery that is accepted; made once, as RSA is slow."""
    return SENDERS[name.removesuffix("-fetch")].deliver()


def fields_of(name: str) -> tuple[str, list[tuple[str, str]]]:
    """The name of the signature's field, and a valid delivery's fields without it."""
    verifier = VERIFIERS[name]
    header = verifier.scheme.header
    delivery = delivered(name)
    kept = [(n.decode(), v.decode("latin-1")) for n, v in delivery.headers]
    return header, [field for field in kept if field[0] != header]


def refused(name: str, delivery: Delivery) -> None:
    verdict = VERIFIERS[name].verify(delivery, now=T)
    assert isinstance(verdict.reason, Reason), verdict
    assert verdict.status == 401
    secret = SENDERS[name.removesuffix("-fetch")].secret
    assert secret not in repr(verdict) and secret not in verdict.detail
    assert len(verdict.detail) < 200 and verdict.detail.isascii()


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("name", ALL)
def test_malformed_signature(name, value):
    header, others = fields_of(name)
    sender = SENDERS[name.removesuffix("-fetch")]
    query = delivered(name).query
    refused(name, Delivery([*others, (header, value)], sender.body, query=query))


@pytest.mark.parametrize("name", ALL)
def test_field_missing_repeated_or_joined(name):
    whole = delivered(name)
    verifier = VERIFIERS[name]
    header = verifier.scheme.header.encode()
    value = whole.values(verifier.scheme.header)[0]
    others = [field for field in whole.headers if field[0] != header]
    for fields, reason in (
        (others, Reason.MISSING),
        ([*whole.headers, (header, value)], Reason.DUPLICATE),
        ([*whole.headers, (header.upper(), b"other")], Reason.DUPLICATE),
        ([], Reason.MISSING),
    ):
        verdict = verifier.verify(Delivery(fields, whole.body, query=whole.query), now=T)
        assert verdict.reason is reason
    joined = [*others, (header, value + b"," + value)]
    assert not verifier.verify(Delivery(joined, whole.body, query=whole.query), now=T)


@pytest.mark.parametrize("name", [n for n in ALL if VERIFIERS[n].scheme.time_header])
@pytest.mark.parametrize("moment", TIMES)
def test_malformed_time(name, moment):
    whole = delivered(name)
    header = VERIFIERS[name].scheme.time_header
    others = [(n.decode(), v.decode()) for n, v in whole.headers if n.decode() != header]
    for fields in ([*others, (header, moment)], [*others, (header, moment), (header, str(T))]):
        refused(name, Delivery(fields, whole.body))


@pytest.mark.parametrize("name", [n for n in ALL if VERIFIERS[n].scheme.id_header])
@pytest.mark.parametrize("value", ["", "a b", "\xe9", "\0", "a" * 257, BIG, "a\r\nb"])
def test_malformed_id(name, value):
    whole = delivered(name)
    header = VERIFIERS[name].scheme.id_header
    others = [(n.decode(), v.decode()) for n, v in whole.headers if n.decode() != header]
    delivery = Delivery([*others, (header, value)], whole.body, query=whole.query)
    verdict = VERIFIERS[name].verify(delivery, now=T)
    assert not verdict or (value == "" and not verdict.is_id_signed and verdict.id is None)


@pytest.mark.parametrize("name", SIGNED_BODY)
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:30]))
def test_malformed_body_under_a_signature_for_another(name, body):
    whole = SENDERS[name].deliver()
    refused(name, Delivery(whole.headers, body, query=whole.query))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:30]))
def test_malformed_body_that_is_truly_signed(body):
    """Only Linear's scheme reads the body; the rest accepts what the sender signed."""
    for name in SIGNED_BODY:
        if name == "twilio-form":
            continue
        sender = SENDERS[name]
        verdict = VERIFIERS[name].verify(sender.deliver(body), now=T)
        if name == "linear":
            assert verdict.reason in (Reason.MALFORMED, Reason.MISSING)
        else:
            assert verdict, name


@pytest.mark.parametrize(
    "query", ["bodySHA256=", "bodySHA256=0&bodySHA256=1", "\xff%%zz=", "&" * 9999]
)
def test_twilio_odd_query(query):
    whole = delivered("twilio")
    refused("twilio", Delivery(whole.headers, whole.body, query=query))


def test_twilio_body_cannot_be_swapped_by_calling_it_a_form():
    whole = delivered("twilio")
    others = [field for field in whole.headers if field[0] != b"Content-Type"]
    form = (b"Content-Type", b"application/x-www-form-urlencoded")
    for body in (b"", b"&&&", BODY):
        delivery = Delivery([*others, form], body, query=whole.query)
        assert not VERIFIERS["twilio"].verify(delivery, now=T) or body == BODY
    for types in ([], [(b"Content-Type", b"text/plain")], [form, form]):
        body_swapped = Delivery([*others, *types], b"&&&", query=b"")
        assert not VERIFIERS["twilio"].verify(body_swapped, now=T)


def test_twilio_form_called_something_else_is_not_covered():
    whole = delivered("twilio-form")
    others = [field for field in whole.headers if field[0] != b"Content-Type"]
    verdict = VERIFIERS["twilio-form"].verify(Delivery(others, whole.body, query=whole.query))
    assert verdict.reason is Reason.UNSIGNED_BODY


@pytest.mark.parametrize(
    "value", ["algorithm=MD5", "algorithm=HMAC_SHA256,algorithm=HMAC_SHA1", "\xff=,=,", BIG]
)
def test_twilio_odd_settings(value):
    whole = delivered("twilio")
    fields = [*whole.headers, (b"X-Twilio-Webhooks-Signature-Settings", value.encode("latin-1"))]
    verdict = VERIFIERS["twilio"].verify(Delivery(fields, whole.body, query=whole.query), now=T)
    assert not verdict or value == "\xff=,=,"  # names no algorithm: as without the field


def test_twilio_form_with_too_many_parts():
    refused("twilio-form", Delivery(delivered("twilio-form").headers, b"a=1&" * 5000))


def test_too_many_signatures_are_not_computed():
    moment = str(T)
    value = " ".join(["v1," + "A" * 43 + "="] * 17)
    fields = [("webhook-id", "a"), ("webhook-timestamp", moment), ("webhook-signature", value)]
    verdict = VERIFIERS["standard"].verify(Delivery(fields, BODY), now=T)
    assert verdict.reason is Reason.MALFORMED and "16" in verdict.detail


def test_a_certificate_is_fetched_only_when_the_rest_can_be_right():
    FETCHED.clear()
    header, others = fields_of("paypal-fetch")
    for value in VALUES.values():
        VERIFIERS["paypal-fetch"].verify(Delivery([*others, (header, value)], BODY), now=T)
    assert set(FETCHED) <= {"https://api.sandbox.paypal.com/v1/notifications/certs/CERT-local"}


def test_own_function_may_raise_what_it_likes():
    def check(delivery: Delivery, secret: bytes) -> bool:
        raise RuntimeError(f"cannot compare with {secret!r}")

    verdict = Verifier(own_scheme("mine", check), "s3cret").verify(Delivery([], b""))
    assert verdict.reason is Reason.FAILED and verdict.status == 503
    assert "s3cret" not in repr(verdict) and "RuntimeError" in verdict.detail
    fields = [("X-Own-Id", "a b")]
    assert Verifier(OWN, "s").verify(Delivery(fields, b"")).reason is Reason.MALFORMED


# Hypothesis goes on where the list above ends.

_RELEVANT = sorted(
    {
        name
        for verifier in VERIFIERS.values()
        for name in (verifier.scheme.header, verifier.scheme.id_header, verifier.scheme.time_header)
        if name
    }
    | {
        "Content-Type",
        "PAYPAL-CERT-URL",
        "PAYPAL-AUTH-ALGO",
        "X-Twilio-Webhooks-Signature-Settings",
    }
)
_PIECES = st.sampled_from(
    [
        "t=",
        "ts=",
        "v1=",
        "h1=",
        "v0=",
        "v1,",
        "v1a,",
        "h=",
        "sha256=",
        "Bearer ",
        ",",
        ";",
        " ",
        "=",
    ]
    + [str(T), "A" * 43 + "=", "0" * 64, "0" * 128, "\0", "\xff", "\u0661", "SHA256withRSA"]
)
_VALUE = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60),
    st.lists(_PIECES, max_size=8).map("".join),
)
_NAME = st.one_of(st.sampled_from(_RELEVANT), st.text(max_size=10))


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60, deadline=None)
@given(
    fields=st.lists(st.tuples(_NAME, _VALUE), max_size=6),
    body=st.binary(max_size=200),
    query=st.binary(max_size=50),
    now=st.floats(allow_nan=True, allow_infinity=True, min_value=None),
)
def test_any_delivery_gives_a_verdict(name, fields, body, query, now):
    verdict = VERIFIERS[name].verify(Delivery(fields, body, query=query), now=now)
    assert not verdict and verdict.detail.isascii()


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60, deadline=None)
@given(value=_VALUE, body=st.binary(max_size=200), data=st.data())
def test_any_value_of_a_field_in_a_true_delivery_gives_a_verdict(name, value, body, data):
    whole = delivered(name)
    number = data.draw(st.integers(0, len(whole.headers) - 1))
    fields = list(whole.headers)
    fields[number] = (fields[number][0], Delivery([("a", value)], b"").headers[0][1])
    VERIFIERS[name].verify(Delivery(fields, body, query=whole.query), now=T)
