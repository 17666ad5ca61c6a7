"""How deep JSON may be nested."""

from __future__ import annotations

import datetime
import json
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from pydantic import BaseModel

from hipflask import Flask, request
from hipflask.api import Body
from hipflask.api.kinds.nesting import ends
from hipflask.json.nesting import depth_of

DOORS = ("wsgi", "asgi", "rsgi")
TEXTS = ['"', "\\", '\\"', "[", "]", "{[", '"[', "\\\\", ":", "", "\u225b\u5b22", "a[]b{}"]


def nested(levels: int, opening: str = "[") -> str:
    closing = {"[": "]", '{"a":': "}"}[opening]
    return opening * levels + "1" + closing * levels


def depth_by_walking(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_by_walking, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_by_walking, value), default=0)
    return 0


values = st.recursive(
    st.none() | st.integers() | st.sampled_from(TEXTS) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(TEXTS) | st.text(), inner),
    max_leaves=30,
)


@given(values, st.booleans(), st.sampled_from(["utf-8", "utf-16", "utf-32-le", "utf-8-sig"]))
def test_the_depth_is_that_of_the_value(value, is_ascii, encoding):
    data = json.dumps(value, ensure_ascii=is_ascii).encode(encoding, "surrogatepass")
    assert depth_of(data) == depth_by_walking(value)


@given(st.binary() | st.text('[]{}"\\a\0').map(str.encode))
def test_what_is_no_json_raises_nothing(data):
    assert depth_of(data) >= 0


def make_app(**config):
    app = Flask(__name__)
    app.config.update(config)

    @app.post("/")
    def index():
        return str(depth_by_walking(request.get_json()))

    @app.post("/silent")
    def silent():
        return str(request.get_json(silent=True))

    @app.post("/own")
    def own():
        request.max_json_depth = 3
        return str(depth_by_walking(request.get_json()))

    @app.post("/typed")
    def typed(item: Body[dict[str, Any]]) -> str:
        return str(depth_by_walking(item))

    @app.post("/typed-with-more")
    def more(item: Body[dict[str, Any]], page: int = 1) -> str:
        return str(depth_by_walking(item))

    return app


def post(client, path, text):
    return client.post(path, data=text, content_type="application/json")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_past_64_levels_is_a_400_that_says_so(door, opening):
    client = make_app().test_client(door=door)
    assert post(client, "/", nested(64, opening)).text == "64"
    answer = post(client, "/", nested(65, opening))
    assert answer.status_code == 400 and "deeper than 64 levels" in answer.text
    assert post(client, "/", nested(100_000, opening)).status_code == 400
    assert post(client, "/silent", nested(65, opening)).text == "None"


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("path", ["/typed", "/typed-with-more"])
def test_a_typed_view_is_not_called_with_such_a_body(door, path):
    client = make_app().test_client(door=door)
    assert post(client, path, nested(64, '{"a":')).text == "64"
    for text in (nested(65, '{"a":'), nested(100_000, '{"a":')):
        answer = post(client, path, text)
        assert answer.status_code == 400
        assert answer.json["errors"][0]["expected"] == "at most 64 levels"


def test_brackets_side_by_side_and_in_texts_are_not_deep():
    client = make_app().test_client()
    text = json.dumps({"a": [{"b": []}] * 500, "c": "[{" * 500})
    assert post(client, "/", text).text == "4"
    assert post(client, "/typed", text).text == "4"


def test_a_request_has_a_limit_of_its_own():
    client = make_app().test_client()
    assert post(client, "/own", nested(3)).text == "3"
    assert post(client, "/own", nested(4)).status_code == 400


def test_none_is_no_limit():
    client = make_app(MAX_JSON_DEPTH=None).test_client()
    assert post(client, "/", nested(200)).text == "200"
    assert post(client, "/typed", nested(200, '{"a":')).text == "200"
    assert post(client, "/", nested(100_000)).status_code == 400  # Python's own


def test_what_was_read_is_kept_with_and_without_silent():
    app = make_app()

    @app.post("/twice")
    def twice():
        first = request.get_json(silent=True, force=True)
        again = request.get_json(silent=True, force=True)
        return [first is again, request.get_json(cache=False, force=True) == first]

    assert app.test_client().post("/twice", data='{"a": [1]}').json == [True, True]


class Leaf(Struct):
    on: datetime.date | None = None


class Branch(Struct):
    leaves: list[Leaf]
    counts: dict[str, int]
    next: Leaf | str | None = None


class Tree(Struct):
    trees: list[Tree]


class Modelled(BaseModel):
    number: int


@pytest.mark.parametrize("kind", [Branch, list[Branch], tuple[Leaf, ...], Annotated[Leaf, 1]])
def test_a_model_with_an_end_needs_no_limit(kind):
    assert ends(kind)


@pytest.mark.parametrize("kind", [Tree, list[list[Tree]], Any, dict, dict[str, Any], Modelled, "x"])
def test_others_have_one(kind):
    assert not ends(kind)


def test_what_lies_beyond_a_model_is_passed_over_or_refused():
    app = make_app()

    @app.post("/branch")
    def branch(item: Body[Branch]) -> str:
        return str(len(item.leaves))

    client = app.test_client()
    text = '{"leaves": [{}, {}], "counts": {}, "more": %s}'
    assert post(client, "/branch", text % nested(200)).text == "2"
    assert post(client, "/branch", text % nested(100_000)).status_code == 400
