"""The cookie's signature, held against ItsDangerous: same bytes, same verdicts."""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import BadSignature, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode

from hipflask.signing import is_incompressible, make_signer, pack, unpack

SALT = b"cookie-session"
NOW = 1_800_000_000

keys = st.binary(min_size=1, max_size=100)
# Of few different bytes too, so that some can be compressed.
payloads = st.binary(max_size=80) | st.text("ab1", max_size=200).map(str.encode)
moments = st.integers(min_value=0, max_value=2**37)


class Raw:
    """A serializer whose values are the payloads themselves."""

    @staticmethod
    def dumps(value: Any) -> bytes:
        return value or b""

    @staticmethod
    def loads(payload: bytes) -> bytes:
        return payload


def itsdangerous_of(key: bytes) -> URLSafeTimedSerializer:
    kwargs = {"key_derivation": "hmac", "digest_method": hashlib.sha1}
    return URLSafeTimedSerializer(key, salt=SALT, serializer=Raw(), signer_kwargs=kwargs)


def at(moment: float) -> Any:
    return patch("time.time", lambda: moment)


@given(keys, payloads, moments)
def test_signs_to_the_bytes_of_itsdangerous(key: bytes, payload: bytes, moment: int) -> None:
    sign, _ = make_signer(key, SALT)
    with at(moment):
        theirs = itsdangerous_of(key).dumps(payload)
        assert sign(payload) == theirs.decode()
        assert sign(payload) == theirs.decode()  # the time's text is kept by now


@given(keys, payloads, moments)
def test_each_reads_what_the_other_signed(key: bytes, payload: bytes, moment: int) -> None:
    sign, unsign = make_signer(key, SALT)
    theirs = itsdangerous_of(key)
    with at(moment):
        assert theirs.loads(sign(payload), max_age=1) == payload
        # Later than 2106 and before 1970-07-14 a time has another length.
        is_usual = 2**24 <= moment < 2**32
        assert unsign(theirs.dumps(payload).decode(), 1) == (payload if is_usual else None)


def verdict(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except BadSignature:
        return None


@given(
    payloads,
    st.integers(-2, 12),
    st.integers(min_value=0, max_value=10),
    st.integers(min_value=0, max_value=400),
    st.sampled_from(["", "A", ".", "-", "=", "é", "\n", "B."]),
    st.booleans(),
)
def test_accepts_only_what_itsdangerous_reads_alike(
    payload: bytes, age_s: int, max_age_s: int, place: int, text: str, is_replaced: bool
) -> None:
    sign, unsign = make_signer(b"key", SALT)
    with at(NOW - age_s):
        cookie = sign(payload)
    place %= len(cookie)
    changed = cookie[:place] + text + cookie[place + is_replaced :]
    with at(NOW):
        theirs = verdict(lambda: itsdangerous_of(b"key").loads(changed, max_age=max_age_s))
        ours = unsign(changed, max_age_s)
    assert ours is None or ours == theirs
    if changed == cookie and 0 <= age_s <= max_age_s:
        assert ours == payload


@pytest.mark.parametrize(
    "signed",
    [
        b"e30",  # no time
        b"awAB2w",  # a time and no payload
        b".awAB2w.awAB2w",  # compressed, as it says
        b"e30.AAAA",  # a time of another length
        b"e30.!!!!!!",  # no time at all
        b"e.axQDgA",  # no base 64
    ],
)
def test_signed_and_out_of_form_is_left_to_itsdangerous(signed: bytes) -> None:
    signer = TimestampSigner(b"key", salt=SALT, key_derivation="hmac")
    cookie = b".".join([signed, signer.get_signature(signed)]).decode()
    _, unsign = make_signer(b"key", SALT)
    with at(NOW):
        assert unsign(cookie, NOW - 1) is None


@given(keys, st.binary(max_size=200))
def test_signature_is_hmac_sha1_of_the_derived_key(key: bytes, payload: bytes) -> None:
    sign, _ = make_signer(key, SALT)
    with at(NOW):
        signed, _, signature = sign(payload).encode().rpartition(b".")
    derived = hmac.digest(key, SALT, "sha1")
    assert signature == base64_encode(hmac.digest(derived, signed, "sha1"))


@given(payloads)
def test_unpack_is_the_inverse_of_pack(payload: bytes) -> None:
    assert unpack(pack(payload)) == payload


short = st.binary(max_size=34) | st.text(max_size=34, alphabet='{}":,abcdefghij0123').map(
    str.encode
)


@given(short)
def test_what_is_called_incompressible_is(payload: bytes) -> None:
    if is_incompressible(payload):
        for level in range(1, 10):
            assert len(zlib.compress(payload, level)) >= len(payload) - 1


def test_small_sessions_are_known_to_be_incompressible() -> None:
    for payload in (b"{}", b'{"n":1}', b'{"user_id":42}', b'{"number":12345,"visits":17}'):
        assert is_incompressible(payload)
    for payload in (b"a" * 13, b"1" * 31, bytes(range(31))):
        assert not is_incompressible(payload)
