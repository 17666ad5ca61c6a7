"""Falcon under WSGI; orders are checked by hand, sessions signed with ItsDangerous."""

from __future__ import annotations

from typing import Any

import falcon
from falcon import Request, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer
from jinja2 import Environment, FileSystemLoader

from ..workloads import SECRET, route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number, read_order


class Plaintext:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"Hello, World! {next_number()}"


class Json:
    def on_get(self, req: Request, resp: Response) -> None:
        resp.media = {"message": "Hello, World!", "number": next_number()}


class User:
    def on_get(self, req: Request, resp: Response, user: int) -> None:
        limit = req.get_param_as_int("limit", default=10)
        resp.media = {"id": user, "limit": limit, "number": next_number()}


class Orders:
    def on_post(self, req: Request, resp: Response) -> None:
        try:
            resp.media = read_order(req.media)
        except ValueError as error:
            raise falcon.HTTPBadRequest(description=str(error)) from error


class Page:
    def __init__(self) -> None:
        templates = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
        self.template = templates.get_template("page.html")

    def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_HTML
        resp.text = self.template.render(title="Products", number=next_number(), products=PRODUCTS)


class File:
    def __init__(self) -> None:
        self.path = file_path()

    def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = "application/octet-stream"
        resp.set_stream(self.path.open("rb"), self.path.stat().st_size)


class Form:
    def on_post(self, req: Request, resp: Response) -> None:
        fields = req.get_media()
        resp.media = {
            "name": fields["name"],
            "city": fields["city"],
            "agreed": fields["agreed"],
            "note": fields["note"],
            "number": next_number(),
        }


class ThingList:
    def __init__(self, name: str) -> None:
        self.name = name

    def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"{self.name} all {next_number()}"


class Thing(ThingList):
    def on_get(self, req: Request, resp: Response, number: int) -> None:  # type: ignore[override]
        resp.content_type = falcon.MEDIA_TEXT
        resp.text = f"{self.name} {number} {next_number()}"


class Session:
    """Opens the session before the view and writes it after."""

    def __init__(self) -> None:
        self.serializer = URLSafeTimedSerializer(SECRET, salt="session")

    def process_request(self, req: Request, resp: Response) -> None:
        cookie = req.cookies.get("session", "")
        try:
            req.context.session = self.serializer.loads(cookie, max_age=31 * 24 * 3600)
        except BadSignature:
            req.context.session = {}

    def process_response(
        self, req: Request, resp: Response, resource: Any, req_succeeded: bool
    ) -> None:
        cookie = self.serializer.dumps(req.context.session)
        resp.set_cookie("session", cookie, path="/", secure=False)


class Step:
    """A hook before and one after, as Falcon has them: one middleware."""

    def __init__(self, number: int) -> None:
        self.number = number

    def process_request(self, req: Request, resp: Response) -> None:
        req.context.steps = (req.context.get("steps") or 0) + 1

    def process_response(
        self, req: Request, resp: Response, resource: Any, req_succeeded: bool
    ) -> None:
        resp.set_header(f"X-After-{self.number}", str(self.number))


class Visit:
    def on_get(self, req: Request, resp: Response) -> None:
        session = req.context.session
        session["visits"] = session.get("visits", 0) + 1
        session["number"] = next_number()
        resp.media = {
            "visits": session["visits"],
            "steps": req.context.steps,
            "number": session["number"],
        }


def core() -> Any:
    app = falcon.App()
    app.add_route("/plaintext", Plaintext())
    app.add_route("/json", Json())
    app.add_route("/users/{user:int}", User())
    app.add_route("/orders", Orders())
    app.add_route("/page", Page())
    app.add_route("/file", File())
    app.add_route("/form", Form())
    return app


def routes(count: int) -> Any:
    app = falcon.App()
    for rule in route_paths(count):
        name = rule.split("/")[2]
        if "<" in rule:
            app.add_route(rule.replace("<int:number>", "{number:int}"), Thing(name))
        else:
            app.add_route(rule, ThingList(name))
    return app


def visits() -> Any:
    hooks: list[Any] = [Session(), Step(1), Step(2), Step(3)]
    app = falcon.App(middleware=hooks)
    app.add_route("/visit", Visit())
    return app
