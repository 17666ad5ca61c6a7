"""The document's routes and its page: what they answer, and what the plain list says."""

from __future__ import annotations

import gzip
import html
import json
import re
import shlex
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from hipflask import Flask
from hipflask.api import describe, operation, pages, status
from hipflask.api.pages.listing import list_endpoints
from hipflask.api.pages.phrases import phrase

CARRIED = pages.carrier() is not None


class Ball(msgspec.Struct):
    """Something round."""

    colour: Literal["red", "blue"]
    radius: Annotated[float, msgspec.Meta(gt=0, description="In cm.")] = 11.5
    inside: list[Ball] = []


def make_app(**config: object) -> Flask:
    app = Flask(__name__, static_folder=None)
    app.config.update(config)
    describe(app, title="Balls", version="3", description="All of <them>.")

    @app.get("/balls/<name>")
    @operation(responses={404: "No such ball."})
    def show_ball(name: str, least: Annotated[int, msgspec.Meta(ge=1)] = 1) -> Ball:
        """Show a ball."""
        return Ball("red")

    @app.post("/balls")
    def add_ball(ball: Ball) -> Annotated[Ball, status(201)]:
        """Add a ball."""
        return ball

    return app


@pytest.fixture
def client():
    return make_app().test_client()


@pytest.fixture
def plain(client):
    return client.get("/docs?plain").text


class Page(HTMLParser):
    """What a page is made of, as far as the tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words += data.split()

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


# The document.


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_the_document_is_served_as_json_on_every_door(door):
    answer = make_app().test_client(door=door).get("/openapi.json")
    assert answer.mimetype == "application/json"
    assert answer.json["info"]["title"] == "Balls"
    assert list(answer.json["paths"]) == ["/balls", "/balls/{name}"]


def test_the_document_is_served_as_yaml_where_yaml_is_installed(client):
    yaml = pytest.importorskip("yaml")
    answer = client.get("/openapi.yaml")
    assert answer.mimetype == "application/yaml"
    assert yaml.safe_load(answer.text) == client.get("/openapi.json").json


def test_without_yaml_there_is_no_yaml(monkeypatch):
    find = pages.importlib.util.find_spec
    monkeypatch.setattr(
        pages.importlib.util, "find_spec", lambda name: None if name == "yaml" else find(name)
    )
    client = make_app().test_client()
    assert client.get("/openapi.yaml").status_code == 404
    assert "openapi.yaml" not in client.get("/docs?plain").text


def test_a_document_that_is_known_is_not_sent_again(client):
    first = client.get("/openapi.json")
    again = client.get("/openapi.json", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "no-cache"


def test_the_document_follows_what_is_described_later():
    app = make_app()
    client = app.test_client()
    assert client.get("/openapi.json").json["info"]["version"] == "3"
    describe(app, title="Balls", version="4")
    assert client.get("/openapi.json").json["info"]["version"] == "4"


# Which applications have them.


def paths_of(app: Flask) -> set[str]:
    app.sealed  # noqa: B018
    return {rule.rule for rule in app.url_map.iter_rules()}


def test_the_setting_turns_them_off():
    assert "/docs" not in paths_of(make_app(OPENAPI=False))


def test_an_application_without_a_typed_view_has_none():
    app = Flask(__name__, static_folder=None)
    app.add_url_rule("/", "index", lambda: "hello")
    assert paths_of(app) == {"/"}


def test_a_guarded_application_without_a_typed_view_has_none():
    from hipflask.security import ApiKey, authenticated, hashed_keys

    app = Flask(__name__, static_folder=None)
    app.identities = [ApiKey(hashed_keys({}))]
    app.access = authenticated
    app.add_url_rule("/", "index", lambda: "hello")
    assert paths_of(app) == {"/"}


@pytest.mark.parametrize("rule", ["/docs", "/docs/", "/<name>"])
def test_a_path_of_the_users_own_stays_his(rule):
    app = make_app()
    app.add_url_rule(rule, "own", lambda **_: "mine")
    client = app.test_client()
    assert client.get("/docs", follow_redirects=True).text == "mine"
    expected = "mine" if rule == "/<name>" else "Balls"
    assert expected in client.get("/openapi.json").text


def test_a_rule_for_other_methods_does_not_take_the_path():
    app = make_app()
    app.add_url_rule("/docs", "own", lambda: "mine", methods=["POST"])
    client = app.test_client()
    assert client.post("/docs").text == "mine"
    assert "Balls" in client.get("/docs").text


def test_static_files_at_the_root_do_not_take_the_path():
    app = Flask(__name__, static_url_path="")

    @app.get("/ball")
    def show_ball() -> Ball:
        return Ball("red")

    assert "/docs" in paths_of(app)


def test_with_hosts_in_the_routing_there_are_none():
    app = Flask(__name__, host_matching=True, static_host="x", static_folder=None)

    @app.get("/ball", host="x.test")
    def show_ball() -> Ball:
        return Ball("red")

    assert paths_of(app) == {"/ball"}


def test_they_follow_the_access_of_the_application():
    from hipflask.security import ApiKey, authenticated, hashed_keys

    app = make_app()
    app.identities = [ApiKey(hashed_keys({}))]
    app.access = authenticated
    client = app.test_client()
    for path in ("/openapi.json", "/docs"):
        assert client.get(path).status_code == 401


# The plain list.


def test_the_list_says_what_there_is(plain):
    page = Page(plain)
    text = " ".join(page.words)
    for words in ("GET /balls/{name}", "Show a ball.", "least", "integer, at least 1", "In cm."):
        assert words.replace("/", "/ ") in text or words in text
    assert "No such ball." in text and "Something round." in text and "2 endpoints" in text
    assert "All of &lt;them&gt;." in plain


def test_each_link_of_the_list_leads_somewhere(plain):
    page = Page(plain)
    names = {tag["id"] for _, tag in page.tags if "id" in tag}
    links = [link["href"] for link in page.all("a")]
    inner = {link[1:] for link in links if link.startswith("#")}
    assert inner <= names
    assert {"show_ball", "add_ball", "type-Ball", "types", "main"} <= inner
    assert len([tag["id"] for _, tag in page.tags if "id" in tag]) == len(names)


def test_nothing_is_inline_and_nothing_is_from_elsewhere(client):
    for path in ("/docs", "/docs?plain"):
        answer = client.get(path)
        page = Page(answer.text)
        assert not page.all("style") and all(script["src"] for script in page.all("script"))
        assert not [tag for _, tag in page.tags if any(name.startswith("on") for name in tag)]
        assert not [tag for _, tag in page.tags if "style" in tag]
        sources = [tag.get("src") or tag.get("href") for tag in page.all("script", "link")]
        assert all(each.startswith(("/docs/assets/", "data:")) for each in sources)
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
        assert "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_the_commands_can_be_run(plain):
    commands = [shlex.split(line) for line in commands_of(plain)]
    assert ["curl", "http://localhost/balls/text"] in commands
    added = next(words for words in commands if "-d" in words)
    assert json.loads(added[added.index("-d") + 1])["colour"] in ("red", "blue")
    assert "Content-Type: application/json" in added


def commands_of(text: str) -> list[str]:
    return [html.unescape(each) for each in re.findall(r"<pre.*?><code>(.*?)</code>", text, re.S)]


def test_a_forged_host_does_not_reach_the_commands():
    app = make_app()
    answer = app.test_client().get("/docs?plain", headers={"Host": "x';id;'"})
    assert "id;" not in answer.text


def test_behind_a_prefix_the_links_carry_it(client):
    answer = client.get("/docs?plain", base_url="http://localhost/shop")
    assert "/shop/docs/assets/docs.css" in answer.text
    assert 'href="/shop/openapi.json"' in answer.text
    assert "http://localhost/shop/balls" in answer.text


def test_without_the_package_the_list_is_the_page(monkeypatch):
    monkeypatch.setattr(pages, "CARRIER", "no_such_package")
    monkeypatch.setattr(pages, "_assets", {})
    client = make_app().test_client()
    assert client.get("/docs").data == client.get("/docs?plain").data
    assert "Swagger" not in client.get("/docs").text
    assert client.get("/docs/assets/swagger-ui.js").status_code == 404


# Swagger UI.


@pytest.mark.skipif(not CARRIED, reason="needs hipflask[docs]")
def test_with_the_package_the_page_is_swagger_ui(client):
    answer = client.get("/docs")
    page = Page(answer.text)
    assert [tag["data-document"] for tag in page.all("div")] == ["/openapi.json"]
    assert "connect-src 'self';" in answer.headers["Content-Security-Policy"]
    for script in page.all("script"):
        assert client.get(script["src"]).status_code == 200
    assert "/docs?plain=" in [link["href"] for link in page.all("a")]


@pytest.mark.skipif(not CARRIED, reason="needs hipflask[docs]")
def test_the_package_is_not_imported(client):
    client.get("/docs")
    client.get("/docs/assets/swagger-ui.js")
    assert pages.CARRIER not in sys.modules


@pytest.mark.skipif(not CARRIED, reason="needs hipflask[docs]")
def test_swagger_ui_may_call_the_servers_that_are_declared():
    app = make_app()
    servers = ["https://api.example.com/v1", "/v1", "https://x;script-src *", "//y.test"]
    describe(app, title="Balls", servers=servers)
    policy = app.test_client().get("/docs").headers["Content-Security-Policy"]
    assert "connect-src 'self' https://api.example.com;" in policy


def test_an_asset_is_kept_for_a_year_and_packed(client):
    assets = [link["href"] for link in Page(client.get("/docs?plain").text).all("link")]
    address = next(each for each in assets if "docs.css" in each)
    packed = client.get(address, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "immutable" in packed.headers["Cache-Control"]
    as_it_is = client.get(address)
    assert as_it_is.mimetype == "text/css"
    assert gzip.decompress(packed.data) == as_it_is.data
    assert as_it_is.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    again = client.get(address, headers={"If-None-Match": as_it_is.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["nothing.css", "..%2fpages.py", "../pages.py", "docs.css%00"])
def test_other_files_are_no_assets(client, name):
    assert client.get(f"/docs/assets/{name}").status_code == 404


def test_our_own_scripts_stay_small():
    scripts = (Path(pages._HERE) / "static").glob("*.js")
    assert sum(script.stat().st_size for script in scripts) <= 3_000


# A schema in words.


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (True, "anything"),
        ({}, "anything"),
        ({"type": "string"}, "text"),
        ({"type": "string", "format": "date"}, "text (date)"),
        ({"type": "string", "minLength": 1, "maxLength": 80}, "text, 1 to 80 characters"),
        ({"type": "string", "minLength": 2, "maxLength": 2}, "text, exactly 2 characters"),
        ({"type": "string", "pattern": "<a>"}, "text, matching <code>&lt;a&gt;</code>"),
        ({"type": "string", "format": "binary", "maxLength": 9}, "file, at most 9 bytes"),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "integer, at least 1, at most 9"),
        ({"type": "number", "exclusiveMinimum": 0}, "number, more than 0"),
        ({"type": ["integer", "null"]}, "integer or null"),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "integer or null"),
        ({"enum": ["a", 1]}, '<code>"a"</code> or <code>1</code>'),
        ({"const": "a"}, '<code>"a"</code>'),
        ({"type": "array"}, "list"),
        ({"type": "array", "items": {"type": "boolean"}}, "list of true or false"),
        ({"type": "array", "items": True, "minItems": 1, "uniqueItems": True},
         "list of anything, at least 1 items, no two the same"),
        ({"type": "array", "prefixItems": [{"type": "null"}, True]}, "list: null, anything"),
        ({"type": "object"}, "object"),
        ({"type": "object", "additionalProperties": {"type": "null"}}, "object, each value null"),
        ({"properties": {"a": True}}, "object with <code>a</code>"),
        ({"$ref": "#/components/schemas/A.B"}, '<a href="#type-A.B">A.B</a>'),
    ],
)  # fmt: skip
def test_a_schema_is_told_in_words(schema, words):
    assert str(phrase(schema)).replace("&#34;", '"') == words


# What a document may hold that ours does not.


def test_a_document_of_another_kind_is_listed_as_well():
    document = {
        "info": {"title": "T"},
        "security": [{"basic": []}, {}],
        "paths": {
            "/a/{b}": {
                "parameters": [{"$ref": "#/components/parameters/b"}],
                "delete": {
                    "deprecated": True,
                    "security": [{"key": [], "basic": ["x"]}],
                    "responses": {"204": {"$ref": "#/components/responses/done"}},
                },
                "put": {
                    "requestBody": {"content": {"multipart/form-data": {"schema": {
                        "properties": {"f": {"type": "string", "format": "binary"}, "n": True}}}}},
                },
                "post": {
                    "requestBody": {"content": {"application/x-www-form-urlencoded": {"schema": {
                        "properties": {"n": {"type": "integer"}}}}}},
                },
                "patch": {"requestBody": {"content": {"text/csv": {}}}},
            }
        },
        "webhooks": {"sent": {"post": {"summary": "It went out."}}},
        "components": {
            "parameters": {"b": {"name": "b", "in": "path", "required": True,
                                 "schema": {"type": "array", "items": {"type": "string"}}}},
            "responses": {"done": {"description": "Done.", "headers": {"X": {"schema": True}}}},
            "securitySchemes": {
                "basic": {"type": "http", "scheme": "basic"},
                "key": {"type": "apiKey", "in": "query", "name": "k"},
            },
            "schemas": {"Loop": {"$ref": "#/components/schemas/Loop"}},
        },
    }  # fmt: skip
    listing = list_endpoints(document)
    assert [group.name for group in listing.groups] == ["", "Webhooks"]
    found = {each.method: each for each in listing.groups[0].endpoints}
    assert found["DELETE"].curl == "curl -X DELETE -u NAME:PASSWORD '{root}/a/text?k=KEY'"
    assert found["DELETE"].access == "key and basic (x)"
    assert found["DELETE"].answers[0].text == "Done."
    assert found["PUT"].curl.endswith("-F f=@file -F n=text '{root}/a/text'")
    assert "--data-urlencode n=1" in found["POST"].curl
    assert "--data-binary @file" in found["PATCH"].curl
    assert found["PATCH"].access == "basic or nothing"
    assert [each.name for each in listing.schemes] == ["basic", "key"]


def test_a_command_sends_what_must_be_sent_and_no_more():
    def parameter(name: str, place: str, kind: str, is_required: bool = True) -> dict:
        return {"name": name, "in": place, "schema": {"type": kind}, "required": is_required}

    document = {
        "info": {"title": "T"},
        "tags": [{"name": "t", "description": "Of t."}],
        "paths": {
            "/a": {
                "get": {
                    "tags": ["t"],
                    "parameters": [
                        parameter("q", "query", "boolean"),
                        parameter("more", "query", "string", is_required=False),
                        parameter("X-H", "header", "integer"),
                        parameter("c", "cookie", "number"),
                        {"name": "j", "in": "query", "content": {"application/json": {}}},
                    ],
                    "security": [{"cookie": []}],
                },
                "put": {"security": [{"header": []}], "requestBody": {"content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Tree"}}}}},
                "delete": {"security": [{"token": []}]},
            }
        },
        "components": {
            "securitySchemes": {
                "cookie": {"type": "apiKey", "in": "cookie", "name": "sid"},
                "header": {"type": "apiKey", "in": "header", "name": "X-K"},
                "token": {"type": "oauth2"},
            },
            "schemas": {"Tree": {"type": "object", "properties": {
                "leaf": {"exclusiveMinimum": 4, "type": "integer"},
                "few": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                "name": {"type": "string", "minLength": 6},
                "when": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
                "kind": {"enum": ["a", "b"]}, "more": {"type": "string"},
            }, "required": ["leaf", "few", "name", "when", "kind"]}},
        },
    }  # fmt: skip
    groups = list_endpoints(document).groups
    assert [(group.name, group.text) for group in groups] == [("", ""), ("t", "Of t.")]
    endpoints = [endpoint for group in groups for endpoint in group.endpoints]
    found = {endpoint.method: shlex.split(endpoint.curl) for endpoint in endpoints}
    assert found["GET"] == [
        "curl", "-H", "X-H: 1", "-b", "c=1.5", "-b", "sid=KEY", "{root}/a?q=true"
    ]  # fmt: skip
    assert found["DELETE"][-3:] == ["-H", "Authorization: Bearer TOKEN", "{root}/a"]
    body = json.loads(found["PUT"][found["PUT"].index("-d") + 1])
    assert body["leaf"] == 5 and body["few"][0]["leaf"] == 5
    assert (body["name"], body["when"], body["kind"]) == ("texttt", "2026-03-14", "a")
    assert "more" not in body and "X-K: KEY" in found["PUT"]
