"""Bottle; orders are checked by hand."""

from __future__ import annotations

from typing import Any

import bottle
from bottle import Bottle, abort, jinja2_template, request, response, static_file

from ..workloads import route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number, read_order


def core() -> Any:
    app = Bottle()
    path = file_path()
    bottle.TEMPLATE_PATH[:] = [str(TEMPLATES)]

    @app.get("/plaintext")
    def plaintext() -> str:
        response.content_type = "text/plain"
        return f"Hello, World! {next_number()}"

    @app.get("/json")
    def greet() -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    @app.get("/users/<user:int>")
    def show(user: int) -> dict[str, Any]:
        limit = request.query.get("limit", default=10, type=int)
        return {"id": user, "limit": limit, "number": next_number()}

    @app.post("/orders")
    def create() -> dict[str, Any]:
        try:
            return read_order(request.json)
        except ValueError as error:
            abort(400, str(error))

    @app.get("/page")
    def page() -> str:
        return jinja2_template(
            "page.html",
            title="Products",
            number=next_number(),
            products=PRODUCTS,
            template_settings={"autoescape": True},
        )

    @app.get("/file")
    def file() -> Any:
        return static_file(path.name, root=str(path.parent))

    @app.post("/form")
    def form() -> dict[str, Any]:
        fields = request.forms
        return {
            "name": fields.name,
            "city": fields.city,
            "agreed": fields.agreed,
            "note": fields.note,
            "number": next_number(),
        }

    return app


def routes(count: int) -> Any:
    app = Bottle()
    for rule in route_paths(count):
        name = rule.split("/")[2]

        def view(number: int | None = None, name: str = name) -> str:
            return f"{name} {'all' if number is None else number} {next_number()}"

        app.route(rule.replace("<int:number>", "<number:int>"), callback=view)
    return app
