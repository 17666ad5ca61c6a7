"""FastAPI with pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import FastAPI, Form, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel

from ..workloads import route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number

templates = Jinja2Templates(TEMPLATES)


class Greeting(BaseModel):
    message: str
    number: int


class User(BaseModel):
    id: int
    limit: int
    number: int


class Item(BaseModel):
    sku: str
    quantity: int
    price: float


class Order(BaseModel):
    number: int
    customer: str
    address: str
    express: bool
    items: list[Item]


class Fields(BaseModel):
    name: str
    city: str
    agreed: str
    note: str


class Filled(Fields):
    number: int


def core() -> Any:
    app = FastAPI()
    path = file_path()

    @app.get("/plaintext", response_class=PlainTextResponse)
    async def plaintext() -> str:
        return f"Hello, World! {next_number()}"

    @app.get("/json")
    async def greet() -> Greeting:
        return Greeting(message="Hello, World!", number=next_number())

    @app.get("/users/{user}")
    async def show(user: int, limit: int = 10) -> User:
        return User(id=user, limit=limit, number=next_number())

    @app.post("/orders")
    async def create(order: Order) -> Order:
        order.number = next_number()
        return order

    @app.get("/page")
    async def page(request: Request) -> Response:
        content = {"title": "Products", "number": next_number(), "products": PRODUCTS}
        return templates.TemplateResponse(request, "page.html", content)

    @app.get("/file")
    async def file() -> FileResponse:
        return FileResponse(path)

    @app.post("/form")
    async def form(fields: Annotated[Fields, Form()]) -> Filled:
        return Filled(**fields.model_dump(), number=next_number())

    return app


def routes(count: int) -> Any:
    app = FastAPI()
    for rule in route_paths(count):
        app.get(
            rule.replace("<int:number>", "{number}"),
            response_class=PlainTextResponse,
        )(_thing(rule.split("/")[2], "<" in rule))
    return app


def _thing(name: str, has_number: bool) -> Any:
    async def show(number: int) -> str:
        return f"{name} {number} {next_number()}"

    async def index() -> str:
        return f"{name} all {next_number()}"

    return show if has_number else index
