"""What a verified delivery is known by, whatever its body holds."""

from __future__ import annotations

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hipflask.scaffold import SetupError
from hipflask.webhooks import SCHEMES, Delivery, Verdict
from hipflask.webhooks.identify import Identifier, _Picker

from ..senders import NAMES, SENDERS, T

FORM = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]


def identified(name, body, fields=(), query=b"", **options):
    scheme = SCHEMES[name]
    signed = Verdict(
        scheme=name, secret_no=1, is_body_signed=scheme.is_body_signed, is_id_signed=False
    )
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    return Identifier(scheme, **options).identify(Delivery(fields, body, query=query), signed)


@pytest.mark.parametrize("name", NAMES)
def test_each_scheme_has_an_id(name):
    sender = SENDERS[name]
    delivery = sender.deliver()
    scheme = sender.verifier().scheme
    verdict = sender.verifier().verify(delivery, now=T)
    found = Identifier(scheme).identify(delivery, verdict)
    assert found.id and found.digest == hashlib.sha256(delivery.body).digest()
    if scheme.id_header and not scheme.id_with:
        assert found.id == delivery.values(scheme.id_header)[0].decode()
        assert found.is_id_signed is (verdict.is_id_signed or scheme.algorithm == "token")


@pytest.mark.parametrize(
    ("name", "body", "fields", "id", "type"),
    [
        ("stripe", {"id": "evt_1", "type": "invoice.paid"}, [], "evt_1", "invoice.paid"),
        ("github", {"action": "opened"}, [("X-GitHub-Event", "issues")], None, "issues.opened"),
        ("github", {"ref": "x"}, [("X-GitHub-Event", "push")], None, "push"),
        ("github", {"action": "opened"}, [], None, None),
        ("slack", {"event_id": "E1", "event": {"type": "message"}}, [], "E1", "message"),
        ("slack", {"type": "app_rate_limited"}, [], None, "app_rate_limited"),
        ("square", {"event_id": "s1", "type": "payment.created"}, [], "s1", "payment.created"),
        ("paddle", {"event_id": "p1", "event_type": "a.b"}, [], "p1", "a.b"),
        ("paypal", {"event_type": "PAYMENT.SALE"}, [], None, "PAYMENT.SALE"),
        ("discord", {"id": "1234", "type": 2}, [], "1234", "2"),
        ("linear", {"type": "Issue", "action": "create"}, [], None, "Issue.create"),
        ("gitlab-token", {}, [("X-Gitlab-Event", "Push Hook")], None, "Push Hook"),
        ("shopify", {}, [("X-Shopify-Topic", "orders/create")], None, "orders/create"),
        ("standard", {"type": "contact.created"}, [], None, "contact.created"),
        ("cloudevents", {"id": "a", "source": "/s", "type": "t"}, [], "/s a", "t"),
        ("cloudevents", {"id": "a", "type": "t"}, [], "a", "t"),
        ("cloudevents", {}, [("ce-type", "com.x"), ("ce-type", "com.y")], None, None),
    ],
)
def test_where_senders_put_it(name, body, fields, id, type):
    found = identified(name, body, fields)
    assert found.type == type
    assert found.id == id if id else found.id.startswith("sha256:")


def test_cloudevents_in_the_head():
    fields = [("ce-id", "7"), ("ce-source", "/sensors"), ("ce-type", "com.x")]
    sender = SENDERS["cloudevents"]
    signed = sender.deliver()
    delivery = Delivery([*signed.headers[:1], *fields], b"21")
    verdict = sender.verifier().verify(Delivery([*signed.headers, *fields[1:]], b"21"))
    found = Identifier(sender.verifier().scheme).identify(delivery, verdict)
    assert found.id.startswith("/sensors ") and found.type == "com.x" and found.is_id_signed


def test_forms():
    found = identified("slack", b"command=%2Fweather&text=94070", FORM, key="text")
    assert (found.type, found.key) == ("/weather", "94070")
    payload = b"payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A7%7D%7D"
    found = identified("slack", payload, FORM, key="user.id")
    assert (found.type, found.key) == ("block_actions", "7")
    assert identified("slack", b"\xff=\xfe", FORM).type is None
    assert identified("twilio", b"CallStatus=ringing&CallSid=CA1", FORM, id="CallSid").id == "CA1"


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"data": {"object": {"customer": "cus_1"}}}, "cus_1"),
        ({"data": {"object": {"customer": 42}}}, "42"),
        ({"data": {"object": {"customer": None}}}, None),
        ({"data": {"object": {"customer": {"id": 1}}}}, None),
        ({"data": {"object": {"customer": 1.5}}}, None),
        ({"data": {"object": {"customer": True}}}, None),
        ({"data": {"object": {"customer": ""}}}, None),
        ({"data": {"object": []}}, None),
        ({"data": 7}, None),
        ({"data": None}, None),
        ([], None),
        (b"", None),
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
        (b'{"data":' * 5_000, None),
    ],
)
def test_a_key_by_its_path(body, key):
    found = identified("stripe", body, key="data.object.customer")
    assert found.key == key


def test_what_is_wrong_beside_the_id_does_not_hide_it():
    found = identified("stripe", {"id": "evt_1", "data": "text"}, key="data.object.customer")
    assert (found.id, found.key) == ("evt_1", None)


def test_a_path_inside_another():
    found = identified("discord", {"type": {"type": "x"}}, key="type.type")
    assert (found.key, found.type) == ("x", None)


@pytest.mark.parametrize("key", ["a\0b", "a\nb", "\ud800"])
def test_a_key_that_a_store_may_not_take_is_kept_as_its_hash(key):
    expected = "sha256:" + hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    assert identified("stripe", b"{}", key=lambda delivery: key).key == expected
    if key.isascii():
        assert identified("stripe", {"k": key}, key="k").key == expected


def test_a_long_key_is_kept_as_its_hash():
    found = identified("stripe", {"k": "x" * 257}, key="k")
    assert found.key == "sha256:" + hashlib.sha256(b"x" * 257).hexdigest()
    assert identified("stripe", {"k": "\ud800" * 300}, key="k").key is None


@pytest.mark.parametrize("id", ["", "a b", "é", "a" * 257, "\0", None, [], 1.5])
def test_an_id_that_is_none_gives_the_digest(id):
    body = json.dumps({"id": id}).encode()
    found = identified("stripe", body)
    assert found.id == "sha256:" + hashlib.sha256(body).hexdigest()
    assert found.is_id_signed


def test_the_query_is_part_of_the_digest():
    assert identified("stripe", b"1", query=b"a").id != identified("stripe", b"1", query=b"b").id
    assert identified("stripe", b"1", query=b"a").digest == hashlib.sha256(b"1").digest()


def test_places_of_your_own():
    fields = [("X-Request-Id", "r1"), ("X-Kind", "k1"), ("X-Shop", "s1")]
    found = identified(
        "hookdeck",
        b"{}",
        fields,
        id="header:X-Request-Id",
        type="header:X-Kind",
        key=lambda delivery: delivery.values("X-Shop")[0].decode(),
    )
    assert (found.id, found.is_id_signed, found.key, found.type) == ("r1", False, "s1", "k1")
    signed = identified("hookdeck", {"n": {"id": 5}}, id="n.id")
    assert (signed.id, signed.is_id_signed) == ("5", True)
    assert identified("hookdeck", {}, key=lambda delivery: None).key is None
    assert identified("hookdeck", {}, key=lambda delivery: 12).key == "12"


@pytest.mark.parametrize("place", ["a..b", ".", "header:", "header:a b", "head:X", " :"])
def test_what_is_no_place(place):
    with pytest.raises(SetupError, match="is no place in a delivery"):
        Identifier(SCHEMES["stripe"], key=place, where="The source 'a'")


@settings(max_examples=200, deadline=None)
@given(
    body=st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["id", "type", "data", "object", "customer"]), inner
                )
            ),
            max_leaves=8,
        ).map(lambda value: json.dumps(value).encode()),
    )
)
def test_any_body_gives_an_identity(body):
    for fields in ([], FORM):
        found = identified("stripe", body, fields, key="data.object.customer")
        assert found.id.isascii() and len(found.digest) == 32


PIECES = st.sampled_from(
    [
        *(
            '"a"',
            '""',
            '"\\u00e9"',
            '"\\ud83d\\ude00"',
            '"\\ud800"',
            '"\xe9"',
            "1",
            "-0",
            "1.0",
            "1.5",
            "1e3",
        ),
        *("1e400", "null", "true", "[]", '["a"]', "{}", '{"id":"x"}', '{"id":2}', '{"id":null}'),
        *("18446744073709551616", "99999999999999999999999999", "tru", '"', ""),
    ]
)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["id", "type", "data", "\\u0069d", "x"]), PIECES), max_size=5
    )
)
def test_members_are_picked_at_once_as_they_are_one_by_one(members):
    text = "{" + ",".join(f'"{name}":{piece}' for name, piece in members) + "}"
    body = text.encode("latin-1")
    picker = _Picker()
    for path in ("id", "type", "data.id"):
        picker.add(path)
    one_by_one = picker._pick_json(body)
    picker.make()
    assert picker._pick_json(body) == one_by_one
