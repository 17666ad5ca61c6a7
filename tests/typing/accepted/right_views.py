"""Typed views as one writes them: no cast, no ignored line, and the values have their types."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, TypedDict, assert_type
from uuid import UUID

import msgspec
from msgspec import Meta

from hipflask import Blueprint, Flask, Request, Response
from hipflask.api import (
    Accepts,
    Body,
    BodyStream,
    Cookie,
    CursorPaging,
    File,
    Flaw,
    Form,
    Header,
    Invalid,
    Name,
    Page,
    Paging,
    Path,
    Problem,
    Query,
    Supplied,
    Upload,
    by_media_type,
    check_preconditions,
    conditional,
    describe,
    etag_of,
    exclude_unset,
    operation,
    page_of,
    status,
)
from hipflask.security import (
    Bearer,
    Identity,
    allow,
    authenticated,
    current_identity,
    public,
    roles,
)
from hipflask.views import MethodView


def who_has(token: str) -> Identity | None:
    return Identity("ada", roles={"admin"}) if token == "ada" else None


app = Flask(__name__)
app.identities = [Bearer(who_has)]
app.access = public
orders = Blueprint("orders", __name__, url_prefix="/orders")
orders.access = authenticated


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Item(msgspec.Struct):
    name: str
    price: Decimal
    colour: Colour | None = None


class Filters(msgspec.Struct):
    words: str = ""
    colours: list[Colour] = []


class ItemPatch(msgspec.Struct):
    name: str | msgspec.UnsetType = msgspec.UNSET


@dataclass
class Point:
    x: float
    y: float


class Stamp(TypedDict):
    day: date


class OutOfStock(Problem):
    code = 409
    type = "/problems/out-of-stock"


Quantity = Annotated[int, Meta(ge=1, le=99)]


# What is read.


@app.post("/items")
def add_item(item: Item) -> Item:
    assert_type(item.price, Decimal)
    return item


@app.get("/items")
def find_items(
    words: str,
    quantity: Quantity,
    day: date | None = None,
    colour: Colour = Colour.RED,
    kind: Literal["new", "used"] = "new",
    tags: Sequence[str] = (),
    numbers: list[int] | None = None,
) -> list[Item]:
    assert_type(quantity, int)
    assert_type(day, date | None)
    assert_type(colour, Colour)
    return []


@app.get("/filtered")
def filtered(filters: Query[Filters]) -> list[Item]:
    assert_type(filters.colours, list[Colour])
    return []


@app.get("/items/<item_id>/parts/<part>")
def show_item(item_id: UUID, part: Path[int]) -> Item | None:
    assert_type(item_id, UUID)
    assert_type(part, int)
    return None


@app.get("/fields")
def fields(
    trace_id: Header[str],
    version: Annotated[Header[str], Name("X-Version")] = "1",
    since: Header[date | None] = None,
    theme: Cookie[str] = "light",
) -> Item | None:
    assert_type(trace_id, str)
    assert_type(version, str)
    assert_type(since, date | None)
    assert_type(theme, str)
    return None


@app.post("/forms")
def form(filled: Form[Filters]) -> list[Item]:
    assert_type(filled, Filters)
    return []


@app.post("/pictures")
def picture(
    picture: Annotated[Upload, Accepts("image/png", max_bytes=1 << 20)],
    others: File[list[Upload]],
    title: Form[str] = "",
) -> Annotated[None, status(204)]:
    assert_type(picture.size, int)
    assert_type(others, list[Upload])
    assert_type(title, str)


@app.post("/batch")
def batch(numbers: Body[list[int]], points: Supplied[Point]) -> Point:
    assert_type(numbers, list[int])
    return points


@app.post("/stream")
async def stream(body: BodyStream) -> Annotated[dict[str, int], status(202)]:
    size = 0
    async for piece in body:
        size += len(piece)
    return {"bytes": size}


@app.get("/who", access=authenticated)
def who(request: Request, caller: Identity, maybe: Identity | None) -> Annotated[str, status(200)]:
    assert_type(caller.name, str)
    return caller.name if maybe is None else request.path


# What is answered.


@app.post("/made")
def made(item: Item) -> Annotated[Item, status(201)]:
    return item


@app.post("/made-with-headers")
def made_with_headers(item: Item) -> tuple[Item, int, dict[str, str]]:
    return item, 201, {"Location": "/items/1"}


@app.get("/maybe")
def maybe() -> Item | Response:
    return Response(status=404)


@app.get("/lines")
def lines() -> Iterator[Item]:
    yield Item("a", Decimal(1))


@app.get("/more-lines")
async def more_lines() -> AsyncIterator[Item]:
    yield Item("a", Decimal(1))


@app.get("/stamp")
def stamp() -> Stamp:
    return {"day": date.today()}


@app.patch("/items/<int:number>")
def change(number: int, patch: ItemPatch) -> Annotated[ItemPatch, exclude_unset]:
    return patch


@app.put("/items/<int:number>")
def replace(number: int, item: Item) -> Annotated[Item, conditional]:
    check_preconditions(etag_of(item), required=True)
    return item


@app.get("/pages")
def pages(paging: Query[Paging]) -> Page[Item]:
    rows = [Item("a", Decimal(1))][paging.offset : paging.offset + paging.limit]
    page = page_of(rows, paging, total=1)
    assert_type(page, Page[Item])
    return page


@app.get("/cursors")
def cursors(paging: Query[CursorPaging]) -> Page[Item]:
    after = paging.after(tuple[date, int])
    assert_type(after, tuple[date, int] | None)
    rows = [Item("a", Decimal(1))]
    return page_of(rows, paging, key=lambda item: item.name)


# Declared around it.


def in_office(caller: Identity, request: Request) -> bool:
    return caller.name == "ada" and request.is_secure


@app.get("/office", access=authenticated & allow(in_office))
def office(caller: Identity) -> Annotated[str, status(200)]:
    assert_type(current_identity(), Identity | None)
    return caller.name


@orders.get("/<int:number>", access=public)
@operation(
    summary="Show an order",
    responses={404: "No such order", 409: OutOfStock, 200: (Item, "As it was")},
    examples={"response": {"name": "a", "price": "1"}},
    deprecated="2026-11-01",
    sunset=date(2027, 11, 1),
    tags=["orders"],
)
def show_order(number: int) -> Item:
    if number > 3:
        raise OutOfStock(detail="Only 3 are left.", left=3)
    if number < 0:
        raise Invalid([Flaw(("path", "number"), "a number from 0 on", "a smaller one")])
    if number > 2:
        raise Problem(404, "There is no such order.", headers={"Retry-After": "3"})
    return Item("a", Decimal(1))


assert_type(show_order(1), Item)


class Things(MethodView):
    access = {"GET": public, "POST": roles("admin")}

    def get(self, paging: Query[Paging]) -> Page[Item]:
        return page_of([], paging)

    async def post(self, item: Item) -> Annotated[Item, status(201)]:
        return item


app.add_url_rule("/things", view_func=Things.as_view("things"))


def show_v1(number: int) -> Item:
    return Item("old", Decimal(number))


def show_v2(number: int) -> Point:
    return Point(number, number)


app.add_url_rule(
    "/versions/<int:number>",
    view_func=by_media_type("vnd.shop", {"1": show_v1, "2": show_v2}, default="2"),
)
app.register_blueprint(orders)
describe(app, title="Shop", version="2", webhooks={"item.made": Item})
