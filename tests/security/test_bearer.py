"""Bearer tokens: what counts as one, and what the challenge says."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hipflask import Flask
from hipflask.security import Bearer, Identity, Refused, hash_key, hashed_keys

ADA = Identity("ada")
TOKEN = "abc.DEF-1_2~3+4/5=="


def request_with(authorization):
    environ = {} if authorization is None else {"HTTP_AUTHORIZATION": authorization}
    return Flask(__name__).request_class(environ)


def check(token):
    return ADA if token == TOKEN else None


@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("space", [" ", "   "])
def test_a_token_is_found(word, space):
    assert Bearer(check).identify(request_with(f"{word}{space}{TOKEN} ")) is ADA


@pytest.mark.parametrize(
    "field",
    [None, "", "Basic YTpi", "Bearerx", f"Bearer2 {TOKEN}", "\xe4", f"Basic a,Bearer {TOKEN}"],
)
def test_other_schemes_are_for_other_providers(field):
    assert Bearer(check).identify(request_with(field)) is None


@pytest.mark.parametrize(
    "field",
    [
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Bearer {TOKEN},Bearer {TOKEN}",
        f"Bearer {TOKEN} {TOKEN}",
        f'Bearer "{TOKEN}"',
        "Bearer \xe4",
        "Bearer a=b",
        "Bearer =",
        "Bearer \x00",
        "Bearer " + "a" * 65536,
        "Bearer " + "=" * 65536,
        "Bearer" + " " * 65536,
    ],
)
def test_wrong_tokens_are_refused(field):
    with pytest.raises(Refused) as caught:
        Bearer(check).identify(request_with(field))
    assert len(str(caught.value)) < 100


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_nothing_or_refused(data, is_bearer):
    field = data.decode("latin-1")
    request = request_with("Bearer " + field if is_bearer else field)
    try:
        assert Bearer(check).identify(request) is None
    except Refused:
        return
    assert not is_bearer


def test_the_check_may_be_async_also_as_an_object():
    class Check:
        async def __call__(self, token):
            return check(token)

    async def check_async(token):
        return check(token)

    for function in (check_async, Check()):
        provider = Bearer(function)
        assert asyncio.run(provider.identify(request_with(f"Bearer {TOKEN}"))) is ADA
        assert asyncio.run(provider.identify(request_with(None))) is None
        with pytest.raises(Refused):
            asyncio.run(provider.identify(request_with("Bearer x")))


def test_hashed_keys_may_be_tokens():
    provider = Bearer(hashed_keys({hash_key("t" * 43): ADA}))
    assert provider.is_quick
    assert not Bearer(check).is_quick
    assert provider.identify(request_with("Bearer " + "t" * 43)) is ADA


def test_the_challenge_has_the_words_of_rfc_6750():
    assert Bearer(check).challenge() == 'Bearer realm="api"'
    assert Bearer(check, realm="").challenge() == "Bearer"
    assert Bearer(check, realm="shop").challenge("invalid_token", "The token has expired") == (
        'Bearer realm="shop", error="invalid_token", error_description="The token has expired"'
    )


def test_a_description_cannot_leave_its_quotes():
    text = Bearer(check).challenge("invalid_token", 'a"b\\c\r\nSet-Cookie: ä' + "x" * 999)
    assert text.startswith('Bearer realm="api", error="invalid_token", error_description="abcSet')
    assert text.isascii() and text.isprintable() and len(text) < 300


def test_the_scheme_says_what_a_token_is():
    assert Bearer(check).scheme() == ("bearer", {"type": "http", "scheme": "bearer"})
    assert Bearer(check, name="jwt", token_format="JWT").scheme() == (
        "jwt",
        {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    )
