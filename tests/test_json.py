"""JSON: the default provider's bytes, its settings, and the module's functions."""

import dataclasses
import enum
import io
import json as stdlib
import subprocess
import sys
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hipflask
from hipflask import Flask, json, jsonify
from hipflask.json import plain as plain_json
from hipflask.json.provider import DefaultJSONProvider, JSONProvider


@pytest.fixture
def app():
    app = Flask("shop")
    app.debug = False
    return app


@pytest.fixture
def provider(app):
    return app.json


@dataclasses.dataclass
class Item:
    name: str
    parts: list


class Html:
    def __html__(self):
        return "<b>"


DATE = '"Wed, 01 Jan 2020 00:00:00 GMT"'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2020, 1, 1), DATE),
        (datetime(2020, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))), DATE),
        (date(2020, 1, 1), DATE),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=5), '"00000000-0000-0000-0000-000000000005"'),
        (Item("a", [Item("b", [])]), '{"name": "a", "parts": [{"name": "b", "parts": []}]}'),
        (Html(), '"<b>"'),
        (float("nan"), "NaN"),
        ({"b": 1, "a": "é"}, '{"a": "\\u00e9", "b": 1}'),
        ({10: 1, 9: 2}, '{"9": 2, "10": 1}'),
    ],
)
def test_dumps_with_the_further_types(provider, value, text):
    assert provider.dumps(value) == text


@pytest.mark.parametrize("value", [time(1), {1}, b"x", object(), Item, Html])
def test_dumps_refuses_other_types(provider, value):
    with pytest.raises(TypeError):
        provider.dumps(value)


def test_dumps_refuses_keys_that_cannot_be_sorted(provider):
    with pytest.raises(TypeError):
        provider.dumps({1: 2, "a": 3})
    provider.sort_keys = False
    assert provider.dumps({1: 2, "a": 3}) == '{"1": 2, "a": 3}'


def test_dumps_takes_the_arguments_of_json_dumps(provider):
    assert provider.dumps({"a": 1}, indent=2) == '{\n  "a": 1\n}'
    assert provider.dumps({"a": [1]}, separators=(",", ":")) == '{"a":[1]}'
    assert provider.dumps({"b": 1, "a": "é"}, sort_keys=False, ensure_ascii=False) == (
        '{"b": 1, "a": "é"}'
    )
    assert provider.dumps({1}, default=sorted) == "[1]"


def test_circle_is_a_value_error_and_the_next_call_works(provider):
    circle = []
    circle.append(circle)
    with pytest.raises(ValueError, match="[Cc]ircular"):
        provider.dumps(circle)
    with pytest.raises(ValueError, match="[Cc]ircular"):
        provider.dump_body({"a": circle})
    assert provider.dumps([[]]) == "[[]]"


def test_too_deep_is_a_recursion_error(provider):
    deep = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(RecursionError):
        provider.dumps(deep)
    while deep:  # taken apart here, or freeing it would be as deep
        deep = deep[0]


def test_settings_on_the_instance_are_noticed(provider):
    value = {"b": "é", "a": 1}
    assert provider.dump_body(value) == b'{"a":1,"b":"\\u00e9"}\n'
    provider.ensure_ascii = False
    assert provider.dump_body(value) == '{"a":1,"b":"é"}\n'.encode()
    provider.sort_keys = False
    assert provider.dump_body(value) == '{"b":"é","a":1}\n'.encode()
    provider.default = lambda o: "other"
    assert provider.dump_body([object()]) == b'["other"]\n'


def test_settings_on_the_class_are_noticed(app, monkeypatch):
    class Own(DefaultJSONProvider):
        pass

    provider = Own(app)
    assert provider.dumps({"b": 1, "a": 2}) == '{"a": 2, "b": 1}'
    monkeypatch.setattr(Own, "sort_keys", False, raising=False)
    assert provider.dumps({"b": 1, "a": 2}) == '{"b": 1, "a": 2}'


def test_default_may_be_a_method(app):
    class Own(DefaultJSONProvider):
        word = "one"

        def default(self, o):
            return self.word if isinstance(o, set) else super().default(o)

    provider = Own(app)
    assert provider.dumps([{1}, date(2020, 1, 1)]) == f'["one", {DATE}]'
    provider.word = "two"
    assert provider.dumps([{1}]) == '["two"]'


TIGHT = b'{"a":[1,{"z":2}],"b":1}\n'
LOOSE = b'{\n  "a": [\n    1,\n    {\n      "z": 2\n    }\n  ],\n  "b": 1\n}\n'


@pytest.mark.parametrize(
    ("debug", "compact", "body"),
    [
        (False, None, TIGHT),
        (False, True, TIGHT),
        (False, False, LOOSE),
        (True, None, LOOSE),
        (True, True, TIGHT),
        (True, False, LOOSE),
    ],
)
def test_body_is_compact_unless_debugging(app, debug, compact, body):
    app.debug = debug
    app.json.compact = compact
    value = {"b": 1, "a": [1, {"z": 2}]}
    response = app.json.response(value)
    assert response.get_data() == app.json.dump_body(value) == body
    assert response.mimetype == "application/json"


def test_response_of_each_kind_of_argument(provider):
    assert provider.response().get_data() == b"null\n"
    assert provider.response(None).get_data() == b"null\n"
    assert provider.response(1).get_data() == b"1\n"
    assert provider.response(1, 2).get_data() == b"[1,2]\n"
    assert provider.response(b=1, a=2).get_data() == b'{"a":2,"b":1}\n'
    with pytest.raises(TypeError, match="either args or kwargs, not both"):
        provider.response(1, a=2)


def test_response_uses_the_mimetype_and_the_response_class(app):
    class Own(app.response_class):
        pass

    app.response_class = Own
    app.json.mimetype = "application/vnd.shop+json"
    response = app.json.response({})
    assert type(response) is Own
    assert response.content_type == "application/vnd.shop+json"


def test_a_returned_dict_or_list_has_the_same_bytes(app):
    app.json.ensure_ascii = False

    @app.get("/dict")
    def dictionary():
        return {"b": "é", "a": Decimal("1.5")}

    @app.get("/list")
    def a_list():
        return [1, date(2020, 1, 1)]

    client = app.test_client()
    assert client.get("/dict").data == '{"a":"1.5","b":"é"}\n'.encode()
    response = client.get("/list")
    assert response.data == f"[1,{DATE}]\n".encode()
    assert response.content_type == "application/json"


def test_own_response_is_used_for_a_returned_dict(app):
    class Own(DefaultJSONProvider):
        def response(self, *args, **kwargs):
            response = super().response(*args, **kwargs)
            response.headers["X-Own"] = "yes"
            return response

    app.json = Own(app)
    app.add_url_rule("/", view_func=lambda: {"a": 1})
    assert app.test_client().get("/").headers["X-Own"] == "yes"


def test_own_dumps_is_used_for_bodies(app):
    class Own(DefaultJSONProvider):
        def dumps(self, obj, **kwargs):
            return "own"

    app.json = Own(app)
    assert not app.json.answers_plainly()
    app.add_url_rule("/", view_func=lambda: {"a": 1})
    assert app.test_client().get("/").data == b"own\n"


@pytest.mark.parametrize("name", ["dumps", "response"])
def test_replaced_on_the_instance_is_noticed(provider, name):
    assert provider.answers_plainly()
    setattr(provider, name, getattr(provider, name))
    assert not provider.answers_plainly()


@pytest.mark.parametrize("name", ["dumps", "response", "_prepare_response_obj"])
def test_replaced_on_the_class_is_noticed(provider, name, monkeypatch):
    monkeypatch.setattr(DefaultJSONProvider, name, lambda self, *args, **kwargs: None)
    assert not provider.answers_plainly()


class Minimal(JSONProvider):
    def dumps(self, obj, **kwargs):
        return stdlib.dumps(obj)

    def loads(self, s, **kwargs):
        return stdlib.loads(s)


def test_a_provider_needs_dumps_and_loads_only(app):
    app.json = Minimal(app)
    assert not app.json.answers_plainly()
    assert app.json.dump_body({"b": 1, "a": 2}) == b'{"b": 1, "a": 2}'
    app.add_url_rule("/", view_func=lambda: {"b": 1, "a": 2})
    assert app.test_client().get("/").data == b'{"b": 1, "a": 2}'
    with app.app_context():
        out = io.StringIO()
        json.dump([1], out)
        assert json.load(io.StringIO(out.getvalue())) == [1]


def test_base_provider_leaves_both_open(app):
    with pytest.raises(NotImplementedError):
        JSONProvider(app).dumps(1)
    with pytest.raises(NotImplementedError):
        JSONProvider(app).loads("1")


@pytest.mark.parametrize(
    "source",
    [
        '{"a": 1}',
        b'{"a": 1}',
        ' \n{"a": 1}\t\r\n ',
        b' {"a": 1} ',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-16-le"),
        '{"a": 1}'.encode("utf-32-be"),
        bytearray(b'{"a": 1}'),
    ],
)
def test_loads_text_and_bytes(provider, source):
    assert provider.loads(source) == {"a": 1}


@pytest.mark.parametrize(
    "source",
    [
        "",
        b"",
        " ",
        "{",
        b"{'a': 1}",
        "1 2",
        "1\xa0",
        "\ufeff1",
        b'"\xff"',
        b"\xff",
        b"\x00",
    ],
)
def test_loads_what_is_no_json_fails_as_json_does(provider, source):
    with pytest.raises(ValueError) as expected:
        stdlib.loads(source)
    with pytest.raises(ValueError) as caught:
        provider.loads(source)
    assert str(caught.value) == str(expected.value)


def test_loads_takes_the_arguments_of_json_loads(provider):
    assert provider.loads("1.5", parse_float=Decimal) == Decimal("1.5")


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=plain, ascii_only=st.booleans(), sort=st.booleans())
def test_dumps_equals_json_dumps(value, ascii_only, sort):
    provider = Flask("shop").json
    provider.ensure_ascii, provider.sort_keys = ascii_only, sort
    kwargs = {"ensure_ascii": ascii_only, "sort_keys": sort}
    assert provider.dumps(value) == stdlib.dumps(value, **kwargs)
    tight = stdlib.dumps(value, separators=(",", ":"), **kwargs)
    assert provider.dumps(value, separators=(",", ":")) == tight


@settings(deadline=None)
@given(st.binary(max_size=40) | plain.map(lambda v: stdlib.dumps(v).encode()))
def test_loads_equals_json_loads(source):
    provider = Flask("shop").json

    def outcome(loads):
        try:
            return repr(loads(source))
        except ValueError as exc:
            return type(exc), str(exc)

    assert outcome(provider.loads) == outcome(stdlib.loads)


def test_module_without_app_uses_plain_json():
    assert json.dumps({"b": date(2020, 1, 1), "a": "é"}) == f'{{"b": {DATE}, "a": "\\u00e9"}}'
    assert json.dumps([{1}], default=list) == "[[1]]"
    assert json.loads(b"[1]") == [1]
    out = io.StringIO()
    json.dump({"d": Decimal("1.5")}, out)
    out.seek(0)
    assert json.load(out) == {"d": "1.5"}


def test_module_with_app_uses_its_provider(app):
    app.json.ensure_ascii = False
    with app.app_context():
        assert json.dumps({"b": 1, "a": "é"}) == '{"a": "é", "b": 1}'
        assert json.loads("[1]") == [1]
        out = io.StringIO()
        json.dump({"b": 1, "a": 2}, out)
        assert out.getvalue() == '{"a": 2, "b": 1}'
        out.seek(0)
        assert json.load(out) == {"b": 1, "a": 2}


def test_jsonify_needs_an_application(app):
    with pytest.raises(RuntimeError, match="Working outside of application context"):
        jsonify(1)
    with app.app_context():
        assert jsonify(a=1).get_json() == {"a": 1}


def test_provider_holds_its_application_weakly(app):
    assert app.json._app == app
    assert app.json._app is not app


def test_named_modules_are_there_for_importers():
    from hipflask.json import provider

    assert provider.uuid.UUID is UUID
    assert provider.decimal.Decimal is Decimal
    assert provider.dataclasses is dataclasses
    with pytest.raises(AttributeError, match="no_such_name"):
        provider.no_such_name


def test_import_does_not_load_what_it_may_never_need():
    program = (
        "import sys, werkzeug.wrappers; before = set(sys.modules); import hipflask.json.tag,"
        " hipflask.sessions; print(*set(sys.modules) - before)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(ran.stdout.split())
    assert "hipflask.json.provider" in loaded
    assert not loaded & {"decimal", "itsdangerous", "click", "jinja2", "asyncio"}


def test_public_face():
    assert hipflask.json is json
    assert hipflask.jsonify is json.jsonify


# --- plain values, which msgspec writes and reads --------------------------------------------


class Word(str):
    pass


class Colour(enum.StrEnum):
    RED = "r"


class Number(enum.IntEnum):
    ONE = 1


def _is_key(value):
    return isinstance(value, (str, int, bytes, date))


letters = st.text() | st.text(st.characters(max_codepoint=0x90))
unusual = st.sampled_from(
    [Word("é"), Colour.RED, Number.ONE, b"x", {1}, date(2020, 1, 1), Decimal("1.5"), UUID(int=3)]
)
numbers = st.integers() | st.floats() | st.sampled_from([1e16, -1e-5, 1 << 70, -(1 << 64), -0.0])
keys = letters | numbers | st.none() | unusual.filter(_is_key)
anything = st.recursive(
    st.none() | st.booleans() | numbers | letters | unusual,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(letters, inner, max_size=4)
        | st.dictionaries(
            letters | numbers | st.none() | unusual.filter(_is_key), inner, max_size=3
        )
        | st.tuples(inner, inner)
    ),
    max_leaves=12,
)


def outcome(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error), str(error)


@settings(deadline=None, max_examples=300)
@given(value=anything, ascii_only=st.booleans(), sort=st.booleans())
def test_a_body_has_the_bytes_of_json_dumps(value, ascii_only, sort):
    app = Flask("shop")
    provider = app.json
    provider.ensure_ascii, provider.sort_keys = ascii_only, sort

    def documented(value):
        settings = {"ensure_ascii": ascii_only, "sort_keys": sort, "default": provider.default}
        return f"{stdlib.dumps(value, separators=(',', ':'), **settings)}\n".encode()

    expected = outcome(documented, value)
    assert outcome(provider.body_writer(), value) == expected
    assert outcome(provider.dump_body, value) == expected


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_document_is_read_as_json_loads_reads_it(data):
    value = data.draw(anything.filter(lambda value: isinstance(outcome(stdlib.dumps, value), str)))
    document = bytearray(stdlib.dumps(value).encode())
    damage = st.sampled_from(
        [b"0", b"e5", b".", b" ", b"\n", b'"', b"\\u0041", b",", b"\xff", b"-", b"1e400", b"NaN"]
    )
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.integers(0, len(document)))
        document[place : place + data.draw(st.integers(0, 1))] = data.draw(damage)
    provider_loads = DefaultJSONProvider(Flask("shop")).loads
    for source in (bytes(document), bytes(document).decode(errors="surrogateescape")):
        assert repr(outcome(provider_loads, source)) == repr(outcome(stdlib.loads, source))


@pytest.mark.parametrize(
    ("value", "is_so"),
    [
        ({"a": [1, "x", None, True, (2.5,)]}, True),
        ({"a": {"b": {}}}, True),
        (1e-5, False),
        (1e16, False),
        (float("nan"), False),
        ({1: 2}, False),
        ({"a": Word("x")}, False),
        ({Word("a"): 1}, False),
        ([date(2020, 1, 1)], False),
        ({"a": {1}}, False),
        ([True, Number.ONE], False),
    ],
)
def test_plain_is_what_both_libraries_write_alike(value, is_so):
    assert plain_json.is_plain(value) is is_so


def test_a_writer_is_made_anew_after_a_setting_is_changed(app):
    app.add_url_rule("/", view_func=lambda: {"b": "é", "a": 1})
    client = app.test_client()
    assert client.get("/").data == b'{"a":1,"b":"\\u00e9"}\n'
    app.json.sort_keys = False
    assert client.get("/").data == b'{"b":"\\u00e9","a":1}\n'
    app.json.ensure_ascii = False
    assert client.get("/").data == '{"b":"é","a":1}\n'.encode()
    app.json.compact = False
    assert client.get("/").data == '{\n  "b": "é",\n  "a": 1\n}\n'.encode()
    app.json.compact = None
    app.debug = True
    assert client.get("/").data == '{\n  "b": "é",\n  "a": 1\n}\n'.encode()
    app.debug = False
    app.json.mimetype = "application/x-json"
    assert client.get("/").content_type == "application/x-json"


def test_a_setting_that_is_a_property_is_asked_each_time(app):
    answers = iter([True, False])

    class Own(DefaultJSONProvider):
        @property
        def sort_keys(self):
            return next(answers)

    app.json = Own(app)
    assert not app.json.answers_plainly()
    app.add_url_rule("/", view_func=lambda: {"b": 1, "a": 2})
    client = app.test_client()
    assert client.get("/").data == b'{"a":2,"b":1}\n'
    assert client.get("/").data == b'{"b":1,"a":2}\n'


def test_a_writer_of_a_minimal_provider_goes_through_its_response(app):
    app.json = Minimal(app)
    assert app.json.body_writer()({"b": 1}) == b'{"b": 1}'
