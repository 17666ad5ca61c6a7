"""API keys: made, hashed, looked up, and found in a request."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hipflask import Flask
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, Identity, Refused, hash_key, hashed_keys, new_key
from hipflask.security.keys import LONGEST_KEY

KEY = "shop_" + "k" * 43
BILLING = Identity("billing", roles={"clerk"})


def request_with(**fields):
    """A request with these fields as the environ's, as a server would set them."""
    return Flask(__name__).request_class({"QUERY_STRING": "", **fields})


def test_a_new_key_is_long_random_and_says_whose_it_is():
    keys = {new_key("shop") for _ in range(50)}
    assert len(keys) == 50
    assert all(key.startswith("shop_") and len(key) == 48 for key in keys)
    assert len(new_key("")) == 43


@pytest.mark.parametrize("prefix", ["a b", "ä", "a,b", "a" * 65, "a\n"])
def test_a_prefix_must_fit_into_a_field(prefix):
    with pytest.raises(ValueError, match="prefix"):
        new_key(prefix)


def test_hash_key_is_sha256_written_in_hexadecimal():
    assert hash_key(KEY) == hash_key(KEY)
    assert hash_key(KEY).startswith("sha256:")
    assert len(hash_key(KEY)) == len("sha256:") + 64


@pytest.mark.parametrize("key", ["", "password", "k" * 21, "k" * (LONGEST_KEY + 1), "k" * 30 + ","])
def test_hash_key_refuses_what_could_be_guessed_or_not_sent(key):
    with pytest.raises(ValueError, match="new_key") as caught:
        hash_key(key)
    assert not key or key not in str(caught.value)


def test_hashed_keys_know_their_keys_and_no_others():
    check = hashed_keys({hash_key(KEY): BILLING})
    assert check(KEY) is BILLING
    assert check(KEY[:-1]) is None
    assert check(hash_key(KEY)) is None
    assert check.is_quick


def test_two_keys_are_valid_while_one_replaces_the_other():
    old, new = new_key(), new_key()
    check = hashed_keys({hash_key(old): BILLING, hash_key(new): BILLING})
    assert check(old) == check(new) == BILLING
    assert hashed_keys({hash_key(new): BILLING})(old) is None


def test_hashed_keys_do_not_follow_their_mapping():
    keys = {hash_key(KEY): BILLING}
    check = hashed_keys(keys)
    keys.clear()
    assert check(KEY) is BILLING


@pytest.mark.parametrize("entry", [KEY, "sha256:" + "G" * 64, "sha1:" + "0" * 64, "", 7])
def test_a_key_put_where_its_hash_belongs_is_refused_without_showing_it(entry):
    with pytest.raises(SetupError, match="Entry 2 of hashed_keys") as caught:
        hashed_keys({hash_key(KEY): BILLING, entry: BILLING})
    assert KEY not in str(caught.value)


def test_hashed_keys_lead_to_identities():
    with pytest.raises(SetupError, match="leads to a str"):
        hashed_keys({hash_key(KEY): "billing"})


def test_the_key_is_found_in_its_field():
    provider = ApiKey(hashed_keys({hash_key(KEY): BILLING}))
    assert provider.identify(request_with(HTTP_X_API_KEY=KEY)) is BILLING
    assert provider.identify(request_with()) is None
    other = ApiKey(hashed_keys({hash_key(KEY): BILLING}), header="X-Other")
    assert other.identify(request_with(HTTP_X_API_KEY=KEY)) is None
    assert other.identify(request_with(HTTP_X_OTHER=KEY)) is BILLING


def test_the_query_string_is_read_only_where_it_is_named():
    check = hashed_keys({hash_key(KEY): BILLING})
    sent = request_with(QUERY_STRING=f"key={KEY}")
    assert ApiKey(check).identify(sent) is None
    assert ApiKey(check, query="key").identify(sent) is BILLING
    assert ApiKey(check, query="key").identify(request_with(HTTP_X_API_KEY=KEY)) is None
    with pytest.raises(Refused):
        ApiKey(check, query="key").identify(request_with(QUERY_STRING=f"key={KEY}&key={KEY}"))


@pytest.mark.parametrize(
    "sent", ["wrong", "", " ", f"{KEY},{KEY}", KEY + "\xe4", "\x00", "k" * 65536, "\xff" * 65536]
)
def test_a_wrong_key_is_refused(sent):
    with pytest.raises(Refused) as caught:
        ApiKey(hashed_keys({hash_key(KEY): BILLING})).identify(request_with(HTTP_X_API_KEY=sent))
    assert sent.strip() == "" or sent not in str(caught.value)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_do_more_than_being_refused(data):
    request = request_with(HTTP_X_API_KEY=data.decode("latin-1"))
    with pytest.raises(Refused):
        ApiKey(hashed_keys({hash_key(KEY): BILLING})).identify(request)


def test_a_function_of_ones_own_gets_only_keys_that_could_be_sent():
    seen = []

    def check(key):
        seen.append(key)

    for sent in ("abc", "a,b", "\xe4", "k" * (LONGEST_KEY + 1)):
        with pytest.raises(Refused):
            ApiKey(check).identify(request_with(HTTP_X_API_KEY=sent))
    assert seen == ["abc"]


def test_challenge_and_scheme_say_where_the_key_goes():
    def check(key):
        return None

    assert ApiKey(check).challenge() == 'ApiKey realm="api", name="X-API-Key"'
    assert ApiKey(check).challenge("invalid_token", "The key is malformed") == (
        'ApiKey realm="api", name="X-API-Key", error="invalid_token",'
        ' error_description="The key is malformed"'
    )
    assert ApiKey(check).scheme() == (
        "api_key",
        {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    )
    by_query = ApiKey(check, query="key", name="link", realm='a"b\\c\r\nd')
    assert by_query.challenge() == 'ApiKey realm="abcd", name="key"'
    assert by_query.scheme() == ("link", {"type": "apiKey", "in": "query", "name": "key"})


def test_places_that_make_no_sense_are_refused():
    with pytest.raises(SetupError, match="two places"):
        ApiKey(str, header="X-Key", query="key")
    with pytest.raises(SetupError, match="no name of a header field"):
        ApiKey(str, header="X Key")


def test_a_provider_shows_no_keys():
    assert repr(ApiKey(hashed_keys({hash_key(KEY): BILLING}))) == "<ApiKey 'api_key'>"


def test_a_long_field_takes_linear_time():
    provider = ApiKey(hashed_keys({hash_key(KEY): BILLING}))

    def spent(size):
        request = request_with(HTTP_X_API_KEY="k" * size)
        began = time.perf_counter()
        for _ in range(20):
            with pytest.raises(Refused):
                provider.identify(request)
        return time.perf_counter() - began

    spent(100)
    assert spent(1_000_000) < 100 * spent(10_000) + 0.1
