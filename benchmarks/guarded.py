"""What `make guard` counts: a reference that does not touch hipflask, and the workloads.

`python -m benchmarks.guarded N` runs them one after the other: first to warm up, then N times and
3 N times between marks that callgrind sees. Prints as JSON what each left to the collector.
"""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import msgspec

from hipflask import Flask, jsonify, request, session
from hipflask.sessions import SecureCookieSessionInterface

WARM_UP = 60
REFERENCE = "reference"

# As a server behind a proxy hands it over.
ENVIRON = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "",
    "PATH_INFO": "/",
    "QUERY_STRING": "",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "8000",
    "SERVER_PROTOCOL": "HTTP/1.1",
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "shop.example",
    "HTTP_USER_AGENT": "guard",
    "HTTP_ACCEPT": "*/*",
    "HTTP_ACCEPT_ENCODING": "gzip",
    "HTTP_X_FORWARDED_FOR": "192.0.2.7",
    "wsgi.version": (1, 0),
    "wsgi.url_scheme": "http",
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": True,
    "wsgi.run_once": False,
}
ORDER = {
    "number": 4711,
    "customer": "Ada Lovelace",
    "email": "ada@shop.example",
    "paid": True,
    "items": [{"sku": f"mug-{each}", "count": each, "cents": 990} for each in range(1, 11)],
}


@dataclass(frozen=True)
class Piece:
    """Something to count: `run(n)` does it n times."""

    name: str
    run: Callable[[int], None]


# --- the reference ------------------------------------------------------------------------------

# What a framework is made of, in about its proportions: calls, attributes, objects, dictionaries
# and text. Interpreters built with other flags are dearer here and cheaper there. Never change it:
# every budget is a ratio to it.


class Part:
    label = "part"

    def __init__(self, number: int, owner: dict[str, int]) -> None:
        self.number = number
        self.owner = owner
        self.notes: list[str] | None = None

    def note(self, text: str) -> int:
        if self.notes is None:
            self.notes = []
        self.notes.append(text)
        return self.number + len(text)

    @property
    def double(self) -> int:
        return self.number * 2

    def climb(self, steps: int) -> int:
        if steps == 0:
            return self.number
        return self.step(steps) + 1

    def step(self, steps: int) -> int:
        return self.climb(steps - 1)


CURRENT: ContextVar[Part | None] = ContextVar("guard_part", default=None)


def pass_on(part: Part, *texts: str, **named: int) -> int:
    total = sum(map(len, texts))
    for name, number in named.items():
        total += number + len(name)
    return total + part.double


def one_round(number: int) -> int:
    """Return a number that hangs on everything done."""
    owner = {f"key-{each}": each for each in range(8)}
    total = 0
    for each in range(6):
        part = Part(each, owner)
        token = CURRENT.set(part)
        try:
            known = CURRENT.get()
            if isinstance(known, Part) and known.label:
                total += known.note("text") + pass_on(known, "a", "bc", width=each)
            total += owner.get("key-3", 0) + ("absent" in owner) + owner["key-1"] + part.climb(6)
        finally:
            CURRENT.reset(token)
    words = [word.strip().title() for word in f"/shelves/{number % 10}/items".split("/") if word]
    raw = ", ".join(words).encode("latin-1")
    fields = [("Content-Type", "text/plain"), ("Content-Length", str(len(raw)))]
    lowered = {name.lower(): value for name, value in fields}
    return total + int(lowered["content-length"]) + len(lowered)


def run_reference(times: int) -> None:
    for number in range(times):
        one_round(number)


# --- the workloads ------------------------------------------------------------------------------


class Line(msgspec.Struct):
    sku: str
    count: int
    cents: int


class Order(msgspec.Struct):
    number: int
    customer: str
    email: str
    paid: bool
    items: list[Line]


def make_app() -> Flask:
    """Every view answers with something that changes."""
    app = Flask(__name__)
    app.secret_key = "a key of the guard's own, not a secret"
    served = 0

    @app.get("/")
    def plaintext() -> str:
        nonlocal served
        served += 1
        return f"hello {served}"

    @app.get("/json")
    def as_json() -> Any:
        nonlocal served
        served += 1
        return jsonify(message="hello", served=served)

    @app.get("/shelves/<int:number>/items")
    def shelf(number: int) -> dict[str, Any]:
        nonlocal served
        served += 1
        return {"number": number, "page": request.args.get("page"), "served": served}

    @app.post("/orders")
    def order(order: Order) -> Order:
        order.number += 1
        return order

    return app


def make_session_app() -> Flask:
    app = make_app()
    for _ in range(3):
        app.before_request(lambda: None)
        app.after_request(lambda response: response)

    @app.get("/visits")
    def visits() -> dict[str, int]:
        session["visits"] += 1
        return {"visits": session["visits"]}

    return app


def make_async_app() -> Flask:
    app = Flask(__name__)
    served = 0

    @app.get("/")
    async def hello() -> str:
        nonlocal served
        served += 1
        return f"hello {served}"

    return app


class Caller:
    """A WSGI server with one request, which it sends again and again."""

    def __init__(self, app: Flask, body: bytes = b"", **environ: str) -> None:
        self.app = app
        self.body = body
        self.environ = ENVIRON | environ
        self.status = ""
        self.fields: list[tuple[str, str]] = []
        if body:
            self.environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": f"{len(body)}"}

    def start_response(self, status: str, fields: list[tuple[str, str]], *_: object) -> None:
        self.status, self.fields = status, fields

    def call(self) -> bytes:
        environ = self.environ | {"wsgi.input": io.BytesIO(self.body)}
        body: Iterable[bytes] = self.app(environ, self.start_response)
        sent = b"".join(body)
        if hasattr(body, "close"):
            body.close()
        return sent

    def run(self, times: int) -> None:
        for _ in range(times):
            self.call()


class AsyncCaller:
    """An ASGI server with one request, on a loop of its own."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.sent: list[dict[str, Any]] = []
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"shop.example"), (b"user-agent", b"guard")],
            "client": ("127.0.0.1", 40000),
            "server": ("127.0.0.1", 8000),
        }
        self.loop = asyncio.new_event_loop()

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def call(self) -> None:
        self.sent.clear()
        await self.app(dict(self.scope), self.receive, self.send)

    async def call_often(self, times: int) -> None:
        for _ in range(times):
            await self.call()

    def run(self, times: int) -> None:
        self.loop.run_until_complete(self.call_often(times))


class WrongAnswer(Exception):
    """A workload does not do what it is counted for."""


def sound(name: str, caller: Caller, *parts: bytes, fields: Iterable[str] = ()) -> Piece:
    """Return the piece, once it has answered as it should: an error page would come cheap."""
    answers = caller.call(), caller.call()
    names = {field for field, _ in caller.fields}
    good = caller.status == "200 OK" and names.issuperset(fields)
    if not good or not all(part in answers[1] for part in parts):
        raise WrongAnswer(f"{name}: {caller.status} {caller.fields} {answers[1]!r}")
    return Piece(name, caller.run)


def sound_async(name: str, caller: AsyncCaller) -> Piece:
    caller.run(2)
    start, body = caller.sent[0], b"".join(each.get("body", b"") for each in caller.sent)
    if start["status"] != 200 or body != b"hello 2":
        raise WrongAnswer(f"{name}: {caller.sent}")
    return Piece(name, caller.run)


def signed_in(app: Flask) -> str:
    """Return the Cookie field of a client that has been there before."""
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    return f"session={signer.dumps({'visits': 41})}"


def make_pieces(*, fault: bool = False) -> list[Piece]:
    """Return the reference and the workloads. A fault is a hook more in each request."""
    plain, visited, awaited = make_app(), make_session_app(), make_async_app()
    if fault:

        async def wait() -> None:
            request.headers.get("X-Forwarded-For")

        for app in (plain, visited):
            app.before_request(lambda: request.headers.get("X-Absent"))
        awaited.before_request(wait)
    order = json.dumps(ORDER).encode()
    cookie = signed_in(visited)
    posted = Caller(plain, order, REQUEST_METHOD="POST", PATH_INFO="/orders")
    paged = Caller(plain, PATH_INFO="/shelves/7/items", QUERY_STRING="page=2&sort=name")
    visit = Caller(visited, PATH_INFO="/visits", HTTP_COOKIE=cookie)
    return [
        Piece(REFERENCE, run_reference),
        sound("W1 plaintext", Caller(plain), b"hello 2"),
        sound("W2 JSON", Caller(plain, PATH_INFO="/json"), b'"served":4'),
        sound("W3 path and query", paged, b'"page":"2"', b'"number":7'),
        sound("W4 typed POST", posted, b'"number":4712', b'"sku":"mug-10"'),
        sound("W7 session, 3 hooks", visit, b'"visits":42', fields=["Set-Cookie"]),
        sound_async("ASGI, async hello", AsyncCaller(awaited)),
    ]


# --- counting -----------------------------------------------------------------------------------


def mark() -> None:
    """Call the C function at which callgrind writes its counts down; nobody else calls it."""
    os.getsid(0)


def main() -> None:
    times = int(sys.argv[1])
    left = {}
    pieces = make_pieces(fault=bool(os.environ.get("FAULT")))
    # The collector's turns would come where they like; what is left to it is told instead.
    gc.disable()
    for piece in pieces:
        # The interpreter adapts to what each place sees: let it settle.
        piece.run(WARM_UP)
        gc.collect()
        gc.freeze()
        mark()
        piece.run(times)
        mark()
        piece.run(3 * times)
        mark()
        left[piece.name] = gc.collect() / (4 * times)
    print(json.dumps(left))


if __name__ == "__main__":
    main()
