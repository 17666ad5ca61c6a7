"""Quart, as its quickstart has it; orders are checked by hand."""

from __future__ import annotations

from typing import Any

from quart import Blueprint, Quart, Response, abort, g, render_template, request, send_file, session

from ..workloads import BLUEPRINTS, SECRET, route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number, read_order


def core() -> Any:
    app = Quart(__name__, template_folder=str(TEMPLATES))
    path = file_path()

    @app.get("/plaintext")
    async def plaintext() -> str:
        return f"Hello, World! {next_number()}"

    @app.get("/json")
    async def greet() -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    @app.get("/users/<int:user>")
    async def show(user: int) -> dict[str, Any]:
        limit = request.args.get("limit", 10, type=int)
        return {"id": user, "limit": limit, "number": next_number()}

    @app.post("/orders")
    async def create() -> dict[str, Any]:
        try:
            return read_order(await request.get_json())
        except ValueError:
            abort(400)

    @app.get("/page")
    async def page() -> str:
        return await render_template(
            "page.html", title="Products", number=next_number(), products=PRODUCTS
        )

    @app.get("/file")
    async def file() -> Response:
        return await send_file(path)

    @app.post("/form")
    async def form() -> dict[str, Any]:
        fields = await request.form
        return {
            "name": fields["name"],
            "city": fields["city"],
            "agreed": fields["agreed"],
            "note": fields["note"],
            "number": next_number(),
        }

    return app


def routes(count: int) -> Any:
    app = Quart(__name__)
    for rule in route_paths(count):
        name = rule.split("/")[2]

        async def view(number: int | None = None, name: str = name) -> str:
            return f"{name} {'all' if number is None else number} {next_number()}"

        app.add_url_rule(rule, rule, view)
    return app


def visits() -> Any:
    app = Quart(__name__)
    app.secret_key = SECRET

    @app.before_request
    async def first() -> None:
        g.steps = 1

    @app.before_request
    async def second() -> None:
        g.steps += 1

    @app.before_request
    async def third() -> None:
        g.steps += 1

    @app.after_request
    async def third_after(response: Response) -> Response:
        response.headers["X-After-3"] = "3"
        return response

    @app.after_request
    async def second_after(response: Response) -> Response:
        response.headers["X-After-2"] = "2"
        return response

    @app.after_request
    async def first_after(response: Response) -> Response:
        response.headers["X-After-1"] = "1"
        return response

    @app.get("/visit")
    async def visit() -> dict[str, Any]:
        session["visits"] = session.get("visits", 0) + 1
        session["number"] = next_number()
        return {"visits": session["visits"], "steps": g.steps, "number": session["number"]}

    return app


def blueprints() -> Any:
    app = Quart(__name__)
    for n in range(BLUEPRINTS):
        app.register_blueprint(_section(f"section{n}"), url_prefix=f"/area/section{n}")
    return app


def _section(name: str) -> Blueprint:
    section = Blueprint(name, __name__)

    @section.after_request
    async def mark(response: Response) -> Response:
        response.headers["X-Section"] = name
        return response

    @section.get("/")
    async def index() -> str:
        return f"{name} all {next_number()}"

    @section.get("/<int:number>")
    async def show(number: int) -> str:
        return f"{name} {number} {next_number()}"

    @section.post("/<int:number>")
    async def change(number: int) -> str:
        return f"{name} {number} {next_number()}"

    return section
