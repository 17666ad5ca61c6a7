"""Signing and checking: what passes, what a changed byte does, times, rotation, settings."""

from __future__ import annotations

import math
import traceback
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hipflask import Flask, request, webhooks
from hipflask.scaffold import SetupError
from hipflask.webhooks import (
    SCHEMES,
    Delivery,
    Pairs,
    Reason,
    Verifier,
    Whole,
    find_scheme,
    hmac_scheme,
    own_scheme,
    sign,
    verify,
)

from .senders import (
    BODY,
    NAMES,
    OWN,
    PRIVATE_STANDARD,
    PUBLIC_HEX,
    PUBLIC_STANDARD,
    SENDERS,
    SIGNED_BODY,
    WHSEC,
    T,
)

OTHER = "whsec_dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3Q="


@pytest.mark.parametrize("name", NAMES)
def test_what_is_signed_is_accepted(name):
    sender = SENDERS[name]
    verdict = sender.verifier().verify(sender.deliver(), now=T)
    assert verdict.ok and verdict and verdict.status == 200
    assert (verdict.secret_no, verdict.reason, verdict.detail) == (1, None, "")
    scheme = sender.verifier().scheme
    assert verdict.scheme == scheme.name
    assert verdict.is_body_signed is (name not in ("gitlab-token", "cloudevents", "paypal"))
    assert (verdict.time_s is not None) is scheme.has_time
    assert (verdict.id is not None) is bool(scheme.id_header)


def test_ids_that_anybody_can_change_are_not_called_signed():
    unsigned = {"github", "gitlab-token", "shopify", "linear", "hookdeck", "outpost", "cloudevents"}
    unsigned |= {"twilio", "twilio-form"}
    for name in NAMES:
        sender = SENDERS[name]
        verdict = sender.verifier().verify(sender.deliver(), now=T)
        assert verdict.is_id_signed is (name not in unsigned), name


@pytest.mark.parametrize("name", SIGNED_BODY)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_one_changed_byte_is_refused(name, data):
    """Of the body, the time, a signed id or the signature."""
    sender = SENDERS[name]
    verifier = sender.verifier()
    body = sender.body
    if name not in ("linear", "twilio-form"):
        body = data.draw(st.binary(max_size=300), label="body")
    whole = sender.deliver(body)
    assert verifier.verify(whole, now=T)
    scheme = verifier.scheme
    places = ["body"] if body else []
    places += [scheme.header] + ([scheme.time_header] if scheme.time_header else [])
    places += [scheme.id_header] if scheme.id_header and scheme.is_id_signed else []
    place = data.draw(st.sampled_from(places), label="place")
    old = body if place == "body" else whole.values(place)[0]
    number = data.draw(st.integers(0, len(old) - 1), label="number")
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != old[number]), label="byte")
    new = old[:number] + bytes([byte]) + old[number + 1 :]
    if place == scheme.header and new.lower() == old.lower():
        return  # hexadecimal digits, and versions' names, may be in either case
    if name == "hook0" and place == scheme.header and new.lower().strip() == old.lower().strip():
        return
    if place == "body":
        changed = Delivery(whole.headers, new, query=whole.query)
        if name == "twilio-form" and _pieces(new) == _pieces(old):
            return  # Twilio joins names and values without a border
    else:
        fields = [(n, new if n == place.encode() else v) for n, v in whole.headers]
        changed = Delivery(fields, body, query=whole.query)
    assert not verifier.verify(changed, now=T)


def _pieces(form: bytes) -> object:
    from hipflask.webhooks import forms
    from hipflask.webhooks.verdict import Refusal

    try:
        return forms.joined_form(form)
    except Refusal:
        return None


def test_paypal_body_is_covered_by_its_crc_only():
    sender = SENDERS["paypal"]
    whole = sender.deliver(b"plumless")
    forged = Delivery(whole.headers, b"buckeroo")  # the same CRC-32
    verdict = sender.verifier().verify(forged, now=T)
    assert verdict.ok and not verdict.is_body_signed
    assert not sender.verifier().verify(Delivery(whole.headers, b"other"), now=T)


# Times


LIMITED = [name for name in NAMES if SENDERS[name].verifier().scheme.tolerance_s is not None]


@pytest.mark.parametrize("name", LIMITED)
def test_times_at_the_limits(name):
    sender = SENDERS[name]
    verifier = sender.verifier()
    past_s, ahead_s = verifier.scheme.tolerance_s, verifier.scheme.future_s
    whole = sender.deliver()
    assert verifier.verify(whole, now=T + past_s)
    late = verifier.verify(whole, now=T + past_s + 0.001)
    assert late.reason is Reason.STALE and late.secret_no == 1 and late.time_s == T
    assert verifier.verify(whole, now=T + 10**9, is_replay=True)
    if ahead_s is None:
        assert verifier.verify(whole, now=T - 10**6)
    else:
        assert verifier.verify(whole, now=T - ahead_s)
        assert verifier.verify(whole, now=T - ahead_s - 0.001).reason is Reason.FUTURE
    assert not verifier.verify(whole, now=math.nan)
    assert sender.verifier(tolerance_s=None).verify(whole, now=math.nan)
    assert sender.verifier(tolerance_s=5).verify(whole, now=T + 6).reason is Reason.STALE
    assert sender.verifier(tolerance_s=5).verify(whole, now=T - 6).reason is Reason.FUTURE
    assert sender.verifier(tolerance_s=0).verify(whole, now=T)


def test_only_stripe_accepts_any_time_ahead():
    ahead = {s.name for s in SCHEMES.values() if s.tolerance_s is not None and s.future_s is None}
    assert ahead == {"stripe"}


def test_a_forged_old_delivery_is_a_mismatch_and_not_stale():
    whole = SENDERS["slack"].deliver()
    verdict = SENDERS["slack"].verifier().verify(Delivery(whole.headers, b"x"), now=T + 9999)
    assert verdict.reason is Reason.MISMATCH and verdict.secret_no is None


def test_now_is_the_clock():
    import time

    whole = SENDERS["slack"].deliver(now=time.time())
    assert SENDERS["slack"].verifier().verify(whole)


# Rotation


def test_the_number_of_the_secret_is_told():
    whole = SENDERS["github"].deliver()
    secret = SENDERS["github"].secret
    for secrets, number in ([secret, "b"], 1), (["b", secret], 2), (("b", b"c", secret), 3):
        assert verify("github", whole, secrets).secret_no == number
    assert verify("github", whole, ["b", "c"]).secret_no is None


@pytest.mark.parametrize("scheme", ["standard", "svix", "stripe", "paddle", "outpost", "hook0"])
def test_signed_with_two_secrets_passes_with_either(scheme):
    headers = sign(scheme, BODY, [WHSEC, OTHER], now=T)
    delivery = Delivery(headers, BODY)
    for secret in (WHSEC, OTHER):
        assert verify(scheme, delivery, secret, now=T).secret_no == 1
    third = "whsec_" + "A" * 32
    assert not verify(scheme, delivery, third, now=T)


def test_v1_and_v1a_beside_each_other():
    headers = sign("standard", BODY, [WHSEC, PRIVATE_STANDARD], now=T)
    delivery = Delivery(headers, BODY)
    assert verify("standard", delivery, [PUBLIC_STANDARD], now=T).secret_no == 1
    assert verify("standard", delivery, [OTHER, WHSEC], now=T).secret_no == 2


def test_a_v1_signature_is_no_v1a_signature():
    """The public key is known: it must not serve as the secret of an HMAC."""
    import base64

    raw = base64.b64decode(PUBLIC_STANDARD.removeprefix("whpk_"))
    headers = sign("standard", BODY, raw, now=T)
    assert not verify("standard", Delivery(headers, BODY), PUBLIC_STANDARD, now=T)


# Settings


WRONG = [
    ("github", [], {}, "no secret to check with"),
    ("github", None, {}, "NoneType"),
    ("github", "", {}, "is empty"),
    ("github", ["a", "  "], {}, "Secret 2"),
    ("github", [None], {}, "NoneType"),
    ("github", "s3cret\n", {}, "white space"),
    ("github", "s3cret", {"tolerance_s": -5}, "tolerance_s"),
    ("github", "s3cret", {"tolerance_s": math.nan}, "tolerance_s"),
    ("github", "s3cret", {"fetch": print}, "fetch="),
    ("gitub", "s3cret", {}, "Did you mean 'github'"),
    ("???", "s3cret", {}, "hmac_scheme"),
    ("standard", "whsec_s3cret!", {}, "no base 64"),
    ("standard", "s3cret", {}, "base 64|bytes"),
    ("standard", "whsec_czNjcmV0", {}, "at least 24"),
    ("standard", PRIVATE_STANDARD, {}, "private key"),
    ("standard", "whpk_czNjcmV0", {}, "32"),
    ("standard", "whsec_s3cr\xe9t", {}, "no base 64"),
    ("discord", "s3cret", {}, "64 hexadecimal"),
    ("discord", PUBLIC_HEX[:-2], {}, "64 hexadecimal"),
    ("square", "s3cret", {}, "url="),
    ("square", "s3cret", {"url": "example.com/x"}, "https://"),
    ("twilio", "s3cret", {"url": "https://example.com/x?a=1"}, "query"),
    ("github", "s3cret", {"tolerance_s": -1}, "tolerance_s"),
    ("square", "s3cret", {"url": "https://"}, "host"),
    ("square", "s3cret", {"url": "https://example.com:x/"}, "host"),
    ("square", "s3cret", {"url": "https://example.com:99999/"}, "host"),
    ("twilio", "s3cret", {"url": "https://[::1/"}, "host"),
    ("twilio", "s3cret", {"url": "https://example.com/\ud800"}, "host"),
    ("paypal", "s3cret", {}, "webhook_id="),
    ("paypal", "s3cret", {"webhook_id": "a\n"}, "no id"),
    ("paypal", [], {"webhook_id": "a"}, "fetch="),
    ("paypal", "s3cret", {"webhook_id": "a"}, "PEM"),
    ("paypal", [3], {"webhook_id": "a"}, "int"),
]


@pytest.mark.parametrize(("scheme", "secrets", "options", "words"), WRONG)
def test_wrong_settings_are_told_in_a_line_without_the_secret(scheme, secrets, options, words):
    with pytest.raises(SetupError, match=words) as caught:
        Verifier(scheme, secrets, **options)
    told = "".join(traceback.format_exception_only(caught.value))
    assert "s3cr" not in told and "czNj" not in told and "\n" not in told.strip()
    assert caught.value.__cause__ is None


def test_bytes_are_secrets_too():
    assert verify("github", SENDERS["github"].deliver(), SENDERS["github"].secret.encode())
    raw = b"k" * 32
    headers = sign("standard", BODY, raw, now=T)
    assert verify("standard", Delivery(headers, BODY), raw, now=T)
    assert Verifier("discord", bytes.fromhex(PUBLIC_HEX))


def test_nothing_prints_a_secret():
    for name in NAMES:
        sender = SENDERS[name]
        verifier, whole = sender.verifier(), sender.deliver()
        signature = whole.values(verifier.scheme.header)[0].decode()
        shown = [repr(verifier), repr(whole), str(verifier), repr(verifier.verify(whole, now=T))]
        shown += [repr(verifier._keys), repr(vars(verifier)["_keys"]), str(verifier._keys[0])]
        for text in shown:
            assert sender.secret not in text and signature not in text


def test_cryptography_is_asked_for_only_where_it_is_needed(monkeypatch):
    import sys

    for module in list(sys.modules):
        if module.partition(".")[0] == "cryptography":
            monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert verify("github", SENDERS["github"].deliver(), SENDERS["github"].secret)
    assert Verifier("standard", WHSEC)
    for scheme, secret in (("discord", PUBLIC_HEX), ("standard", PUBLIC_STANDARD), ("paypal", "x")):
        with pytest.raises(SetupError, match="pip install 'hipflask\\[webhooks\\]'"):
            Verifier(scheme, secret, webhook_id="a")


def test_importing_webhooks_loads_no_cryptography():
    import subprocess
    import sys

    code = "import sys, hipflask.webhooks; assert 'cryptography' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Signing


@pytest.mark.parametrize(
    ("scheme", "secrets", "options", "words"),
    [
        ("github", ["a", "b"], {}, "2 secrets"),
        ("github", [], {}, "0 secrets"),
        ("github", "a", {"algorithm": "sha1"}, "algorithm"),
        ("square", "a", {}, "url="),
        ("paypal", "a", {}, "webhook_id="),
        ("paypal", "s3cret", {"webhook_id": "a"}, "PEM"),
        ("twilio", "a", {"url": "https://example.com/"}, "with_body_hash"),
        ("standard", PUBLIC_STANDARD, {}, "cannot sign"),
    ],
)
def test_what_cannot_be_signed(scheme, secrets, options, words):
    with pytest.raises(SetupError, match=words):
        sign(scheme, BODY, secrets, **options)
    with pytest.raises(SetupError, match="cannot sign"):
        sign(OWN, BODY, "a")


def test_an_id_and_a_time_are_made_up():
    first, second = (dict(sign("svix", b"", WHSEC)) for _ in range(2))
    assert first["svix-id"] != second["svix-id"]
    assert verify("svix", Delivery(first, b""), WHSEC)


# Schemes of one's own


def test_hmac_scheme_with_a_list_layout():
    layout = Pairs(";", "at", "sig")
    scheme = hmac_scheme("x", header="X-Sig", content="{time}|{body}", layout=layout)
    headers = sign(scheme, BODY, ["a", "b"], now=T)
    assert verify(scheme, Delivery(headers, BODY), "b", now=T + 300)
    assert verify(scheme, Delivery(headers, BODY), "b", now=T + 301).reason is Reason.STALE


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url"])
@pytest.mark.parametrize("form", ["s", "ms", "iso"])
def test_hmac_scheme_in_all_forms(algorithm, encoding, form):
    scheme = hmac_scheme(
        "x",
        header="X-Sig",
        algorithm=algorithm,
        encoding=encoding,
        time_header="X-Time",
        time_form=form,
        content="{url}\n{time}\n{body}",
    )
    url = "https://example.com/a"
    headers = sign(scheme, BODY, "a", now=T, url=url)
    verdict = verify(scheme, Delivery(headers, BODY), "a", now=T + 1, url=url)
    assert verdict and verdict.time_s == T
    assert not verify(scheme, Delivery(headers, BODY), "a", now=T + 1, url=url + "b")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"algorithm": "md5"}, "sha512"),
        ({"encoding": "base32"}, "base64url"),
        ({"time_form": "min"}, "iso"),
        ({"content": "{time}"}, "any body"),
        ({"content": "{time}.{body}"}, "time_header="),
        ({"content": "{id}.{body}"}, "id_header="),
        ({"content": "{boby}.{body}"}, "{boby}"),
        ({"time_header": "X-Time"}, "not signed"),
        ({"header": "X Sig"}, "no name"),
        ({"prefix": "a", "layout": Whole("b")}, "both"),
        ({"content": "{time}{body}", "time_header": "T", "tolerance_s": -1}, "tolerance"),
    ],
)
def test_hmac_scheme_that_cannot_work(options, words):
    with pytest.raises(SetupError, match=words):
        hmac_scheme("x", **{"header": "X-Sig", **options})


def test_own_scheme():
    import hashlib

    made = hashlib.sha256(b"s2" + BODY).hexdigest()
    delivery = Delivery([("X-Own", made), ("X-Own-Id", "e1")], BODY)
    verdict = verify(OWN, delivery, ["s1", "s2"])
    assert verdict and verdict.secret_no == 2 and verdict.id == "e1" and not verdict.is_id_signed
    assert verify(OWN, delivery, "s1").reason is Reason.MISMATCH
    assert verify(OWN, Delivery([("X-Own", made)], BODY), "s2").id is None
    with pytest.raises(SetupError, match="called"):
        own_scheme("x", "check")


@pytest.mark.parametrize(
    "changes",
    [{"algorithm": "md5"}, {"encoding": "x"}, {"key": "x"}, {"time_form": "x"}]
    + [{"algorithm": "ed25519"}, {"algorithm": "rsa-sha256"}, {"key": "certificate"}]
    + [{"key": "standard", "algorithm": "sha1"}, {"future_s": -1}],
)
def test_a_row_that_could_not_be_checked_is_refused(changes):
    with pytest.raises(SetupError):
        replace(SCHEMES["github"], **changes)


def test_a_row_can_be_changed():
    late = replace(SCHEMES["paddle"], tolerance_s=3600)
    headers = sign("paddle", BODY, "a", now=T)
    assert verify(late, Delivery(headers, BODY), "a", now=T + 3600)
    assert find_scheme(late) is late


# A request


@pytest.fixture
def client():
    app = Flask(__name__)

    @app.post("/slack")
    def slack():
        if request.args.get("form"):
            assert request.form["a"] == "1"
        delivery = webhooks.Delivery.of(request)
        verdict = webhooks.verify("slack", delivery, secrets=["old", "new"], now=T)
        return {"no": verdict.secret_no, "reason": verdict.reason}, verdict.status

    return app.test_client()


def test_a_request_is_a_delivery(client):
    headers = sign("slack", b"a=1&b=2", "new", now=T)
    headers[0] = ("Content-Type", "application/x-www-form-urlencoded")
    answer = client.post("/slack", data=b"a=1&b=2", headers=headers)
    assert (answer.status_code, answer.json) == (200, {"no": 2, "reason": None})


def test_a_form_that_was_read_is_still_signed(client):
    headers = sign("slack", b"a=1&b=2", "new", now=T)
    headers[0] = ("Content-Type", "application/x-www-form-urlencoded")
    answer = client.post("/slack?form=1", data=b"a=1&b=2", headers=headers)
    assert answer.status_code == 200
    answer = client.post("/slack?form=1", data=b"a=1&b=3", headers=headers)
    assert (answer.status_code, answer.json) == (401, {"no": None, "reason": "mismatch"})


def test_a_repeated_field_is_refused(client):
    headers = sign("slack", b"", "new", now=T)
    answer = client.post("/slack", data=b"", headers=[*headers, headers[-1]])
    assert answer.status_code == 401


def test_delivery_keeps_what_came():
    fields = [("A", "1"), ("b", "\xff"), ("a", b"2"), ("c", "\u20ac")]
    delivery = Delivery(fields, bytearray(b"x"), query="q=\xff")
    assert delivery.headers == (
        (b"A", b"1"),
        (b"b", b"\xff"),
        (b"a", b"2"),
        (b"c", b"\xe2\x82\xac"),
    )
    assert delivery.values("A") == [b"1", b"2"] and delivery.values("none") == []
    assert delivery.query == b"q=\xff" and delivery == Delivery(fields, b"x", query="q=\xff")
    assert hash(delivery) == hash(Delivery(fields, b"x", query="q=\xff"))
