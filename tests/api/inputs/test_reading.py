"""What a typed view is given of a request, and what is answered where that cannot be."""

from __future__ import annotations

import asyncio
import datetime
import enum
import io
import threading
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta
from werkzeug.datastructures import MultiDict

from hipflask import Flask, Request, doors, request
from hipflask.api import Accepts, Body, Cookie, Form, Header, Name, Path, Query
from hipflask.api.inputs.bodies import body_kind
from hipflask.api.inputs.reading import query_pairs
from hipflask.api.inputs.uploads import BodyStream, Upload


class Line(msgspec.Struct):
    sku: str
    count: Annotated[int, Meta(ge=1)]


class Order(msgspec.Struct):
    customer: str
    lines: list[Line] = []


class Seen(msgspec.Struct):
    value: Any


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Filters(msgspec.Struct):
    words: str
    page: Annotated[int, Meta(ge=1)] = 1
    tags: list[str] = []


@dataclass
class Contact:
    name: str
    age: int = 0


threads: list[str] = []


class Told(msgspec.Struct):
    text: str

    def __post_init__(self) -> None:
        threads.append(threading.current_thread().name)


class Sent(msgspec.Struct):
    title: str
    picture: Upload


class Sizes(msgspec.Struct):
    width: int = 7
    names: list[str] = []
    depths: list[int] = []


@pytest.fixture(params=doors.DOORS)
def door(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = True
    return app


def errors_of(response: Any) -> list[tuple[Any, ...]]:
    assert response.content_type == "application/problem+json"
    return [tuple(error["location"]) for error in response.json["errors"]]


# Bodies.


@pytest.fixture
def orders(app: Flask) -> Flask:
    @app.post("/orders")
    def create(order: Order) -> Order:
        return order

    @app.post("/later/<int:number>")
    async def create_later(number: int, order: Order, dry: bool = False) -> Order:
        return Order(f"{number} {order.customer} {dry}", order.lines)

    return app


def test_json_body_is_read(orders: Flask, door: str) -> None:
    client = orders.test_client(door=door)
    sent = {"customer": "Ada", "lines": [{"sku": "a", "count": 2}]}
    assert client.post("/orders", json=sent).json == sent
    there = client.post("/later/7?dry=true", json=sent)
    assert there.json == {**sent, "customer": "7 Ada True"}


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]
)
def test_other_names_of_json_are_read(orders: Flask, kind: str) -> None:
    answer = orders.test_client().post("/orders", data='{"customer":"A"}', content_type=kind)
    assert answer.json == {"customer": "A", "lines": []}


@pytest.mark.parametrize(
    "kind", ["application/msgpack", "application/x-msgpack", "application/vnd.msgpack"]
)
def test_msgpack_body_is_read(orders: Flask, door: str, kind: str) -> None:
    data = msgspec.msgpack.encode({"customer": "Ada"})
    answer = orders.test_client(door=door).post("/orders", data=data, content_type=kind)
    assert answer.json == {"customer": "Ada", "lines": []}


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "json"])
def test_another_content_type_is_415_and_told_what_is_accepted(
    orders: Flask, door: str, kind: str | None
) -> None:
    answer = orders.test_client(door=door).post("/orders", data=b"{}", content_type=kind)
    assert answer.status_code == 415
    assert answer.headers["Accept"] == "application/json, application/msgpack"
    assert answer.content_type == "application/problem+json"


MALFORMED = {
    "nothing": b"",
    "an early end": b'{"customer": "A"',
    "more after it": b'{"customer": "A"} x',
    "nan": b'{"customer": NaN}',
    "utf-8": b'{"customer": "\xff"}',
    "depth": b'{"customer": "A", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no json": b"customer=A",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_malformed_json_is_400(orders: Flask, door: str, data: bytes) -> None:
    for url in ("/orders", "/later/1"):
        answer = orders.test_client(door=door).post(url, data=data, content_type="application/json")
        assert (url, answer.status_code) == (url, 400)
        assert errors_of(answer) == [("body",)]


def test_malformed_msgpack_is_400(orders: Flask) -> None:
    for data in (b"\xc1", b"\x81", b"\x91" * 100_000):
        answer = orders.test_client().post("/orders", data=data, content_type="application/msgpack")
        assert answer.status_code in (400, 422)
        assert errors_of(answer) == [("body",)]


def test_wrong_value_in_a_body_is_422_with_its_place(orders: Flask, door: str) -> None:
    sent = {"customer": "secret", "lines": [{"sku": "a", "count": 1}, {"sku": "b", "count": 0}]}
    answer = orders.test_client(door=door).post("/orders", json=sent)
    assert answer.status_code == 422
    assert errors_of(answer) == [("body", "lines", 1, "count")]
    assert "secret" not in answer.text


def test_no_body_where_one_is_wanted_is_422(orders: Flask, door: str) -> None:
    answer = orders.test_client(door=door).post("/orders")
    assert (answer.status_code, errors_of(answer)) == (422, [("body",)])


def test_an_optional_body_may_be_absent(app: Flask, door: str) -> None:
    @app.post("/")
    def view(order: Order | None = None) -> Seen:
        return Seen(None if order is None else order.customer)

    client = app.test_client(door=door)
    assert client.post("/").json == {"value": None}
    assert client.post("/", data=b"", content_type="application/json").json == {"value": None}
    assert client.post("/", json={"customer": "A"}).json == {"value": "A"}
    assert client.post("/", json={}).status_code == 422


def test_a_body_may_be_of_any_type_if_marked(app: Flask) -> None:
    @app.post("/")
    def view(numbers: Body[dict[str, int]]) -> Seen:
        return Seen(sum(numbers.values()))

    client = app.test_client()
    assert client.post("/", json={"a": 1, "b": 2}).json == {"value": 3}
    assert errors_of(client.post("/", json={"a": "x"}))[0][0] == "body"


def test_get_data_still_answers_after_the_body_was_read(app: Flask, door: str) -> None:
    @app.post("/")
    def view(order: Order) -> Seen:
        return Seen([request.get_data(as_text=True), request.get_json()["customer"]])

    text = '{"customer":  "A"}'
    answer = app.test_client(door=door).post("/", data=text, content_type="application/json")
    assert answer.json == {"value": [text, "A"]}


def test_the_body_may_have_been_read_before(orders: Flask, door: str) -> None:
    @orders.before_request
    def look() -> None:
        assert request.get_json()["customer"] == "A"
        assert request.get_data()

    assert orders.test_client(door=door).post("/orders", json={"customer": "A"}).status_code == 200


def test_a_body_over_the_limit_is_413(orders: Flask, door: str) -> None:
    orders.config["MAX_CONTENT_LENGTH"] = 100
    answer = orders.test_client(door=door).post("/orders", json={"customer": "A" * 100})
    assert answer.status_code == 413
    assert answer.content_type == "application/problem+json"


def test_the_limit_of_a_request_counts(orders: Flask, door: str) -> None:
    @orders.before_request
    def lower() -> None:
        request.max_content_length = 10

    assert orders.test_client(door=door).post("/orders", json={"customer": "A"}).status_code == 413


def test_the_limit_of_a_request_class_counts(orders: Flask, door: str) -> None:
    class Small(Request):
        max_content_length = 10

    orders.request_class = Small
    assert orders.test_client(door=door).post("/orders", json={"customer": "A"}).status_code == 413


def ring(app: Flask, data: Any, length: str | None, **more: Any) -> tuple[str, bytes]:
    told: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/orders",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
        "wsgi.input": data,
        "CONTENT_TYPE": "application/json",
        **more,
    }
    if length is not None:
        environ["CONTENT_LENGTH"] = length
    body = b"".join(app(environ, lambda status, fields, exc_info=None: told.append(status)))
    return told[0][:3], body


class Trickle(io.BytesIO):
    """A server that hands out a few bytes at a time."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size, 3) if size and size > 0 else 3)


def test_a_body_in_pieces_is_put_together_under_wsgi(orders: Flask) -> None:
    data = b'{"customer":"Ada"}'
    assert ring(orders, Trickle(data), str(len(data)))[0] == "200"


def test_a_body_shorter_than_its_length_is_400(orders: Flask) -> None:
    data = b'{"customer":"Ada"}'
    for source in (io.BytesIO(data), Trickle(data)):
        assert ring(orders, source, str(len(data) + 5))[0] == "400"


def test_bytes_past_the_length_are_left_alone(orders: Flask) -> None:
    data = b'{"customer":"Ada"}'
    source = io.BytesIO(data + b"GET / HTTP/1.1")
    assert ring(orders, source, str(len(data)))[0] == "200"
    assert source.read() == b"GET / HTTP/1.1"


def test_a_chunked_body_is_read_where_the_server_tells_its_end(orders: Flask) -> None:
    data = io.BytesIO(b'{"customer":"Ada"}')
    more = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    assert ring(orders, data, None, **more)[0] == "200"


@pytest.mark.parametrize("length", ["x", "-1", "٣", "9" * 30, ""])
def test_a_length_that_is_none_is_a_client_error(orders: Flask, length: str) -> None:
    assert ring(orders, io.BytesIO(b"{}"), length)[0][0] == "4"


def test_a_large_body_is_read_in_the_pool_before_an_async_view(app: Flask) -> None:
    threads.clear()

    @app.post("/")
    async def view(told: Told) -> Seen:
        return Seen(len(told.text))

    client = app.test_client(door="asgi")
    assert client.post("/", json={"text": "x"}).json == {"value": 1}
    assert client.post("/", json={"text": "x" * 300_000}).json == {"value": 300_000}
    assert client.post("/", json={"text": "x" * 2_000_000}).json == {"value": 2_000_000}
    assert [name.startswith("hipflask-pool") for name in threads] == [False, True, True]


def test_kinds_of_bodies() -> None:
    assert body_kind("multipart/form-data; boundary=x") == "multipart"
    assert body_kind("APPLICATION/JSON ; a=b") == "json"
    assert body_kind("text/json") == body_kind(None) == body_kind("") == ""


# Queries.


def test_scalars_of_the_query_are_read(app: Flask, door: str) -> None:
    @app.get("/")
    def view(
        text: str,
        number: int,
        share: float = 0.5,
        day: datetime.date | None = None,
        color: Color = Color.RED,
        size: Literal["s", "m"] = "s",
        key: UUID | None = None,
    ) -> Seen:
        return Seen([text, number, share, day, color, size, key])

    client = app.test_client(door=door)
    assert client.get("/?text=a&number=3").json == {"value": ["a", 3, 0.5, None, "red", "s", None]}
    key = "12345678-1234-5678-1234-567812345678"
    url = f"/?text=%C3%A9+b&number=1&number=3&share=2&day=2024-02-29&color=blue&size=m&key={key}"
    assert client.get(url).json == {"value": ["é b", 3, 2.0, "2024-02-29", "blue", "m", key]}


def test_all_that_is_wrong_is_told_at_once(app: Flask, door: str) -> None:
    @app.post("/<code>")
    def view(
        code: Annotated[int, Meta(ge=10)],
        page: int,
        words: str,
        agent: Header[int],
        crumb: Cookie[int],
        order: Order,
    ) -> Seen:
        return Seen(1)

    client = app.test_client(door=door)
    client.set_cookie("crumb", "x")
    answer = client.post("/3?page=x", json={"customer": 1}, headers={"agent": "x"})
    assert answer.status_code == 422
    assert errors_of(answer) == [
        ("path", "code"),
        ("query", "page"),
        ("query", "words"),
        ("header", "agent"),
        ("cookie", "crumb"),
        ("body", "customer"),
    ]


def test_lists_of_the_query_are_read(app: Flask, door: str) -> None:
    @app.get("/")
    def view(ids: list[int], tags: list[str] = []) -> Seen:
        return Seen([ids, tags])

    client = app.test_client(door=door)
    assert client.get("/?ids=1&tags=a&ids=2&other=x").json == {"value": [[1, 2], ["a"]]}
    assert errors_of(client.get("/")) == [("query", "ids")]
    assert errors_of(client.get("/?ids=1&ids=x")) == [("query", "ids", 1)]


def test_a_struct_gathers_the_query(app: Flask, door: str) -> None:
    @app.get("/")
    def view(filters: Query[Filters]) -> Seen:
        return Seen([filters.words, filters.page, filters.tags])

    client = app.test_client(door=door)
    assert client.get("/?words=a&tags=b&tags=c").json == {"value": ["a", 1, ["b", "c"]]}
    assert errors_of(client.get("/?page=0")) == [("query", "words"), ("query", "page")]


def test_a_struct_of_the_query_may_be_absent(app: Flask) -> None:
    @app.get("/")
    def view(filters: Query[Filters] | None = None) -> Seen:
        return Seen(filters and filters.words)

    client = app.test_client()
    assert client.get("/").json == {"value": None}
    assert client.get("/?words=a").json == {"value": "a"}


def test_a_name_on_the_wire(app: Flask) -> None:
    @app.get("/")
    def view(order: Annotated[Query[str], Name("sort-by")] = "id") -> Seen:
        return Seen(order)

    client = app.test_client()
    assert client.get("/?order=x").json == {"value": "id"}
    assert client.get("/?sort-by=x").json == {"value": "x"}


def test_a_query_that_is_no_utf_8_is_400(app: Flask, door: str) -> None:
    @app.get("/")
    def view(text: str = "") -> Seen:
        return Seen(text)

    answer = app.test_client(door=door).get("/?text=%ff")
    assert (answer.status_code, errors_of(answer)) == (400, [("query",)])


def test_defaults_are_those_of_the_function(app: Flask) -> None:
    kept: list[Any] = []

    @app.get("/")
    def view(tags: list[str] = []) -> Seen:
        kept.append(tags)
        return Seen(1)

    app.test_client().get("/")
    assert kept[0] is view.__defaults__[0]


class Asked:
    """A request of which only the query is asked."""

    _exchange = None

    def __init__(self, query: str) -> None:
        self._environ = {"QUERY_STRING": query}


@given(st.lists(st.tuples(st.text("abc&=+%; é\x00"), st.text("abc&=+%;é "))))
def test_a_query_is_read_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    from urllib.parse import urlencode

    read = query_pairs(Asked(urlencode(pairs)))  # type: ignore[arg-type]
    assert [tuple(pair) for pair in read] == [pair for pair in pairs if pair]


@given(st.lists(st.sampled_from(["x", "y", "=", "&", ";", "+", "%20", "%C3%A9", "%"])))
def test_a_query_is_read_as_flask_reads_it(pieces: list[str]) -> None:
    query = "".join(pieces)
    with Flask(__name__).test_request_context(f"/?{query}"):
        args = request.args
        read = query_pairs(Asked(request.environ["QUERY_STRING"]))  # type: ignore[arg-type]
    assert MultiDict(map(tuple, read)) == args


# Paths, header fields, cookies, the request itself.


def test_variables_of_the_url_are_converted(app: Flask, door: str) -> None:
    @app.get("/<day>/<int:number>/<word>")
    def view(day: datetime.date, number: int, word: str) -> Seen:
        return Seen([day.isoformat(), number, word])

    client = app.test_client(door=door)
    assert client.get("/2024-02-29/7/x").json == {"value": ["2024-02-29", 7, "x"]}
    answer = client.get("/2024-02-30/7/x")
    assert (answer.status_code, errors_of(answer)) == (422, [("path", "day")])


def test_constraints_of_the_url_are_checked(app: Flask) -> None:
    @app.get("/<int:number>")
    def view(number: Path[Annotated[int, Meta(le=9)]]) -> Seen:
        return Seen(number)

    client = app.test_client()
    assert client.get("/9").json == {"value": 9}
    assert errors_of(client.get("/10")) == [("path", "number")]


def test_a_variable_taken_by_a_preprocessor_is_left_alone(app: Flask) -> None:
    @app.url_value_preprocessor
    def take(endpoint: str | None, values: dict[str, Any] | None) -> None:
        values.pop("lang")  # type: ignore[union-attr]

    @app.get("/<lang>/<number>")
    def view(number: int, lang: int = 3) -> Seen:
        return Seen([number, lang])

    assert app.test_client().get("/en/7").json == {"value": [7, 3]}


def test_header_fields_are_read(app: Flask, door: str) -> None:
    @app.get("/")
    def view(
        x_trace: Header[int],
        host: Header[str],
        content_type: Header[str] = "none",
        if_match: Header[list[str]] = [],
        version: Annotated[Header[str], Name("X-Version")] = "1",
    ) -> Seen:
        return Seen([x_trace, host, content_type, if_match, version])

    client = app.test_client(door=door)
    sent = {"X-Trace": "7", "If-Match": "a, b", "x-version": "2", "Content-Type": "a/b"}
    assert client.get("/", headers=sent).json == {"value": [7, "localhost", "a/b", ["a", "b"], "2"]}
    assert errors_of(client.get("/")) == [("header", "x-trace")]


def test_cookies_are_read(app: Flask, door: str) -> None:
    @app.get("/")
    def view(crumb: Cookie[int] = 0, other: Cookie[str] = "-") -> Seen:
        return Seen([crumb, other])

    client = app.test_client(door=door)
    assert client.get("/").json == {"value": [0, "-"]}
    client.set_cookie("crumb", "7")
    assert client.get("/").json == {"value": [7, "-"]}


def test_the_request_is_given_by_its_type(app: Flask, door: str) -> None:
    @app.get("/<number>")
    def view(asked: Request, number: int) -> Seen:
        return Seen([asked.path, number])

    assert app.test_client(door=door).get("/7").json == {"value": ["/7", 7]}


# Forms.


def test_a_form_is_read(app: Flask, door: str) -> None:
    @app.post("/struct")
    def struct(contact: Form[Contact]) -> Seen:
        return Seen([contact.name, contact.age])

    @app.post("/fields")
    async def fields(name: Form[str], ages: Form[list[int]] = []) -> Seen:
        return Seen([name, ages])

    client = app.test_client(door=door)
    assert client.post("/struct", data={"name": "A", "age": "7"}).json == {"value": ["A", 7]}
    answer = client.post("/struct", data={"age": "x"})
    assert (answer.status_code, errors_of(answer)) == (422, [("form", "name"), ("form", "age")])
    sent = {"name": "A", "ages": ["1", "2"]}
    for kind in ("multipart/form-data", "application/x-www-form-urlencoded"):
        assert client.post("/fields", data=sent, content_type=kind).json == {"value": ["A", [1, 2]]}
    answer = client.post("/fields", json=sent)
    assert answer.status_code == 415
    assert "application/x-www-form-urlencoded" in answer.headers["Accept"]
    assert client.post("/fields", data=b"name=A").status_code == 415
    assert errors_of(client.post("/fields")) == [("form", "name")]


def test_files_of_a_form_are_read(app: Flask, door: str) -> None:
    @app.post("/struct")
    def struct(sent: Form[Sent]) -> Seen:
        return Seen([sent.title, sent.picture.filename, sent.picture.read().decode()])

    @app.post("/many")
    async def many(files: list[Upload], one: Upload | None = None) -> Seen:
        return Seen([[file.size for file in files], one and one.size])

    client = app.test_client(door=door)
    data: dict[str, Any] = {"title": "T", "picture": (io.BytesIO(b"abc"), "a.txt")}
    assert client.post("/struct", data=data).json == {"value": ["T", "a.txt", "abc"]}
    data = {"files": [(io.BytesIO(b"a"), "a"), (io.BytesIO(b"bc"), "b")]}
    assert client.post("/many", data=data).json == {"value": [[1, 2], None]}
    assert errors_of(client.post("/many", data={"x": "y"})) == [("form", "files")]
    data = {"files": (io.BytesIO(b""), "")}  # what a page sends for a file nobody chose
    assert errors_of(client.post("/many", data=data)) == [("form", "files")]


def test_what_a_file_may_be_is_checked(app: Flask, door: str) -> None:
    @app.post("/")
    def view(picture: Annotated[Upload, Accepts("image/*", max_bytes=4)]) -> Seen:
        return Seen(picture.mimetype)

    def post(data: bytes, kind: str) -> Any:
        return app.test_client(door=door).post("/", data={"picture": (io.BytesIO(data), "p", kind)})

    assert post(b"1234", "image/png").json == {"value": "image/png"}
    assert post(b"12345", "image/png").status_code == 413
    assert errors_of(post(b"1", "text/html")) == [("form", "picture")]


def test_a_large_form_is_parsed_in_the_pool_before_an_async_view(app: Flask) -> None:
    class Noting(Request):
        def _load_form_data(self) -> None:
            threads.append(threading.current_thread().name)
            super()._load_form_data()

    app.request_class = Noting

    @app.post("/")
    async def view(file: Upload) -> Seen:
        asyncio.get_running_loop()
        return Seen(file.size)

    client = app.test_client(door="asgi")
    for size in (10, 300_000):
        threads.clear()
        data = {"file": (io.BytesIO(b"x" * size), "a")}
        assert client.post("/", data=data).json == {"value": size}
        assert threads[0].startswith("hipflask-pool") == (size > 256 * 1024)


# Streams.


def test_a_stream_is_read_as_it_comes(app: Flask, door: str) -> None:
    @app.post("/plain")
    def plain(body: BodyStream) -> Seen:
        return Seen(sum(map(len, body)))

    @app.post("/async")
    async def awaited(body: BodyStream, times: int = 1) -> Seen:
        size = 0
        async for chunk in body:
            size += len(chunk) * times
        return Seen(size)

    client = app.test_client(door=door)
    assert client.post("/plain", data=b"x" * 100_000).json == {"value": 100_000}
    assert client.post("/async?times=2", data=b"x" * 10).json == {"value": 20}


def test_an_empty_field_of_a_form_was_not_filled_in(app: Flask, door: str) -> None:
    @app.post("/one")
    def one(
        number: Form[int] = 3,
        color: Form[Color | None] = None,
        text: Form[str] = "default",
        choice: Form[Literal["", "x"]] = "x",
    ) -> Seen:
        return Seen([number, color, text, choice])

    @app.post("/record")
    def record(sizes: Form[Sizes]) -> Seen:
        return Seen(sizes)

    @app.post("/needed")
    def needed(number: Form[int]) -> Seen:
        return Seen(number)

    @app.get("/query")
    def query(page: int = 1) -> Seen:
        return Seen(page)

    client = app.test_client(door=door)
    empty = {"number": "", "color": "", "text": "", "choice": ""}
    assert client.post("/one", data=empty).json == {"value": [3, None, "", ""]}
    assert client.post("/one", data={"number": ["5", ""]}).json["value"][0] == 3
    assert client.post("/one", data={"number": ["", "5"]}).json["value"][0] == 5
    fields = {"width": "", "names": ["", "a"], "depths": ["", "2", ""]}
    assert client.post("/record", data=fields).json == {
        "value": {"width": 7, "names": ["", "a"], "depths": [2]}
    }
    assert client.post("/record", data={"depths": ["", ""]}).json["value"]["depths"] == []
    answer = client.post("/needed", data={"number": ""})
    assert (answer.status_code, errors_of(answer)) == (422, [("form", "number")])
    assert answer.json["errors"][0]["got"] == "nothing"
    answer = client.get("/query?page=")
    assert (answer.status_code, answer.json["errors"][0]["got"]) == (422, "empty text")


def test_what_is_missing_is_told_by_its_type(app: Flask) -> None:
    @app.post("/")
    def view(
        count: Annotated[int, Meta(ge=1, le=9)],
        when: datetime.date,
        tags: list[Annotated[str, Meta(min_length=2)]],
        color: Color,
        x_code: Header[Annotated[str, Meta(pattern="^a")]],
        word: Cookie[int | Literal["all"]],
        text: Form[str],
        picture: Upload,
    ) -> Seen:
        raise AssertionError

    answer = app.test_client().post("/", content_type="multipart/form-data; boundary=x")
    assert {error["location"][-1]: error["expected"] for error in answer.json["errors"]} == {
        "count": "an integer of at least 1 and of at most 9",
        "when": "a date (RFC 3339)",
        "tags": "one value or more, each text of length at least 2",
        "color": 'one of "red", "blue"',
        "x-code": "text matching ^a",
        "word": 'an integer or "all"',
        "text": "text",
        "picture": "a file",
    }
