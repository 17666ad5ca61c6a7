"""Robyn on its own server; orders are pydantic models."""

from typing import Any

from pydantic import BaseModel
from robyn import Headers, Request, Response, Robyn

from .shared import next_number


class Item(BaseModel):
    sku: str
    quantity: int
    price: float


class Order(BaseModel):
    number: int
    customer: str
    address: str
    express: bool
    items: list[Item]


app = Robyn(__file__)


@app.get("/plaintext")
async def plaintext() -> str:
    return f"Hello, World! {next_number()}"


@app.get("/json")
async def greet() -> dict[str, Any]:
    return {"message": "Hello, World!", "number": next_number()}


@app.get("/users/:user")
async def show(request: Request) -> dict[str, Any]:
    user, limit = int(request.path_params["user"]), int(request.query_params.get("limit", "10"))
    return {"id": user, "limit": limit, "number": next_number()}


@app.post("/orders")
async def create(order: Order) -> Response:
    order.number = next_number()
    fields = Headers({"content-type": "application/json"})
    return Response(200, fields, order.model_dump_json())


def serve(name: str, port: int) -> None:
    app.start(host="127.0.0.1", port=port, _check_port=False)
