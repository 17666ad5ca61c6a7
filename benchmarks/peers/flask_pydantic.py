"""Flask with a pydantic model for the order."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, abort, request
from pydantic import BaseModel, ValidationError

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


def core() -> Any:
    app = Flask(__name__)

    @app.post("/orders")
    def create() -> Response:
        try:
            order = Order.model_validate_json(request.get_data())
        except ValidationError:
            abort(400)
        order.number = next_number()
        return Response(order.model_dump_json(), mimetype="application/json")

    return app
