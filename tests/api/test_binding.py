"""Typed views in their place: which views are typed, and what around them stays Flask's."""

from __future__ import annotations

import asyncio
import functools
import subprocess
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest

from hipflask import Blueprint, Flask, Response, WebSocket, abort, doors, views
from hipflask.api import Provide, operation, status
from hipflask.api.binding import Bound
from hipflask.scaffold import SetupError
from hipflask.security import Identity, authenticated, public


class Item(msgspec.Struct):
    name: str


class Seen(msgspec.Struct):
    value: Any


@pytest.fixture(params=doors.DOORS)
def door(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = True
    return app


def bound_of(app: Flask, endpoint: str) -> Bound | None:
    (rule,) = app.url_map.iter_rules(endpoint)
    return app.sealed.bound.get(id(rule))


# Which views are typed.


@pytest.mark.parametrize("defaults", ["flask", "secure"])
def test_plain_views_never_load_what_typed_ones_need(defaults: str) -> None:
    code = """
from hipflask import Flask, Response, Blueprint, views
import sys, typing
from uuid import UUID
app = Flask("plain")
app.add_url_rule("/", "index", lambda: "hello")

@app.get("/<name>/<int:number>/<uuid:key>")
def three(name: str, number: int, key: UUID) -> "Response":
    return Response(name)

@app.get("/none")
def none() -> None: ...

@app.get("/any/<word>")
async def anything(word) -> typing.Any: return "x"

bp = Blueprint("bp", "bp", static_folder="x")
@bp.route("/bp", methods=["GET", "POST"])
def in_blueprint() -> dict: return {}
app.register_blueprint(bp)

class Page(views.MethodView):
    def get(self, number: int) -> str: return "x"
app.add_url_rule("/page/<int:number>", view_func=Page.as_view("page"))

assert app.test_client().get("/").text == "hello"
assert app.test_client().get("/page/1").text == "x"
print([name for name in sys.modules if name.startswith("hipflask.api")])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"HIPFLASK_DEFAULTS": defaults, "PATH": ""},
    )
    assert done.stdout == "[]\n", done.stderr


def test_annotations_mean_nothing_unless_typed_views_are_on(app: Flask) -> None:
    app.config["TYPED_VIEWS"] = False

    @app.get("/")
    def view(name: str = "x") -> dict[str, Any]:
        return {"name": name}

    @app.post("/items")
    def create(item: Item) -> Item:
        return item

    client = app.test_client()
    assert client.get("/?name=y").json == {"name": "x"}
    assert client.post("/items", json={"name": "y"}).status_code == 500
    assert app.sealed.bound == {}
    app.config["TYPED_VIEWS"] = True
    assert client.get("/?name=y").json == {"name": "y"}


def test_a_view_without_annotations_is_flasks(app: Flask, door: str) -> None:
    @app.get("/<name>")
    def view(name, extra="x"):  # type: ignore[no-untyped-def]
        return {"name": name, "extra": extra}

    assert bound_of(app, "view") is None
    assert app.test_client(door=door).get("/a?extra=y").json == {"name": "a", "extra": "x"}


def test_an_answer_that_is_flasks_stays_as_it_is(app: Flask, door: str) -> None:
    @app.get("/text")
    def text(page: int = 1) -> str:
        return f"page {page}"

    @app.get("/tuple")
    async def with_status(page: int = 1) -> tuple[dict[str, int], int]:
        return {"page": page}, 418

    @app.get("/response")
    def response(page: int = 1) -> Response:
        return Response("x", 201)

    client = app.test_client(door=door)
    assert client.get("/text?page=2").data == b"page 2"
    assert client.get("/text?page=2").mimetype == "text/html"
    assert client.get("/tuple").status_code == 418
    assert client.get("/response").status_code == 201


def test_a_view_typed_by_its_answer_alone(app: Flask, door: str) -> None:
    @app.get("/<name>")
    def view(name) -> Annotated[Item, status(201)]:  # type: ignore[no-untyped-def]
        return Item(name)

    answer = app.test_client(door=door).get("/a")
    assert (answer.status_code, answer.json) == (201, {"name": "a"})


def test_a_default_that_provides_makes_a_view_typed(app: Flask) -> None:
    @app.get("/")
    def view(number=Provide(lambda: 3)):  # type: ignore[no-untyped-def]
        return str(number)

    assert app.test_client().get("/").text == "3"


# Blueprints, classes, decorators.


def test_views_of_a_blueprint(app: Flask, door: str) -> None:
    blueprint = Blueprint("shop", __name__, url_prefix="/shop", url_defaults={"lang": "en"})

    @blueprint.get("/<int:number>")
    def show(number: int, lang: str, page: int = 1) -> Seen:
        return Seen([number, lang, page])

    app.register_blueprint(blueprint)
    answer = app.test_client(door=door).get("/shop/7?page=2&lang=x")
    assert answer.json == {"value": [7, "en", 2]}


class Items(views.MethodView):
    def get(self, number: int, page: int = 1) -> Seen:
        return Seen([number, page])

    async def post(self, number: int, item: Item) -> Annotated[Item, status(201)]:
        return Item(f"{item.name}{number}")

    def delete(self, number):  # type: ignore[no-untyped-def]
        return f"{number} gone"


def test_views_of_a_class(app: Flask, door: str) -> None:
    app.add_url_rule("/<int:number>", view_func=Items.as_view("items"))
    client = app.test_client(door=door)
    assert client.get("/7?page=2").json == {"value": [7, 2]}
    assert client.get("/7?page=x").status_code == 422
    assert client.head("/7?page=2").status_code == 200
    assert client.head("/7?page=x").status_code == 422
    answer = client.post("/7", json={"name": "a"})
    assert (answer.status_code, answer.json) == (201, {"name": "a7"})
    assert client.post("/7", json={}).status_code == 422
    assert client.delete("/7").text == "7 gone"
    assert client.put("/7").status_code == 405
    assert set(client.options("/7").allow) == {"GET", "HEAD", "POST", "DELETE", "OPTIONS"}


class OneItem(views.View):
    init_every_request = False

    def dispatch_request(self, item: Item) -> Item:
        return item


def test_a_class_with_one_method(app: Flask, door: str) -> None:
    app.add_url_rule("/", view_func=OneItem.as_view("one"), methods=["POST"])
    client = app.test_client(door=door)
    assert client.post("/", json={"name": "a"}).json == {"name": "a"}
    assert client.post("/", json={}).status_code == 422


def shouting(view: Any) -> Any:
    @functools.wraps(view)
    def wrapper(*args: Any, **values: Any) -> Any:
        answer = view(*args, **values)
        return Seen(str(answer.value).upper())

    return wrapper


def test_decorators_are_looked_through(app: Flask, door: str) -> None:
    @app.get("/")
    @shouting
    def view(word: str) -> Seen:
        return Seen(word)

    assert app.test_client(door=door).get("/?word=a").json == {"value": "A"}


def test_a_wrapper_put_there_later_is_bound_anew(app: Flask, door: str) -> None:
    @app.get("/")
    def view(word: str) -> Seen:
        return Seen(word)

    client = app.test_client(door=door)
    assert client.get("/?word=a").json == {"value": "a"}
    app.view_functions["view"] = shouting(app.view_functions["view"])
    assert client.get("/?word=a").json == {"value": "A"}
    assert client.get("/").status_code == 422


# The request around a typed view.


def test_an_overridden_dispatch_request_reads_typed_parameters(door: str) -> None:
    class Counting(Flask):
        count = 0

        def dispatch_request(self) -> Any:
            type(self).count += 1
            return super().dispatch_request()

    app = Counting(__name__)
    app.config["TYPED_VIEWS"] = True

    @app.get("/plain")
    def view(page: int) -> Seen:
        return Seen(page)

    @app.get("/async")
    async def view_async(page: int) -> Seen:
        return Seen(page)

    client = app.test_client(door=door)
    for path in ("/plain", "/async"):
        assert client.get(f"{path}?page=3").json == {"value": 3}
        assert client.get(path).status_code == 422
    assert app.count == 4


def test_hooks_run_around_it(app: Flask, door: str) -> None:
    order: list[str] = []
    app.before_request(lambda: order.append("before"))

    @app.after_request
    def after(response: Response) -> Response:
        order.append(f"after {response.status_code}")
        return response

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        order.append("teardown")

    @app.get("/")
    def view(page: int) -> Seen:
        order.append("view")
        return Seen(page)

    client = app.test_client(door=door)
    client.get("/?page=1")
    assert order == ["before", "view", "after 200", "teardown"]
    order.clear()
    client.get("/")
    assert order == ["before", "after 422", "teardown"]


def test_a_hook_may_answer_in_its_place(app: Flask, door: str) -> None:
    @app.get("/")
    def view(page: int) -> Seen:
        return Seen(page)

    @app.before_request
    async def answer() -> str:
        return "instead"

    assert app.test_client(door=door).get("/").text == "instead"


def test_errors_of_typed_views_are_problems_and_others_pages(app: Flask, door: str) -> None:
    @app.get("/typed/<path:what>")
    def typed(what: str, page: int = 1) -> Seen:
        if what == "missing":
            abort(404, "No such thing.")
        raise RuntimeError("secret")

    @app.get("/plain/<path:what>")
    def plain(what: str) -> str:
        abort(404)

    client = app.test_client(door=door)
    answer = client.get("/typed/missing")
    assert answer.content_type == "application/problem+json"
    assert (answer.status_code, answer.json["detail"]) == (404, "No such thing.")
    answer = client.get("/typed/fails")
    assert (answer.status_code, "secret" in answer.text) == (500, False)
    assert answer.content_type == "application/problem+json"
    assert client.get("/plain/x").mimetype == "text/html"
    assert client.get("/nowhere").mimetype == "text/html"
    app.testing = True
    with pytest.raises(RuntimeError):
        client.get("/typed/fails")


def test_error_handlers_come_first(app: Flask, door: str) -> None:
    @app.get("/")
    def view(page: int) -> Seen:
        return Seen(page)

    app.register_error_handler(422, lambda error: ("mine", 422))
    assert app.test_client(door=door).get("/").text == "mine"


def test_a_redirect_is_no_problem(app: Flask, door: str) -> None:
    @app.get("/items/")
    def view(page: int = 1) -> Seen:
        abort(Response("own", 409))

    client = app.test_client(door=door)
    assert client.get("/items").status_code == 308
    assert client.get("/items/").text == "own"


def test_head_and_options_are_as_in_flask(app: Flask, door: str) -> None:
    @app.get("/")
    def view(page: int) -> Seen:
        return Seen(page)

    client = app.test_client(door=door)
    answer = client.head("/?page=1")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(b'{"value":1}'))
    assert client.head("/").status_code == 422
    assert set(client.options("/").allow) == {"GET", "HEAD", "OPTIONS"}


def test_websockets_are_left_alone(app: Flask) -> None:
    @app.websocket("/ws")
    async def serve(socket: WebSocket, word: int = 1) -> None: ...

    assert app.sealed.bound == {}


def test_a_websocket_parameter_of_a_view_is_refused(app: Flask) -> None:
    app.add_url_rule("/", view_func=wants_websocket)
    with pytest.raises(SetupError, match="app.websocket"):
        app.test_client().get("/")


def wants_websocket(socket: WebSocket) -> Seen:
    return Seen(1)


# When it is bound.


def test_what_is_wrong_shows_before_the_first_request(app: Flask) -> None:
    @app.get("/")
    def view(what: Flask) -> Seen:
        return Seen(1)

    with pytest.raises(SetupError, match=r"test_binding\.py:\d+.*'what'"):
        _ = app.sealed
    for client in (app.test_client(), app.test_client(door="asgi")):
        with pytest.raises(SetupError):
            client.get("/")


def test_one_colour_takes_one_hop_at_most(app: Flask) -> None:
    def plain() -> Iterator[int]:
        yield 1

    async def awaited() -> int:
        return 1

    @app.get("/1")
    def all_plain(page: int = 1, value: int = Provide(plain)) -> Seen:
        return Seen(1)

    @app.get("/2")
    def one_async(value: int = Provide(awaited)) -> Seen:
        return Seen(1)

    @app.get("/3")
    async def view_async() -> Seen:
        return Seen(1)

    sync = {name: bound_of(app, name).is_sync for name in ("all_plain", "one_async", "view_async")}  # type: ignore[union-attr]
    assert sync == {"all_plain": True, "one_async": False, "view_async": False}


def test_a_sync_view_amid_async_hooks_runs_in_the_pool(app: Flask) -> None:
    import threading

    @app.before_request
    async def hook() -> None: ...

    @app.get("/")
    def view(name: str = "") -> Seen:
        return Seen(threading.current_thread().name)

    for door in ("asgi", "rsgi"):
        value = app.test_client(door=door).get("/").json["value"]
        assert value.startswith("hipflask-pool")


def test_an_async_view_runs_on_the_loop(app: Flask) -> None:
    @app.get("/")
    async def view(name: str = "") -> Seen:
        return Seen(id(asyncio.get_running_loop()))

    async def ask() -> Any:
        answer = await app.async_test_client().get("/")
        return answer.json["value"] == id(asyncio.get_running_loop())

    assert asyncio.run(ask())


def test_fields_of_an_outdated_view(app: Flask, door: str) -> None:
    @app.get("/typed")
    @operation(deprecated="2026-01-01", sunset="2027-01-01")
    def typed(page: int = 1) -> Seen:
        return Seen(page)

    @app.get("/plain")
    @operation(deprecated="2026-01-01")
    def plain():  # type: ignore[no-untyped-def]
        return "text"

    client = app.test_client(door=door)
    for path, text in (("/typed", '{"value":1}'), ("/plain", "text")):
        answer = client.get(path)
        assert answer.text == text
        assert answer.headers["Deprecation"] == "@1767225600"
    assert "Sunset" in client.get("/typed").headers


# Access.


def test_a_guard_comes_before_the_inputs(app: Flask, door: str) -> None:
    class Word:
        name = "word"

        def identify(self, request: Any) -> Identity | None:
            word = request.headers.get("X-Word")
            return Identity(word) if word else None

        def challenge(self, error: str = "", description: str = "") -> str:
            return "Word"

        def scheme(self) -> tuple[str, dict[str, Any]]:
            return "word", {"type": "apiKey", "in": "header", "name": "X-Word"}

    app.identities = [Word()]
    app.access = authenticated

    @app.get("/typed")
    def typed(page: int, who: Identity) -> Seen:
        return Seen([page, who.name])

    @app.get("/async")
    async def typed_async(page: int, who: Identity | None) -> Seen:
        return Seen([page, who and who.name])

    @app.get("/open", access=public)
    def opened(who: Identity | None = None) -> Seen:
        return Seen(who and who.name)

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    client = app.test_client(door=door)
    known = {"X-Word": "ada"}
    for path in ("/typed", "/async"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Word")
        assert answer.content_type == "application/problem+json"
    assert client.get("/plain").status_code == 401
    assert client.get("/plain").mimetype == "text/html"
    assert client.get("/plain", headers=known).text == "plain"
    assert client.get("/typed", headers=known).status_code == 422
    assert client.get("/typed?page=1", headers=known).json == {"value": [1, "ada"]}
    assert client.get("/async?page=1", headers=known).json == {"value": [1, "ada"]}
    assert client.get("/open").json == {"value": None}
    assert client.get("/open", headers=known).json == {"value": "ada"}
    assert set(client.options("/typed").allow) == {"GET", "HEAD", "OPTIONS"}
