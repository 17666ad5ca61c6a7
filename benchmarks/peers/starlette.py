"""Starlette; orders are checked by hand, hooks are plain ASGI middleware as its docs advise."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.templating import Jinja2Templates

from ..workloads import BLUEPRINTS, SECRET, route_paths
from .shared import PRODUCTS, TEMPLATES, file_path, next_number, read_order

templates = Jinja2Templates(TEMPLATES)


async def plaintext(request: Request) -> Response:
    return PlainTextResponse(f"Hello, World! {next_number()}")


async def greet(request: Request) -> Response:
    return JSONResponse({"message": "Hello, World!", "number": next_number()})


async def show(request: Request) -> Response:
    user, limit = request.path_params["user"], int(request.query_params.get("limit", 10))
    return JSONResponse({"id": user, "limit": limit, "number": next_number()})


async def create(request: Request) -> Response:
    try:
        return JSONResponse(read_order(await request.json()))
    except ValueError as error:
        raise HTTPException(400, str(error)) from error


async def page(request: Request) -> Response:
    content = {"title": "Products", "number": next_number(), "products": PRODUCTS}
    return templates.TemplateResponse(request, "page.html", content)


async def file(request: Request) -> Response:
    return FileResponse(file_path())


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse(
            {
                "name": fields["name"],
                "city": fields["city"],
                "agreed": fields["agreed"],
                "note": fields["note"],
                "number": next_number(),
            }
        )


async def visit(request: Request) -> Response:
    session = request.session
    session["visits"] = session.get("visits", 0) + 1
    session["number"] = next_number()
    return JSONResponse(
        {"visits": session["visits"], "steps": request.state.steps, "number": session["number"]}
    )


class Step:
    """A hook before and one after."""

    def __init__(self, app: Any, number: int) -> None:
        self.app = app
        self.name, self.value = f"X-After-{number}", str(number)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        state["steps"] = state.get("steps", 0) + 1

        async def send_marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[self.name] = self.value
            await send(message)

        await self.app(scope, receive, send_marked)


class Mark:
    """Names the group of routes that answered."""

    def __init__(self, app: Any, name: str) -> None:
        self.app, self.name = app, name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Section"] = self.name
            await send(message)

        await self.app(scope, receive, send_marked)


def core() -> Any:
    return Starlette(
        routes=[
            Route("/plaintext", plaintext),
            Route("/json", greet),
            Route("/users/{user:int}", show),
            Route("/orders", create, methods=["POST"]),
            Route("/page", page),
            Route("/file", file),
            Route("/form", form, methods=["POST"]),
        ]
    )


def _thing(name: str) -> Any:
    async def view(request: Request) -> Response:
        number = request.path_params.get("number", "all")
        return PlainTextResponse(f"{name} {number} {next_number()}")

    return view


def routes(count: int) -> Any:
    return Starlette(
        routes=[
            Route(rule.replace("<int:number>", "{number:int}"), _thing(rule.split("/")[2]))
            for rule in route_paths(count)
        ]
    )


def visits() -> Any:
    return Starlette(
        routes=[Route("/visit", visit)],
        middleware=[
            Middleware(SessionMiddleware, secret_key=SECRET),
            *(Middleware(Step, number=number) for number in (1, 2, 3)),
        ],
    )


def blueprints() -> Any:
    mounts = []
    for n in range(BLUEPRINTS):
        name = f"section{n}"
        view = _thing(name)
        inner = [
            Route("/", view),
            Route("/{number:int}", view),
            Route("/{number:int}", view, methods=["POST"]),
        ]
        marked = [Middleware(Mark, name=name)]
        mounts.append(Mount(f"/area/{name}", routes=inner, middleware=marked))
    return Starlette(routes=mounts)
