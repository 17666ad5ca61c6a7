"""Access of typed views: problem details, and the identity as a parameter."""

from __future__ import annotations

import msgspec
import pytest

from hipflask import Flask
from hipflask.api import Provide
from hipflask.api.openapi import document
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError
from hipflask.security import (
    ApiKey,
    Bearer,
    Identity,
    authenticated,
    hash_key,
    hashed_keys,
    public,
    roles,
)
from hipflask.views import MethodView

KEY = "k" * 43
ADA = {"X-API-Key": KEY}
TOM = {"Authorization": "Bearer tom"}


class Order(msgspec.Struct):
    number: int


def check_token(token):
    return Identity("tom") if token == "tom" else None


async def check_token_async(token):
    return check_token(token)


@pytest.fixture(params=[check_token, check_token_async])
def app(request):
    app = Flask(__name__)
    app.testing = True
    keys = hashed_keys({hash_key(KEY): Identity("ada", roles={"admin"})})
    app.identities = [ApiKey(keys), Bearer(request.param)]
    return app


def add_orders(app):
    @app.post("/plain", access=roles("admin"))
    def plain(order: Order, identity: Identity) -> Order:
        assert identity.name == "ada"
        return order

    @app.post("/async", access=roles("admin"))
    async def awaited(order: Order, identity: Identity) -> Order:
        assert identity.name == "ada"
        return order


@pytest.mark.parametrize("path", ["/plain", "/async"])
@pytest.mark.parametrize("door", DOORS)
def test_a_refusal_is_a_problem_and_comes_before_the_body_is_judged(app, door, path):
    add_orders(app)
    client = app.test_client(door=door)
    for headers, status in (({}, 401), ({"X-API-Key": "x" * 30}, 401), (TOM, 403)):
        for body in (b"{", b'{"number": "x"}', b'{"number": 1}'):
            answer = client.post(path, data=body, headers=headers)
            assert answer.status_code == status
            assert answer.mimetype == "application/problem+json"
            assert answer.json["status"] == status
            assert answer.headers["WWW-Authenticate"]
    assert client.post(path, json={"number": "x"}, headers=ADA).status_code == 422
    assert client.post(path, json={"number": 1}, headers=ADA).json == {"number": 1}
    challenges = client.post(path).headers.getlist("WWW-Authenticate")
    assert challenges == ['ApiKey realm="api", name="X-API-Key"', 'Bearer realm="api"']


@pytest.mark.parametrize("door", DOORS)
def test_an_identity_may_be_left_open(app, door):
    @app.get("/plain", access=public)
    def plain(identity: Identity | None) -> Order:
        return Order(0 if identity is None else len(identity.name))

    @app.get("/async", access=public)
    async def awaited(identity: Identity | None) -> Order:
        return Order(0 if identity is None else len(identity.name))

    client = app.test_client(door=door)
    for path in ("/plain", "/async"):
        assert client.get(path).json == {"number": 0}
        assert client.get(path, headers=TOM).json == {"number": 3}
        assert client.get(path, headers={"Authorization": "Bearer no"}).json == {"number": 0}


@pytest.mark.parametrize("door", DOORS)
def test_an_identity_that_is_asked_for_is_needed(app, door):
    @app.get("/x")
    def view(identity: Identity) -> Order:
        return Order(len(identity.name))

    client = app.test_client(door=door)
    answer = client.get("/x")
    assert answer.status_code == 401
    assert 'Bearer realm="api"' in answer.headers.getlist("WWW-Authenticate")
    assert client.get("/x", headers=TOM).json == {"number": 3}


@pytest.mark.parametrize("door", DOORS)
def test_a_view_class_has_a_stance_for_each_method(app, door):
    class Orders(MethodView):
        access = {"GET": authenticated, "POST": roles("admin")}

        def get(self, identity: Identity) -> Order:
            return Order(len(identity.name))

        async def post(self, order: Order) -> Order:
            return order

    app.add_url_rule("/orders", view_func=Orders.as_view("orders"))
    client = app.test_client(door=door)
    assert client.get("/orders").status_code == 401
    assert client.get("/orders", headers=TOM).json == {"number": 3}
    assert client.post("/orders", json={"number": 1}, headers=TOM).status_code == 403
    assert client.post("/orders", json={"number": 1}, headers=ADA).json == {"number": 1}


def test_the_document_follows_the_applications_access(app):
    app.access = authenticated
    add_orders(app)
    client = app.test_client()
    assert client.get("/openapi.json").status_code == 401
    answer = client.get("/openapi.json", headers=TOM)
    assert answer.status_code == 200
    assert answer.json["components"]["securitySchemes"].keys() == {"api_key", "bearer"}
    assert answer.json["paths"]["/plain"]["post"]["security"]


def greeting(identity: Identity) -> str:
    return identity.name


def test_the_document_tells_of_an_identity_that_is_asked_for(app):
    @app.get("/direct")
    def direct(identity: Identity) -> Order:
        return Order(1)

    @app.get("/provided")
    def provided(text: str = Provide(greeting)) -> Order:
        return Order(len(text))

    @app.get("/optional", access=public)
    def optional(identity: Identity | None) -> Order:
        return Order(1)

    paths = document(app)["paths"]
    for path in ("/direct", "/provided"):
        assert {name for each in paths[path]["get"]["security"] for name in each} == {
            "api_key",
            "bearer",
        }
        assert "401" in paths[path]["get"]["responses"]
        assert "403" not in paths[path]["get"]["responses"]
    assert not paths["/optional"]["get"].get("security")
    assert "401" not in paths["/optional"]["get"]["responses"]
    assert app.test_client().get("/provided", headers=TOM).json == {"number": 3}


def test_an_identity_that_is_needed_says_who_may_call_and_an_optional_one_does_not(app):
    @app.get("/needed")
    def needed(identity: Identity) -> Order:
        return Order(1)

    @app.get("/optional")
    def optional(identity: Identity | None) -> Order:
        return Order(1)

    with pytest.raises(SetupError, match="GET /optional") as caught:
        app.test_client().get("/needed")
    assert "/needed" not in str(caught.value)


def test_a_public_view_cannot_need_to_know_who_calls(app):
    @app.get("/x", access=public)
    def view(text: str = Provide(greeting)) -> Order:
        return Order(1)

    with pytest.raises(SetupError, match=r"view.*test_typed_views.py.* its route is public"):
        app.test_client().get("/x")


def test_somebody_has_to_tell_who_calls():
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = True

    @app.get("/x")
    def view(identity: Identity) -> Order:
        return Order(1)

    with pytest.raises(SetupError, match="but nothing tells who calls"):
        app.test_client().get("/x")
