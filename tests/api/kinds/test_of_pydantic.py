"""pydantic's models, fields and types, alone and inside of other types."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
import pytest

from hipflask.api import kinds
from hipflask.api.kinds import build, codec_of, fields_of
from hipflask.api.model import NO_DEFAULT, Rejected

pydantic = pytest.importorskip("pydantic")
Field = pydantic.Field
SECRET = "hunter2"


class Cat(pydantic.BaseModel):
    type: Literal["cat"]
    lives: int = Field(gt=1)


class Dog(pydantic.BaseModel):
    type: Literal["dog"]
    name: Annotated[str, Field(min_length=3, max_length=6, pattern="^a")] = "abc"


class Order(pydantic.BaseModel):
    id: int
    pet: Annotated[Cat | Dog, Field(discriminator="type")] | None = None
    day: datetime.date | None = None
    price: Decimal | None = None
    many: list[int] = Field(default_factory=list)
    other: int = Field(3, alias="otherName")

    @pydantic.field_validator("id")
    @classmethod
    def not_13(cls, value: int) -> int:
        if value == 13:
            raise ValueError("any number but 13")
        if value == 14:
            raise ValueError
        return value


class Strict(pydantic.BaseModel):
    model_config = {"extra": "forbid"}
    a: int


class Lax(pydantic.BaseModel):
    model_config = {"strict": False}
    a: int


class Numbers(pydantic.RootModel[list[int]]):
    pass


@pydantic.dataclasses.dataclass
class Data:
    a: int
    b: int = 2


def flaws(type: Any, data: bytes) -> list[tuple[Any, str, str]]:
    with pytest.raises(Rejected) as caught:
        codec_of(type).decode_json(data)
    assert SECRET not in repr(caught.value.flaws)
    return [(flaw.location, flaw.expected, flaw.got) for flaw in caught.value.flaws]


def test_all_that_is_wrong_is_told() -> None:
    data = (
        b'{"id":"hunter2","pet":{"type":"dog","name":"hunter2"},'
        b'"day":"hunter2","many":[1,"hunter2"]}'
    )
    assert flaws(Order, data) == [
        (("id",), "an integer", "text"),
        (("pet", "name"), "text that should have at most 6 characters", "a longer one"),
        (("day",), "a date (RFC 3339)", "other text"),
        (("many", 1), "an integer", "text"),
    ]


@pytest.mark.parametrize(
    ("type", "data", "flaw"),
    [
        (Order, b"{}", (("id",), "a field of this name", "nothing")),
        (Order, b"[]", ((), "an object", "list")),
        (Order, b'{"id":1.5}', (("id",), "an integer", "number")),
        (Order, b'{"id":true}', (("id",), "an integer", "boolean")),
        (Order, b'{"id":13}', (("id",), "any number but 13", "another one")),
        (Order, b'{"id":14}', (("id",), "a value that its validator accepts", "another one")),
        (
            Order,
            b'{"id":1,"pet":{"type":"hunter2"}}',
            (("pet",), "one of 'cat', 'dog'", "another object"),
        ),
        (
            Order,
            b'{"id":1,"pet":{}}',
            (("pet",), "a field 'type' that tells the type", "another object"),
        ),
        (
            Order,
            b'{"id":1,"pet":{"type":"cat","lives":0}}',
            (("pet", "lives"), "greater than 1", "a smaller one"),
        ),
        (Order, b'{"id":1,"otherName":"hunter2"}', (("otherName",), "an integer", "text")),
        (Strict, b'{"a":1,"b":2}', (("b",), "no field of this name", "one")),
        (list[Strict], b'[{"a":1},{"a":"hunter2"}]', ((1, "a"), "an integer", "text")),
        (dict[str, Strict], b'{"x":{"a":null}}', (("x", "a"), "an integer", "null")),
        (Numbers, b'[1,"hunter2"]', ((1,), "an integer", "text")),
        (Data, b'{"a":"hunter2"}', (("a",), "an integer", "text")),
        (pydantic.HttpUrl, b'"hunter2"', ((), "a URL", "other text")),
        (list[pydantic.UUID4], b'["hunter2"]', ((0,), "a UUID", "other text")),
    ],
)
def test_flaws(type: Any, data: bytes, flaw: Any) -> None:
    assert flaws(type, data) == [flaw]


def test_a_model_may_choose_to_be_lax() -> None:
    assert codec_of(Lax).decode_json(b'{"a":"1"}') == Lax(a=1)
    assert codec_of(Strict).from_builtins({"a": "1"}, lax=True) == Strict(a=1)
    with pytest.raises(Rejected):
        codec_of(Strict).from_builtins({"a": "1"})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b'{"id":NaN}',
        b'{"id":1',
        b'{"id":"\xff"}',
        b'{"id":"\\ud800"}',
        b"[" * 100_000,
        b'{"id":1}x',
    ],
)
def test_malformed_as_everywhere(data: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(Order).decode_json(data)
    assert caught.value.is_malformed


def test_nesting_that_only_pydantic_finds_too_deep() -> None:
    with pytest.raises(Rejected):
        codec_of(list[Cat]).decode_json(b"[" * 300 + b"]" * 300)


def test_long_numbers_are_refused() -> None:
    assert flaws(Order, b'{"id":' + b"1" * 10_000_000 + b"}") == [
        ((), "an integer of fewer digits", "a longer one")
    ]


def test_malformed_msgpack() -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(Order).decode_msgpack(b"\xc1")
    assert caught.value.is_malformed
    with pytest.raises(Rejected, match=r"\('id',\): an integer"):
        codec_of(Order).decode_msgpack(msgspec.msgpack.encode({"id": "x"}))


def test_written_and_read_back() -> None:
    order = Order(id=1, pet=Cat(type="cat", lives=9), day=datetime.date(2020, 1, 1), otherName=4)
    codec = codec_of(Order)
    assert codec.decode_json(codec.encode_json(order)) == order
    assert codec.decode_msgpack(codec.encode_msgpack(order)) == order
    assert codec_of(Order).encode_json_unset(Order(id=1)) == b'{"id":1}'
    assert codec_of(Order).encode_msgpack_unset(Order(id=1)) == msgspec.msgpack.encode({"id": 1})
    assert b'"otherName":3' in codec.encode_json(Order(id=1))
    assert codec_of(list[Order]).encode_json([]) == b"[]"


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (Annotated[int, Field(ge=3)], "5", 5),
        (Annotated[int | None, Field(ge=3)], "5", 5),
        (pydantic.PositiveInt, "5", 5),
        (
            Annotated[datetime.date, Field(ge=datetime.date(2020, 1, 1))],
            "2020-02-01",
            datetime.date(2020, 2, 1),
        ),
        (Annotated[bool, Field(description="x")], "true", True),
        (Annotated[list[int], Field(max_length=2)], "5", [5]),
        (list[Annotated[int, Field(ge=3)]], "5", [5]),
    ],
)
def test_text(type: Any, text: str, value: Any) -> None:
    assert codec_of(type).from_text([text]) == value


@pytest.mark.parametrize(
    ("type", "text", "expected", "got"),
    [
        (Annotated[int, Field(ge=3)], "1", "greater than or equal to 3", "a smaller one"),
        (Annotated[int, Field(ge=3)], "1_0", "an integer", "text"),
        (Annotated[int, Field(ge=3)], " 5", "an integer", "text"),
        (Annotated[int, Field(ge=3)], "", "an integer", "empty text"),
        (Annotated[float, Field(ge=3)], "nan", "a number", "text"),
        (pydantic.HttpUrl, "hunter2", "a URL", "other text"),
        (Annotated[datetime.date, Field()], "1700000000", "a date (RFC 3339)", "other text"),
    ],
)
def test_text_that_is_refused(type: Any, text: str, expected: str, got: str) -> None:
    with pytest.raises(Rejected) as caught:
        codec_of(type).from_text([text])
    assert [(flaw.expected, flaw.got) for flaw in caught.value.flaws] == [(expected, got)]


def test_what_pydantic_types_are() -> None:
    assert kinds.is_structured(Order)
    assert kinds.is_structured(list[Data] | None)
    assert kinds.is_structured(Numbers)
    assert kinds.is_scalar(pydantic.HttpUrl)
    assert kinds.is_scalar(Annotated[int, Field(ge=1)])
    assert kinds.is_scalar_list(list[pydantic.SecretStr])
    assert not kinds.is_scalar(Order)


def test_fields_and_build() -> None:
    fields = {field.name: field for field in fields_of(Order)}
    assert fields["id"][1:] == ("id", int, NO_DEFAULT)
    assert fields["many"].default == []
    assert fields["other"].key == "otherName"
    assert build(Order, {"id": 1, "other": 7}).other == 7
    assert build(Data, {"a": 1}) == Data(1, 2)
    with pytest.raises(Rejected) as caught:
        build(Order, {"id": 13})
    assert [flaw.location for flaw in caught.value.flaws] == [("id",)]


def test_aliases_of_several_names() -> None:
    class Many(pydantic.BaseModel):
        a: int = Field(validation_alias=pydantic.AliasChoices("x", "y"))
        b: int = Field(default_factory=lambda data: data["a"])

    assert [(field.name, field.key) for field in fields_of(Many)] == [("a", "x"), ("b", "b")]
    assert fields_of(Many)[1].default is msgspec.UNSET
    assert build(Many, {"a": 1}).a == 1


def test_a_struct_and_a_model_do_not_mix() -> None:
    class Point(msgspec.Struct):
        x: int

    with pytest.raises(TypeError, match="pydantic cannot read"):
        codec_of(dict[str, Point | Order]).decode_json  # noqa: B018


def test_a_struct_that_knows_pydantic_is_msgspecs() -> None:
    class Point(msgspec.Struct):
        x: int

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            raise NotImplementedError

    assert codec_of(Point).decode_json(b'{"x":1}') == Point(1)
