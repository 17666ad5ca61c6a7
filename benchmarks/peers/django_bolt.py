"""django-bolt on its own server; orders are msgspec's Struct."""

from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from msgspec import Struct

from ..workloads import SECRET
from .shared import next_number


class Item(Struct):
    sku: str
    quantity: int
    price: float


class Order(Struct):
    number: int
    customer: str
    address: str
    express: bool
    items: list[Item]


def serve(name: str, port: int) -> None:
    settings.configure(
        SECRET_KEY=SECRET,
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=SimpleNamespace(urlpatterns=[]),
        INSTALLED_APPS=["django_bolt"],
        BOLT_API=[f"{__name__}:api"],
        USE_I18N=False,
    )
    django.setup()
    from django.core.management import call_command  # wants the settings
    from django_bolt import BoltAPI
    from django_bolt.responses import PlainText

    global api
    api = BoltAPI()

    @api.get("/plaintext")
    async def plaintext() -> PlainText:
        return PlainText(f"Hello, World! {next_number()}")

    @api.get("/json")
    async def greet() -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    @api.get("/users/{user}")
    async def show(user: int, limit: int = 10) -> dict[str, Any]:
        return {"id": user, "limit": limit, "number": next_number()}

    @api.post("/orders")
    async def create(order: Order) -> Order:
        order.number = next_number()
        return order

    call_command("runbolt", host="127.0.0.1", port=port, no_admin=True)
