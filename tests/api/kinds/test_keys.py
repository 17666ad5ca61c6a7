"""A key given twice is found, whatever the text looks like, and nothing else is refused."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, NotRequired, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET, Meta, Struct, UnsetType

from hipflask.api.kinds import codec_of
from hipflask.api.kinds.keys import LARGE, count_keys, keys_in, least_of, refuse_twice
from hipflask.api.model import Flaw, Rejected

HURRY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
TWICE = [Flaw((), "each key once", "a key twice")]


def is_twice(text: bytes) -> bool:
    """The slow way to know."""
    found = False

    def note(pairs: list[tuple[str, Any]]) -> None:
        nonlocal found
        found = found or len({name for name, _ in pairs}) < len(pairs)

    json.loads(text, object_pairs_hook=note)
    return found


def keys_of(text: bytes) -> int:
    count = 0

    def note(pairs: list[Any]) -> None:
        nonlocal count
        count += len(pairs)

    json.loads(text, object_pairs_hook=note)
    return count


def is_refused(text: bytes, least: int = -1) -> bool:
    try:
        refuse_twice(text, least)
    except Rejected as rejected:
        assert rejected.is_malformed
        assert rejected.flaws == TWICE
        return True
    return False


# Texts full of what could be taken for a key.
names = st.text('ab":\\ {}[],é', max_size=3)
blanks = st.sampled_from(["", "", " ", "\t", "\r\n", "  "])


@st.composite
def texts(draw: Any, depth: int = 3) -> str:
    kind = draw(st.sampled_from(["text", "number", "list", "object", "object"]))
    if kind == "number":
        return draw(st.sampled_from(["1", "1.5", "null", "true", "1e999", "9" * 5000]))
    if kind == "text" or not depth:
        return quoted(draw)
    parts = draw(st.lists(texts(depth - 1), max_size=4))
    gap = draw(blanks)
    if kind == "list":
        return f"[{gap}" + f"{gap},".join(parts) + "]"
    pairs = [f"{quoted(draw)}{draw(blanks)}:{gap}{part}" for part in parts]
    return "{" + gap + f",{gap}".join(pairs) + "}"


def quoted(draw: Any) -> str:
    name = draw(names)
    if draw(st.booleans()):
        return json.dumps(name, ensure_ascii=draw(st.booleans()))
    return '"' + "".join(f"\\u{ord(letter):04x}" for letter in name) + '"'


def is_parsed(text: str) -> bool:
    return "9" * 5000 not in text


@given(texts().filter(is_parsed))
@HURRY
def test_a_key_given_twice_is_found_as_the_slow_way_finds_it(text):
    data = text.encode()
    assert is_refused(data) == is_twice(data)
    assert is_refused(data + b" " * LARGE) == is_twice(data)
    assert count_keys(data) == keys_of(data)


@given(texts())
@HURRY
def test_numbers_beyond_limits_change_nothing(text):
    data = text.encode()
    assert is_refused(data) == is_twice(text.replace("9" * 5000, "9").encode())


class Line(Struct):
    sku: str
    count: int


class Order(Struct, rename="camel"):
    customer_name: str
    lines: list[Line]
    note: str | None = None
    extra: dict[str, Line] = {}
    first: Line | None = None
    state: str | UnsetType = UNSET


class Card(Struct, tag="card"):
    number: str


class Cash(Struct, tag="cash"):
    given: int = 0


class Row(Struct, array_like=True):
    name: str
    line: Line
    more: list[Line] = []


class Node(Struct):
    name: str
    below: list[Node] = []


class Changed(Struct):
    many: dict[str, int]

    def __post_init__(self) -> None:
        self.many = {"a": 1, "b": 2, "c": 3}


@dataclass
class Point:
    x: int
    y: int = 0
    tags: dict[str, int] = field(default_factory=dict)
    made: str = field(default_factory=lambda: "".join(["a", "b"]))


class Film(TypedDict):
    name: str
    line: NotRequired[Line]


class Pair(NamedTuple):
    left: int
    right: int


GOOD: list[tuple[Any, str]] = [
    (Line, '{"sku":"a","count":1}'),
    (Line, '{"sku":"10:30","count":1}'),
    (Line, '{"sku":":","count":1}'),
    (Line, r'{"sku":"\":","count":1}'),
    (Line, '{ "sku" : "a" ,\n "count"\t\r\n:1}'),
    (Line, '{"sku":"a","count":1,"other":{"sku":2}}'),
    (Line, '{"sku":"a","count":1,"other":1e999}'),
    (Line, r'{"sku":"a","count":1,"other":1e999,"\u006fther2":"\""}'),
    (Order, '{"customerName":"a","lines":[]}'),
    (Order, '{"customerName":"a","lines":[{"sku":"a","count":1},{"sku":"a","count":1}]}'),
    (Order, '{"customerName":"a","lines":[],"note":null,"first":null,"extra":{}}'),
    (
        Order,
        '{"customerName":"a","lines":[],"note":"b","state":"c","first":{"sku":"a","count":1},'
        '"extra":{"a":{"sku":"a","count":1}}}',
    ),
    (Card | Cash, '{"type":"card","number":"1"}'),
    (list[Card | Cash | None], '[{"type":"cash"},null,{"type":"cash","given":2}]'),
    (Card, '{"number":"1"}'),
    (Card, '{"type":"card","number":"1"}'),
    (Row, '["a",{"sku":"a","count":1}]'),
    (Row, '["a",{"sku":"a","count":1},[{"sku":"a","count":1}]]'),
    (Node, '{"name":"a","below":[{"name":"a"},{"name":"b","below":[]}]}'),
    (Changed, '{"many":{"a":1}}'),
    (Point, '{"x":1}'),
    (Point, '{"x":1,"y":2,"tags":{"a":1},"made":"ab"}'),
    (Film, '{"name":"a"}'),
    (Film, '{"name":"a","line":{"sku":"a","count":1}}'),
    (Pair, "[1,2]"),
    (dict[str, int], '{"a":1,"b":2}'),
    (dict[str, dict[str, list[Line]]], '{"a":{"a":[{"sku":"a","count":1}]}}'),
    (dict[str, Any], '{"a":{"a":[{"a":1}]}}'),
    (Any, '{"a":{"a":[{"a":1}]}}'),
    (tuple[Line, int], '[{"sku":"a","count":1},1]'),
    (list[int] | dict[str, int], '{"a":1}'),
    (list[Line] | Line, '[{"sku":"a","count":1}]'),
    (int, "1"),
    (Annotated[list[Annotated[Line, Meta()]], Meta(max_length=3)], '[{"sku":"a","count":1}]'),
]


def doubled(text: str) -> list[str]:
    """The text with one of its keys given twice, for each of them, spelled otherwise as well."""
    found = []

    def write(value: Any, path: tuple[Any, ...], at: Any, name: str) -> str:
        if isinstance(value, dict):
            pairs = [
                f"{json.dumps(key)}:{write(part, (*path, key), at, name)}"
                for key, part in value.items()
            ]
            if path == at[:-1] and at[-1] in value:
                again = write(value[at[-1]], (), (None,), "")
                pairs.insert(0, f"{name}:{again}")
            return "{" + ",".join(pairs) + "}"
        if isinstance(value, list):
            parts = [write(part, (*path, index), at, name) for index, part in enumerate(value)]
            return "[" + ",".join(parts) + "]"
        return json.dumps(value).replace("Infinity", "1e999")

    def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        if isinstance(value, dict):
            inner = [each for key, part in value.items() for each in paths(part, (*path, key))]
            return [(*path, key) for key in value] + inner
        if isinstance(value, list):
            return [each for i, part in enumerate(value) for each in paths(part, (*path, i))]
        return []

    whole = json.loads(text)
    for at in paths(whole):
        key = at[-1]
        for name in (json.dumps(key), f'"\\u{ord(key[0]):04x}{key[1:]}"', f"{json.dumps(key)} "):
            found.append(write(whole, (), at, name))
    return found


@pytest.mark.parametrize(("type", "text"), GOOD)
def test_typed_bodies_are_refused_where_a_key_is_given_twice_and_nowhere_else(type, text):
    codec = codec_of(type)
    codec.decode_json(text.encode())
    for twice in doubled(text):
        with pytest.raises(Rejected) as caught:
            codec.decode_json(twice.encode())
        assert caught.value.flaws == TWICE, twice


@pytest.mark.parametrize(
    "keys", [r"é \u00e9", r"\/ /", r"\ud83d\ude00 😀", r"\n \u000A", r"\" \u0022", r"\\ \u005C"]
)
@pytest.mark.parametrize("number", ["1", "1e999", "9" * 5000])
def test_keys_are_equal_however_they_are_spelled(keys, number):
    one, other = (f'"{key}"' for key in keys.split(" "))
    text = f'{{"x":{number},{one}:1,{one[:-1]}a":2,{{}}:3}}'
    assert is_refused(text.replace("{}", other).encode())
    assert not is_refused(text.replace("{}", other[:-1] + 'b"').encode())


@pytest.mark.parametrize(("type", "text"), GOOD)
def test_a_value_never_tells_more_keys_than_its_text_has(type, text):
    value = codec_of(type).decode_json(text.encode())
    assert least_of(type)(value) <= keys_of(text.encode())


@pytest.mark.parametrize(
    ("type", "text", "least"),
    [
        (Line, '{"sku":"a","count":1}', 2),
        (Order, '{"customerName":"a","lines":[{"sku":"a","count":1}],"note":"b"}', 5),
        (list[Card | Cash], '[{"type":"cash","given":2},{"type":"card","number":"1"}]', 4),
        (Order, '{"customerName":"a","lines":[],"extra":{"a":{"sku":"a","count":1}}}', 6),
        (Node, '{"name":"a"}', -1),
    ],
)
def test_the_usual_body_is_settled_by_one_number(type, text, least):
    assert least_of(type)(codec_of(type).decode_json(text.encode())) == least


def test_models_are_read_alike():
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Model", a=(int, ...), b=(dict[str, int] | None, None))
    codec = codec_of(model)
    assert codec.decode_json(b'{"a":1,"b":{":":1}}').b == {":": 1}
    for text in (b'{"a":1,"a":2}', b'{"a":1,"\\u0061":1}', b'{"a":1,"b":{"a" :1,"a":1}}'):
        with pytest.raises(Rejected) as caught:
            codec.decode_json(text)
        assert (caught.value.flaws, caught.value.is_malformed) == (TWICE, True)


def test_attrs_classes_are_read_alike():
    attrs = pytest.importorskip("attrs")
    codec = codec_of(attrs.make_class("Made", {"a": attrs.field(type=int)}))
    assert codec.decode_json(b'{"a":1}').a == 1
    with pytest.raises(Rejected):
        codec.decode_json(b'{"a":1,"a":2}')


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b'"",' * 300_000 + b"1]",
        b"[" + b'":",' * 300_000 + b"1]",
        b'["' + b'\\"' * 500_000 + b'",{"a":1e999}]',
        b'["' + b"\\\\" * 500_000 + b'",{"a":1e999}]',
        b"[" + b"{}," * 300_000 + b"1]",
        b"[" * 500 + b"]" * 500,
        b'{"a":' * 500 + b"1e999" + b"}" * 500,
    ],
)
def test_large_texts_take_linear_time(text):
    start = time.process_time()
    assert not is_refused(text)
    assert time.process_time() - start < 5


def test_deep_values_are_counted_without_recursion():
    value: Any = {}
    for _ in range(100_000):
        value = [{"a": value}]
    assert keys_in(value) == 100_000
    while value:
        value = value[0]["a"]
