"""Django Ninja: Django with pydantic's models."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from ninja import NinjaAPI, Schema

from ..workloads import route_paths
from .django import build
from .shared import PRODUCTS, next_number


class Greeting(Schema):
    message: str
    number: int


class User(Schema):
    id: int
    limit: int
    number: int


class Item(Schema):
    sku: str
    quantity: int
    price: float


class Order(Schema):
    number: int
    customer: str
    address: str
    express: bool
    items: list[Item]


def core() -> Any:
    api = NinjaAPI()

    @api.get("/plaintext")
    def plaintext(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"Hello, World! {next_number()}", content_type="text/plain")

    @api.get("/json", response=Greeting)
    def greet(request: HttpRequest) -> dict[str, Any]:
        return {"message": "Hello, World!", "number": next_number()}

    @api.get("/users/{int:user}", response=User)
    def show(request: HttpRequest, user: int, limit: int = 10) -> dict[str, Any]:
        return {"id": user, "limit": limit, "number": next_number()}

    @api.post("/orders", response=Order)
    def create(request: HttpRequest, order: Order) -> Order:
        order.number = next_number()
        return order

    @api.get("/page")
    def page(request: HttpRequest) -> HttpResponse:
        content = {"title": "Products", "number": next_number(), "products": PRODUCTS}
        return render(request, "page.html", content)

    return build([path("", api.urls)])


def routes(count: int) -> Any:
    api = NinjaAPI()
    for place, rule in enumerate(route_paths(count)):
        view = _thing(rule.split("/")[2], "<" in rule)
        view.__name__ = f"thing{place}"
        api.get(rule.replace("<int:number>", "{int:number}"))(view)
    return build([path("", api.urls)])


def _thing(name: str, has_number: bool) -> Any:
    def show(request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(f"{name} {number} {next_number()}", content_type="text/plain")

    def index(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{name} all {next_number()}", content_type="text/plain")

    return show if has_number else index
