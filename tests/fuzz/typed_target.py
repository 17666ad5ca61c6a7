"""The typed app that is fired at: every place that is read, and every kind of value there."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID

import msgspec
from msgspec import Meta

from hipflask import Flask, Request
from hipflask.api import (
    Accepts,
    BodyStream,
    Cookie,
    File,
    Form,
    Header,
    Name,
    Provide,
    Query,
    Upload,
    operation,
    status,
)


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Cat(msgspec.Struct, tag="cat"):
    lives: Annotated[int, Meta(ge=0, le=9)]


class Dog(msgspec.Struct, tag="dog"):
    name: Annotated[str, Meta(max_length=5, pattern="^[a-z]*$")]


class Line(msgspec.Struct, forbid_unknown_fields=True):
    sku: Annotated[str, Meta(min_length=2)]
    count: Annotated[int, Meta(ge=1, multiple_of=2)] = 2
    price: Decimal = Decimal(1)


class Order(msgspec.Struct, rename="camel"):
    customer_name: str
    lines: list[Line]
    at: datetime | None = None
    on: date | None = None
    clock: time | None = None
    lasts: timedelta | None = None
    key: UUID | None = None
    color: Color = Color.RED
    size: Size = Size.SMALL
    mode: Literal["a", 1, None] = None
    pet: Cat | Dog | None = None
    notes: dict[str, int] = {}
    numbers: dict[int, float] = {}
    data: bytes = b""
    tags: set[str] = set()
    pair: tuple[int, str] | None = None
    any: Any = None
    either: int | str | list[int] | None = None
    aware: Annotated[datetime, Meta(tz=True)] | None = None


class Node(msgspec.Struct):
    value: int
    next: "Node | None" = None


@dataclass
class Contact:
    name: str
    age: Annotated[int, Meta(ge=0)] = 0
    friends: "list[Contact]" = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.age > 150:
            raise ValueError("nobody is as old")


class Address(TypedDict, total=False):
    street: str
    number: int


class Filters(msgspec.Struct):
    page: Annotated[int, Meta(ge=1)] = 1
    share: float = 0.5
    words: list[str] = []
    sizes: list[Size] = []
    since: date | None = None
    color: Color | None = None


class Signup(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1, max_length=9)]
    age: int
    tags: list[int] = []
    agreed: bool = False


async def page_of(page: int = 1) -> Annotated[int, Meta(ge=1)]:
    return page


def agent_of(user_agent: Header[str] = "") -> Iterator[int]:
    yield len(user_agent)


def build() -> Flask:
    """The app; its views answer what they were given, as far as that has a form in JSON."""
    app = Flask(__name__)
    app.config.update(TYPED_VIEWS=True, OPENAPI=True, MAX_CONTENT_LENGTH=200_000)

    @app.get("/path/<int:number>/<word>/<uuid:key>/<float:share>/<path:rest>")
    def path(
        number: Annotated[int, Meta(le=100)],
        word: Literal["a", "b"],
        key: UUID,
        share: Annotated[float, Meta(ge=0)],
        rest: date,
    ) -> list[Filters]:
        return []

    @app.get("/query")
    def query(
        number: int | None = None,
        share: float = 0,
        flag: bool = False,
        price: Decimal = Decimal(0),
        at: datetime | None = None,
        on: date | None = None,
        clock: time | None = None,
        lasts: timedelta | None = None,
        key: UUID | None = None,
        color: Color | None = None,
        size: Size | None = None,
        mode: Literal["a", 1] = 1,
        data: bytes = b"",
        many: list[int] | None = None,
        pair: tuple[int, str] | None = None,
        either: int | date | str = "",
        named: Annotated[int, Name("na-med")] = 0,
    ) -> Annotated[dict[str, Any], status(200)]:
        return {"values": [number, share, flag, price, at, on, clock, lasts, key, color, many]}

    @app.get("/filters")
    async def filters(filters: Query[Filters], request: Request) -> Filters:
        return filters

    @app.get("/fields")
    def fields(
        x_number: Header[int],
        x_tags: Header[list[int]],
        x_color: Header[Color | None] = None,
        count: Cookie[int] = 0,
        color: Cookie[Color] = Color.RED,
        times: Cookie[list[time] | None] = None,
    ) -> list[Filters]:
        return []

    @app.post("/order")
    def order(order: Order, page: int = 1) -> Order:
        return order

    @app.post("/order-async")
    async def order_async(order: Order | None = None) -> Order | None:
        return order

    @app.post("/orders")
    @operation(deprecated="2026-01-01")
    def orders(orders: list[Order]) -> Iterator[Order]:
        return iter(orders)

    @app.post("/node")
    def node(node: Node) -> Node:
        return node

    @app.post("/contact")
    def contact(contact: Contact) -> Contact:
        return contact

    @app.post("/address")
    def address(address: Address) -> Address:
        return address

    @app.post("/signup")
    def signup(signup: Form[Signup]) -> Signup:
        return signup

    @app.post("/upload")
    async def upload(
        title: Form[str],
        number: Form[int] = 0,
        picture: File[Upload | None] = None,
        papers: Annotated[list[Upload], Accepts("text/*", max_bytes=50)] = [],  # noqa: B006
    ) -> list[Filters]:
        return []

    @app.post("/stream")
    def stream(body: BodyStream, limit: Annotated[int, Meta(ge=0)] = 0) -> list[Filters]:
        for _ in body:
            pass
        return []

    @app.get("/provided")
    async def provided(
        page: int = Provide(page_of), length: int = Provide(agent_of), number: int = 0
    ) -> Filters:
        return Filters(max(page, 1))

    _add_of_others(app)
    return app


def _add_of_others(app: Flask) -> None:
    try:
        import attrs
        import pydantic
    except ImportError:
        return

    @attrs.define
    class Box:
        width: int = attrs.field(validator=attrs.validators.gt(0))
        label: str = ""

    class Model(pydantic.BaseModel):
        number: Annotated[int, pydantic.Field(ge=1)]
        mail: str = pydantic.Field(default="", max_length=9)
        at: datetime | None = None
        deep: dict[str, list[int]] = {}

    def box(box: Any) -> Any:
        return box

    def model(model: Any) -> Any:
        return model

    box.__annotations__ = {"box": Box, "return": Box}
    model.__annotations__ = {"model": Model, "return": Model}
    app.post("/box")(box)
    app.post("/model")(model)
