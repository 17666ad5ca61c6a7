"""Microdot under ASGI; orders are checked by hand."""

from __future__ import annotations

from typing import Any

from microdot import abort, send_file
from microdot.asgi import Microdot
from microdot.jinja import Template

from ..workloads import route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number, read_order


def core() -> Any:
    app = Microdot()
    path = file_path()
    Template.initialize(str(TEMPLATES))

    @app.get("/plaintext")
    async def plaintext(request: Any) -> str:
        return f"Hello, World! {next_number()}"

    @app.get("/json")
    async def greet(request: Any) -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    @app.get("/users/<int:user>")
    async def show(request: Any, user: int) -> dict[str, Any]:
        limit = request.args.get("limit", 10, type=int)
        return {"id": user, "limit": limit, "number": next_number()}

    @app.post("/orders")
    async def create(request: Any) -> dict[str, Any]:
        try:
            return read_order(request.json)
        except ValueError:
            abort(400)

    @app.get("/page")
    async def page(request: Any) -> tuple[str, dict[str, str]]:
        body = Template("page.html").render(
            title="Products", number=next_number(), products=PRODUCTS
        )
        return body, {"Content-Type": "text/html; charset=utf-8"}

    @app.get("/file")
    async def file(request: Any) -> Any:
        return send_file(str(path))

    @app.post("/form")
    async def form(request: Any) -> dict[str, Any]:
        fields = request.form
        return {
            "name": fields["name"],
            "city": fields["city"],
            "agreed": fields["agreed"],
            "note": fields["note"],
            "number": next_number(),
        }

    return app


def routes(count: int) -> Any:
    app = Microdot()
    for rule in route_paths(count):
        app.get(rule)(_thing(rule.split("/")[2]))
    return app


def _thing(name: str) -> Any:
    async def view(request: Any, number: int | None = None) -> str:
        return f"{name} {'all' if number is None else number} {next_number()}"

    return view
