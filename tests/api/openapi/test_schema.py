from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypedDict, TypeVar

import msgspec
import pytest
from msgspec import Meta

from hipflask.api.kinds import codec_of
from hipflask.api.openapi.schema import Schemas

T = TypeVar("T")


def schema_of(kind: Any, direction: Any = "input") -> Any:
    schemas = Schemas()
    return schemas.resolve(schemas.of(kind, direction))


def components_of(*kinds: tuple[Any, Any]) -> dict[str, Any]:
    schemas = Schemas()
    for kind, direction in kinds:
        schemas.of(kind, direction)
    return schemas.components()


class Colour(enum.Enum):
    """What it looks like."""

    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct):
    """A thing."""

    name: Annotated[str, Meta(min_length=1, description="Its name.")]
    colours: list[Colour] = []


class Cat(msgspec.Struct, tag_field="kind", tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag_field="kind", tag="dog"):
    age: int


class Box(msgspec.Struct, Generic[T]):
    content: T


class Tree(msgspec.Struct):
    label: str = ""
    branches: list[Tree] = []


class Point(NamedTuple):
    x: int
    y: int = 0


class Options(TypedDict, total=False):
    size: int


@dataclasses.dataclass
class Order:
    number: int
    paid: bool = False


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (int, {"type": "integer"}),
        (
            Annotated[int, Meta(gt=1, le=5)],
            {"type": "integer", "exclusiveMinimum": 1, "maximum": 5},
        ),
        (float, {"type": "number"}),
        (bool, {"type": "boolean"}),
        (Any, {}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (datetime.date, {"type": "string", "format": "date"}),
        (datetime.datetime, {"type": "string", "format": "date-time"}),
        (Literal["a", 1], {"enum": [1, "a"]}),
        (Literal["b", "a"], {"type": "string", "enum": ["a", "b"]}),
        (list[int], {"type": "array", "items": {"type": "integer"}}),
        (list, {"type": "array"}),
        (dict[str, int], {"type": "object", "additionalProperties": {"type": "integer"}}),
        (
            dict[Literal["a"], Any],
            {"type": "object", "propertyNames": {"enum": ["a"]}},
        ),
        (
            tuple[int, str],
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "items": False,
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        (
            Annotated[set[int], Meta(min_length=2)],
            {"type": "array", "items": {"type": "integer"}, "minItems": 2, "uniqueItems": True},
        ),
    ],
)
def test_types_without_a_name(kind, schema):
    assert schema_of(kind) == schema


def test_a_decimal_is_read_from_text_and_numbers_and_written_as_text():
    written = schema_of(decimal.Decimal, "output")
    assert written["type"] == "string"
    assert schema_of(decimal.Decimal)["anyOf"] == [written, {"type": "number"}]


def test_bytes_are_base64():
    assert schema_of(bytes)["contentEncoding"] == "base64"
    assert schema_of(Annotated[bytes, Meta(max_length=2)])["maxLength"] == 4


def test_a_class_is_a_component_with_its_docstring():
    assert components_of((Item, "input")) == {
        "Colour": {
            "description": "What it looks like.",
            "type": "string",
            "enum": ["red", "blue"],
        },
        "Item": {
            "description": "A thing.",
            "type": "object",
            "properties": {
                "name": {"type": "string", "minLength": 1, "description": "Its name."},
                "colours": {
                    "type": "array",
                    "items": {"$ref": "#/components/schemas/Colour"},
                    "default": [],
                },
            },
            "required": ["name"],
        },
    }


def test_defaults_are_always_sent_so_both_directions_have_a_component():
    found = components_of((Item, "input"), (Item, "output"))
    assert list(found) == ["Colour", "Item", "ItemInput"]
    assert found["Item"]["required"] == ["name", "colours"]
    assert found["ItemInput"]["required"] == ["name"]


def test_one_shape_is_one_component():
    assert list(components_of((Cat, "input"), (Box[int], "input"), (Box[int], "output"))) == [
        "Box_int",
        "Cat",
    ]


def test_a_difference_spreads_to_whoever_refers_to_it():
    found = components_of((Box[Item], "input"), (Box[Item], "output"))
    assert set(found) == {"Box_Item", "Box_ItemInput", "Item", "ItemInput", "Colour"}
    assert found["Box_ItemInput"]["properties"]["content"] == {
        "$ref": "#/components/schemas/ItemInput"
    }


def test_a_class_may_hold_itself():
    found = components_of((Tree, "input"), (Tree, "output"))
    assert found["Tree"]["properties"]["branches"]["items"] == {"$ref": "#/components/schemas/Tree"}
    assert found["TreeInput"]["properties"]["branches"]["items"] == {
        "$ref": "#/components/schemas/TreeInput"
    }


def test_classes_of_one_name_are_called_by_module_too():
    other = msgspec.defstruct("Item", [("size", int)], module="shop.goods")
    names = list(components_of((Item, "input"), (other, "input")))
    assert names == [
        "Colour",
        "shop_goods_Item",
        f"{__name__.replace('.', '_')}_Item",
    ] or names == [
        "Colour",
        f"{__name__.replace('.', '_')}_Item",
        "shop_goods_Item",
    ]


def test_classes_of_one_name_and_module_are_counted():
    a, b = (msgspec.defstruct("Thing", [("size", kind)], module="shop") for kind in (int, str))
    found = components_of((a, "input"), (b, "input"))
    assert list(found) == ["shop_Thing", "shop_Thing2"]
    assert found["shop_Thing"]["properties"]["size"] == {"type": "integer"}


def test_a_name_that_is_ours_stays_ours():
    schemas = Schemas()
    user = msgspec.defstruct("Problem", [("size", int)], module="shop")
    mine = schemas.fixed("Problem", {"type": "object"})
    theirs = schemas.of(user, "output")
    assert schemas.resolve(mine) == {"$ref": "#/components/schemas/Problem"}
    assert schemas.resolve(theirs) == {"$ref": "#/components/schemas/Problem2"}


def test_a_union_by_tag_has_a_discriminator():
    assert schema_of(Cat | Dog) == {
        "anyOf": [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}],
        "discriminator": {
            "propertyName": "kind",
            "mapping": {"cat": "#/components/schemas/Cat", "dog": "#/components/schemas/Dog"},
        },
    }
    assert components_of((Cat | Dog, "input"))["Cat"]["required"] == ["kind", "lives"]


def test_a_tag_is_needed_only_where_it_tells_apart():
    found = components_of((Cat, "input"), (Cat, "output"))
    assert found["CatInput"]["required"] == ["lives"]
    assert found["Cat"]["required"] == ["kind", "lives"]


def test_fields_that_may_be_unset_are_not_required():
    kind = msgspec.defstruct("A", [("x", int | msgspec.UnsetType, msgspec.UNSET)])
    assert "required" not in components_of((kind, "output"))["A"]


def test_omitted_defaults_are_not_required():
    kind = msgspec.defstruct("A", [("x", int, 1)], omit_defaults=True)
    assert "required" not in components_of((kind, "output"))["A"]


def test_unknown_fields_are_refused_where_the_type_says_so():
    kind = msgspec.defstruct("A", [("x", int)], forbid_unknown_fields=True)
    assert components_of((kind, "input"))["A"]["additionalProperties"] is False


def test_records_of_every_library():
    found = components_of((Order, "input"), (Options, "input"), (Point, "input"))
    assert found["Order"]["required"] == ["number"]
    assert found["Options"] == {"type": "object", "properties": {"size": {"type": "integer"}}}
    assert found["Point"]["maxItems"] == 2 and found["Point"]["minItems"] == 1


def test_limits_of_annotated_types_are_told_in_fields_too():
    at = pytest.importorskip("annotated_types")
    kind = dataclasses.make_dataclass(
        "A",
        [
            ("x", Annotated[int, at.Ge(1)]),
            ("y", Annotated[decimal.Decimal, at.Gt(0)]),
            ("z", list[Annotated[str, at.Len(1, 3)]] | None),
        ],
    )
    fields = components_of((kind, "input"))["A"]["properties"]
    assert fields["x"] == {"type": "integer", "minimum": 1}
    assert fields["y"]["anyOf"][1] == {"type": "number", "exclusiveMinimum": 0}
    assert fields["z"]["anyOf"][0]["items"] == {"type": "string", "minLength": 1, "maxLength": 3}


def test_a_default_that_json_has_no_word_for_is_left_out():
    kind = msgspec.defstruct("A", [("x", Any, object())])
    assert components_of((kind, "input"))["A"]["properties"]["x"] == {}


def test_pydantic_models_have_components_by_direction():
    pydantic = pytest.importorskip("pydantic")

    class Part(pydantic.BaseModel):
        """A part."""

        size: int = 1

    class Whole(pydantic.BaseModel):
        name: str = pydantic.Field(alias="theName")
        parts: list[Part] = []
        colour: Colour

        @pydantic.computed_field
        def count(self) -> int:
            return len(self.parts)

    found = components_of((Whole, "input"), (list[Whole], "output"), (Whole, "partial"))
    assert {"Whole", "WholeInput", "WholePartial", "Part", "PartInput", "Colour"} == set(found)
    assert found["Whole"]["required"] == ["theName", "parts", "colour", "count"]
    assert found["WholeInput"]["required"] == ["theName", "colour"]
    assert found["Part"]["description"] == "A part."
    assert found["Whole"]["properties"]["parts"]["items"] == {"$ref": "#/components/schemas/Part"}


def test_a_pydantic_union_keeps_its_discriminator():
    pydantic = pytest.importorskip("pydantic")

    class A(pydantic.BaseModel):
        kind: Literal["a"]

    class B(pydantic.BaseModel):
        kind: Literal["b"]

    union = Annotated[A | B, pydantic.Field(discriminator="kind")]
    assert schema_of(union)["discriminator"]["mapping"] == {
        "a": "#/components/schemas/A",
        "b": "#/components/schemas/B",
    }


def test_a_type_that_nobody_reads_is_refused():
    with pytest.raises(TypeError):
        schema_of(object())
    with pytest.raises(TypeError, match="has no JSON Schema"):
        schema_of(Flask_like)


class Flask_like:
    pass


def test_a_dataclass_is_written_without_the_defaults_its_class_keeps() -> None:
    @dataclasses.dataclass
    class Kept:
        number: int
        note: str | None = None
        words: list[str] = dataclasses.field(default_factory=list)

    codec = codec_of(Kept)
    written = codec.encode_json(codec.decode_json(b'{"number":1}'))
    assert written == b'{"number":1,"words":[]}'
    assert components_of((Kept, "output"))["Kept"]["required"] == ["number", "words"]
