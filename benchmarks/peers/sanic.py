"""Sanic; orders are checked by hand."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, FileSystemLoader
from sanic import Blueprint, Request, Sanic
from sanic.exceptions import BadRequest
from sanic.response import HTTPResponse, file, html, json, text

from ..workloads import BLUEPRINTS, route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number, read_order


def core() -> Any:
    app = Sanic("core")
    path = file_path()
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    template = templates.get_template("page.html")

    @app.get("/plaintext")
    async def plaintext(request: Request) -> HTTPResponse:
        return text(f"Hello, World! {next_number()}")

    @app.get("/json")
    async def greet(request: Request) -> HTTPResponse:
        return json({"message": "Hello, World!", "number": next_number()})

    @app.get("/users/<user:int>")
    async def show(request: Request, user: int) -> HTTPResponse:
        limit = int(request.args.get("limit", 10))
        return json({"id": user, "limit": limit, "number": next_number()})

    @app.post("/orders")
    async def create(request: Request) -> HTTPResponse:
        try:
            return json(read_order(request.json))
        except ValueError as error:
            raise BadRequest(str(error)) from error

    @app.get("/page")
    async def page(request: Request) -> HTTPResponse:
        return html(template.render(title="Products", number=next_number(), products=PRODUCTS))

    @app.get("/file")
    async def download(request: Request) -> HTTPResponse:
        return await file(path)

    @app.post("/form")
    async def form(request: Request) -> HTTPResponse:
        fields = request.form
        return json(
            {
                "name": fields.get("name"),
                "city": fields.get("city"),
                "agreed": fields.get("agreed"),
                "note": fields.get("note"),
                "number": next_number(),
            }
        )

    return app


def routes(count: int) -> Any:
    app = Sanic("routes")
    for place, rule in enumerate(route_paths(count)):
        view = _thing(rule.split("/")[2])
        app.add_route(view, rule.replace("<int:number>", "<number:int>"), name=f"route{place}")
    return app


def _thing(name: str) -> Any:
    async def view(request: Request, number: int | None = None) -> HTTPResponse:
        return text(f"{name} {'all' if number is None else number} {next_number()}")

    return view


def blueprints() -> Any:
    app = Sanic("blueprints")
    for n in range(BLUEPRINTS):
        app.blueprint(_section(f"section{n}"))
    return app


def _section(name: str) -> Blueprint:
    section = Blueprint(name, url_prefix=f"/area/{name}")
    view = _thing(name)

    @section.on_response
    async def mark(request: Request, response: HTTPResponse) -> None:
        response.headers["X-Section"] = name

    section.add_route(view, "/", name="index")
    section.add_route(view, "/<number:int>", name="show")
    section.add_route(view, "/<number:int>", methods=["POST"], name="change")
    return section


def serve(app: str, port: int) -> None:
    made = core() if app == "core" else routes(200)
    made.run("127.0.0.1", port, single_process=True, access_log=False, motd=False)
