"""The limit under RSGI: the callable alone, with what each workload asks for and no more."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from ..workloads import BLUEPRINTS
from . import raw
from .shared import file_path, next_number

Answer = Callable[[Any, Any], Awaitable[None]]

# Granian wants the names in lower case, and adds the length itself.
JSON = [("content-type", "application/json")]
TEXT = [("content-type", "text/plain; charset=utf-8")]
HTML = [("content-type", "text/html; charset=utf-8")]
FILE = [("content-type", "application/octet-stream")]


class Application:
    """Granian looks for the attribute."""

    def __init__(self, answer: Answer) -> None:
        self.__rsgi__ = answer


def core() -> Application:
    user = re.compile(r"/users/(\d+)").fullmatch
    file = str(file_path())

    async def answer(scope: Any, protocol: Any) -> None:
        path = scope.path
        if path == "/plaintext":
            protocol.response_str(200, TEXT, f"Hello, World! {next_number()}")
        elif path == "/json":
            protocol.response_bytes(200, JSON, raw.encode(raw.greeting()))
        elif match := user(path):
            limit = int(scope.query_string.partition("limit=")[2].partition("&")[0])
            protocol.response_bytes(200, JSON, raw.encode(raw.user(int(match[1]), limit)))
        elif path == "/orders":
            try:
                order = raw.decode_order(await protocol())
            except ValueError:
                protocol.response_str(400, TEXT, "sorry\n")
                return
            order.number = next_number()
            protocol.response_bytes(200, JSON, raw.encode(order))
        elif path == "/page":
            protocol.response_bytes(200, HTML, raw.render())
        elif path == "/form":
            form = dict(parse_qsl((await protocol()).decode()))
            protocol.response_bytes(200, JSON, raw.encode(form | {"number": next_number()}))
        elif path == "/file":
            protocol.response_file(200, FILE, file)
        else:
            protocol.response_str(404, TEXT, "sorry\n")

    return Application(answer)


def routes(count: int) -> Application:
    find = raw.router(count)

    async def answer(scope: Any, protocol: Any) -> None:
        found = find(scope.path)
        if found is None:
            protocol.response_str(404, TEXT, "sorry\n")
        else:
            protocol.response_bytes(200, TEXT, found)

    return Application(answer)


def visits() -> Application:
    after = [(f"x-after-{n}", str(n)) for n in (1, 2, 3)]

    async def answer(scope: Any, protocol: Any) -> None:
        cookie, body = raw.visit(scope.headers.get("cookie") or "")
        protocol.response_bytes(200, [*JSON, ("set-cookie", cookie), *after], body)

    return Application(answer)


def blueprints() -> Application:
    known = {f"section{n}" for n in range(BLUEPRINTS)}

    async def answer(scope: Any, protocol: Any) -> None:
        _, _, section, number = scope.path.split("/")
        if section not in known:
            protocol.response_str(404, TEXT, "sorry\n")
            return
        body = f"{section} {int(number)} {next_number()}"
        protocol.response_str(200, [*TEXT, ("x-section", section)], body)

    return Application(answer)
