"""The limit under WSGI: the callable alone, with what each workload asks for and no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from ..workloads import BLUEPRINTS
from . import raw
from .shared import FILE, file_path, next_number

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


def _ok(start_response: Any, kind: str, body: bytes) -> list[bytes]:
    start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


def _fail(start_response: Any, status: str) -> list[bytes]:
    start_response(status, [("Content-Type", TEXT), ("Content-Length", "6")])
    return [b"sorry\n"]


def core() -> Application:
    user = re.compile(r"/users/(\d+)").fullmatch
    file_path()

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/plaintext":
            return _ok(start_response, TEXT, b"Hello, World! %d" % next_number())
        if path == "/json":
            return _ok(start_response, JSON, raw.encode(raw.greeting()))
        if match := user(path):
            limit = int(environ["QUERY_STRING"].partition("limit=")[2].partition("&")[0])
            return _ok(start_response, JSON, raw.encode(raw.user(int(match[1]), limit)))
        if path == "/orders":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            try:
                order = raw.decode_order(body)
            except ValueError:
                return _fail(start_response, "400 Bad Request")
            order.number = next_number()
            return _ok(start_response, JSON, raw.encode(order))
        if path == "/page":
            return _ok(start_response, "text/html; charset=utf-8", raw.render())
        if path == "/form":
            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            form = dict(parse_qsl(body.decode()))
            return _ok(start_response, JSON, raw.encode(form | {"number": next_number()}))
        if path == "/file":
            with FILE.open("rb") as file:
                return _ok(start_response, "application/octet-stream", file.read())
        return _fail(start_response, "404 Not Found")

    return app


def routes(count: int) -> Application:
    find = raw.router(count)

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        found = find(environ["PATH_INFO"])
        if found is None:
            return _fail(start_response, "404 Not Found")
        return _ok(start_response, TEXT, found)

    return app


def visits() -> Application:
    after = [(f"X-After-{n}", str(n)) for n in (1, 2, 3)]

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        cookie, body = raw.visit(environ.get("HTTP_COOKIE", ""))
        start_response(
            "200 OK",
            [
                ("Content-Type", JSON),
                ("Content-Length", str(len(body))),
                ("Set-Cookie", cookie),
                *after,
            ],
        )
        return [body]

    return app


def blueprints() -> Application:
    known = {f"section{n}" for n in range(BLUEPRINTS)}

    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        _, _, section, number = environ["PATH_INFO"].split("/")
        if section not in known:
            return _fail(start_response, "404 Not Found")
        body = f"{section} {int(number)} {next_number()}".encode()
        fields = [("Content-Type", TEXT), ("Content-Length", str(len(body)))]
        start_response("200 OK", [*fields, ("X-Section", section)])
        return [body]

    return app
