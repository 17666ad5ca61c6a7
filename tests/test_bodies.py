"""Bodies and forms read at once: the same as through Werkzeug's stream and parser."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.formparser import FormDataParser
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request as RequestBase

from hipflask import Flask, Request

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def app() -> Flask:
    return Flask("bodies")


def environ_of(body: bytes, content_type: str | None = FORM, **more: Any) -> dict[str, Any]:
    environ: dict[str, Any] = EnvironBuilder("/", method="POST", data=body).get_environ()
    environ.pop("CONTENT_TYPE", None)
    if content_type is not None:
        environ["CONTENT_TYPE"] = content_type
    return {**environ, **more}


class Dripping(io.RawIOBase):
    """A stream that gives three bytes at a time, as a socket may."""

    def __init__(self, body: bytes) -> None:
        self.left = body

    def read(self, size: int = -1) -> bytes:
        piece = self.left[: min(size, 3)]
        self.left = self.left[len(piece) :]
        return piece

    def readable(self) -> bool:
        return True


def test_a_body_is_read_once_and_its_stream_is_then_at_the_end() -> None:
    request = Request(environ_of(b"abc", "text/plain"))
    assert request.get_data() == b"abc"
    assert request.get_data(as_text=True) == "abc"
    assert request.data == b"abc"
    assert request.stream.read() == b""


def test_a_body_that_is_not_kept_is_gone() -> None:
    request = Request(environ_of(b"abc", "text/plain"))
    assert request.get_data(cache=False) == b"abc"
    assert request.get_data() == b""


def test_a_body_comes_in_the_pieces_that_the_server_gives() -> None:
    environ = environ_of(b"", "text/plain", CONTENT_LENGTH="10")
    environ["wsgi.input"] = Dripping(b"0123456789tail")
    assert Request(environ).get_data() == b"0123456789"


def failing(size: int) -> bytes:
    raise OSError("reset")


def test_a_short_body_is_refused_each_time_it_is_asked_for() -> None:
    environ = environ_of(b"abc", "text/plain", CONTENT_LENGTH="10")
    request = Request(environ)
    for _ in range(2):
        with pytest.raises(ClientDisconnected):
            request.get_data()


def test_a_connection_that_breaks_is_a_client_that_left() -> None:
    environ = environ_of(b"abc")
    environ["wsgi.input"] = type("Broken", (), {"read": staticmethod(failing)})()
    with pytest.raises(ClientDisconnected):
        Request(environ).form  # noqa: B018


@pytest.mark.parametrize("length", ["", "x", "-1", "+3", "1_0", "٣", "9" * 30])
def test_a_length_out_of_the_ordinary_is_werkzeugs_to_judge(length: str) -> None:
    environ = environ_of(b"abc", "text/plain", CONTENT_LENGTH=length)
    theirs = RequestBase({**environ, "wsgi.input": io.BytesIO(b"abc")})

    def outcome(request: Any) -> Any:
        try:
            return request.get_data()
        except ClientDisconnected as error:
            return type(error)

    assert outcome(Request(environ)) == outcome(theirs)


def test_limits_are_those_of_the_application_and_of_the_request(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 5
    with app.test_request_context("/", method="POST", data=b"123456") as ctx:
        for read in (ctx.request.get_data, lambda: ctx.request.form):
            with pytest.raises(RequestEntityTooLarge):
                read()
        ctx.request.max_content_length = 6
        assert ctx.request.get_data() == b"123456"


def test_a_form_over_its_limit_is_left_unread(app: Flask) -> None:
    app.config["MAX_FORM_MEMORY_SIZE"] = 5
    with app.test_request_context("/", method="POST", data=b"a=3456", content_type=FORM) as ctx:
        with pytest.raises(RequestEntityTooLarge):
            ctx.request.form  # noqa: B018
        assert ctx.request.environ["wsgi.input"].tell() == 0
        ctx.request.max_form_memory_size = 6
        assert ctx.request.form["a"] == "3456"


bodies = st.lists(
    st.sampled_from(
        [b"a", b"b", b"=", b"&", b"%41", b"%C3%B6", b"%ff", b"+", b"\xc3\xa9", b"\xff"]
    ),
    max_size=12,
).map(b"".join)
types = st.sampled_from(
    [FORM, f"{FORM}; charset=utf-8", f" {FORM.upper()} ;x", "text/plain", "", None, f"{FORM}x"]
)


@settings(deadline=None, max_examples=200)
@given(bodies, types)
def test_a_form_is_what_werkzeug_reads(body: bytes, content_type: str | None) -> None:
    ours = Request(environ_of(body, content_type))
    theirs = RequestBase(environ_of(body, content_type))
    assert list(ours.form.lists()) == list(theirs.form.lists())
    assert list(ours.files.lists()) == list(theirs.files.lists()) == []
    assert list(ours.values.lists()) == list(theirs.values.lists())
    assert ours.data == theirs.data


@settings(deadline=None, max_examples=100)
@given(bodies, types, st.permutations(["form", "data", "get_data", "stream"]))
@example(b"a", "text/plain", ["data", "form", "get_data", "stream"])
@example(b"a", "text/plain", ["get_data", "form", "data", "stream"])
@example(b"a", None, ["data", "form", "stream", "get_data"])
def test_a_body_may_be_asked_for_in_any_order(
    body: bytes, content_type: str | None, order: list[str]
) -> None:
    ours = Request(environ_of(body, content_type))
    theirs = RequestBase(environ_of(body, content_type))

    def ask(request: Any, part: str) -> Any:
        if part == "form":
            return list(request.form.items(multi=True))
        if part == "data":
            return request.data
        return request.get_data() if part == "get_data" else request.stream.read()

    was_form = False
    for part in order:
        if part == "get_data" and was_form:
            # Ours still has the bytes of a form.
            assert ask(ours, part) in (ask(theirs, part), body)
        else:
            assert ask(ours, part) == ask(theirs, part), part
        was_form = was_form or part in ("form", "data")


def test_the_bytes_of_a_form_are_still_there() -> None:
    request = Request(environ_of(b"a=1"))
    assert request.form["a"] == "1"
    assert request.get_data() == b"a=1"
    assert request.data == b""
    assert request.stream.read() == b""


def test_a_parser_put_on_the_request_or_its_class_is_used() -> None:
    class Loud(FormDataParser):
        def _parse_urlencoded(self, stream: Any, *args: Any) -> Any:
            return stream, self.cls([("loud", stream.read().decode())]), self.cls()

    class ByClass(Request):
        form_data_parser_class = Loud

    class ByMethod(Request):
        def make_form_data_parser(self) -> FormDataParser:
            return Loud(cls=self.parameter_storage_class)

    by_hand: Any = Request(environ_of(b"a=1"))
    by_hand.form_data_parser_class = Loud
    for request in (ByClass(environ_of(b"a=1")), ByMethod(environ_of(b"a=1")), by_hand):
        assert request.form["loud"] == "a=1"


@pytest.mark.parametrize("name", ["stream", "max_content_length", "max_form_memory_size"])
def test_what_a_subclass_puts_in_place_of_a_part_counts(name: str) -> None:
    parts: dict[str, Any] = {
        "stream": io.BytesIO(b"b=2"),
        "max_content_length": 1,
        "max_form_memory_size": 1,
    }
    kind: Any = type("Own", (Request,), {name: parts[name]})
    request = kind(environ_of(b"a=1"))
    if name == "stream":
        assert request.form["b"] == "2"
    else:
        with pytest.raises(RequestEntityTooLarge):
            request.form  # noqa: B018


def test_json_is_told_by_its_type() -> None:
    def is_json(content_type: str) -> bool:
        return Request(environ_of(b"{}", content_type)).is_json

    assert is_json("application/json") and is_json("Application/JSON; charset=utf-8")
    assert is_json("application/problem+json")
    assert not is_json("text/json") and not is_json("")
