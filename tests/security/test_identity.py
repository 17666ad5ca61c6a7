"""Identities, and asking who calls outside a guard."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from hipflask import Flask
from hipflask.doors import DOORS
from hipflask.security import (
    ApiKey,
    Bearer,
    Identity,
    Refused,
    current_identity,
    current_identity_async,
    hash_key,
    hashed_keys,
    public,
)

KEY = "k" * 43
TOM = {"Authorization": "Bearer tom"}


def check_token(token):
    return Identity("tom") if token == "tom" else None


async def check_token_async(token):
    return check_token(token)


def test_an_identity_freezes_its_roles():
    given = {"admin"}
    identity = Identity("ada", roles=given)
    given.add("owner")
    assert identity.roles == frozenset({"admin"})
    assert type(identity.roles) is frozenset
    assert type(Identity("ada", ["a", "a"]).roles) is frozenset
    with pytest.raises(AttributeError):
        identity.name = "eve"


def test_one_text_is_no_set_of_roles():
    with pytest.raises(TypeError, match=r"roles=\{'admin'\}"):
        Identity("ada", roles="admin")


def test_an_identity_keeps_its_claims_out_of_what_is_printed():
    identity = Identity("ada", {"b", "a"}, claims={"email": "ada@example.org"})
    assert repr(identity) == "Identity('ada', roles=['a', 'b'], via='')"
    assert identity.claims["email"] == "ada@example.org"
    assert Identity("ada").claims == {}


def test_an_identity_can_be_read_from_json():
    assert msgspec.json.decode(b'{"name": "ada", "roles": ["a"]}', type=Identity) == Identity(
        "ada", {"a"}
    )


def make_app(*providers):
    app = Flask(__name__)
    app.identities = providers
    app.access = public
    return app


@pytest.mark.parametrize("door", DOORS)
def test_a_public_view_may_ask_who_calls(door):
    app = make_app(ApiKey(hashed_keys({hash_key(KEY): Identity("ada")})), Bearer(check_token))

    @app.get("/plain", access=public)
    def plain():
        identity = current_identity()
        return "nobody" if identity is None else f"{identity.name} via {identity.via}"

    @app.get("/async")
    async def awaited():
        identity = await current_identity_async()
        return "nobody" if identity is None else f"{identity.name} via {identity.via}"

    client = app.test_client(door=door)
    for path in ("/plain", "/async"):
        assert client.get(path).text == "nobody"
        assert client.get(path, headers={"Authorization": "Bearer no"}).text == "nobody"
        assert client.get(path, headers=TOM).text == "tom via bearer"
        assert client.get(path, headers={"X-API-Key": KEY}).text == "ada via api_key"


@pytest.mark.parametrize("door", DOORS)
def test_a_coroutine_is_told_not_to_wait_on_the_loop(door):
    app = make_app(Bearer(check_token))
    app.testing = True

    @app.get("/")
    async def view():
        with pytest.raises(RuntimeError, match="current_identity_async"):
            current_identity()
        await current_identity_async()
        return current_identity().name

    assert app.test_client(door=door).get("/", headers=TOM).text == "tom"


def test_what_never_waits_may_be_asked_on_the_loop():
    app = make_app(ApiKey(hashed_keys({hash_key(KEY): Identity("ada")})))

    @app.get("/")
    async def view():
        return current_identity().name

    assert app.test_client(door="asgi").get("/", headers={"X-API-Key": KEY}).text == "ada"


def test_an_async_provider_is_asked_from_plain_code():
    app = make_app(Bearer(check_token_async))
    app.add_url_rule("/", "x", lambda: current_identity().name)
    assert app.test_client().get("/", headers=TOM).text == "tom"


def test_nobody_is_known_without_providers():
    with Flask(__name__).test_request_context("/"):
        assert current_identity() is None
        assert asyncio.run(current_identity_async()) is None


def test_there_is_no_identity_outside_a_request():
    with pytest.raises(RuntimeError, match="request context"):
        current_identity()


def test_refused_keeps_its_description():
    assert Refused("The token has expired").description == "The token has expired"
    assert Refused().description == ""


@pytest.mark.parametrize("is_async", [False, True])
def test_a_provider_of_ones_own_needs_four_names(is_async):
    class Badge:
        name = "badge"
        is_quick = True

        if is_async:

            async def identify(self, request):
                return self._look(request)

        else:

            def identify(self, request):
                return self._look(request)

        def _look(self, request):
            badge = request.headers.get("X-Badge")
            return None if badge is None else Identity(badge)

        def challenge(self, error="", description=""):
            return ""

        def scheme(self):
            return "badge", {"type": "apiKey", "in": "header", "name": "X-Badge"}

    app = make_app(Badge(), Bearer(check_token_async))
    app.access = public

    @app.get("/")
    async def view():
        identity = await current_identity_async()
        return identity.name if identity else "nobody"

    client = app.test_client(door="asgi")
    assert client.get("/", headers={"X-Badge": "7"}).text == "7"
    assert client.get("/", headers=TOM).text == "tom"
    assert client.get("/").text == "nobody"
