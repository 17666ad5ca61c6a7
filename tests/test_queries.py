"""Query strings and urlencoded forms: what Werkzeug makes of them, by another way."""

from __future__ import annotations

import copy
import pickle
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug import datastructures
from werkzeug.exceptions import BadRequestKeyError
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request as RequestBase

from hipflask import Flask, Request
from hipflask.queries import ERRORS, ImmutableMultiDict, read_fields, unescaped

KINDS = [ImmutableMultiDict, datastructures.ImmutableMultiDict, datastructures.MultiDict]

PIECES = [
    *"ab=&%+;#12cCfF ",
    *("%41", "%C3%B6", "%c3", "%E2%82", "%E2%82%AC", "%ff", "%3D", "%26", "%25", "%2B", "%0"),
    *("%0A", "\n", "\r\n", "é", "\x80", "€", "%zz", "==", "&&", "%F0%90", "%ED%A0%80", "%00"),
]
texts = st.lists(st.sampled_from(PIECES), max_size=14).map("".join) | st.text(max_size=12)


@settings(deadline=None, max_examples=300)
@given(texts)
@example("a=1&b=2&a=3&&=&c&d=&=e")
def test_fields_are_those_of_werkzeug(text: str) -> None:
    pairs = parse_qsl(text, keep_blank_values=True, errors=ERRORS)
    for kind in KINDS:
        expected: Any = kind(pairs)
        found = read_fields(text, kind)
        assert type(found) is kind
        assert repr(found) == repr(expected)
        assert list(found.lists()) == list(expected.lists())


@settings(deadline=None, max_examples=300)
@given(texts)
def test_unescaped_is_unquoted(text: str) -> None:
    assert unescaped(text) == unquote(text, errors=ERRORS)


@settings(deadline=None)
@given(texts)
def test_strict_reading_refuses_what_parse_qsl_refuses(text: str) -> None:
    def outcome(read: Any) -> Any:
        try:
            return list(read().items(multi=True))
        except UnicodeDecodeError:
            return None

    strict = {"keep_blank_values": True, "errors": "strict"}
    assert outcome(lambda: read_fields(text, errors="strict")) == outcome(
        lambda: datastructures.MultiDict(parse_qsl(text, **strict))  # type: ignore[arg-type]
    )


def test_another_class_is_made_of_the_pairs_in_their_order() -> None:
    class Ordered(datastructures.MultiDict):  # type: ignore[type-arg]
        def __init__(self, pairs: Any) -> None:
            self.pairs = list(pairs)
            super().__init__(self.pairs)

    assert read_fields("b=1&a=2&b=3", Ordered).pairs == [("b", "1"), ("a", "2"), ("b", "3")]
    assert read_fields("b=1&b=%C3%A9", dict) == {"b": "é"}


# --- the multi-dictionary -------------------------------------------------------------------


def test_multidict_reads_as_werkzeugs() -> None:
    ours = read_fields("a=1&a=2&b=x")
    theirs = datastructures.ImmutableMultiDict([("a", "1"), ("a", "2"), ("b", "x")])
    assert isinstance(ours, datastructures.ImmutableMultiDict)
    assert ours == theirs and hash(ours) == hash(theirs) and repr(ours) == repr(theirs)
    reads: list[Any] = [
        lambda d: d["a"],
        lambda d: d.get("a"),
        lambda d: d.get("a", type=int),
        lambda d: d.get("b", type=int),
        lambda d: d.get("b", 7, int),
        lambda d: d.get("b", 7, lambda text: [].append(text, 1)),  # type: ignore[call-arg]
        lambda d: d.get("c"),
        lambda d: d.get("c", 5),
        lambda d: d.getlist("a"),
        lambda d: d.getlist("a", int),
        lambda d: "a" in d,
        lambda d: d.to_dict(flat=False),
        lambda d: sorted(d.items(multi=True)),
        lambda d: type(d.copy()),
        lambda d: copy.copy(d) is d,
    ]
    for number, read in enumerate(reads):
        assert read(ours) == read(theirs), number


def test_multidict_keeps_to_what_a_missing_key_and_a_change_raise() -> None:
    fields = read_fields("a=1")
    with pytest.raises(BadRequestKeyError) as caught:
        fields["b"]
    assert caught.value.args == ("b",) and caught.value.code == 400
    with pytest.raises(TypeError, match="immutable"):
        fields["a"] = "2"
    with pytest.raises(LookupError):
        fields.get("a", type=lambda text: {}[text])
    with pytest.raises(TypeError):
        fields.get([])  # type: ignore[call-overload]


def test_multidict_is_pickled_and_copied() -> None:
    fields = read_fields("a=1&a=2")
    assert pickle.loads(pickle.dumps(fields)) == fields
    assert type(pickle.loads(pickle.dumps(fields))) is ImmutableMultiDict
    assert fields.copy() == datastructures.MultiDict(fields)


# --- a request's args -----------------------------------------------------------------------


raw = st.lists(
    st.sampled_from([b"a", b"=", b"&", b"%41", b"%C3%B6", b"%ff", b"+", b"\xc3\xa9", b";", b"%"]),
    max_size=10,
).map(b"".join)


@settings(deadline=None)
@given(raw)
def test_args_are_those_of_werkzeugs_request(query: bytes) -> None:
    environ = EnvironBuilder("/").get_environ()
    environ["QUERY_STRING"] = query.decode("latin-1")
    assert list(Request(environ).args.lists()) == list(RequestBase(dict(environ)).args.lists())


def test_args_of_bytes_that_are_no_utf8_have_the_replacement_character() -> None:
    environ = EnvironBuilder("/").get_environ()
    environ["QUERY_STRING"] = "a=\xff"
    assert Request(environ).args["a"] == "\ufffd"


def test_args_are_kept_and_may_be_set_and_deleted() -> None:
    request = Request(EnvironBuilder("/?a=1").get_environ())
    assert request.args is request.args
    request.args = datastructures.ImmutableMultiDict([("a", "2")])
    assert request.args["a"] == "2"
    del request.args
    assert request.args["a"] == "1"


def test_args_follow_a_query_string_that_was_set_or_overridden() -> None:
    request = Request(EnvironBuilder("/?a=1").get_environ())
    request.query_string = b"a=2"
    assert request.args["a"] == "2"

    class Signed(Request):
        query_string = b"a=3"

    assert Signed(EnvironBuilder("/?a=1").get_environ()).args["a"] == "3"


@pytest.mark.parametrize("kind", KINDS)
def test_args_are_of_the_class_that_the_request_names(kind: Any) -> None:
    class Own(Request):
        parameter_storage_class = kind

    environ = EnvironBuilder(
        "/?a=1", method="POST", data="b=2", content_type="application/x-www-form-urlencoded"
    ).get_environ()
    request = Own(environ)
    assert [type(part) for part in (request.args, request.form, request.files)] == [kind] * 3


def test_ours_is_what_a_request_gives(app: Flask) -> None:
    with app.test_request_context("/?a=1", headers={"Cookie": "b=2"}) as ctx:
        assert type(ctx.request.args) is ImmutableMultiDict
        assert ctx.request.cookies.get("b") == "2"


@pytest.fixture
def app() -> Flask:
    return Flask("queries")
