"""What the raw callables share: everything a workload needs but the interface."""

from __future__ import annotations

import hmac
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader

from ..workloads import SECRET, route_paths
from .shared import PRODUCTS, TEMPLATES, next_number


class Item(msgspec.Struct):
    sku: str
    quantity: int
    price: float


class Order(msgspec.Struct):
    number: int
    customer: str
    address: str
    express: bool
    items: list[Item]


encode = msgspec.json.Encoder().encode
decode_order = msgspec.json.Decoder(Order).decode
_page = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True).get_template("page.html")


def greeting() -> dict[str, Any]:
    return {"message": "Hello, World!", "number": next_number()}


def user(number: int, limit: int) -> dict[str, Any]:
    return {"id": number, "limit": limit, "number": next_number()}


def render() -> bytes:
    return _page.render(title="Products", number=next_number(), products=PRODUCTS).encode()


def router(count: int) -> Callable[[str], bytes | None]:
    """Return what answers a path of an application with many routes: a dict of first parts."""
    static = {path: path.rpartition("/")[2] for path in route_paths(count) if "<" not in path}

    def find(path: str) -> bytes | None:
        if name := static.get(path):
            return b"%b all %d" % (name.encode(), next_number())
        head, _, number = path.rpartition("/")
        name = static.get(head)
        if name is None or not number.isdecimal():
            return None
        return b"%b %d %d" % (name.encode(), int(number), next_number())

    return find


# A session as Flask keeps it: content, time and signature, joined by dots.

_key = hmac.digest(SECRET.encode(), b"cookie-session", "sha1")
_DAYS_31 = 31 * 24 * 3600
_SAFE = bytes.maketrans(b"+/", b"-_")
_UNSAFE = bytes.maketrans(b"-_", b"+/")
_load_session = msgspec.json.Decoder(dict[str, Any]).decode


def visit(cookies: str) -> tuple[str, bytes]:
    """Read the session out of the Cookie header, count one visit; return cookie and answer."""
    steps = 0
    for _ in (1, 2, 3):
        steps += 1
    session = _load(cookies.partition("session=")[2].partition(";")[0].encode())
    visits = session["visits"] = session.get("visits", 0) + 1
    number = session["number"] = next_number()
    answer = encode({"visits": visits, "steps": steps, "number": number})
    return f"session={_dump(session).decode()}; HttpOnly; Path=/", answer


def _load(cookie: bytes) -> dict[str, Any]:
    signed, _, signature = cookie.rpartition(b".")
    if not hmac.compare_digest(_sign(signed), signature):
        return {}
    content, _, moment = signed.rpartition(b".")
    if int.from_bytes(_decode(moment), "big") < time.time() - _DAYS_31:
        return {}
    return _load_session(_decode(content))


def _dump(session: dict[str, Any]) -> bytes:
    moment = int(time.time()).to_bytes(4, "big")
    signed = b"%b.%b" % (_encode(encode(session)), _encode(moment))
    return b"%b.%b" % (signed, _sign(signed))


def _sign(signed: bytes) -> bytes:
    return _encode(hmac.digest(_key, signed, "sha1"))


def _encode(content: bytes) -> bytes:
    return b2a_base64(content, newline=False).translate(_SAFE).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return a2b_base64(text.translate(_UNSAFE) + b"=" * (-len(text) % 4))
