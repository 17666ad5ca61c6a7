"""Flask, as its quickstart has it; orders are checked by hand."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, Response, abort, g, render_template, request, send_file, session

from ..workloads import BLUEPRINTS, SECRET, route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number, read_order


def core() -> Any:
    app = Flask(__name__, template_folder=str(TEMPLATES))
    path = file_path()

    @app.get("/plaintext")
    def plaintext() -> str:
        return f"Hello, World! {next_number()}"

    @app.get("/json")
    def greet() -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    @app.get("/users/<int:user>")
    def show(user: int) -> dict[str, Any]:
        limit = request.args.get("limit", 10, type=int)
        return {"id": user, "limit": limit, "number": next_number()}

    @app.post("/orders")
    def create() -> dict[str, Any]:
        try:
            return read_order(request.get_json())
        except ValueError:
            abort(400)

    @app.get("/page")
    def page() -> str:
        return render_template(
            "page.html", title="Products", number=next_number(), products=PRODUCTS
        )

    @app.get("/file")
    def file() -> Response:
        return send_file(path)

    @app.post("/form")
    def form() -> dict[str, Any]:
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
    app = Flask(__name__)
    for rule in route_paths(count):
        name = rule.split("/")[2]

        def view(number: int | None = None, name: str = name) -> str:
            return f"{name} {'all' if number is None else number} {next_number()}"

        app.add_url_rule(rule, rule, view)
    return app


def visits() -> Any:
    app = Flask(__name__)
    app.secret_key = SECRET

    @app.before_request
    def first() -> None:
        g.steps = 1

    @app.before_request
    def second() -> None:
        g.steps += 1

    @app.before_request
    def third() -> None:
        g.steps += 1

    @app.after_request
    def third_after(response: Response) -> Response:
        response.headers["X-After-3"] = "3"
        return response

    @app.after_request
    def second_after(response: Response) -> Response:
        response.headers["X-After-2"] = "2"
        return response

    @app.after_request
    def first_after(response: Response) -> Response:
        response.headers["X-After-1"] = "1"
        return response

    @app.get("/visit")
    def visit() -> dict[str, Any]:
        session["visits"] = session.get("visits", 0) + 1
        session["number"] = next_number()
        return {"visits": session["visits"], "steps": g.steps, "number": session["number"]}

    return app


def blueprints() -> Any:
    app = Flask(__name__)
    for n in range(BLUEPRINTS):
        app.register_blueprint(_section(f"section{n}"), url_prefix=f"/area/section{n}")
    return app


def _section(name: str) -> Blueprint:
    section = Blueprint(name, __name__)

    @section.after_request
    def mark(response: Response) -> Response:
        response.headers["X-Section"] = name
        return response

    @section.get("/")
    def index() -> str:
        return f"{name} all {next_number()}"

    @section.get("/<int:number>")
    def show(number: int) -> str:
        return f"{name} {number} {next_number()}"

    @section.post("/<int:number>")
    def change(number: int) -> str:
        return f"{name} {number} {next_number()}"

    return section
