"""A request with a body leaves nothing that has to wait for the garbage collector."""

from __future__ import annotations

import asyncio
import gc

import pytest

from hipflask import Flask, request

SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "scheme": "http",
    "server": ("localhost", 80),
    "client": ("127.0.0.1", 1),
}
BODIES = {
    "whole": [(b"content-length", b"3")],
    "cut": [(b"content-length", b"9")],
    "over the limit": [(b"content-length", b"99")],
    "chunked": [(b"transfer-encoding", b"chunked")],
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_leaves_no_circles(name: str) -> None:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.post("/")
    def show() -> bytes:
        return request.get_data()

    scope = {**SCOPE, "headers": [*BODIES[name], (b"host", b"localhost")]}
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"abc", "more_body": False}

    async def send(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])  # type: ignore[arg-type]

    async def ask() -> list[str]:
        await app(dict(scope), receive, send)
        gc.collect()
        gc.disable()
        try:
            gc.set_debug(gc.DEBUG_SAVEALL)
            for _ in range(3):
                await app(dict(scope), receive, send)
            gc.collect()
            return [type(one).__name__ for one in gc.garbage]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    assert asyncio.run(ask()) == []
    assert set(statuses) == {{"whole": 200, "chunked": 200, "cut": 400}.get(name, 413)}
