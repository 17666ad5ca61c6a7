"""What types are, and that values of every kind survive the way out and back in."""

# ruff: noqa: UP045 (both spellings of a union are tested)
from __future__ import annotations

import dataclasses
import datetime
import enum
import sys
import uuid
from collections.abc import Sequence
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    NotRequired,
    Optional,
    TypedDict,
    TypeVar,
)

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta, Struct

from hipflask.api import kinds
from hipflask.api.kinds import build, codec_of, fields_of
from hipflask.api.model import NO_DEFAULT, Rejected

T = TypeVar("T")
Id = NewType("Id", int)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Item(Struct):
    price: int
    name: str = msgspec.field(default="", name="itemName")
    tags: list[str] = []


class Cat(Struct, tag=True):
    lives: int


class Dog(Struct, tag=True):
    age: int


class Paged(Struct, Generic[T]):
    items: list[T]


@dataclasses.dataclass
class Data:
    a: int
    b: list[int] = dataclasses.field(default_factory=list)


class Paper(TypedDict):
    title: str
    year: NotRequired[int]


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclasses.dataclass
class Box(Generic[T]):
    content: T


@pytest.mark.parametrize(
    "type",
    [
        Item,
        Data,
        Paper,
        Point,
        list[Item],
        dict[str, Data],
        Item | None,
        Optional[Data],
        Cat | Dog,
        tuple[Item, ...],
        Annotated[Item, "note"],
        Paged[Item],
        Box[int],
        list[dict[str, Item | None]],
    ],
)
def test_structured_types(type: Any) -> None:
    assert kinds.is_structured(type)
    assert not kinds.is_scalar(type)
    assert not kinds.is_scalar_list(type)


@pytest.mark.parametrize(
    "type",
    [
        str,
        int,
        float,
        bool,
        bytes,
        Decimal,
        uuid.UUID,
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        Color,
        Level,
        Literal["a", 1],
        Id,
        int | None,
        int | str,
        Optional[Color],
        Annotated[int, Meta(ge=1)],
        Annotated[int, Meta(ge=1)] | None,
    ],
)
def test_scalar_types(type: Any) -> None:
    assert kinds.is_scalar(type)
    assert not kinds.is_structured(type)
    assert kinds.is_scalar_list(list[type])
    assert kinds.is_scalar_list(Sequence[type] | None)
    assert kinds.is_scalar_list(Annotated[set[type], "note"])
    assert not kinds.is_scalar_list(type)


@pytest.mark.parametrize(
    "type",
    [
        Any,
        object,
        complex,
        dict,
        list,
        dict[str, int],
        list[list[int]],
        None,
        type,
        T,
        list[int] | set[int],
    ],
)
def test_other_types(type: Any) -> None:
    assert not kinds.is_scalar(type)
    assert not kinds.is_structured(type)
    assert not kinds.is_scalar_list(type)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the type statement")
def test_aliases_of_the_type_statement() -> None:
    names: dict[str, Any] = {"Item": Item}
    exec("type Items = list[Item]\ntype Number = int", names)
    assert kinds.is_structured(names["Items"])
    assert codec_of(names["Number"]).from_text(["3"]) == 3


def test_the_codec_of_a_type_is_made_once() -> None:
    assert codec_of(list[Item]) is codec_of(list[Item])
    assert codec_of(Item).decode_json is codec_of(Item).decode_json
    unhashable = Annotated[int, Meta(extra={"a": []})]
    assert codec_of(unhashable).from_text(["1"]) == 1


@pytest.mark.parametrize(
    ("type", "words"),
    [
        (complex, r"builtins\.complex is neither a record"),
        (list[complex], r"builtins\.complex is neither a record"),
        (Item | Paged[int], "all Struct types must be tagged"),
        (datetime.date | str, "Type unions may not contain"),
    ],
)
def test_a_type_nobody_can_read(type: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        codec_of(type).decode_json  # noqa: B018


def test_a_type_nobody_can_write() -> None:
    with pytest.raises(TypeError, match=r"builtins\.complex is neither"):
        codec_of(dict[str, complex]).encode_json  # noqa: B018
    assert (
        codec_of(Item | Paged[int]).encode_json(Item(1)) == b'{"price":1,"itemName":"","tags":[]}'
    )


def test_fields_of_every_kind_of_record() -> None:
    def told(type: Any) -> list[tuple[Any, ...]]:
        return [tuple(field) for field in fields_of(type)]

    assert told(Item) == [
        ("price", "price", int, NO_DEFAULT),
        ("name", "itemName", str, ""),
        ("tags", "tags", list[str], []),
    ]
    assert told(Data) == [("a", "a", int, NO_DEFAULT), ("b", "b", list[int], [])]
    assert told(Paper)[0] == ("title", "title", str, NO_DEFAULT)
    assert told(Paper)[1][:3] == ("year", "year", int)
    assert told(Paper)[1][3] is msgspec.UNSET
    assert told(Point) == [("x", "x", int, NO_DEFAULT), ("y", "y", int, 0)]
    assert told(Paged[Item]) == [("items", "items", list[Item], NO_DEFAULT)]
    assert told(Box[int]) == [("content", "content", int, NO_DEFAULT)]
    with pytest.raises(TypeError, match="has no fields"):
        fields_of(int)


def test_build_puts_records_together() -> None:
    assert build(Item, {"price": 1}) == Item(1)
    assert build(Data, {"a": 1}) == Data(1)
    assert build(Paper, {"title": "t"}) == {"title": "t"}
    assert build(Point, {"x": 1}) == Point(1)
    first, second = build(Data, {"a": 1}), build(Data, {"a": 1})
    assert first.b is not second.b


class Even(Struct):
    n: int

    def __post_init__(self) -> None:
        if self.n % 2:
            raise ValueError("n is not even")


def test_build_tells_what_a_class_refuses() -> None:
    with pytest.raises(Rejected) as caught:
        build(Even, {"n": 1})
    (flaw,) = caught.value.flaws
    assert (flaw.location, flaw.expected, flaw.got) == ((), "n is not even", "other values")


def test_attrs_classes() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Leaf:
        n: int = attrs.field(validator=attrs.validators.gt(5))
        word: str = attrs.field(default="a", validator=attrs.validators.in_(["a", "b"]))
        short: str = attrs.field(default="", validator=attrs.validators.max_len(2))
        many: list[int] = attrs.Factory(list)
        _own: int = 3

    codec = codec_of(Leaf)
    assert kinds.is_structured(list[Leaf])
    assert codec.decode_json(b'{"n":6}').n == 6
    assert [field.name for field in fields_of(Leaf)] == ["n", "word", "short", "many", "_own"]
    assert fields_of(Leaf)[3].default == []
    assert build(Leaf, {"n": 7, "_own": 8})._own == 8
    for data, location, expected in (
        (b'{"n":1}', ("n",), "a value > 5"),
        (b'{"n":7,"word":"hunter2"}', ("word",), "a value that its validator accepts"),
        (b'{"n":7,"short":"hunter2"}', ("short",), "a value of length <= 2"),
    ):
        with pytest.raises(Rejected) as caught:
            codec.decode_json(data)
        (flaw,) = caught.value.flaws
        assert (flaw.location, flaw.expected, flaw.got) == (location, expected, "other values")
    with pytest.raises(Rejected, match="a value > 5"):
        build(Leaf, {"n": 1})


def test_a_default_of_attrs_that_takes_the_instance() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Leaf:
        n: int
        twice: int = attrs.field(default=attrs.Factory(lambda self: 2 * self.n, takes_self=True))

    assert fields_of(Leaf)[1].default is msgspec.UNSET
    assert build(Leaf, {"n": 2}).twice == 4
    with pytest.raises(TypeError, match="takes_self"):
        codec_of(Leaf).decode_json  # noqa: B018


def test_builtins_strictly_and_laxly() -> None:
    codec = codec_of(Item)
    assert codec.from_builtins({"price": 1}) == Item(1)
    assert codec.from_builtins({"price": "1"}, lax=True) == Item(1)
    with pytest.raises(Rejected, match=r"\('price',\): an integer"):
        codec.from_builtins({"price": "1"})
    assert codec_of(int).from_builtins("12", lax=True) == 12
    assert codec_of(list[int]).from_builtins("12", lax=True) == [12]
    with pytest.raises(Rejected):
        codec_of(int).from_builtins("1_2", lax=True)
    made = uuid.uuid4()
    assert codec_of(uuid.UUID).from_builtins(made) is made
    assert codec_of(Annotated[int, Meta(ge=1)]).from_builtins(3, lax=True) == 3


# The way out and back in, for generated types.

WORDS = st.text(st.characters(codec="utf-8"), max_size=8)
INTS = st.integers(-(2**63), 2**64 - 1)
MOMENTS = st.datetimes(timezones=st.just(datetime.UTC))
ZONELESS = st.times()
SCALARS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (str, WORDS),
    (int, INTS),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (bytes, st.binary(max_size=8)),
    (Decimal, st.decimals(-1000, 1000, places=3)),
    (uuid.UUID, st.uuids()),
    (datetime.date, st.dates()),
    (datetime.datetime, MOMENTS),
    (datetime.time, ZONELESS),
    (datetime.timedelta, st.timedeltas()),
    (Color, st.sampled_from(Color)),
    (Level, st.sampled_from(Level)),
    (Literal["a", "b"], st.sampled_from(["a", "b"])),
    (Annotated[int, Meta(ge=0, le=9)], st.integers(0, 9)),
    (Id, INTS),
    (Item, st.builds(Item, INTS, WORDS, st.lists(WORDS, max_size=2))),
    (Cat | Dog, st.builds(Cat, INTS) | st.builds(Dog, INTS)),
    (Data, st.builds(Data, INTS, st.lists(INTS, max_size=2))),
    (Paper, st.fixed_dictionaries({"title": WORDS}, optional={"year": INTS})),
    (Point, st.builds(Point, INTS, INTS)),
]
TEXTS = SCALARS[:16]


def wrapped(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A strategy of (type, strategy of its values) around others."""
    return st.one_of(
        inner.map(lambda pair: (list[pair[0]], st.lists(pair[1], max_size=3))),
        inner.map(lambda pair: (dict[str, pair[0]], st.dictionaries(WORDS, pair[1], max_size=3))),
        inner.map(lambda pair: (tuple[pair[0], int], st.tuples(pair[1], INTS))),
        inner.map(lambda pair: (Optional[pair[0]], st.none() | pair[1])),
    )


TYPES = st.recursive(st.sampled_from(SCALARS), wrapped, max_leaves=4)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_is_written_is_read_back(data: st.DataObject) -> None:
    type, values = data.draw(TYPES)
    value = data.draw(values)
    codec = codec_of(type)
    assert codec.decode_json(codec.encode_json(value)) == value
    assert codec.decode_msgpack(codec.encode_msgpack(value)) == value
    assert codec.from_builtins(msgspec.to_builtins(value)) == value


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_scalars_are_read_back_from_their_text(data: st.DataObject) -> None:
    type, values = data.draw(st.sampled_from(TEXTS))
    value = data.draw(values)
    texts = [text_of(value)]
    assert codec_of(type).from_text(texts) == value
    assert codec_of(list[type]).from_text(texts * 2) == [value] * 2


def text_of(value: Any) -> str:
    """A value as a client puts it into a URL: its JSON, without quotes."""
    plain = msgspec.to_builtins(value)
    return plain if isinstance(plain, str) else msgspec.json.encode(plain).decode()


@settings(max_examples=300, deadline=None)
@given(st.data(), st.binary(max_size=40) | WORDS.map(str.encode))
def test_no_input_raises_anything_but_rejected(data: st.DataObject, sent: bytes) -> None:
    type, _ = data.draw(TYPES)
    codec = codec_of(type)
    for read in (codec.decode_json, codec.decode_msgpack):
        try:
            read(sent)
        except Rejected as error:
            assert error.flaws


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(TEXTS), st.text(max_size=12))
def test_no_text_raises_anything_but_rejected(pair: Any, text: str) -> None:
    try:
        codec_of(pair[0]).from_text([text])
    except Rejected as error:
        assert len(error.flaws) == 1
