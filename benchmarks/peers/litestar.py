"""Litestar with msgspec's Struct."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Litestar, MediaType, Response, Router, get, post
from litestar.contrib.jinja import JinjaTemplateEngine
from litestar.enums import RequestEncodingType
from litestar.params import Body
from litestar.response import File, Template
from litestar.template import TemplateConfig
from msgspec import Struct

from ..workloads import BLUEPRINTS, route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number


class Item(Struct):
    sku: str
    quantity: int
    price: float


class Order(Struct):
    number: int
    customer: str
    address: str
    express: bool
    items: list[Item]


class Fields(Struct):
    name: str
    city: str
    agreed: str
    note: str


@get("/plaintext", media_type=MediaType.TEXT)
async def plaintext() -> str:
    return f"Hello, World! {next_number()}"


@get("/json")
async def greet() -> dict[str, Any]:
    return {"message": "Hello, World!", "number": next_number()}


@get("/users/{user:int}")
async def show(user: int, limit: int = 10) -> dict[str, Any]:
    return {"id": user, "limit": limit, "number": next_number()}


@post("/orders", status_code=200)
async def create(data: Order) -> Order:
    data.number = next_number()
    return data


@get("/page")
async def page() -> Template:
    content = {"title": "Products", "number": next_number(), "products": PRODUCTS}
    return Template("page.html", context=content)


@get("/file")
async def file() -> File:
    return File(file_path(), media_type="application/octet-stream")


@post("/form", status_code=200)
async def form(
    data: Annotated[Fields, Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, Any]:
    return {
        "name": data.name,
        "city": data.city,
        "agreed": data.agreed,
        "note": data.note,
        "number": next_number(),
    }


def core() -> Any:
    return Litestar(
        [plaintext, greet, show, create, page, file, form],
        template_config=TemplateConfig(directory=TEMPLATES, engine=JinjaTemplateEngine),
    )


def _thing(name: str) -> tuple[Any, Any, Any]:
    async def index() -> str:
        return f"{name} all {next_number()}"

    async def show(number: int) -> str:
        return f"{name} {number} {next_number()}"

    return (
        get("/", media_type=MediaType.TEXT)(index),
        get("/{number:int}", media_type=MediaType.TEXT)(show),
        post("/{number:int}", media_type=MediaType.TEXT)(show),
    )


def routes(count: int) -> Any:
    routers = []
    for rule in route_paths(count):
        if "<" not in rule:
            routers.append(Router(rule, route_handlers=_thing(rule.split("/")[2])[:2]))
    return Litestar(routers)


def blueprints() -> Any:
    return Litestar([_section(f"section{n}") for n in range(BLUEPRINTS)])


def _section(name: str) -> Router:
    async def mark(response: Response[Any]) -> Response[Any]:
        response.headers["X-Section"] = name
        return response

    return Router(f"/area/{name}", route_handlers=_thing(name), after_request=mark)
