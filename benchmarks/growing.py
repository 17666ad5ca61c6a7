"""The same application in several frameworks, with as much of one thing as is asked for.

`GROWING` says what grows and how far; `make(peer, what, count)` returns the application and
the requests that are sent to it in turn: as many different ones for each count.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any

from .workloads import Call

GROWING: dict[str, tuple[int, ...]] = {
    "static routes": (10, 100, 1000, 10_000),
    "routes with a variable": (10, 100, 1000, 10_000),
    "blueprints": (1, 10, 100, 1000),
    "hooks before and after": (1, 4, 16, 64),
    "headers of the request": (5, 20, 80),
}
#: What no figure may grow with: how many routes there are, however they came.
FLAT = ("static routes", "routes with a variable", "blueprints")
INTERFACES = {"hipflask": "wsgi", "flask": "wsgi", "falcon": "wsgi", "starlette": "asgi"}
#: Falcon adds a route in time that grows with those there are: 4,000 take 17 s, 10,000 minutes.
MOST = {("falcon", what): 1000 for what in FLAT}
#: Requests to routes spread evenly over all there are.
SPREAD = 10

Made = tuple[Any, tuple[Call, ...]]


def make(peer: str, what: str, count: int) -> Made | None:
    """Return application and requests; None if the framework has no such thing, or not so many."""
    if count > MOST.get((peer, what), count):
        return None
    found = MAKERS[peer].get(what)
    return found(count) if found else None


def spread(count: int) -> list[int]:
    """Return ten numbers below `count` from the first to the last; some twice if it is small."""
    return [place * (count - 1) // (SPREAD - 1) for place in range(SPREAD)]


def static_calls(count: int) -> tuple[Call, ...]:
    return tuple(Call(f"/api/thing{number}") for number in spread(count))


def variable_calls(count: int) -> tuple[Call, ...]:
    return tuple(Call(f"/api/thing{number}/7") for number in spread(count))


def header_calls(count: int) -> tuple[Call, ...]:
    fields = tuple((f"X-Field-{number}", f"value {number}") for number in range(count))
    return (Call("/api/thing0", headers=fields),)


# Flask and hipflask: one program.


def flask_makers(package: str) -> dict[str, Callable[[int], Made]]:
    def new() -> Any:
        os.environ["HIPFLASK_DEFAULTS"] = "flask"
        return import_module(package).Flask(__name__)

    def static(count: int) -> Made:
        app = new()
        for number in range(count):
            app.add_url_rule(f"/api/thing{number}", f"thing{number}", lambda: "ok")
        return app, static_calls(count)

    def variable(count: int) -> Made:
        app = new()
        for number in range(count):
            rule = f"/api/thing{number}/<int:entry>"
            app.add_url_rule(rule, f"thing{number}", lambda entry: "ok")
        return app, variable_calls(count)

    def blueprints(count: int) -> Made:
        app = new()
        for number in range(count):
            blueprint = import_module(package).Blueprint(f"thing{number}", __name__)
            blueprint.add_url_rule("/<int:entry>", "show", lambda entry: "ok")
            app.register_blueprint(blueprint, url_prefix=f"/api/thing{number}")
        return app, variable_calls(count)

    def hooks(count: int) -> Made:
        app, calls = static(1)
        for _ in range(count):
            app.before_request(lambda: None)
            app.after_request(lambda response: response)
        return app, calls

    def headers(count: int) -> Made:
        app, _ = static(1)
        return app, header_calls(count)

    return dict(zip(GROWING, (static, variable, blueprints, hooks, headers), strict=True))


# Falcon


class Thing:
    """A resource."""

    def on_get(self, request: Any, response: Any, entry: int = 0) -> None:
        response.text = "ok"


class Passing:
    """A middleware that does nothing, before and after."""

    def process_request(self, request: Any, response: Any) -> None:
        return None

    def process_response(self, request: Any, response: Any, resource: Any, ok: bool) -> None:
        return None


def falcon_app(routes: list[str], hooks: int = 0) -> Any:
    app = import_module("falcon").App(middleware=[Passing() for _ in range(hooks)])
    for route in routes:
        app.add_route(route, Thing())
    return app


def falcon_static(count: int) -> Made:
    return falcon_app([f"/api/thing{number}" for number in range(count)]), static_calls(count)


def falcon_variable(count: int) -> Made:
    routes = [f"/api/thing{number}/{{entry:int}}" for number in range(count)]
    return falcon_app(routes), variable_calls(count)


def falcon_hooks(count: int) -> Made:
    return falcon_app(["/api/thing0"], count), static_calls(1)


def falcon_headers(count: int) -> Made:
    return falcon_app(["/api/thing0"]), header_calls(count)


# Starlette

Message = MutableMapping[str, Any]


class Around:
    """ASGI middleware that does something before, and something when the answer begins."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_on(message: Message) -> None:
            await send(message)

        await self.app(scope, receive, send_on)


def starlette_app(routes: list[tuple[str, str]], hooks: int = 0) -> Any:
    """Make an app of routes, each below a prefix of its own if it has one."""
    routing = import_module("starlette.routing")
    answer = starlette_view()
    made = []
    for prefix, path in routes:
        route = routing.Route(path, answer)
        made.append(routing.Mount(prefix, routes=[route]) if prefix else route)
    middleware = import_module("starlette.middleware").Middleware
    return import_module("starlette.applications").Starlette(
        routes=made, middleware=[middleware(Around) for _ in range(hooks)]
    )


def starlette_view() -> Callable[[Any], Awaitable[Any]]:
    text = import_module("starlette.responses").PlainTextResponse

    async def answer(request: Any) -> Any:
        return text("ok")

    return answer


def starlette_static(count: int) -> Made:
    routes = [("", f"/api/thing{number}") for number in range(count)]
    return starlette_app(routes), static_calls(count)


def starlette_variable(count: int) -> Made:
    routes = [("", f"/api/thing{number}/{{entry:int}}") for number in range(count)]
    return starlette_app(routes), variable_calls(count)


def starlette_blueprints(count: int) -> Made:
    routes = [(f"/api/thing{number}", "/{entry:int}") for number in range(count)]
    return starlette_app(routes), variable_calls(count)


def starlette_hooks(count: int) -> Made:
    return starlette_app([("", "/api/thing0")], count), static_calls(1)


def starlette_headers(count: int) -> Made:
    return starlette_app([("", "/api/thing0")]), header_calls(count)


MAKERS: dict[str, dict[str, Callable[[int], Made]]] = {
    "hipflask": flask_makers("hipflask"),
    "flask": flask_makers("flask"),
    "falcon": {
        "static routes": falcon_static,
        "routes with a variable": falcon_variable,
        "hooks before and after": falcon_hooks,
        "headers of the request": falcon_headers,
    },
    "starlette": {
        "static routes": starlette_static,
        "routes with a variable": starlette_variable,
        "blueprints": starlette_blueprints,
        "hooks before and after": starlette_hooks,
        "headers of the request": starlette_headers,
    },
}
