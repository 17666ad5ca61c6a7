"""What a typed view's answer becomes: its bytes, its form, its conditions."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as WerkzeugResponse

from hipflask import Flask, Response, abort, request
from hipflask.api import Query, conditional, status
from hipflask.api.model import Output
from hipflask.api.outputs.conditions import check_preconditions, etag_of
from hipflask.api.outputs.negotiation import MSGPACK, preferred_msgpack
from hipflask.api.outputs.paging import CursorPaging, Page, Paging, page_of
from hipflask.api.outputs.writing import type_text, writer_of
from hipflask.api.problems import Problem
from hipflask.globals import _cv_request


class Item(msgspec.Struct):
    name: str
    price: float = 1.5
    on: date | None = None
    note: str | msgspec.UnsetType = msgspec.UNSET


@dataclasses.dataclass
class Point:
    x: int


class Row(TypedDict):
    n: int


ITEM = Item("a", on=date(2026, 1, 2))
ITEM_JSON = b'{"name":"a","price":1.5,"on":"2026-01-02"}'


def app_of(mode: str = "plain") -> Flask:
    app = Flask(__name__)
    app.testing = mode == "checked"
    app.config["PROPAGATE_EXCEPTIONS"] = True
    return app


def written(
    output: Output | Any,
    value: Any,
    *,
    mode: str = "plain",
    app: Flask | None = None,
    **kwargs: Any,
) -> Any:
    """The response to a view's answer, in `mode` plain or checked."""
    app = app or app_of(mode)
    output = output if isinstance(output, Output) else Output(output)
    with app.test_request_context(**kwargs):
        ctx = _cv_request.get()
        ctx.plan = ctx.plan or app.sealed
        return writer_of(output, app)(ctx, value)


both = pytest.mark.parametrize("mode", ["plain", "checked"])


@both
@pytest.mark.parametrize(
    ("type", "value", "body"),
    [
        (Item, ITEM, ITEM_JSON),
        (list[Item], [ITEM], b"[" + ITEM_JSON + b"]"),
        (dict[str, Item], {"k": ITEM}, b'{"k":' + ITEM_JSON + b"}"),
        (Item | None, None, b"null"),
        (Item | Point | None, Point(3), b'{"x":3}'),
        (Item | Point | None, None, b"null"),
        (list[Item | Point], [Point(3), ITEM], b'[{"x":3},' + ITEM_JSON + b"]"),
        (Row, {"n": 1}, b'{"n":1}'),
        (Annotated[int, "x"], 7, b"7"),
        (str, "text", b'"text"'),
        (Item, {"name": "b"}, b'{"name":"b"}'),
    ],
)
def test_the_annotation_decides_the_bytes(mode: str, type: Any, value: Any, body: bytes) -> None:
    response = written(type, value, mode=mode)
    assert response.data == body
    assert response.content_type == "application/json"
    assert response.status_code == 200
    assert isinstance(response, Response)
    assert "Vary" not in response.headers


def test_the_usual_answer_makes_no_headers() -> None:
    response = written(Item, ITEM)
    assert set(vars(response)) == {"response", "_ready_type"}
    assert response.headers["Content-Length"] == str(len(ITEM_JSON))
    created = written(Output(Item, status=201), ITEM)
    assert created.status == "201 CREATED" and "_headers" not in vars(created)


def test_a_response_class_of_ones_own_is_made_by_its_constructor() -> None:
    class Own(Response):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.headers["X-Own"] = "1"

    app = app_of()
    app.response_class = Own
    response = written(Item, ITEM, app=app)
    assert isinstance(response, Own) and response.headers["X-Own"] == "1"
    assert response.data == ITEM_JSON and response.content_type == "application/json"


@both
def test_tuples_mean_what_they_mean_in_flask(mode: str) -> None:
    output = Output(Item, status=201)
    assert written(output, ITEM, mode=mode).status_code == 201
    assert written(output, (ITEM, 202), mode=mode).status_code == 202
    assert written(output, (ITEM, HTTPStatus.ACCEPTED), mode=mode).status_code == 202
    assert written(output, (ITEM, "299 Fine"), mode=mode).status == "299 Fine"
    response = written(output, (ITEM, {"X-A": "1"}), mode=mode)
    assert response.status_code == 201 and response.headers["X-A"] == "1"
    response = written(output, (ITEM, 200, [("X-A", "1"), ("X-B", "2")]), mode=mode)
    assert response.headers["X-B"] == "2" and response.data == ITEM_JSON
    assert response.headers["Content-Length"] == str(len(ITEM_JSON))
    with pytest.raises(TypeError, match="tuple of 4"):
        written(output, (1, 2, 3, 4), mode=mode)


@both
def test_a_response_passes_through(mode: str) -> None:
    own = Response("own", 418)
    assert written(Output(Item, conditional=True), own, mode=mode) is own
    response = written(Item, (Response("own"), 201, {"X-A": "1"}), mode=mode)
    assert (response.data, response.status_code, response.headers["X-A"]) == (b"own", 201, "1")
    assert isinstance(written(Item, WerkzeugResponse("own"), mode=mode), Response)
    assert written(Item, NotFound(), mode=mode).status_code == 404
    assert written(Output(Item, is_lines=True), own, mode=mode) is own


@both
def test_nothing_is_no_body_where_the_status_or_type_says_so(mode: str) -> None:
    for output, value in [
        (Output(None, status=204), None),
        (Output(Item | None, status=204), None),
        (Output(Item), (None, 204)),
        (Output(Item), (None, "204 Gone")),
    ]:
        response = written(output, value, mode=mode)
        assert response.status_code == 204 and response.data == b""
        assert "Content-Type" not in response.headers
    response = written(Output(None, status=202), (None, {"X-A": "1"}), mode=mode)
    assert response.status_code == 202 and response.data == b""
    assert response.headers["Content-Length"] == "0" and response.headers["X-A"] == "1"
    assert written(Item | None, (None, 200), mode=mode).data == b"null"


# Negotiation


@pytest.mark.parametrize(
    ("accept", "name"),
    [
        ("application/msgpack", "application/msgpack"),
        ("application/x-msgpack", "application/x-msgpack"),
        ("Application/VND.MsgPack;q=0.2", "application/vnd.msgpack"),
        ("application/msgpack, */*", "application/msgpack"),
        ("application/msgpack, */*;q=0.1", "application/msgpack"),
        ("application/json;q=0.5, application/msgpack", "application/msgpack"),
        ("application/msgpack;q=0.2, application/x-msgpack;q=0.9", "application/x-msgpack"),
        ("application/msgpack, application/json", None),
        ("application/msgpack;q=0.5, application/json", None),
        ("application/msgpack;q=0.5, */*", None),
        ("application/msgpack;q=0, */*;q=0", None),
        ("application/msgpack;q=0", None),
        ("text/msgpack", None),
        ("msgpack", None),
        ("*/*", None),
        ("text/html", None),
        (None, None),
    ],
)
def test_the_client_chooses_between_json_and_msgpack(accept: str | None, name: str | None) -> None:
    assert preferred_msgpack(accept) == name


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*MSGPACK, "application/json", "application/*", "*/*", "text/html"]),
            st.integers(0, 9),
        )
    )
)
def test_what_the_client_wants_least_is_never_chosen(ranges: list[tuple[str, int]]) -> None:
    accept = ", ".join(f"{name};q=0.{quality}" for name, quality in ranges)
    name = preferred_msgpack(accept)
    qualities = dict(sorted(ranges, key=lambda each: each[1]))
    if name is not None:
        assert qualities[name] > 0
        assert qualities.get("application/json", 0) <= qualities[name]
    elif "application/json" not in qualities and "*/*" not in qualities:
        assert "application/*" in qualities or not any(qualities.get(each) for each in MSGPACK)


@given(st.text(max_size=40))
def test_no_accept_is_too_odd(accept: str) -> None:
    preferred_msgpack(accept + "msgpack")


@both
def test_msgpack_is_sent_to_who_asks(mode: str) -> None:
    headers = {"Accept": "application/msgpack"}
    response = written(Item, ITEM, mode=mode, headers=headers)
    assert msgspec.msgpack.decode(response.data, type=Item) == ITEM
    assert response.content_type == "application/msgpack"
    assert response.headers["Vary"] == "Accept"
    response = written(Item, ITEM, mode=mode, headers={"Accept": "application/msgpack;q=0"})
    assert response.data == ITEM_JSON and response.headers["Vary"] == "Accept"
    response = written(Item, (ITEM, {"Cache-Control": "max-age=9"}), mode=mode)
    assert response.headers["Vary"] == "Accept", "a cache may keep it"
    response = written(Item, (ITEM, {"Vary": "Cookie"}), mode=mode)
    assert response.headers["Vary"] == "Cookie, Accept"
    response = written(
        Item, (ITEM, [("content-type", "application/ld+json")]), mode=mode, headers=headers
    )
    assert response.data == ITEM_JSON and response.content_type == "application/ld+json"
    response = written(Item, (ITEM, {"Content-Type": "a/b"}), mode=mode, headers=headers)
    assert response.data == ITEM_JSON and response.content_type == "a/b"


# Answers that are none


def view_of_items() -> list[Item]:
    return []


@pytest.mark.parametrize(
    ("type", "value", "why"),
    [
        (Item, {"name": 1}, "name is"),
        (list[Item], [ITEM, Item(3)], r"\[1\].name is"),  # type: ignore[arg-type]
        (Item, None, "it is null"),
        (Item, "text", "it is text"),
        (list[Item], ITEM, "it is object"),
        (Item, object(), "object"),
        (Item | Point, [], "it is of another type"),
        (Item | Point, Point("x"), "x is text"),  # type: ignore[arg-type]
        (Page[Item], [ITEM], "page_of"),
    ],
)
def test_a_wrong_answer_is_told_with_the_view(type: Any, value: Any, why: str) -> None:
    app = app_of("checked")
    app.add_url_rule("/", view_func=view_of_items)
    line = view_of_items.__code__.co_firstlineno
    with pytest.raises(TypeError, match=rf"'view_of_items' \(.*test_writing.py:{line}\)") as told:
        written(type, value, app=app)
    with pytest.raises(TypeError, match=why):
        written(type, value, app=app)
    assert type_text(type) in str(told.value)


def test_without_debugging_only_what_cannot_be_written_is_told() -> None:
    assert written(Item, {"name": 1}).data == b'{"name":1}'
    app = app_of()
    app.add_url_rule("/", view_func=view_of_items)
    for value in (object(), Item(object()), Item("\ud800")):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="'view_of_items'"):
            written(Item, value, app=app)


def test_an_object_with_the_attributes_is_told_how_to_become_one() -> None:
    class Row:
        def __init__(self) -> None:
            self.name = "a"

    app = app_of()
    app.add_url_rule("/", view_func=view_of_items)
    with pytest.raises(TypeError) as told:
        written(Item, Row(), app=app)
    assert str(told.value) == (
        f"The view function 'view_of_items' ({__file__}:{view_of_items.__code__.co_firstlineno})"
        " returns Item by its annotation, and returned a value of type Row: Encoding objects of"
        " type Row is unsupported. From its attributes: msgspec.convert(..., Item,"
        " from_attributes=True). Return what the annotation says, a tuple of it with a status or"
        " headers, or a response; or change the annotation."
    )


def test_a_method_of_a_class_is_named() -> None:
    from hipflask.views import MethodView

    class Items(MethodView):
        def get(self) -> Item:
            return ITEM

    app = app_of("checked")
    app.add_url_rule("/", view_func=Items.as_view("items"))
    with pytest.raises(TypeError, match=r"Items.get' \(.*test_writing.py:\d+\)"):
        written(Item, 7, app=app)


@pytest.mark.parametrize(
    ("type", "text"),
    [
        (Item, "Item"),
        (list[Item], "list[Item]"),
        (dict[str, list[Item]], "dict[str, list[Item]]"),
        (Page[Item], "Page[Item]"),
        (None, "None"),
        (Item | None, "Item | None"),
    ],
)
def test_types_are_named_as_they_are_written(type: Any, text: str) -> None:
    assert type_text(type) == text


# Pydantic, attrs


def test_pydantic_models_are_written_and_held_against_their_class() -> None:
    pydantic = pytest.importorskip("pydantic")

    class Model(pydantic.BaseModel):  # type: ignore[name-defined,misc]
        a: int = 1
        b: str | None = None

    for mode in ("plain", "checked"):
        assert written(Model, Model(), mode=mode).data == b'{"a":1,"b":null}'
        assert written(list[Model], [Model(a=2)], mode=mode).json[0]["a"] == 2
        short = Output(Model, exclude_unset=True)
        assert written(short, Model(a=1), mode=mode).data == b'{"a":1}'
        headers = {"Accept": "application/msgpack"}
        packed = written(short, Model(a=1), mode=mode, headers=headers)
        assert msgspec.msgpack.decode(packed.data) == {"a": 1}
    with pytest.raises(TypeError, match="returns Model"):
        written(Model, {"a": "x"}, mode="checked")


def test_attrs_classes_are_written() -> None:
    attrs = pytest.importorskip("attrs")
    Made = attrs.make_class("Made", {"n": attrs.field(type=int)})
    for mode in ("plain", "checked"):
        assert written(Made, Made(3), mode=mode).data == b'{"n":3}'


# Lines


def lines_app(view: Callable[..., Any], mode: str = "plain", **output: Any) -> Flask:
    app = app_of(mode)

    def bound() -> Any:
        ctx = _cv_request.get()
        return writer_of(Output(Item, is_lines=True, **output), app, view)(ctx, view())

    app.add_url_rule("/", view_func=bound)
    return app


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_iterator_is_sent_as_lines(door: str, is_async: bool) -> None:
    closed = []

    def rows() -> Iterator[Item]:
        try:
            yield from (Item(request.args["name"]), ITEM)
        finally:
            closed.append(True)

    async def rows_async() -> AsyncIterator[Item]:
        try:
            yield Item(request.args["name"])
            yield ITEM
        finally:
            closed.append(True)

    app = lines_app(rows_async if is_async else rows, "checked", status=203)
    response = app.test_client(door=door).get("/?name=b")
    first, second = response.data.splitlines()
    assert json.loads(first)["name"] == "b" and second == ITEM_JSON
    assert response.status_code == 203
    assert response.content_type == "application/x-ndjson"
    assert closed == [True]


def test_lines_may_come_with_a_status_and_headers() -> None:
    app = lines_app(lambda: (iter([ITEM]), 202, {"X-A": "1"}))
    response = app.test_client().get("/")
    assert response.status_code == 202 and response.headers["X-A"] == "1"
    assert lines_app(lambda: [ITEM, ITEM]).test_client().get("/").data.count(b"\n") == 2
    with pytest.raises(TypeError, match=r"an iterator of Item"):
        lines_app(lambda: "text").test_client().get("/")


def test_a_line_that_is_wrong_is_told_in_debug_and_testing_mode() -> None:
    def rows() -> Iterator[Any]:
        yield ITEM
        yield {"name": 3}

    with pytest.raises(TypeError, match="rows"):
        assert lines_app(rows, "checked").test_client().get("/").data
    assert lines_app(rows).test_client().get("/").data.endswith(b'{"name":3}\n')


# Pages


@both
def test_a_page_is_an_array_with_links(mode: str) -> None:
    page = page_of([ITEM, ITEM], Paging(1, 1))
    response = written(Page[Item], page, mode=mode, path="/x?page=1&tag=a")
    assert response.json == [json.loads(ITEM_JSON)]
    assert response.headers["Link"] == '<?tag=a&page=1>; rel="first", <?tag=a&page=2>; rel="next"'
    response = written(Page[Item], (page_of([], Paging(), 0), 203, {"X-A": "1"}), mode=mode)
    assert response.headers["X-Total-Count"] == "0" and response.status_code == 203


# Conditions


CONDITIONAL = Output(Item, conditional=True)


@both
def test_a_conditional_answer_is_not_sent_twice(mode: str) -> None:
    first = written(CONDITIONAL, ITEM, mode=mode)
    tag = first.headers["ETag"]
    assert tag == f'"{etag_of(ITEM)}"' and first.headers["Vary"] == "Accept"
    again = written(CONDITIONAL, ITEM, mode=mode, headers={"If-None-Match": f'"x", W/{tag}'})
    assert again.status_code == 304 and again.data == b"" and again.headers["ETag"] == tag
    assert "Content-Type" not in again.headers and "Content-Length" not in again.headers
    star = written(CONDITIONAL, ITEM, mode=mode, headers={"If-None-Match": "*"}, method="HEAD")
    assert star.status_code == 304
    other = written(CONDITIONAL, Item("b"), mode=mode, headers={"If-None-Match": tag})
    assert other.status_code == 200 and other.headers["ETag"] != tag


def test_each_form_has_a_tag_of_its_own() -> None:
    packed = {"Accept": "application/msgpack"}
    tag = written(CONDITIONAL, ITEM, headers=packed).headers["ETag"]
    assert tag == f'"{etag_of(ITEM)}-m"'
    assert written(CONDITIONAL, ITEM, headers={"If-None-Match": tag}).status_code == 200
    again = written(CONDITIONAL, ITEM, headers={**packed, "If-None-Match": tag})
    assert again.status_code == 304


def test_the_views_own_tag_and_other_fields_are_kept() -> None:
    answer = (ITEM, {"ETag": '"v3"', "Cache-Control": "no-cache"})
    assert written(CONDITIONAL, answer).headers["ETag"] == '"v3"'
    again = written(CONDITIONAL, answer, headers={"If-None-Match": '"v3"'})
    assert again.status_code == 304 and again.headers["Cache-Control"] == "no-cache"


def test_only_what_is_there_and_read_has_a_tag_of_ours() -> None:
    assert "ETag" in written(CONDITIONAL, (ITEM, 201), method="POST").headers
    assert "ETag" not in written(CONDITIONAL, ITEM, method="PUT").headers
    put = written(CONDITIONAL, (ITEM, {"ETag": 'W/"v"'}), method="PUT")
    assert put.headers["ETag"] == 'W/"v"'
    assert "ETag" not in written(CONDITIONAL, (ITEM, 404)).headers
    star = written(CONDITIONAL, ITEM, method="POST", headers={"If-None-Match": "*"})
    assert star.status_code == 200


def checked(etag: str | None, method: str, headers: dict[str, str], required: bool = False) -> int:
    """The status that `check_preconditions` ends a request with; 0 if it goes on."""
    with app_of().test_request_context(method=method, headers=headers):
        try:
            check_preconditions(etag, required=required)
        except Problem as problem:
            return problem.status
        except Exception as error:
            assert error.response.headers["ETag"]  # type: ignore[attr-defined]
            return int(error.response.status_code)  # type: ignore[attr-defined]
    return 0


@pytest.mark.parametrize(
    ("etag", "method", "headers", "status"),
    [
        ("a", "PUT", {}, 0),
        ("a", "PUT", {"If-Match": '"a"'}, 0),
        ("a", "PUT", {"If-Match": '"a-m"'}, 0),
        ("a", "PUT", {"If-Match": '"b", "a"'}, 0),
        ("a", "PUT", {"If-Match": 'W/"a"'}, 412),
        ("a", "PUT", {"If-Match": '"b"'}, 412),
        ("a", "PUT", {"If-Match": "*"}, 0),
        (None, "PUT", {"If-Match": "*"}, 412),
        (None, "PUT", {"If-None-Match": "*"}, 0),
        ("a", "PUT", {"If-None-Match": "*"}, 412),
        ("a", "DELETE", {"If-None-Match": 'W/"a"'}, 412),
        ("a", "PATCH", {"If-None-Match": '"b"'}, 0),
        ("a", "PATCH", {"If-Match": '"a"', "If-None-Match": '"a"'}, 412),
        ("a", "GET", {"If-None-Match": '"a"'}, 304),
        ("a", "HEAD", {"If-None-Match": "*"}, 304),
        ("a", "GET", {"If-None-Match": '"a-m"'}, 0),
        ("a", "GET", {"If-None-Match": '"a-m"', "Accept": "application/msgpack"}, 304),
        ("a", "GET", {"If-Match": '"b"'}, 412),
        (None, "GET", {"If-None-Match": "*"}, 0),
    ],
)
def test_preconditions(etag: str | None, method: str, headers: Any, status: int) -> None:
    assert checked(etag, method, headers) == status


def test_a_required_condition_is_asked_for() -> None:
    assert checked("a", "PUT", {}, required=True) == 428
    assert checked("a", "GET", {}, required=True) == 0
    assert checked("a", "PUT", {"If-Match": '"a"'}, required=True) == 0


@pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])
def test_a_client_that_has_it_is_told_so_before_the_work(door: str) -> None:
    app = app_of()

    @app.get("/")
    def item() -> str:
        check_preconditions("v1")
        return "work"

    client = app.test_client(door=door)
    assert client.get("/").text == "work"
    response = client.get("/", headers={"If-None-Match": '"v1"'})
    assert (response.status_code, response.data) == (304, b"")


# Together


# An application takes longer to make than all the rest of an example.
APPS = {mode: app_of(mode) for mode in ("plain", "checked")}

items = st.builds(
    Item,
    name=st.text(st.characters(exclude_categories=["Cs"])),
    price=st.floats(allow_nan=False, allow_infinity=False),
    on=st.none() | st.dates(),
    note=st.just(msgspec.UNSET) | st.text(st.characters(exclude_categories=["Cs"])),
)


@given(st.lists(items, max_size=3), st.sampled_from(["plain", "checked"]), st.booleans())
def test_what_is_written_is_what_a_client_reads(
    value: list[Item], mode: str, is_packed: bool
) -> None:
    headers = {"Accept": "application/msgpack"} if is_packed else {}
    response = written(list[Item], value, app=APPS[mode], headers=headers)
    decode = msgspec.msgpack.decode if is_packed else msgspec.json.decode
    assert decode(response.data, type=list[Item]) == value  # type: ignore[operator]


def test_quick_and_careful_give_the_same() -> None:
    outputs = itertools.product([Item, list[Item] | Item], [200, 201, 203])
    for type, code in outputs:
        output = Output(type, status=code)
        quick, careful = written(output, ITEM), written(output, ITEM, mode="checked")
        assert (
            quick.get_wsgi_response({"REQUEST_METHOD": "GET"})[1:]
            == (careful.get_wsgi_response({"REQUEST_METHOD": "GET"})[1:])
        )
        assert quick.data == careful.data


# Through the doors, as views

doors = pytest.mark.parametrize("door", ["wsgi", "asgi", "rsgi"])


def shop(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.update({"TYPED_VIEWS": True, "PROPAGATE_EXCEPTIONS": False, **config})

    @app.get("/item")
    def item() -> Item:
        return ITEM

    @app.get("/item-async")
    async def item_async() -> Annotated[Item, conditional]:
        return ITEM

    @app.post("/items")
    def create() -> Annotated[Item, status(201)]:
        return ITEM

    @app.delete("/item")
    def remove() -> Annotated[None, status(204)]:
        check_preconditions(etag_of(ITEM), required=True)

    @app.get("/items")
    def pages(paging: Query[Paging]) -> Page[Item]:
        return page_of([ITEM] * paging.limit, paging, total=7)

    @app.get("/after")
    def after(paging: Query[CursorPaging]) -> Page[Item]:
        first = paging.after(int) or 0
        numbers = range(first + 1, min(first + 1 + paging.limit, 6))
        return page_of(
            [Item(str(number)) for number in numbers], paging, key=lambda item: int(item.name)
        )

    @app.get("/lines/<int:number>")
    def lines(number: int) -> Iterator[Item]:
        for index in range(number):
            yield Item(f"{request.path} {index}")
        if number == 2:
            raise RuntimeError("midway")

    @app.get("/lines-async/<int:number>")
    async def lines_async(number: int) -> AsyncIterator[Item]:
        for index in range(number):
            yield Item(f"{request.path} {index}")
        if number == 2:
            raise RuntimeError("midway")

    @app.get("/wrong")
    def wrong() -> Item:
        return "text"  # type: ignore[return-value]

    @app.get("/refused")
    def refused() -> Item:
        abort(409, "No more.")

    return app


@doors
def test_views_are_written_as_they_say(door: str) -> None:
    client = shop().test_client(door=door)
    response = client.get("/item")
    assert (response.data, response.status_code) == (ITEM_JSON, 200)
    assert list(response.headers) == [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(ITEM_JSON))),
    ]
    head = client.head("/item")
    assert head.data == b"" and head.headers == response.headers
    packed = client.get("/item", headers={"Accept": "application/msgpack"})
    assert msgspec.msgpack.decode(packed.data, type=Item) == ITEM
    assert client.post("/items").status == "201 CREATED"
    tag = client.get("/item-async").headers["ETag"]
    again = client.get("/item-async", headers={"If-None-Match": tag})
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert client.delete("/item").status_code == 428
    assert client.delete("/item", headers={"If-Match": '"other"'}).status_code == 412
    gone = client.delete("/item", headers={"If-Match": tag})
    assert (gone.status_code, gone.data) == (204, b"")
    assert not {"Content-Type", "Content-Length"} & set(gone.headers.keys())


@doors
def test_errors_of_typed_views_are_problems(door: str) -> None:
    client = shop().test_client(door=door)
    refused = client.get("/refused")
    assert refused.content_type == "application/problem+json"
    assert refused.json["detail"] == "No more." and refused.json["instance"] == "/refused"
    broken = client.get("/wrong?secret=1")
    assert broken.status_code == 200, "unchecked, and a text has a form in JSON"
    checking = shop(TESTING=True).test_client(door=door)
    broken = checking.get("/wrong")
    assert broken.status_code == 500
    assert broken.content_type == "application/problem+json"
    assert set(broken.json) == {"type", "title", "status", "instance"}
    many = client.get("/items?page=x&per_page=1000")
    assert many.status_code == 422
    assert [error["location"] for error in many.json["errors"]] == [
        ["query", "page"], ["query", "per_page"]
    ]  # fmt: skip
    assert client.get("/after?cursor=%21").status_code == 422


@doors
def test_links_lead_through_all_pages(door: str) -> None:
    client = shop().test_client(door=door)
    response = client.get("/items?per_page=3&page=2&x=y")
    assert len(response.json) == 3 and response.headers["X-Total-Count"] == "7"
    assert '<?per_page=3&x=y&page=3>; rel="next"' in response.headers["Link"]
    found, target = [], "?per_page=2"
    while target:
        response = client.get(f"/after{target}")
        found += [item["name"] for item in response.json]
        links = dict(
            reversed(link.split("; rel=")) for link in response.headers["Link"].split(", ")
        )  # type: ignore[misc]
        target = links.get('"next"', "")[1:-1]
    assert found == list("12345")


@doors
@pytest.mark.parametrize("path", ["/lines", "/lines-async"])
def test_an_exception_midway_cuts_the_stream(
    door: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = shop().test_client(door=door)
    response = client.get(f"{path}/3")
    assert [json.loads(line)["name"] for line in response.data.splitlines()] == [
        f"{path}/3 {index}" for index in range(3)
    ]
    response = client.get(f"{path}/2", buffered=False)
    pieces = []
    with contextlib.suppress(RuntimeError):
        # Under WSGI the server is told by the exception itself, and logs it.
        pieces.extend(response.iter_encoded())
    assert len(b"".join(pieces).splitlines()) == 2
    response.close()
    told = [record for record in caplog.records if "midway" in record.getMessage()]
    assert len(told) == (0 if door == "wsgi" else 1)
