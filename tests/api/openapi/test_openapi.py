from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from hipflask import Blueprint, Flask
from hipflask.api import (
    Accepts,
    Body,
    Cookie,
    File,
    Form,
    Header,
    Name,
    Page,
    Paging,
    Problem,
    Provide,
    Query,
    Supplied,
    Upload,
    conditional,
    describe,
    document,
    exclude_unset,
    operation,
    status,
)
from hipflask.api.openapi import dump_json, dump_yaml
from hipflask.api.problems import everywhere
from hipflask.scaffold import SetupError
from hipflask.security import ApiKey, Bearer, authenticated, public, roles

from ..schemagen import SCALARS, types

validator = pytest.importorskip("openapi_spec_validator")


class Item(msgspec.Struct):
    """A thing.

    Of some kind.
    """

    name: str
    price: int


class Filters(msgspec.Struct):
    colour: Literal["red", "blue"] | None = None
    size: int = 1


@pytest.fixture
def app():
    made = Flask("shop")
    made.config["TYPED_VIEWS"] = True
    return made


def made_of(app: Any) -> Any:
    found = document(app)
    validator.validate(found)
    json.dumps(found)
    return found


def only(app: Any) -> Any:
    """The one operation of the document."""
    (item,) = made_of(app)["paths"].values()
    (method,) = item.keys() - {"servers"}
    return item[method]


ITEM = {"$ref": "#/components/schemas/Item"}
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def test_an_empty_application_has_a_document(app):
    assert made_of(app) == {
        "openapi": "3.1.1",
        "info": {"title": "shop", "version": "0"},
        "paths": {},
    }


def test_describe_says_what_routes_cannot(app):
    app.config["APPLICATION_ROOT"] = "/shop"
    assert made_of(app)["servers"] == [{"url": "/shop"}]
    describe(
        app,
        title="Shop",
        version="2",
        summary="Sells.",
        description="""Sells
        things.""",
        terms="https://shop.test/terms",
        contact={"email": "a@shop.test"},
        licence="MIT",
        servers=["https://shop.test", {"url": "/", "description": "here"}],
        tags={"items": "What there is."},
        webhooks={"item.sold": Item, "raw": {"post": {"responses": {"200": {"description": ""}}}}},
    )
    made = made_of(app)
    assert made["info"] == {
        "title": "Shop",
        "summary": "Sells.",
        "description": "Sells\nthings.",
        "termsOfService": "https://shop.test/terms",
        "contact": {"email": "a@shop.test"},
        "license": {"name": "MIT", "identifier": "MIT"},
        "version": "2",
    }
    assert [each["url"] for each in made["servers"]] == ["https://shop.test", "/"]
    assert made["tags"] == [{"name": "items", "description": "What there is."}]
    sold = made["webhooks"]["item.sold"]["post"]
    assert sold["summary"] == "A thing." and sold["description"] == "Of some kind."
    assert sold["requestBody"]["content"]["application/json"]["schema"] == ITEM


def test_a_plain_view_is_told_by_its_rule_and_docstring(app):
    @app.get("/hello/<name>")
    def hello(name):
        """Say hello.

        Politely.
        """
        return f"Hello {name}"

    assert only(app) == {
        "operationId": "hello",
        "summary": "Say hello.",
        "description": "Politely.",
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "minLength": 1},
            }
        ],
        "responses": {"default": {"description": "What the view answers."}},
    }


def test_a_first_sentence_may_have_several_lines(app):
    @app.get("/")
    def index():
        """Say hello
        to all.

        Politely.
        """

    found = only(app)
    assert (found["summary"], found["description"]) == ("Say hello to all.", "Politely.")


def test_what_is_read_is_a_parameter_each(app):
    @app.get("/items")
    def items(
        filters: Query[Filters],
        tags: list[str] = [],
        trace: Header[str] = "",
        version: Annotated[Header[int], Name("X-Version")] = 1,
        seen: Annotated[Cookie[bool], Meta(description="Whether.")] = False,
        agent: Annotated[Header[str], Name("Accept")] = "",
    ) -> Item: ...

    found = {(each["in"], each["name"]): each for each in only(app)["parameters"]}
    assert list(found) == [
        ("query", "colour"),
        ("query", "size"),
        ("query", "tags"),
        ("header", "trace"),
        ("header", "X-Version"),
        ("cookie", "seen"),
    ]
    assert found["query", "colour"]["schema"] == {"type": "string", "enum": ["blue", "red"]}
    assert found["query", "size"]["schema"] == {"type": "integer", "default": 1}
    assert found["query", "tags"]["explode"] is True
    assert found["cookie", "seen"]["description"] == "Whether."


def test_a_variable_is_narrowed_by_its_annotation(app):
    @app.get("/items/<int:number>/<path:file>")
    def show(number: Annotated[int, Meta(le=9, description="Which.")], file: str) -> Item: ...

    number, file = only(app)["parameters"]
    assert number["schema"] == {"type": "integer", "minimum": 0, "maximum": 9}
    assert number["description"] == "Which."
    assert file["description"] == "May contain slashes."


def test_what_a_provider_reads_is_told_once(app):
    def page(number: int = 1):
        return number

    def user(token: Header[str], page: int = Provide(page)):
        return token

    @app.get("/")
    def index(
        user: str = Provide(user), page: int = Provide(page), who: Supplied[str] = ""
    ) -> Item: ...

    assert [each["name"] for each in only(app)["parameters"]] == ["number", "token"]


def test_a_body_is_read_as_json_and_msgpack(app):
    describe(app, msgpack=True)

    @app.post("/items")
    @operation(examples={"body": Item("cup", 3), "response": Item("cup", 4)})
    def create(item: Item) -> Annotated[Item, status(201)]:
        """Make one."""

    found = only(app)
    assert found["requestBody"] == {
        "required": True,
        "content": {
            "application/json": {"schema": ITEM, "example": {"name": "cup", "price": 3}},
            "application/vnd.msgpack": {"schema": ITEM},
        },
    }
    assert list(found["responses"]) == ["201", "400", "413", "415", "422"]
    created = found["responses"]["201"]["content"]
    assert created["application/json"]["example"] == {"name": "cup", "price": 4}
    assert found["responses"]["422"]["content"] == PROBLEM


def test_an_optional_body_is_not_required(app):
    @app.post("/")
    def create(item: Item | None = None) -> Item: ...

    assert only(app)["requestBody"]["required"] is False


def test_msgpack_is_listed_on_demand_alone(app):
    @app.post("/")
    def create(item: Item) -> Item: ...

    assert "msgpack" not in json.dumps(made_of(app))
    describe(app, msgpack=True)
    assert "msgpack" in json.dumps(made_of(app))


def test_a_form_is_told_in_both_its_forms(app):
    @app.post("/")
    def create(name: Form[str], size: Form[int] = 1) -> Item: ...

    content = only(app)["requestBody"]["content"]
    assert list(content) == ["application/x-www-form-urlencoded", "multipart/form-data"]
    assert content["multipart/form-data"]["schema"] == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "size": {"type": "integer", "default": 1}},
        "required": ["name"],
    }


def test_files_are_parts_of_multipart_alone(app):
    @app.post("/")
    def create(
        name: Form[str],
        picture: Annotated[Upload, Accepts("image/png", max_bytes=99)],
        more: File[list[Upload]] = [],
    ) -> Item: ...

    content = only(app)["requestBody"]["content"]
    assert list(content) == ["multipart/form-data"]
    multipart = content["multipart/form-data"]
    assert multipart["schema"]["properties"]["picture"] == {
        "type": "string",
        "format": "binary",
        "maxLength": 99,
    }
    assert multipart["schema"]["properties"]["more"]["type"] == "array"
    assert multipart["encoding"] == {"picture": {"contentType": "image/png"}}


def test_a_stream_is_bytes(app):
    from hipflask.api import BodyStream

    globals()["BodyStream"] = BodyStream

    @app.post("/")
    async def create(body: BodyStream) -> Item: ...

    found = only(app)
    assert list(found["requestBody"]["content"]) == ["application/octet-stream"]
    assert list(found["responses"]) == ["200", "413"]


def test_pages_lines_and_conditional_answers(app):
    @app.get("/pages")
    def pages(paging: Query[Paging]) -> Page[Item]: ...

    @app.get("/lines")
    def lines() -> Iterator[Item]: ...

    @app.get("/one")
    def one() -> Annotated[Item, conditional]: ...

    @app.delete("/one")
    def none() -> Annotated[None, status(204)]: ...

    @app.get("/part")
    def part() -> Annotated[Item, exclude_unset]: ...

    paths = made_of(app)["paths"]
    page = paths["/pages"]["get"]["responses"]["200"]
    assert list(page["headers"]) == ["Link", "X-Total-Count"]
    assert page["content"]["application/json"]["schema"] == {"type": "array", "items": ITEM}
    assert paths["/lines"]["get"]["responses"]["200"]["content"] == {
        "application/x-ndjson": {"schema": ITEM}
    }
    assert list(paths["/one"]["get"]["responses"]) == ["200", "304"]
    assert "ETag" in paths["/one"]["get"]["responses"]["200"]["headers"]
    assert paths["/one"]["delete"]["responses"] == {"204": {"description": "No Content"}}
    assert (
        paths["/part"]["get"]["responses"]["200"]["content"]["application/json"]["schema"] == ITEM
    )


class Stock(Problem):
    """There is none left."""

    code = 409


def test_declared_answers(app):
    @app.post("/")
    @operation(
        responses={
            202: "Later",
            303: (None, "Elsewhere"),
            404: "No such item",
            409: Stock,
            410: (Item, "What there was"),
            418: Item,
            599: type(None),
        }
    )
    def create(item: Item) -> Item: ...

    found = only(app)["responses"]
    assert found["202"] == {"description": "Later"}
    assert found["303"] == {"description": "Elsewhere"}
    assert found["404"] == {"description": "No such item", "content": PROBLEM}
    assert found["409"] == {"description": "There is none left.", "content": PROBLEM}
    assert found["410"]["description"] == "What there was"
    assert found["418"] == {
        "description": "A thing.\n\nOf some kind.",
        "content": {"application/json": {"schema": ITEM}},
    }
    assert found["599"] == {"description": "Status 599"}


def test_a_url_that_no_rule_takes_is_a_404_of_routing(app):
    @app.get("/<int:number>")
    def show(number) -> Item: ...

    assert only(app)["responses"]["404"] == {"description": "There is nothing at this URL"}


def test_who_answers_the_404_of_routing_decides_its_form(app):
    @app.get("/<int:number>")
    @operation(responses={404: "No such item"})
    def show(number) -> Item: ...

    assert list(only(app)["responses"]["404"]["content"]) == [
        "application/problem+json",
        "text/html",
    ]
    everywhere(app)
    assert only(app)["responses"]["404"]["content"] == PROBLEM


def test_deprecation_is_told_and_sent(app):
    @app.get("/")
    @operation(deprecated="2026-01-01", sunset="2027-01-01")
    def index() -> Item:
        return Item("cup", 1)

    found = only(app)
    assert found["deprecated"] is True
    headers = found["responses"]["200"]["headers"]
    response = app.test_client().get("/")
    assert response.headers["Deprecation"] == headers["Deprecation"]["example"] == "@1767225600"
    assert response.headers["Sunset"] == headers["Sunset"]["example"]


def test_access_is_told_with_its_refusals(app):
    app.identities = [ApiKey({}, name="key"), Bearer(lambda token: None, name="token")]
    app.access = authenticated

    @app.get("/known")
    def known() -> Item: ...

    @app.get("/open", access=public)
    def opened() -> Item: ...

    @app.get("/admin", access=roles("admin"))
    def admin() -> Item: ...

    made = made_of(app)
    assert set(made["components"]["securitySchemes"]) == {"key", "token"}
    known_op, opened_op, admin_op = (
        made["paths"][path]["get"] for path in ("/known", "/open", "/admin")
    )
    assert known_op["security"] == [{"key": []}, {"token": []}]
    assert list(known_op["responses"]) == ["200", "401"]
    assert "security" not in opened_op
    assert list(admin_op["responses"]) == ["200", "401", "403"]


def test_ids_and_tags_come_of_endpoints(app):
    blueprint = Blueprint("items", __name__, url_prefix="/items")

    @blueprint.route("/", methods=["GET", "POST"])
    @blueprint.get("/all")
    def index():
        return ""

    @blueprint.get("/<name>")
    @operation(operation_id="findItem", tags=["search"], summary="Find", description="One")
    def find(name):
        """Not told."""

    app.register_blueprint(blueprint)
    made = made_of(app)
    paths = made["paths"]
    ids = {each["operationId"]: each["tags"] for item in paths.values() for each in item.values()}
    assert ids == {
        "items_index": ["items"],
        "items_index_get": ["items"],
        "items_index_post": ["items"],
        "findItem": ["search"],
    }
    assert paths["/items/{name}"]["get"]["summary"] == "Find"
    assert made["tags"] == [{"name": "items"}, {"name": "search"}]


def test_rules_of_one_endpoint_have_ids_of_their_own(app):
    app.add_url_rule("/a", "view", lambda: "")
    app.add_url_rule("/b", "view")
    ids = [item["get"]["operationId"] for item in made_of(app)["paths"].values()]
    assert ids == ["view", "view_b"]


def test_an_id_that_is_claimed_twice_is_refused(app):
    @app.get("/a")
    @operation(operation_id="same")
    def a():
        pass

    @app.get("/b")
    @operation(operation_id="same")
    def b():
        pass

    with pytest.raises(SetupError, match=r"'same': GET /a .*test_openapi.py:\d+\) and GET /b"):
        document(app)


def test_variables_of_one_path_have_one_name(app):
    @app.get("/a/<int:number>")
    def show(number) -> Item: ...

    @app.put("/a/<int:identity>")
    def change(identity: int) -> Item: ...

    (item,) = made_of(app)["paths"].values()
    assert item["put"]["parameters"][0]["name"] == item["get"]["parameters"][0]["name"]


def test_hosts_are_servers_of_their_paths():
    made = Flask("shop", subdomain_matching=True)
    made.config["SERVER_NAME"] = "shop.test"
    made.add_url_rule("/a", "a", lambda tenant: "", subdomain="<tenant>")
    (item,) = made_of(made)["paths"].values()
    assert item["servers"] == [
        {"url": "//{tenant}", "variables": {"tenant": {"default": "tenant"}}}
    ]


def test_the_document_is_the_same_each_time(app):
    app.add_url_rule("/b", "b", lambda: "")
    app.add_url_rule("/a", "a", lambda: "")
    assert dump_json(document(app)) == dump_json(document(app))
    assert list(document(app)["paths"]) == ["/a", "/b"]


def test_yaml_says_the_same_without_aliases(app):
    yaml = pytest.importorskip("yaml")

    @app.post("/a")
    def a(item: Item) -> Item: ...

    text = dump_yaml(document(app))
    assert yaml.safe_load(text) == document(app)
    assert "&id" not in text


def test_yaml_needs_its_package(app, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(SetupError, match="pip install"):
        dump_yaml(document(app))


# Signatures that nobody thought of.

PARAMETERS = st.sampled_from([kind for kind in SCALARS if kind is not bytes])


@st.composite
def views(draw: Any) -> Any:
    hints: dict[str, Any] = {}
    for index, kind in enumerate(draw(st.lists(PARAMETERS, max_size=3))):
        mark = draw(st.sampled_from([Query, Header, Cookie]))
        hints[f"p{index}"] = mark[draw(st.sampled_from([kind, list[kind], kind | None]))]
    if draw(st.booleans()):
        hints["body"] = Body[draw(types())]
    record = st.builds(
        lambda kinds: msgspec.defstruct(
            "Answer", [(f"a{i}", each) for i, each in enumerate(kinds)]
        ),
        st.lists(types(), max_size=3),
    )
    answer = draw(record)
    hints["return"] = draw(
        st.sampled_from([answer, list[answer], answer | None, Annotated[answer, status(201)]])
    )

    def view(**values: Any) -> Any: ...

    import inspect

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=hint)
        for name, hint in hints.items()
        if name != "return"
    ]
    view.__annotations__ = hints
    view.__signature__ = inspect.Signature(parameters)
    return view


@given(st.lists(views(), min_size=1, max_size=3))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_documents_of_any_signature_are_valid(found):
    pytest.importorskip("attrs")
    app = Flask("any")
    app.config["TYPED_VIEWS"] = True
    for index, view in enumerate(found):
        app.add_url_rule(f"/v{index}", f"v{index}", view, methods=["POST"])
    made = made_of(app)
    for index, view in enumerate(found):
        told = made["paths"][f"/v{index}"]["post"]
        hints = view.__annotations__
        assert ("requestBody" in told) is ("body" in hints)
        names = {each["name"] for each in told.get("parameters", ())}
        assert names == {name for name in hints if name[0] == "p"}
