"""Types that are seldom met: read, written and told, or refused at start with a way out."""

import dataclasses
import enum
import json
import sys
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Optional,
    Self,
    TypedDict,
    TypeVar,
    Union,
)

import msgspec
import pytest
from msgspec import Meta

from hipflask import Flask
from hipflask.api import Body
from hipflask.api.openapi import document
from hipflask.scaffold import SetupError

T = TypeVar("T")


class Small(msgspec.Struct):
    n: Annotated[int, Meta(ge=1)]


class Slice(msgspec.Struct, Generic[T]):
    items: list[T]


@dataclasses.dataclass
class SliceData(Generic[T]):
    items: list[T]


class SliceDict(TypedDict, Generic[T]):
    items: list[T]


class SliceOfSmall(Slice[Small]):
    extra: int = 0


UserId = NewType("UserId", int)
AtLeastFive = NewType("AtLeastFive", Annotated[int, Meta(ge=5)])


class Ids(msgspec.Struct):
    user: UserId
    number: AtLeastFive


class Node(msgspec.Struct):
    value: int
    next: "Node | None" = None


@dataclasses.dataclass
class Tree:
    value: int
    branches: "list[Tree]"


TREE = {"value": 1, "branches": [{"value": 2, "branches": []}]}


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(msgspec.Struct):
    value: Literal["a", 1, None, "1"]
    level: Level = Level.LOW


class Raw(msgspec.Struct):
    data: bytes
    more: bytes | None = None


class Unions(msgspec.Struct):
    one: Optional[Union[int, Optional[str]]] = None  # noqa: UP007, UP045
    many: list[Optional[Union[int, None, list[int | None]]]] = []  # noqa: UP007, UP045


class Anything(msgspec.Struct):
    any: Any
    other: object = None


class Pair(NamedTuple):
    left: int
    right: str = "x"


def app_of(type: Any, query: bool = False) -> Flask:
    app = Flask(__name__)
    app.config.update(TYPED_VIEWS=True, TESTING=True)

    def view(value: Any) -> Any:
        return repr(value) if query else value

    view.__annotations__ = {"value": type if query else Body[type]} | (
        {} if query else {"return": type}
    )
    app.add_url_rule("/", view_func=view, methods=["GET" if query else "POST"])
    return app


def resolved(schema: Any, whole: Any) -> Any:
    while "$ref" in schema:
        schema = whole["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


@pytest.mark.parametrize(
    ("type", "good", "bad", "where"),
    [
        (Slice[Small], {"items": [{"n": 1}]}, {"items": [{"n": 0}]}, ["items", 0, "n"]),
        (SliceData[Small], {"items": [{"n": 1}]}, {"items": [{"n": 0}]}, ["items", 0, "n"]),
        (SliceDict[Small], {"items": [{"n": 1}]}, {"items": [{"n": 0}]}, ["items", 0, "n"]),
        (SliceOfSmall, {"items": [{"n": 1}], "extra": 2}, {"items": [{}]}, ["items", 0, "n"]),
        (Ids, {"user": 1, "number": 5}, {"user": 1, "number": 4}, ["number"]),
        (Node, {"value": 1, "next": {"value": 2, "next": None}}, {"next": {}}, ["next", "value"]),
        (Tree, TREE, {"value": 1, "branches": [1]}, ["branches", 0]),
        (Mixed, {"value": "1", "level": 2}, {"value": "1", "level": 3}, ["level"]),
        (Mixed, {"value": 1, "level": 2}, {"value": 2}, ["value"]),
        (Mixed, {"value": None, "level": 1}, {"value": True}, ["value"]),
        (Raw, {"data": "aGFsbG8=", "more": None}, {"data": "a!"}, ["data"]),
        (Unions, {"one": "x", "many": [1, None, [1, None]]}, {"many": [["x"]]}, ["many", 0, 0]),
        (Anything, {"any": [1, {"x": None}], "other": 2}, {"other": 1}, ["any"]),
        (tuple[Small, ...], [{"n": 1}], [{"n": 0}], [0, "n"]),
        (tuple[Small, ...], [], {}, []),
        (tuple[Small, Small], [{"n": 1}, {"n": 2}], [{"n": 1}], []),
        (list[Pair], [[1, "y"]], [["y"]], [0, 0]),
        (Pair, [1, "y"], [1, 2], [1]),
    ],
)  # fmt: skip
def test_what_is_read_is_written_and_told(type: Any, good: Any, bad: Any, where: list[Any]) -> None:
    app = app_of(type)
    client = app.test_client()
    assert client.post("/", json=good).json == good
    refused = client.post("/", json=bad)
    assert refused.status_code == 422
    assert refused.json["errors"][0]["location"] == ["body", *where]
    validator = pytest.importorskip("jsonschema").Draft202012Validator
    whole = json.loads(json.dumps(document(app)))
    operation = whole["paths"]["/"]["post"]
    for part in (operation["requestBody"], operation["responses"]["200"]):
        schema = part["content"]["application/json"]["schema"] | {"components": whole["components"]}
        assert validator(schema).is_valid(good)


@pytest.mark.parametrize(
    ("type", "text", "shown", "schema"),
    [
        (UserId, "3", "3", {"type": "integer"}),
        (list[UserId], "3", "[3]", {"type": "array", "items": {"type": "integer"}}),
        (Level, "2", "<Level.HIGH: 2>", {"type": "integer", "enum": [1, 2]}),
        (Literal["a", 1, None], "1", "1", {"enum": [1, "a"]}),
        (Literal["a", True], "true", "True", {"enum": [True, "a"]}),
        (bytes, "aGFsbG8%3D", "b'hallo'", None),
        (Optional[Union[int, Optional[str]]], "x", "'x'", None),  # noqa: UP007, UP045
    ],
)  # fmt: skip
def test_what_is_read_from_text(type: Any, text: str, shown: str, schema: Any) -> None:
    app = app_of(type, query=True)
    assert app.test_client().get(f"/?value={text}").text == shown
    whole = document(app)
    (parameter,) = whole["paths"]["/"]["get"]["parameters"]
    assert schema is None or resolved(parameter["schema"], whole) == schema


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement `type` is of Python 3.12")
def test_an_alias_made_by_the_type_statement() -> None:
    names: dict[str, Any] = {"Small": Small}
    exec("type Smalls = list[Small]\ntype Number = int", names)  # noqa: S102
    assert app_of(names["Smalls"]).test_client().post("/", json=[{"n": 1}]).json == [{"n": 1}]
    assert app_of(names["Number"], query=True).test_client().get("/?value=3").text == "3"


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class FloatEnum(enum.Enum):
    X = 1.5


class HasRights(msgspec.Struct):
    rights: Rights


class HasSelf(msgspec.Struct):
    next: Optional[Self] = None  # noqa: UP045


@dataclasses.dataclass
class HasInitVar:
    a: int
    scale: dataclasses.InitVar[int] = 2


@dataclasses.dataclass
class Computed:
    a: int
    total: int = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.total = self.a + 1


class HasFloatEnum(msgspec.Struct):
    value: FloatEnum


class HasComplex(msgspec.Struct):
    value: complex


class Untagged(msgspec.Struct):
    value: Small | Slice[int]


@pytest.mark.parametrize(
    ("type", "told"),
    [
        (HasRights, "Rights is a Flag.*take a list of an Enum"),
        (HasSelf, "write the class's name, in quotes"),
        (HasInitVar, "`InitVar` fields are not supported"),
        (Computed, "its field 'total' of Computed has init=False"),
        (HasFloatEnum, "Enums must contain either all str or all int"),
        (HasComplex, "builtins.complex is neither a record"),
        (Untagged, "all Struct types must be tagged"),
        (type[int], "builtins.type is neither a record"),
    ],
)
def test_what_cannot_be_read_is_refused_at_start(type: Any, told: str) -> None:
    with pytest.raises(SetupError, match=f"parameter 'value': .*{told}"):
        app_of(type).test_client().post("/", json={})


@pytest.mark.parametrize("type", [Rights, FloatEnum, complex])
def test_what_cannot_be_read_from_text_is_refused_at_start(type: Any) -> None:
    with pytest.raises(SetupError, match="parameter 'value': "):
        app_of(type, query=True).test_client().get("/")


def test_fields_that_are_made_can_be_written() -> None:
    app = Flask(__name__)
    app.config.update(TYPED_VIEWS=True, TESTING=True)

    @app.get("/")
    def view() -> Computed:
        return Computed(2)

    assert app.test_client().get("/").json == {"a": 2, "total": 3}


def test_a_tuple_of_a_status_stands_around_a_tuple() -> None:
    app = Flask(__name__)
    app.config.update(TYPED_VIEWS=True, TESTING=True)

    @app.get("/")
    def view() -> tuple[tuple[Small, ...], int]:
        return (Small(1), Small(2)), 202

    @app.get("/response")
    def response() -> tuple[Small, ...]:
        return app.response_class("x"), 203  # type: ignore[return-value]

    client = app.test_client()
    answer = client.get("/")
    assert (answer.status_code, answer.json) == (202, [{"n": 1}, {"n": 2}])
    assert (client.get("/response").status_code, client.get("/response").text) == (203, "x")


def test_attrs_with_fields_that_are_made() -> None:
    attrs = pytest.importorskip("attrs")

    @attrs.define
    class Made:
        a: int
        b: int = attrs.field(init=False, default=3)

    with pytest.raises(SetupError, match="its field 'b' of .*Made has init=False"):
        app_of(Made).test_client().post("/", json={})

    @attrs.define
    class Doubled:
        a: int
        b: int = attrs.field(default=attrs.Factory(lambda self: self.a * 2, takes_self=True))

    with pytest.raises(SetupError, match=r"takes_self=True.*__attrs_post_init__"):
        app_of(Doubled).test_client().post("/", json={})


def test_integers_that_msgpack_has_no_form_for_are_sent_as_json() -> None:
    answer = app_of(Node).test_client().post(
        "/", data=b'{"value":%d}' % 2**70, content_type="application/json",
        headers={"Accept": "application/msgpack"},
    )  # fmt: skip
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    assert answer.json == {"value": 2**70, "next": None}
    assert answer.headers["Vary"] == "Accept"
