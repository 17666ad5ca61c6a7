"""socketify on its own server; orders are checked by hand."""

from __future__ import annotations

from typing import Any

from socketify import App, AppListenOptions

from .shared import next_number, read_order


def plaintext(res: Any, req: Any) -> None:
    res.end(f"Hello, World! {next_number()}")


def greet(res: Any, req: Any) -> None:
    res.end({"message": "Hello, World!", "number": next_number()})


def show(res: Any, req: Any) -> None:
    user, limit = int(req.get_parameter(0)), int(req.get_query("limit") or 10)
    res.end({"id": user, "limit": limit, "number": next_number()})


async def create(res: Any, req: Any) -> None:
    try:
        res.end(read_order(await res.get_json()))
    except ValueError as error:
        res.write_status(400).end(str(error))


def serve(name: str, port: int) -> None:
    app = App()
    app.get("/plaintext", plaintext)
    app.get("/json", greet)
    app.get("/users/:user", show)
    app.post("/orders", create)
    app.listen(AppListenOptions(port=port, host="127.0.0.1"))
    app.run()
