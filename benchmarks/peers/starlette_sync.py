"""Starlette with plain functions, which it runs in threads."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .shared import next_number


def plaintext(request: Request) -> Response:
    return PlainTextResponse(f"Hello, World! {next_number()}")


def greet(request: Request) -> Response:
    return JSONResponse({"message": "Hello, World!", "number": next_number()})


def core() -> Any:
    return Starlette(routes=[Route("/plaintext", plaintext), Route("/json", greet)])
