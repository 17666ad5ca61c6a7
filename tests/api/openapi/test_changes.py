from __future__ import annotations

from typing import Any

import pytest

from hipflask.api.openapi.changes import breaking_changes, changes


def document(**parts: Any) -> dict[str, Any]:
    """One operation, POST /a, with a body and an answer."""
    operation: dict[str, Any] = {"responses": {"200": {"description": "OK"}}}
    if "body" in parts:
        schema = parts.pop("body")
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}
    if "answer" in parts:
        schema = parts.pop("answer")
        operation["responses"]["200"]["content"] = {"application/json": {"schema": schema}}
    schemas = parts.pop("schemas", {})
    return {
        "openapi": "3.1.1",
        "paths": {"/a": {"post": operation | parts}},
        "components": {"schemas": schemas},
    }


def told(old: Any, new: Any) -> list[tuple[bool, str]]:
    return [(change.is_breaking, str(change)) for change in changes(old, new)]


def fields(required: str = "", **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties}
    return schema | ({"required": required.split()} if required else {})


INTEGER, TEXT, NULL = {"type": "integer"}, {"type": "string"}, {"type": "null"}


def test_a_document_does_not_differ_from_itself():
    made = document(body=fields("a", a=INTEGER), answer={"type": "array", "items": TEXT})
    assert changes(made, made) == []


# (old schema, new schema, where below the top, whether input breaks, whether output breaks)
SCHEMAS: list[tuple[Any, Any, str, bool, bool]] = [
    (INTEGER, TEXT, "", True, True),
    (INTEGER, {"type": "number"}, "", False, True),
    ({}, INTEGER, "", True, False),
    (INTEGER, {"anyOf": [INTEGER, NULL]}, "", False, True),
    ({"type": ["integer", "null"]}, INTEGER, "", True, False),
    (INTEGER, INTEGER | {"minimum": 1}, "", True, False),
    (INTEGER | {"minimum": 1}, INTEGER | {"exclusiveMinimum": 1}, "", True, False),
    (INTEGER | {"maximum": 3}, INTEGER | {"maximum": 5}, "", False, True),
    (TEXT, TEXT | {"pattern": "a"}, "", True, False),
    (TEXT | {"format": "date"}, TEXT | {"format": "date-time"}, "", True, True),
    (TEXT, TEXT | {"enum": ["a"]}, "", True, False),
    (TEXT | {"enum": ["a"]}, TEXT | {"enum": ["a", "b"]}, "", False, True),
    (fields(a=INTEGER), fields("a", a=INTEGER), ".a", True, False),
    (fields("a", a=INTEGER), fields(a=INTEGER), ".a", False, True),
    (fields(a=INTEGER), fields("b", a=INTEGER, b=TEXT), ".b", True, False),
    (fields(a=INTEGER), fields(a=INTEGER, b=TEXT), ".b", False, False),
    (fields("a", a=INTEGER), fields(), ".a", False, True),
    (fields(a=INTEGER), fields(), ".a", False, True),
    (fields(a=fields(b=INTEGER)), fields(a=fields(b=TEXT)), ".a.b", True, True),
    (fields(), fields() | {"additionalProperties": False}, "", True, False),
    (
        {"type": "array", "items": INTEGER},
        {"type": "array", "items": TEXT},
        "[]",
        True,
        True,
    ),
    (
        {"type": "array", "prefixItems": [INTEGER]},
        {"type": "array", "prefixItems": [TEXT]},
        "[0]",
        True,
        True,
    ),
    ({"type": "array"}, {"type": "array", "maxItems": 3}, "", True, False),
    ({"type": "array"}, {"type": "array", "uniqueItems": True}, "", True, False),
    (
        {"type": "object", "additionalProperties": INTEGER},
        {"type": "object", "additionalProperties": TEXT},
        ".*",
        True,
        True,
    ),
    (
        {"type": "object"},
        {"type": "object", "propertyNames": {"pattern": "a"}},
        ", names",
        True,
        False,
    ),
    (
        {"anyOf": [fields("k", k={"const": "a"}), fields("k", k={"const": "b"})]},
        {"anyOf": [fields("k", k={"const": "a"})]},
        "",
        True,
        False,
    ),
    ({"allOf": [fields(a=INTEGER)]}, {"allOf": [fields("a", a=INTEGER)]}, ".a", True, False),
]


@pytest.mark.parametrize(("old", "new", "where", "breaks_input", "breaks_output"), SCHEMAS)
def test_schemas_break_by_direction(old, new, where, breaks_input, breaks_output):
    asked = changes(document(body=old), document(body=new))
    assert {change.where for change in asked} == {f"POST /a, body{where}"}
    assert any(change.is_breaking for change in asked) is breaks_input
    answered = changes(document(answer=old), document(answer=new))
    assert {change.where for change in answered} == {f"POST /a, 200 body{where}"}
    assert any(change.is_breaking for change in answered) is breaks_output


def test_references_are_followed_round_in_circles():
    def tree(value: Any) -> Any:
        reference = {"$ref": "#/components/schemas/Tree"}
        node = fields("value", value=value, branches={"type": "array", "items": reference})
        return document(body=reference, schemas={"Tree": node})

    assert told(tree(INTEGER), tree(TEXT)) == [
        (True, "POST /a, body.value: was integer, is string")
    ]


def test_a_component_may_change_its_name():
    old = document(body={"$ref": "#/components/schemas/A"}, schemas={"A": fields(a=INTEGER)})
    new = document(body={"$ref": "#/components/schemas/B"}, schemas={"B": fields(a=INTEGER)})
    assert changes(old, new) == []


def parameter(name: str = "p", place: str = "query", **parts: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": INTEGER, **parts}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([], [parameter()], (False, "POST /a, query p: was absent, is optional")),
        ([], [parameter(required=True)], (True, "POST /a, query p: was absent, is required")),
        ([parameter()], [], (True, "POST /a, query p: was read, is ignored")),
        (
            [parameter()],
            [parameter(required=True)],
            (True, "POST /a, query p: was optional, is required"),
        ),
        (
            [parameter()],
            [parameter(schema=TEXT)],
            (True, "POST /a, query p: was integer, is string"),
        ),
        (
            [parameter()],
            [parameter(schema=INTEGER | {"default": 3})],
            (False, "POST /a, query p, default: was none, is 3"),
        ),
    ],
)
def test_parameters(old, new, expected):
    assert told(document(parameters=old), document(parameters=new)) == [expected]


def test_header_names_have_no_case():
    assert changes(document(parameters=[parameter("A", "header")]),
                   document(parameters=[parameter("a", "header")])) == []  # fmt: skip


def test_variables_of_a_path_may_change_their_names():
    def of(name: str) -> Any:
        operation = {"parameters": [parameter(name, "path", required=True)], "responses": {}}
        return {"paths": {f"/a/{{{name}}}": {"get": operation}}}

    assert changes(of("number"), of("id")) == []


def test_paths_and_methods_come_and_go():
    old = {"paths": {"/a": {"get": {}, "post": {}}, "/b": {"get": {}}}}
    new = {"paths": {"/a": {"get": {}}, "/c": {"get": {}}}}
    assert told(old, new) == [
        (True, "POST /a: was there, is gone"),
        (True, "GET /b: was there, is gone"),
        (False, "GET /c: was absent, is new"),
    ]


def test_a_status_that_changes_breaks():
    old = document()
    new = document(responses={"201": {"description": "Created"}, "409": {"description": "No"}})
    assert told(old, new) == [
        (True, "POST /a, 200: was answered, is gone"),
        (False, "POST /a, 201: was absent, is new"),
        (False, "POST /a, 409: was absent, is new"),
    ]


def test_an_error_that_is_gone_breaks_nothing():
    old = document(responses={"200": {}, "409": {}})
    assert told(old, document(responses={"200": {}})) == [
        (False, "POST /a, 409: was answered, is gone")
    ]


def test_media_types_and_headers():
    def of(*types: str, **headers: Any) -> Any:
        answer = {"content": {name: {} for name in types}, "headers": headers}
        return document(responses={"200": answer})

    assert told(of("a/b", "c/d", Link={}), of("c/d", "e/f")) == [
        (True, "POST /a, 200 body as a/b: was there, is gone"),
        (False, "POST /a, 200 body as e/f: was absent, is new"),
        (True, "POST /a, 200 header Link: was sent, is gone"),
    ]


def test_a_body_comes_and_goes():
    without, with_body = document(), document(body=INTEGER)
    assert told(without, with_body) == [(True, "POST /a, body: was absent, is required")]
    assert told(with_body, without) == [(True, "POST /a, body: was read, is ignored")]


@pytest.mark.parametrize(
    ("old", "new", "is_breaking"),
    [
        ([], [{"key": []}], True),
        ([{"key": []}], [], False),
        ([{"key": []}], [{"key": []}, {"token": []}], False),
        ([{"key": []}, {"token": []}], [{"key": []}], True),
        ([{"key": ["a"]}], [{"key": ["a", "b"]}], True),
        ([{"key": ["a", "b"]}], [{"key": ["a"]}], False),
    ],
)
def test_credentials(old, new, is_breaking):
    (change,) = changes(document(security=old), document(security=new))
    assert change.is_breaking is is_breaking
    assert change.where == "POST /a, credentials"


def test_a_scheme_that_is_sent_elsewhere_breaks():
    old, new = document(security=[{"key": []}]), document(security=[{"key": []}])
    old["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": "X"}}
    new["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "query", "name": "x"}}
    assert told(old, new) == [
        (True, "POST /a, credentials key: was apiKey header X, is apiKey query x")
    ]


def test_servers_webhooks_ids_and_deprecation():
    old = document(operationId="a") | {"servers": [{"url": "/v1"}], "webhooks": {"x": {}}}
    new = document(operationId="b", deprecated=True) | {"servers": [{"url": "/v2"}]}
    new["webhooks"] = {"y": {}}
    assert told(old, new) == [
        (True, "server /v1: was there, is gone"),
        (False, "server /v2: was absent, is new"),
        (False, "POST /a, operation id: was a, is b"),
        (False, "POST /a: was in use, is deprecated"),
        (True, "webhook x: was sent, is gone"),
        (False, "webhook y: was absent, is new"),
    ]


def test_what_a_webhook_sends_is_an_answer_to_who_gets_it():
    def of(schema: Any) -> Any:
        body = {"content": {"application/json": {"schema": schema}}}
        return {"paths": {}, "webhooks": {"x": {"post": {"requestBody": body}}}}

    assert breaking_changes(of(fields("a", a=INTEGER)), of(fields(a=INTEGER)))
    assert not breaking_changes(of(fields(a=INTEGER)), of(fields("a", a=INTEGER)))
