"""The application as `asgiref.testing` drives one: the reference's own client of ASGI 3."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("asgiref")

from asgiref.compatibility import guarantee_single_callable, is_double_callable  # noqa: E402
from asgiref.testing import ApplicationCommunicator  # noqa: E402

from hipflask import Flask, request, websocket  # noqa: E402

log: list[str] = []


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__, static_folder=None)
    log.clear()
    app.before_serving(lambda: log.append("begun"))
    app.after_serving(lambda: log.append("ended"))

    @app.post("/plain")
    def plain() -> str:
        return f"{request.args['q']} {len(request.get_data())}"

    @app.post("/async")
    async def awaited() -> str:
        return plain()

    @app.get("/waits")
    async def waits() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cancelled")
        return "never"

    @app.get("/pieces")
    async def pieces() -> Any:
        return (f"{n} " for n in range(3))

    @app.websocket("/echo")
    async def echo() -> None:
        async for message in websocket:
            await websocket.send(message)
        log.append("left")

    return app


def scope_of(kind: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind, "asgi": {"version": "3.0", "spec_version": "2.5"}, "http_version": "1.1",
        "headers": [(b"host", b"localhost")], "query_string": b"", "root_path": "", **more,
    }  # fmt: skip


@pytest.mark.parametrize("face", ["app", "app.asgi"])
@pytest.mark.parametrize("path", ["/plain", "/async"])
def test_a_request_whose_body_comes_in_pieces(app: Flask, path: str, face: str) -> None:
    async def run() -> list[Any]:
        scope = scope_of("http", method="POST", path=path, query_string=b"q=1")
        scope["headers"].append((b"content-length", b"6"))
        server = ApplicationCommunicator(app if face == "app" else app.asgi, scope)
        await server.send_input({"type": "http.request", "body": b"abc", "more_body": True})
        assert await server.receive_nothing()
        await server.send_input({"type": "http.request", "body": b"def"})
        got = [await server.receive_output() for _ in range(2)]
        await server.wait()
        return got

    start, body = asyncio.run(run())
    assert (start["status"], body["body"]) == (200, b"1 6")
    assert (b"content-length", b"3") in start["headers"]


def test_a_response_in_pieces(app: Flask) -> None:
    async def run() -> bytes:
        server = ApplicationCommunicator(app, scope_of("http", method="GET", path="/pieces"))
        await server.send_input({"type": "http.request"})
        assert (await server.receive_output())["status"] == 200
        body, more = b"", True
        while more:
            message = await server.receive_output()
            body, more = body + message["body"], message.get("more_body", False)
        await server.wait()
        return body

    assert asyncio.run(run()) == b"0 1 2 "


def test_a_client_that_leaves_is_answered_nothing(app: Flask) -> None:
    async def run() -> None:
        server = ApplicationCommunicator(app, scope_of("http", method="GET", path="/waits"))
        await server.send_input({"type": "http.request"})
        await server.send_input({"type": "http.disconnect"})
        await server.wait(5)
        assert server.output_queue.empty()

    asyncio.run(run())
    assert log == ["cancelled"]


def test_the_lifespan(app: Flask) -> None:
    async def run() -> None:
        server = ApplicationCommunicator(app, {"type": "lifespan"})
        for what in ("startup", "shutdown"):
            await server.send_input({"type": f"lifespan.{what}"})
            assert await server.receive_output() == {"type": f"lifespan.{what}.complete"}
        await server.wait()

    asyncio.run(run())
    assert log == ["begun", "ended"]


def test_a_websocket(app: Flask) -> None:
    async def run() -> None:
        server = ApplicationCommunicator(app, scope_of("websocket", path="/echo", subprotocols=[]))
        await server.send_input({"type": "websocket.connect"})
        assert (await server.receive_output())["type"] == "websocket.accept"
        for kind, data in (("text", "ü"), ("bytes", b"\0")):
            await server.send_input({"type": "websocket.receive", kind: data})
            assert await server.receive_output() == {"type": "websocket.send", kind: data}
        await server.send_input({"type": "websocket.disconnect", "code": 1001})
        await server.wait()

    asyncio.run(run())
    assert log == ["left"]


def test_it_is_taken_for_asgi_3(app: Flask) -> None:
    assert not is_double_callable(app)
    assert guarantee_single_callable(app) is app
