"""The limit under ASGI: the callable alone, with what each workload asks for and no more."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from ..workloads import BLUEPRINTS
from . import raw
from .shared import FILE, file_path, next_number

Application = Callable[[Any, Any, Any], Awaitable[None]]
Field = tuple[bytes, bytes]

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
HTML = b"text/html; charset=utf-8"


async def _answer(
    send: Any, kind: bytes, body: bytes, status: int = 200, fields: tuple[Field, ...] = ()
) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *fields]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Any) -> bytes:
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    return body


def _alone(app: Application) -> Application:
    """Answer what a server asks at its start and end."""

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            return await app(scope, receive, send)
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})

    return outer


def core() -> Application:
    user = re.compile(r"/users/(\d+)").fullmatch
    file_path()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/plaintext":
            await _answer(send, TEXT, b"Hello, World! %d" % next_number())
        elif path == "/json":
            await _answer(send, JSON, raw.encode(raw.greeting()))
        elif match := user(path):
            limit = int(scope["query_string"].partition(b"limit=")[2].partition(b"&")[0])
            await _answer(send, JSON, raw.encode(raw.user(int(match[1]), limit)))
        elif path == "/orders":
            try:
                order = raw.decode_order(await _read(receive))
            except ValueError:
                return await _answer(send, TEXT, b"sorry\n", 400)
            order.number = next_number()
            await _answer(send, JSON, raw.encode(order))
        elif path == "/page":
            await _answer(send, HTML, raw.render())
        elif path == "/form":
            form = dict(parse_qsl((await _read(receive)).decode()))
            await _answer(send, JSON, raw.encode(form | {"number": next_number()}))
        elif path == "/file":
            with FILE.open("rb") as file:
                await _answer(send, b"application/octet-stream", file.read())
        else:
            await _answer(send, TEXT, b"sorry\n", 404)

    return _alone(app)


def routes(count: int) -> Application:
    find = raw.router(count)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found = find(scope["path"])
        if found is None:
            await _answer(send, TEXT, b"sorry\n", 404)
        else:
            await _answer(send, TEXT, found)

    return _alone(app)


def visits() -> Application:
    after = tuple((b"x-after-%d" % n, b"%d" % n) for n in (1, 2, 3))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        sent = next((value for name, value in scope["headers"] if name == b"cookie"), b"")
        cookie, body = raw.visit(sent.decode())
        await _answer(send, JSON, body, 200, ((b"set-cookie", cookie.encode()), *after))

    return _alone(app)


def blueprints() -> Application:
    known = {f"section{n}" for n in range(BLUEPRINTS)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        _, _, section, number = scope["path"].split("/")
        if section not in known:
            return await _answer(send, TEXT, b"sorry\n", 404)
        body = f"{section} {int(number)} {next_number()}".encode()
        await _answer(send, TEXT, body, 200, ((b"x-section", section.encode()),))

    return _alone(app)
