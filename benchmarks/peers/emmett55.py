"""Emmett55; orders are checked by hand, the session is its own encrypted cookie."""

from __future__ import annotations

from typing import Any

from emmett55 import App, Pipe, abort, current, request, response, session
from emmett55.sessions import SessionManager
from emmett55.tools import service
from jinja2 import Environment, FileSystemLoader

from ..workloads import SECRET, route_paths
from .shared import PRODUCTS, TEMPLATES, next_number, read_order


def core() -> Any:
    app = App(__name__)
    templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    template = templates.get_template("page.html")

    @app.route("/plaintext", methods="get", output="str")
    async def plaintext() -> str:
        response.content_type = "text/plain"
        return f"Hello, World! {next_number()}"

    @app.route("/json", methods="get")
    @service.json
    async def greet() -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    @app.route("/users/<int:user>", methods="get")
    @service.json
    async def show(user: int) -> dict[str, Any]:
        limit = int(request.query_params.limit or 10)
        return {"id": user, "limit": limit, "number": next_number()}

    @app.route("/orders", methods="post")
    @service.json
    async def create() -> dict[str, Any]:
        try:
            return read_order(await request.body_params)
        except ValueError:
            abort(400)

    @app.route("/page", methods="get", output="str")
    async def page() -> str:
        response.content_type = "text/html; charset=utf-8"
        return template.render(title="Products", number=next_number(), products=PRODUCTS)

    @app.route("/form", methods="post")
    @service.json
    async def form() -> dict[str, Any]:
        fields = await request.body_params
        return {
            "name": fields.name,
            "city": fields.city,
            "agreed": fields.agreed,
            "note": fields.note,
            "number": next_number(),
        }

    return app


def routes(count: int) -> Any:
    app = App(__name__)
    for place, rule in enumerate(route_paths(count)):
        view = _thing(rule.split("/")[2], "<" in rule)
        app.route(rule, name=f"route{place}", methods="get", output="str")(view)
    return app


def _thing(name: str, has_number: bool) -> Any:
    async def show(number: int) -> str:
        return f"{name} {number} {next_number()}"

    async def index() -> str:
        return f"{name} all {next_number()}"

    return show if has_number else index


class Step(Pipe):
    """A hook before and one after."""

    def __init__(self, number: int) -> None:
        self.name, self.value = f"x-after-{number}", str(number)

    async def open(self) -> None:
        current.steps = getattr(current, "steps", 0) + 1

    async def close(self) -> None:
        response.headers[self.name] = self.value


def visits() -> Any:
    app = App(__name__)
    app.pipeline = [SessionManager.cookies(SECRET), Step(1), Step(2), Step(3)]

    @app.route("/visit", methods="get")
    @service.json
    async def visit() -> dict[str, Any]:
        session.visits = (session.visits or 0) + 1
        session.number = next_number()
        return {"visits": session.visits, "steps": current.steps, "number": session.number}

    return app
