"""Versions of a view by media type."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask, Response
from hipflask.api import document, operation
from hipflask.api.outputs.versions import Versions, by_media_type, joined
from hipflask.api.problems import Problem
from hipflask.scaffold import SetupError

V1 = "application/vnd.orders.v1+json"
V2 = "application/vnd.orders.v2+json"


class OrderV1(msgspec.Struct):
    number: int


class Order(msgspec.Struct):
    id: int
    lines: list[str] = []


@operation(deprecated="2026-01-01", sunset="2027-01-01")
def order_v1(number: int) -> OrderV1:
    """An order."""
    return OrderV1(number)


async def order_v2(number: int) -> Order:
    """An order with its lines."""
    if number == 0:
        raise Problem(404)
    return Order(number, ["a"])


def take_v1(order: OrderV1) -> OrderV1:
    return order


def take_v2(order: Order) -> Order:
    return order


def app_of(is_typed: bool = True, **views: Any) -> Flask:
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = is_typed
    for path, view in views.items():
        methods = ["POST"] if path == "take" else ["GET"]
        rule = f"/{path}" if path in ("take", "plain") else f"/{path}/<int:number>"
        app.add_url_rule(rule, view_func=view, methods=methods, endpoint=path)
    return app


orders = by_media_type("vnd.orders", {"1": order_v1, "2": order_v2}, default="2")
taking = by_media_type("vnd.orders", {"1": take_v1, "2": take_v2}, default="2")

doors = pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])


@doors
@pytest.mark.parametrize(
    ("accept", "kind", "body"),
    [
        (None, "application/json", {"id": 7, "lines": ["a"]}),
        ("*/*", "application/json", {"id": 7, "lines": ["a"]}),
        ("application/json", "application/json", {"id": 7, "lines": ["a"]}),
        (V1, V1, {"number": 7}),
        (V2.upper(), V2, {"id": 7, "lines": ["a"]}),
        (f"{V1};q=0.5, {V2}", V2, {"id": 7, "lines": ["a"]}),
        (f"{V1}, {V2};q=0.5", V1, {"number": 7}),
        (f"{V1}, */*", V1, {"number": 7}),
        (f"{V1};q=0.5, application/json", "application/json", {"id": 7, "lines": ["a"]}),
        ("application/vnd.orders.v9+json, */*;q=0.1", "application/json", None),
        ("text/html", "application/json", None),
    ],
)
def test_accept_chooses_and_the_answer_says(
    door: str, accept: str | None, kind: str, body: Any
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    response = app_of(orders=orders).test_client(door=door).get("/orders/7", headers=headers)
    assert response.status_code == 200
    assert response.content_type == kind
    assert response.json == body or body is None
    assert response.headers["Vary"] == "Accept"
    assert ("Sunset" in response.headers) == (kind == V1)
    assert ("Deprecation" in response.headers) == (kind == V1)


@doors
def test_an_unknown_version_is_refused_with_the_known_ones(door: str) -> None:
    client = app_of(orders=orders, take=taking).test_client(door=door)
    headers = {"Accept": "application/vnd.orders.v9+json"}
    response = client.get("/orders/7", headers=headers)
    assert response.status_code == 406
    assert response.content_type == "application/problem+json"
    assert response.json["versions"] == [V1, V2]
    assert V1 in response.json["detail"] and response.headers["Vary"] == "Accept"
    nothing = client.get("/orders/7", headers={"Accept": f"{V1};q=0, {V2};q=0"})
    assert nothing.status_code == 406
    kind = "application/vnd.orders.v9+json"
    sent = client.post("/take", data=b"{}", content_type=kind)
    assert sent.status_code == 415 and V1 in sent.headers["Accept"]


@doors
def test_a_body_is_read_by_the_version_it_is_of(door: str) -> None:
    client = app_of(take=taking).test_client(door=door)
    response = client.post("/take", data=b'{"number":3}', content_type=f"{V1}; charset=utf-8")
    assert (response.json, response.content_type) == ({"number": 3}, V1)
    response = client.post("/take", data=b'{"id":3}', content_type="application/json")
    assert (response.json, response.content_type) == ({"id": 3, "lines": []}, "application/json")
    headers = {"Accept": V1}
    response = client.post("/take", json={"number": 3}, headers=headers)
    assert (response.json, response.content_type) == ({"number": 3}, V1)
    wrong = client.post("/take", data=b'{"id":3}', content_type=V1)
    assert wrong.status_code == 422 and wrong.json["errors"][0]["location"] == ["body", "number"]
    mixed = client.post("/take", data=b'{"id":3}', content_type=V2, headers=headers)
    assert mixed.status_code == 415 and V1 in mixed.headers["Accept"]


@doors
def test_what_is_no_plain_json_keeps_its_type(door: str) -> None:
    def text(number: int) -> Response:
        return Response("text", content_type="text/plain")

    mixed = by_media_type("vnd.orders", {"1": text, "2": order_v2}, default="1")
    client = app_of(orders=mixed).test_client(door=door)
    response = client.get("/orders/7", headers={"Accept": V1})
    assert response.content_type == "text/plain" and response.headers["Vary"] == "Accept"
    packed = client.get("/orders/7", headers={"Accept": f"application/msgpack, {V2};q=0.9"})
    assert msgspec.msgpack.decode(packed.data, type=Order) == Order(7, ["a"])
    missing = client.get("/orders/0", headers={"Accept": V2})
    assert missing.status_code == 404
    assert missing.content_type == "application/problem+json"


@doors
def test_plain_views_have_versions_where_nothing_is_typed(door: str) -> None:
    async def second() -> Any:
        return {"v": 2}

    plain = by_media_type("vnd.x", {"1": lambda: {"v": 1}, "2": second}, default="1")
    client = app_of(False, plain=plain).test_client(door=door)
    assert client.get("/plain").json == {"v": 1}
    response = client.get("/plain", headers={"Accept": "application/vnd.x.v2+json"})
    assert (response.json, response.content_type) == ({"v": 2}, "application/vnd.x.v2+json")
    missing = client.get("/plain", headers={"Accept": "application/vnd.x.v3+json"})
    assert missing.status_code == 406


def test_it_is_named_and_told_of_as_its_default() -> None:
    app = Flask(__name__)
    app.get("/orders/<int:number>")(orders)
    assert "order_v2" in app.view_functions
    assert orders.__doc__ == "An order with its lines."
    assert orders.types == {"1": V1, "2": V2}


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: by_media_type("vnd orders", {"1": order_v1}, default="1"), "middle of a media"),
        (lambda: by_media_type("vnd.x", {"1": order_v1}, default="2"), "no such version"),
        (lambda: by_media_type("vnd.x", {1: order_v1}, default="1"), "no version"),  # type: ignore[dict-item]
        (lambda: by_media_type("vnd.x", {"1": 7}, default="1"), "no view"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_meant_is_refused(make: Callable[[], Versions], why: str) -> None:
    with pytest.raises(SetupError, match=why):
        make()


def test_a_decorator_around_the_whole_is_refused() -> None:
    @functools.wraps(orders)
    def around(*args: Any, **kwargs: Any) -> Any:
        return orders(*args, **kwargs)

    app = app_of(orders=around)
    with pytest.raises(SetupError, match="by_media_type"):
        app.test_client().get("/orders/7")


@given(st.text(max_size=60), st.booleans())
def test_no_accept_is_too_odd(text: str, prefixed: bool) -> None:
    accept = ("application/vnd.orders." if prefixed else "") + text
    try:
        version, is_named = orders.choose(_Request(accept))
    except Problem as problem:
        assert problem.status == 406
    else:
        assert version in ("1", "2") and (is_named or version == "2")


class _Request:
    _exchange = None

    def __init__(self, accept: str) -> None:
        self._environ = {"HTTP_ACCEPT": accept}


def parameter(name: str, schema: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, **more}


def test_the_documents_of_the_versions_are_joined() -> None:
    a, b = {"type": "integer"}, {"type": "string"}
    problem = {"application/problem+json": {"schema": {"$ref": "P"}}}
    parts = {
        "1": {
            "operationId": "first",
            "deprecated": True,
            "parameters": [parameter("x", a, required=True), parameter("y", a, required=True)],
            "requestBody": {"required": True, "content": {"application/json": {"schema": a}}},
            "responses": {
                "200": {
                    "description": "OK",
                    "headers": {"Sunset": {}},
                    "content": {"application/json": {"schema": a}},
                },
                "409": {"description": "No", "content": problem},
            },
        },
        "2": {
            "operationId": "second",
            "parameters": [parameter("x", b, required=True), parameter("z", b)],
            "responses": {
                "200": {"description": "Fine", "content": {"application/json": {"schema": b}}}
            },
        },
    }
    whole = joined(orders, parts)
    assert whole["operationId"] == "second" and "deprecated" not in whole
    assert whole["parameters"] == [
        parameter("x", {"anyOf": [b, a]}, required=True),
        parameter("z", b),
        parameter("y", a),
    ]
    assert whole["requestBody"] == {"required": False, "content": {V1: {"schema": a}}}
    assert whole["responses"] == {
        "200": {
            "description": "Fine",
            "headers": {"Sunset": {}},
            "content": {V1: {"schema": a}, V2: {"schema": b}, "application/json": {"schema": b}},
        },
        "406": {"description": "There is no such version"},
        "409": {"description": "No", "content": problem},
    }
    both = {version: {**part, "deprecated": True} for version, part in parts.items()}
    assert joined(orders, both)["deprecated"] is True


def test_the_document_tells_of_all_versions() -> None:
    app = app_of(orders=orders, take=taking)
    made = document(app)
    get = made["paths"]["/orders/{number}"]["get"]
    assert get["operationId"] == "orders" and get["summary"] == "An order with its lines."
    content = get["responses"]["200"]["content"]
    assert content[V1]["schema"] == {"$ref": "#/components/schemas/OrderV1"}
    assert content[V2] == content["application/json"]
    assert content[V2]["schema"] == {"$ref": "#/components/schemas/Order"}
    assert "Sunset" in get["responses"]["200"]["headers"] and "406" in get["responses"]
    taken = made["paths"]["/take"]["post"]["requestBody"]
    assert taken["required"] and {V1, V2, "application/json"} <= set(taken["content"])
    validator = pytest.importorskip("openapi_spec_validator")
    validator.validate(made)
