"""Typed views beside what Flask programs do around views, and faults of them at start."""

from __future__ import annotations

import asyncio
import io
import logging
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from hipflask import Flask, request
from hipflask.api import problems
from hipflask.doors import DOORS
from hipflask.scaffold import SetupError

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as WerkzeugResponse


class Item(msgspec.Struct):
    price: int = 1


class CallsByItself(Flask):
    """As Flask's documentation shows it."""

    def dispatch_request(self) -> Any:
        arguments: dict[str, Any] = request.view_args or {}
        view = self.view_functions[request.url_rule.endpoint]  # type: ignore[union-attr]
        return self.ensure_sync(view)(**arguments)


class CallsSuper(Flask):
    def dispatch_request(self) -> Any:
        return super().dispatch_request()


def typed(app: Flask) -> Flask:
    app.config.update(TYPED_VIEWS=True, TESTING=True)
    return app


def add_views(app: Flask) -> None:
    @app.post("/items/<name>")
    def item(name: str, item: Item) -> Item:
        return item

    @app.post("/async/<name>")
    async def item_async(name: str, item: Item) -> Item:
        return item

    @app.get("/plain/<name>")
    def plain(name: str) -> str:
        return name

    @app.post("/broken")
    def broken(item: Item) -> Item:
        return plain()  # type: ignore[call-arg, return-value]


@pytest.mark.parametrize("door", DOORS)
def test_an_override_that_calls_a_typed_view_itself_is_told_what_to_call(door: str) -> None:
    app = typed(CallsByItself(__name__))
    add_views(app)
    client = app.test_client(door=door)
    assert client.get("/plain/a").text == "a"
    for path in ("/items/a", "/async/a"):
        with pytest.raises(TypeError, match=r"CallsByItself.*super\(\).dispatch_request\(\)"):
            client.post(path, json={})


@pytest.mark.parametrize("door", DOORS)
def test_an_override_that_calls_super_gets_typed_views(door: str) -> None:
    app = typed(CallsSuper(__name__))
    add_views(app)
    client = app.test_client(door=door)
    for path in ("/items/a", "/async/a"):
        assert client.post(path, json={"price": 3}).json == {"price": 3}
        assert client.post(path, json={"price": "x"}).status_code == 422
    with pytest.raises(TypeError, match=r"plain\(\) missing 1 required"):
        client.post("/broken", json={})


@pytest.mark.parametrize("door", DOORS)
def test_what_no_rule_takes_has_flasks_page(door: str) -> None:
    app = typed(Flask(__name__))
    add_views(app)
    client = app.test_client(door=door)
    for path, status in (("/nowhere", 404), ("/items/a", 405)):
        answer = client.get(path)
        assert (answer.status_code, answer.mimetype) == (status, "text/html")
    app = typed(Flask(__name__))
    add_views(app)
    problems.everywhere(app)
    client = app.test_client(door=door)
    for answer in (client.get("/nowhere"), client.get("/items/a")):
        assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("door", DOORS)
def test_types_of_checkers_alone_do_not_stop_a_plain_view(door: str) -> None:
    app = typed(Flask(__name__))

    @app.get("/<int:number>")
    def view(number: int) -> WerkzeugResponse:
        return app.response_class(str(number))

    @app.get("/checked/<int:number>")
    async def checked(number: WerkzeugResponse) -> str:
        return str(number)

    client = app.test_client(door=door)
    assert client.get("/7").text == "7"
    assert client.get("/checked/7").text == "7"


def cannot_start() -> Flask:
    app = typed(Flask("shop"))

    @app.get("/")
    def view(other: Flask) -> str:
        return ""

    return app


def environ() -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }


def test_a_wsgi_server_is_told_each_time_what_is_wrong() -> None:
    app = cannot_start()
    for _ in range(2):
        with pytest.raises(SetupError, match=r"dispatching.py:\d+: view .*'other'") as caught:
            app(environ(), lambda *given: None)
        assert caught.value.__context__ is None  # once, with nothing about contexts after it


def test_an_asgi_server_is_told_at_start_and_each_time(caplog: pytest.LogCaptureFixture) -> None:
    app = cannot_start()
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def talk(scope: dict[str, Any], *messages: dict[str, Any]) -> None:
        given = iter(messages)

        async def receive() -> Any:
            return next(given)

        await app(scope, receive, send)

    async def run() -> None:
        with caplog.at_level(logging.ERROR):
            await talk({"type": "lifespan", "asgi": {}}, {"type": "lifespan.startup"})
        for _ in range(2):
            with pytest.raises(SetupError, match="parameter 'other'"):
                await talk(
                    {
                        "type": "http", "method": "GET", "path": "/", "raw_path": b"/",
                        "query_string": b"", "headers": [], "asgi": {}, "scheme": "http",
                        "http_version": "1.1", "root_path": "", "server": ("localhost", 80),
                    },
                    {"type": "http.request", "body": b"", "more_body": False},
                )  # fmt: skip

    asyncio.run(run())
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "parameter 'other'" in sent[0]["message"]
    assert "popped" not in caplog.text
