"""What one gets wrong in a typed view: reported in that line."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hipflask import Flask
from hipflask.api import (
    Accepts,
    Flaw,
    Header,
    Page,
    Paging,
    Problem,
    Query,
    by_media_type,
    describe,
    operation,
    page_of,
    status,
)

app = Flask(__name__)


class Item(msgspec.Struct):
    name: str


class Other(msgspec.Struct):
    number: int


@app.post("/items")
def answers_another(item: Item) -> Item:
    return Other(1)  # error: not an Item


@app.get("/made")
def made() -> Annotated[Item, status("201")]:  # error (pyright): a number
    return Item("")


@app.get("/made-too")
def made_too() -> Annotated[Item, status(201)]:
    return Other(1)  # error: not an Item


@app.get("/fields")
def fields(
    trace: Header[str] = 3,  # error: not text
    paging: Query[Paging] = 1,  # error: not a Paging
    files: Annotated[str, Accepts(png=True)] = "",  # error (pyright): no such argument
) -> Item:
    paging.cursor  # error: Paging has none
    return Item(trace)


@app.get("/pages")
def pages(paging: Query[Paging]) -> Page[Item]:
    return page_of([Other(1)], paging)  # error: not of Items


@app.get("/operation")
@operation(summary=3)  # error: text
@operation(responses={"404": "No such order"})  # error: numbers
@operation(deprecate=True)  # error: no such argument
def described() -> Item:
    raise Problem("404")  # error: a number


flaw = Flaw("query", "text", "nothing")  # error: a tuple
by_media_type("vnd.shop", {"1": described})  # error: the default is missing
describe(app, titel="Shop")  # error: no such argument
made().number  # error: an Item has none
