"""aiohttp on its own server; orders are checked by hand."""

from __future__ import annotations

from aiohttp import web

from .shared import next_number, read_order

routes = web.RouteTableDef()


@routes.get("/plaintext")
async def plaintext(request: web.Request) -> web.Response:
    return web.Response(text=f"Hello, World! {next_number()}")


@routes.get("/json")
async def greet(request: web.Request) -> web.Response:
    return web.json_response({"message": "Hello, World!", "number": next_number()})


@routes.get(r"/users/{user:\d+}")
async def show(request: web.Request) -> web.Response:
    user, limit = int(request.match_info["user"]), int(request.query.get("limit", 10))
    return web.json_response({"id": user, "limit": limit, "number": next_number()})


@routes.post("/orders")
async def create(request: web.Request) -> web.Response:
    try:
        return web.json_response(read_order(await request.json()))
    except ValueError as error:
        raise web.HTTPBadRequest(text=str(error)) from error


def serve(app: str, port: int) -> None:
    made = web.Application()
    made.add_routes(routes)
    web.run_app(made, host="127.0.0.1", port=port, print=None, access_log=None)
