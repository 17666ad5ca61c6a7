"""Each message that msgspec can raise, against the real library: a change of its words shows."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import time
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from msgspec import Meta, Struct

from hipflask.api.kinds import codec_of
from hipflask.api.model import Rejected

SECRET = "hunter2"


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Cat(Struct, tag="cat"):
    lives: int


class Dog(Struct, tag="dog"):
    age: int


class One(Struct, tag=1):
    a: int


class Two(Struct, tag=2):
    b: int


class Line(Struct, forbid_unknown_fields=True):
    price: int
    name: str = ""


class Order(Struct):
    lines: list[Line]
    notes: dict[str, Line] = {}
    color: Color = Color.RED
    pet: Cat | Dog | None = None


class Pair(Struct, array_like=True):
    a: int
    b: int


class TaggedPair(Struct, array_like=True, tag="pair"):
    a: int


class TaggedTriple(Struct, array_like=True, tag="triple"):
    a: str


class Dotted(Struct):
    inner: dict[str, int] = msgspec.field(default_factory=dict, name="a.b[0]")


class Node(Struct):
    kids: list[Node]


class Paper(TypedDict):
    title: str


@dataclasses.dataclass
class Span:
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError("last is not before first")


def flaw(type: Any, data: bytes) -> tuple[Any, str, str]:
    with pytest.raises(Rejected) as caught:
        codec_of(type).decode_json(data)
    (found,) = caught.value.flaws
    assert not caught.value.is_malformed
    assert SECRET not in repr(found)
    return found.location, found.expected, found.got


@pytest.mark.parametrize(
    ("type", "data", "expected", "got"),
    [
        (int, b'"hunter2"', "an integer", "text"),
        (int, b"1.5", "an integer", "number"),
        (int, b"1.5", "an integer", "number"),
        (int, b"1e-5", "an integer", "number"),
        (int, b"true", "an integer", "boolean"),
        (int, b"null", "an integer", "null"),
        (int, b"[]", "an integer", "list"),
        (int, b"{}", "an integer", "object"),
        (float, b'"1"', "a number", "text"),
        (str, b"1", "text", "integer"),
        (bool, b"1", "true or false", "integer"),
        (None, b"1", "null", "integer"),
        (int | None, b'"x"', "an integer or null", "text"),
        (int | str, b"[]", "an integer or text", "list"),
        (list[int] | Line, b"1", "an object or a list", "integer"),
        (Pair, b"{}", "a list", "object"),
        (Line, b"[]", "an object", "list"),
        (Decimal, b"true", "a decimal number", "boolean"),
        (bytes, b"1", "bytes in base64", "integer"),
        (datetime.datetime, b"1", "a date and time (RFC 3339)", "integer"),
        (datetime.timedelta, b"1.5", "a duration (ISO 8601)", "number"),
        # forms of text
        (datetime.datetime, b'"hunter2"', "a date and time (RFC 3339)", "other text"),
        (datetime.date, b'"hunter2"', "a date (RFC 3339)", "other text"),
        (datetime.time, b'"hunter2"', "a time of day (RFC 3339)", "other text"),
        (datetime.timedelta, b'"hunter2"', "a duration (ISO 8601)", "other text"),
        (
            datetime.timedelta,
            b'"P1Y"',
            "a duration in days, hours, minutes and seconds",
            "other units",
        ),
        (uuid.UUID, b'"hunter2"', "a UUID", "other text"),
        (Decimal, b'"hunter2"', "a decimal number", "other text"),
        (bytes, b'"hunter2"', "bytes in base64", "other text"),
        # ranges
        (int, b"1" * 5000, "an integer of fewer digits", "a longer one"),
        (float, b"1e999", "a number within the range of a double", "a greater one"),
        (
            datetime.timedelta,
            b'"P9999999999999D"',
            "a duration of at most 999999999 days",
            "a longer one",
        ),
        # limits
        (Annotated[int, Meta(ge=1)], b"0", "an integer of at least 1", "a smaller one"),
        (Annotated[int, Meta(gt=1)], b"0", "an integer of at least 2", "a smaller one"),
        (Annotated[int, Meta(le=1)], b"9", "an integer of at most 1", "a greater one"),
        (Annotated[int, Meta(le=1)], b"9" * 30, "an integer of at most 1", "a greater one"),
        (
            Annotated[int, Meta(multiple_of=5)],
            b"2",
            "an integer that is a multiple of 5",
            "another one",
        ),
        (Annotated[float, Meta(gt=1)], b"0.5", "a number above 1.0", "a smaller one"),
        (Annotated[float, Meta(lt=1)], b"1.5", "a number below 1.0", "a greater one"),
        (
            Annotated[float, Meta(multiple_of=0.5)],
            b"0.3",
            "a number that is a multiple of 0.5",
            "another one",
        ),
        (
            Annotated[str, Meta(min_length=9)],
            b'"hunter2"',
            "text of length at least 9",
            "a shorter one",
        ),
        (
            Annotated[str, Meta(max_length=1)],
            b'"hunter2"',
            "text of length at most 1",
            "a longer one",
        ),
        (
            Annotated[str, Meta(pattern="^`x` - at \\\\`$")],
            b'"a"',
            r"text matching ^`x` - at \\`$",
            "other text",
        ),
        (
            Annotated[list[int], Meta(min_length=2)],
            b"[1]",
            "a list of length at least 2",
            "a shorter one",
        ),
        (
            Annotated[dict[str, int], Meta(max_length=0)],
            b'{"a":1}',
            "an object of length at most 0",
            "a longer one",
        ),
        (
            Annotated[bytes, Meta(min_length=2)],
            b'""',
            "bytes in base64 of length at least 2",
            "a shorter one",
        ),
        (
            Annotated[datetime.datetime, Meta(tz=True)],
            b'"2020-01-01T00:00:00"',
            "a date and time (RFC 3339) with a time zone",
            "one without",
        ),
        (
            Annotated[datetime.time, Meta(tz=False)],
            b'"00:00:00Z"',
            "a time of day (RFC 3339) without a time zone",
            "one with",
        ),
        (tuple[int, str], b"[1]", "a list of length 2", "another length"),
        (Pair, b"[1]", "a list of length at least 2", "another length"),
        # enums and literals: msgspec repeats the value, we name those allowed
        (Color, b'"hunter2"', 'one of "red", "blue"', "another value"),
        (Color, b"1", "text", "integer"),
        (Level, b"5", "one of 1, 2", "another value"),
        (Literal["a", "b"], b'"hunter2"', 'one of "a", "b"', "another value"),
        (Literal[1, "a"], b'"hunter2"', 'one of 1, "a"', "another value"),
        (Literal["a", None], b"7", "text or null", "integer"),
    ],
)
def test_message_becomes_plain_words(type: Any, data: bytes, expected: str, got: str) -> None:
    assert flaw(type, data) == ((), expected, got)


@pytest.mark.parametrize(
    ("type", "data", "location", "expected", "got"),
    [
        (
            Order,
            b'{"lines":[{"price":1},{"price":"x"}]}',
            ("lines", 1, "price"),
            "an integer",
            "text",
        ),
        (Order, b"{}", ("lines",), "a field of this name", "nothing"),
        (Order, b'{"lines":[{}]}', ("lines", 0, "price"), "a field of this name", "nothing"),
        (
            Order,
            b'{"lines":[{"price":1,"zip":2}]}',
            ("lines", 0, "zip"),
            "no field of this name",
            "one",
        ),
        (
            Order,
            b'{"lines":[],"notes":{"hunter2":{"price":null}}}',
            ("notes", "*", "price"),
            "an integer",
            "null",
        ),
        (
            Order,
            b'{"lines":[],"color":"hunter2"}',
            ("color",),
            'one of "red", "blue"',
            "another value",
        ),
        (Paper, b"{}", ("title",), "a field of this name", "nothing"),
        (Pair, b'[1,"x"]', (1,), "an integer", "text"),
        (set[int], b'["a"]', (0,), "an integer", "text"),
        (Dotted, b'{"a.b[0]":{"x":"y"}}', ("a.b[0]", "*"), "an integer", "text"),
        # keys of objects
        (dict[int, int], b'{"hunter2":1}', ("*",), "a key that is an integer", "text"),
        (
            dict[Color, int],
            b'{"hunter2":1}',
            ("*",),
            'a key that is one of "red", "blue"',
            "another value",
        ),
        (
            dict[str, dict[datetime.date, int]],
            b'{"a":{"hunter2":1}}',
            ("*", "*"),
            "a key that is a date (RFC 3339)",
            "other text",
        ),
        # tags: msgspec repeats the value, we name those allowed
        (Cat | Dog, b'{"type":"hunter2"}', ("type",), 'one of "cat", "dog"', "another value"),
        (Cat | Dog, b'{"lives":1}', ("type",), 'one of "cat", "dog"', "nothing"),
        (Cat | Dog, b'{"type":7}', ("type",), 'one of "cat", "dog"', "another value"),
        (One | Two, b'{"type":9}', ("type",), "one of 1, 2", "another value"),
        (One | Two, b'{"type":"hunter2"}', ("type",), "one of 1, 2", "another value"),
        (Cat, b'{"type":"hunter2","lives":1}', ("type",), '"cat"', "another value"),
        (
            Order,
            b'{"lines":[],"pet":{"type":"hunter2"}}',
            ("pet", "type"),
            'one of "cat", "dog"',
            "another value",
        ),
        (
            TaggedPair | TaggedTriple,
            b'["hunter2",1]',
            (0,),
            'one of "pair", "triple"',
            "another value",
        ),
        (TaggedPair | TaggedTriple, b'["pair","x"]', (1,), "an integer", "text"),
        # what a class refuses itself
        (list[Span], b'[{"first":2,"last":1}]', (0,), "last is not before first", "other values"),
    ],
)
def test_path_becomes_location(
    type: Any, data: bytes, location: Any, expected: str, got: str
) -> None:
    assert flaw(type, data) == (location, expected, got)


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"", "nothing"),
        (b'"hunter2', "an early end"),
        (b"nul", "an early end"),
        (b"NaN", "invalid character at byte 0"),
        (b"Infinity", "invalid character at byte 0"),
        (b"-Infinity", "invalid character at byte 1"),
        (b"01", "invalid number at byte 1"),
        (b"+1", "invalid character at byte 0"),
        (b"1.", "invalid number at byte 2"),
        (b"[1,]", "trailing comma in array at byte 3"),
        (b"{1:2}", "object keys must be strings at byte 1"),
        (b"1 2", "trailing characters at byte 3"),
        (b'"\\x"', "invalid escape character in string at byte 3"),
        (b'"\\u00zz"', "invalid character in unicode escape at byte 6"),
        (b'"\\ud800\\u0041abcdef"', "invalid utf-16 surrogate pair at byte 13"),
        (b'"\\udc00abcdefgh"', "invalid utf-16 surrogate pair at byte 7"),
        (b'"\\ud800"', "an early end"),
        (b'"\n"', "invalid character at byte 1"),
        (b"\xef\xbb\xbf1", "invalid character at byte 0"),
        (b'"\xff"', "bytes that are not UTF-8"),
        (b'"\xed\xa0\x80"', "bytes that are not UTF-8"),
        (b'{"a":1,"\xff":2}', "bytes that are not UTF-8"),
    ],
)
def test_malformed_json(data: bytes, got: str) -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(Any).decode_json(data)
    assert caught.value.is_malformed
    assert [(f.location, f.expected, f.got) for f in caught.value.flaws] == [
        ((), "well-formed JSON", got)
    ]


def test_text_of_fields_that_are_left_out_must_be_utf8_as_well() -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(Cat).decode_json(b'{"lives":9,"other":"\xff"}')
    assert caught.value.is_malformed


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"", "nothing"),
        (b"\xdd\xff\xff\xff\xff", "an early end"),
        (b"\xdb\xff\xff\xff\xff", "an early end"),
        (b"\x01\x01", "trailing characters at byte 1"),
        (b"\xc1", "invalid opcode at byte 0"),
        (b"\xa1\xff", "bytes that are not UTF-8"),
        (b"\x81\x81\x01\x01\x01", "map keys must be hashable at byte 5"),
    ],
)
def test_malformed_msgpack(data: bytes, got: str) -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(Any).decode_msgpack(data)
    assert caught.value.is_malformed
    assert [(f.expected, f.got) for f in caught.value.flaws] == [("well-formed msgpack", got)]


@pytest.mark.parametrize(
    ("type", "data", "expected", "got"),
    [
        (int, b"\xd4\x05\x01", "an integer", "msgpack extension"),
        (datetime.datetime, b"\xd4\xff\xff", "a msgpack timestamp", "another extension"),
        (datetime.datetime, b"\xd7\xff" + b"\xff" * 8, "a msgpack timestamp", "another extension"),
        (
            datetime.datetime,
            b"\xc7\x0c\xff" + bytes(4) + b"\x7f" * 8,
            "a date and time of the years 1 to 9999",
            "another one",
        ),
        (uuid.UUID, b"\xc4\x01a", "a UUID", "other text"),
        (float, msgspec.msgpack.encode(float("nan")), "a finite number", "another one"),
        (float, msgspec.msgpack.encode(float("-inf")), "a finite number", "another one"),
    ],
)
def test_msgpack_messages(type: Any, data: bytes, expected: str, got: str) -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(type).decode_msgpack(data)
    assert [(f.location, f.expected, f.got) for f in caught.value.flaws] == [((), expected, got)]
    assert not caught.value.is_malformed


@pytest.mark.parametrize("type", [Any, Order, list[Any], dict[str, Any]])
@pytest.mark.parametrize("start", [b"[", b'{"lines":', b'{"x":['])
def test_deep_nesting_is_refused(type: Any, start: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(type).decode_json(start * 100_000)
    (found,) = caught.value.flaws
    if caught.value.is_malformed:
        assert found.expected == "JSON that is nested less deeply"
        assert found.got == "nesting beyond the limit"


def test_deep_nesting_of_msgpack_and_of_builtins_is_refused() -> None:
    with pytest.raises(Rejected, match="msgpack that is nested less deeply"):
        codec_of(Any).decode_msgpack(b"\x91" * 100_000)
    deep: Any = {"kids": []}
    for _ in range(5_000):
        deep = {"kids": [deep]}
    with pytest.raises(Rejected, match="data that is nested less deeply"):
        codec_of(Node).from_builtins(deep)


@pytest.mark.parametrize(
    ("type", "data"),
    [
        (int, b"1" * 10_000_000),
        (float, b"1" * 10_000_000),
        (Decimal, b"1" * 10_000_000),
        (Decimal, b'"' + b"1" * 10_000_000 + b'"'),
        (Decimal, b"0." + b"1" * 10_000_000),
        (Any, b"1" * 10_000_000),
        (int, b"-" + b"1" * 10_000_000),
        (float, b"1e" + b"1" * 10_000_000),
        (Decimal, b"1e" + b"1" * 10_000_000),
        (Decimal, b"1e999999"),
        (Decimal, b'"NaN"'),
        (Decimal, b'"-Infinity"'),
        (Decimal, b'"sNaN"'),
    ],
    ids=[str(n) for n in range(13)],
)
def test_numbers_beyond_limits_are_refused_soon(type: Any, data: bytes) -> None:
    begin = time.process_time()
    with pytest.raises(Rejected):
        codec_of(type).decode_json(data)
    assert time.process_time() - begin < 5


def test_of_equal_keys_in_msgpack_the_last_counts() -> None:
    assert codec_of(dict[str, int]).decode_msgpack(b"\x82\xa1a\x01\xa1a\x02") == {"a": 2}


Whole = Annotated[int, Meta(ge=1, le=50, multiple_of=2)]


@pytest.mark.parametrize("text", ["42.0", "42.00", "4.2e1", "420e-1", "0.42E+2"])
def test_a_whole_number_is_an_integer_however_it_is_written(text: str) -> None:
    data = f'{{"a":[1.5,{text}],"b":{text},"42.0":"42.0"}}'.encode()
    kind = msgspec.defstruct(
        "Kind", [("b", Whole), ("a", list[float]), ("text", str, msgspec.field(name="42.0"))]
    )
    assert codec_of(kind).decode_json(data) == kind(42, [1.5, 42.0], "42.0")
    assert codec_of(list[Whole | None]).decode_json(f"[null,{text}]".encode()) == [None, 42]
    assert codec_of(Literal[42]).decode_json(text.encode()) == 42


@pytest.mark.parametrize(
    "text", ["1.5", "1e400", "1e300", "9007199254740992.0", "1e-400", "1." + "0" * 30 + "1"]
)
def test_other_numbers_are_none(text: str) -> None:
    with pytest.raises(Rejected):
        codec_of(int).decode_json(text.encode())


def test_limits_hold_for_whole_numbers() -> None:
    assert flaw(Whole, b"52.0")[2] == "a greater one"
    assert flaw(Whole, b"3.0")[1] == "an integer that is a multiple of 2"
    assert flaw(list[Whole], b"[2.0,2.5]")[0] == (1,)


def test_in_msgpack_a_float_is_none() -> None:
    with pytest.raises(Rejected):
        codec_of(int).decode_msgpack(msgspec.msgpack.encode(42.0))


def test_a_text_that_does_not_end_is_searched_once() -> None:
    begin = time.process_time()
    with pytest.raises(Rejected):
        codec_of(list[int]).decode_json(b'[1.0,"' + b'\\"' * 300_000)
    assert time.process_time() - begin < 5


def test_of_many_allowed_values_twenty_are_named() -> None:
    many = Literal[tuple(range(30))]
    assert flaw(many, b"99")[1].endswith(", 18, 19, 10 more")


class Guarded(Struct):
    name: str

    def __post_init__(self) -> None:
        if self.name == "x":
            raise ValueError
        if self.name == "y":
            raise TypeError("no y")


@pytest.mark.parametrize(("name", "words"), [("x", "values that go together"), ("y", "no y")])
def test_a_class_that_says_nothing(name: str, words: str) -> None:
    assert flaw(list[Guarded], msgspec.json.encode([{"name": name}])) == (
        (0,),
        words,
        "other values",
    )
