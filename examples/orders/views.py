"""The views: what the shop sells, for everybody; customers and orders, for clerks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from hipflask import Blueprint, Response, current_app, url_for
from hipflask.api import (
    Accepts,
    Header,
    Name,
    Page,
    Provide,
    Query,
    Upload,
    conditional,
    operation,
    page_of,
    status,
)
from hipflask.security import Identity, public, roles

from .shapes import (
    Change,
    Customer,
    Missing,
    NewCustomer,
    NewOrder,
    Number,
    Offer,
    Order,
    OrderSearch,
    Product,
    ProductSearch,
    Sku,
)
from .store import Store, prepare

products = Blueprint("products", __name__, url_prefix="/products")
products.access = roles("manager")
orders = Blueprint("orders", __name__)
orders.access = roles("clerk")


def database() -> Path:
    """Where the rows are: made once, before the first request that needs them."""
    named = current_app.config["DATABASE"]
    return prepare(Path(named or Path(current_app.instance_path) / "orders.db"))


def open_store(path: Path = Provide(database, scope="app")) -> Iterator[Store]:
    """A connection for one request, closed when it is answered."""
    store = Store(path)
    with closing(store.db):
        yield store


def clerk(caller: Identity) -> str:
    """The name of who calls."""
    return caller.name


Shop = Annotated[Store, Provide(open_store)]
Clerk = Annotated[str, Provide(clerk)]
Picture = Annotated[Upload, Accepts("image/png", "image/jpeg", max_bytes=200_000)]
RequestId = Annotated[Header[str | None], Name("Idempotency-Key"), Meta(max_length=80)]


@products.get("", access=public)
def list_products(shop: Shop, asked: Query[ProductSearch]) -> Page[Product]:
    """List what is sold."""
    return page_of(shop.products(asked), asked)


@products.get("/<sku>", access=public)
@operation(responses={404: "It is not sold here."})
def show_product(shop: Shop, sku: Sku) -> Annotated[Product, conditional]:
    """Show a product."""
    return shop.product(sku)


@products.put("/<sku>")
def put_product(shop: Shop, sku: Sku, offer: Offer) -> Product:
    """Add a product, or change it."""
    shop.put_product(sku, offer)
    return shop.product(sku)


@products.get("/<sku>/picture", access=public)
@operation(responses={404: "There is none."})
def show_picture(shop: Shop, sku: Sku) -> Response:
    """Show what a product looks like."""
    row = shop.row("product", "sku", sku)
    if row["picture"] is None:
        raise Missing(detail=f"There is no picture of {sku}.")
    return Response(row["picture"], mimetype=row["media_type"])


@products.put("/<sku>/picture")
@operation(responses={404: "It is not sold here."})
def put_picture(shop: Shop, sku: Sku, picture: Picture) -> Annotated[None, status(204)]:
    """Give a product a picture."""
    shop.put_picture(sku, picture.read(), picture.mimetype)


@orders.post("/customers")
@operation(responses={409: "The address is known."})
def add_customer(shop: Shop, new: NewCustomer) -> Annotated[Customer, status(201)]:
    """Take down a customer."""
    return shop.add_customer(new)


@orders.get("/customers/<int:number>")
@operation(responses={404: "No such customer."})
def show_customer(shop: Shop, number: Number) -> Customer:
    """Show a customer."""
    return shop.customer(number)


@orders.get("/orders")
def list_orders(shop: Shop, asked: Query[OrderSearch]) -> Page[Order]:
    """List orders, newest first."""
    return page_of(list(shop.orders(asked)), asked)


@orders.get("/orders/export")
def export_orders(shop: Shop, asked: Query[OrderSearch]) -> Iterator[Order]:
    """Send orders as lines of JSON, newest first."""
    yield from shop.orders(asked)


@orders.post("/orders")
@operation(
    responses={
        200: (Order, "It was placed before, with the same Idempotency-Key."),
        409: "The customer or a product is not there, or not in stock.",
    }
)
def place_order(
    shop: Shop, name: Clerk, new: NewOrder, request_id: RequestId = None
) -> Annotated[tuple[Order, int, dict[str, str]], status(201)]:
    """Place an order, and take it out of stock."""
    order, is_new = shop.place(new, name, request_id)
    where = url_for("orders.show_order", number=order.number)
    return order, 201 if is_new else 200, {"Location": where}


@orders.get("/orders/<int:number>")
@operation(responses={404: "No such order."})
def show_order(shop: Shop, number: Number) -> Annotated[Order, conditional]:
    """Show an order."""
    return shop.order(number)


@orders.put("/orders/<int:number>/status")
@operation(responses={404: "No such order.", 409: "It cannot go from its status to this one."})
def change_order(shop: Shop, name: Clerk, number: Number, change: Change) -> Order:
    """Say where an order stands.

    A new order is paid or cancelled, a paid one sent or cancelled; nothing follows then.
    """
    return shop.change(number, change.status, name)
