"""BlackSheep with pydantic models."""

from __future__ import annotations

from typing import Any

from blacksheep import Application, FromForm, FromJSON, Response, file, json, text
from blacksheep.server.rendering.jinja2 import JinjaRenderer
from blacksheep.server.responses import view
from blacksheep.settings.html import html_settings
from jinja2 import FileSystemLoader
from pydantic import BaseModel

from ..workloads import SECRET, route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number


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


def core() -> Any:
    app = Application()
    path = file_path()
    html_settings.use(JinjaRenderer(loader=FileSystemLoader(TEMPLATES)))

    @app.router.get("/plaintext")
    async def plaintext() -> Response:
        return text(f"Hello, World! {next_number()}")

    @app.router.get("/json")
    async def greet() -> Response:
        return json({"message": "Hello, World!", "number": next_number()})

    @app.router.get("/users/{int:user}")
    async def show(user: int, limit: int = 10) -> Response:
        return json({"id": user, "limit": limit, "number": next_number()})

    @app.router.post("/orders")
    async def create(order: FromJSON[Order]) -> Response:
        order.value.number = next_number()
        return json(order.value)

    @app.router.get("/page")
    async def page() -> Response:
        content = {"title": "Products", "number": next_number(), "products": PRODUCTS}
        return view("page", content)

    @app.router.get("/file")
    async def download() -> Response:
        return file(str(path), "application/octet-stream")

    @app.router.post("/form")
    async def form(fields: FromForm[Fields]) -> Response:
        return json(fields.value.model_dump() | {"number": next_number()})

    return app


def routes(count: int) -> Any:
    app = Application()
    for rule in route_paths(count):
        view = _thing(rule.split("/")[2], "<" in rule)
        app.router.add_get(rule.replace("<int:number>", "{int:number}"), view)
    return app


def _thing(name: str, has_number: bool) -> Any:
    async def show(number: int) -> Response:
        return text(f"{name} {number} {next_number()}")

    async def index() -> Response:
        return text(f"{name} all {next_number()}")

    return show if has_number else index


def visits() -> Any:
    app = Application()
    app.use_sessions(SECRET)
    for number in (1, 2, 3):
        app.middlewares.append(_step(number))

    @app.router.get("/visit")
    async def visit(request: Any) -> Response:
        session = request.session
        session["visits"] = session.get("visits", 0) + 1
        session["number"] = next_number()
        return json(
            {
                "visits": session["visits"],
                "steps": request.steps,
                "number": session["number"],
            }
        )

    return app


def _step(number: int) -> Any:
    name, value = f"X-After-{number}".encode(), str(number).encode()

    async def step(request: Any, handler: Any) -> Response:
        request.steps = getattr(request, "steps", 0) + 1
        response: Response = await handler(request)
        response.add_header(name, value)
        return response

    return step
