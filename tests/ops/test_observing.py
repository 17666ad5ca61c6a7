"""What observers see of a request, through each of the three doors."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from hipflask import (
    Flask,
    Response,
    WebSocketDisconnected,
    abort,
    request,
    send_file,
    websocket,
)
from hipflask.ops.observing import Observation, Observer, current, observe, observers_of
from hipflask.socketclient import WebSocketRefused

DOORS = ("wsgi", "asgi", "rsgi")
Row = tuple[Any, ...]


class Notes(Observer):
    """Keeps what it sees as rows."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.seen: list[Observation] = []
        self.has_ended = threading.Event()

    def begin(self, seen: Observation) -> Any:
        assert not seen.status
        assert seen.ctx is None
        return seen.head.path

    def end(self, seen: Observation, token: Any) -> None:
        error = type(seen.error).__name__ if seen.error is not None else None
        self.rows.append((seen.method, token, seen.route, seen.endpoint, seen.status, error))
        self.seen.append(seen)
        self.has_ended.set()


def made() -> tuple[Flask, Notes]:
    app = Flask("observed", static_folder=None)
    notes = Notes()
    observe(app, notes)

    @app.get("/plain/<int:n>")
    def plain(n: int) -> str:
        assert current() is not None
        return "hello"

    @app.get("/async")
    async def awaited() -> dict[str, int]:
        await asyncio.sleep(0)
        assert current() is not None
        return {"a": 1}

    @app.get("/stream")
    def stream() -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"abc"
            yield b"de"

        return Response(pieces())

    @app.get("/broken-stream")
    def broken_stream() -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"abc"
            raise LookupError("midway")

        return Response(pieces())

    @app.get("/file")
    def file() -> Any:
        return send_file(__file__)

    @app.get("/boom")
    def boom() -> str:
        raise ZeroDivisionError

    @app.get("/async-boom")
    async def async_boom() -> str:
        raise ZeroDivisionError

    @app.get("/handled")
    def handled() -> str:
        abort(418)

    app.logger.disabled = True
    return app, notes


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("path", "row", "size"),
    [
        ("/plain/1", ("/plain/<int:n>", "plain", 200, None), 5),
        ("/async", ("/async", "awaited", 200, None), None),
        ("/stream", ("/stream", "stream", 200, None), 5),
        ("/file", ("/file", "file", 200, None), None),
        ("/boom", ("/boom", "boom", 500, "ZeroDivisionError"), None),
        ("/async-boom", ("/async-boom", "async_boom", 500, "ZeroDivisionError"), None),
        ("/handled", ("/handled", "handled", 418, None), None),
        ("/nowhere", (None, None, 404, None), None),
    ],
)
def test_a_request_is_seen_with_its_route(door: str, path: str, row: Row, size: int | None) -> None:
    app, notes = made()
    with app.test_client(door=door).get(path) as response:
        assert response.data or path == "/file"
        assert response.status_code == row[2]
    assert notes.has_ended.wait(10)
    assert notes.rows == [("GET", path, *row)]
    seen = notes.seen[0]
    assert seen.duration_s > 0
    assert size is None or seen.size == size


@pytest.mark.parametrize("door", DOORS)
def test_a_stream_that_fails_is_seen_with_what_it_raised(door: str) -> None:
    app, notes = made()
    try:
        with app.test_client(door=door).get("/broken-stream") as response:
            assert response.data == b"abc"
    except Exception:  # noqa: S110  # how a client notices is up to the door
        pass
    assert notes.has_ended.wait(10)
    assert notes.rows[0][-1] == "LookupError"


@pytest.mark.parametrize("door", DOORS)
def test_a_stream_ends_when_its_client_leaves(door: str) -> None:
    app, notes = made()
    waits = threading.Event()

    @app.get("/endless")
    def endless() -> Any:
        def pieces() -> Iterator[bytes]:
            yield b"x"
            while not waits.is_set():
                yield b"x" * 1000

        return Response(pieces())

    response = app.test_client(door=door).get("/endless", buffered=False)
    assert next(iter(response.response))
    assert not notes.has_ended.is_set()
    response.close()
    waits.set()
    assert notes.has_ended.wait(10)
    assert notes.seen[0].is_gone
    assert notes.rows[0][2:5] == ("/endless", "endless", 200)


@pytest.mark.parametrize("door", DOORS)
def test_middleware_answers_are_part_of_the_same_request(door: str) -> None:
    app, notes = made()
    inner = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Any:
        environ["HTTP_X_SEEN"] = "yes"
        return inner(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]
    assert app.test_client(door=door).get("/plain/1").data == b"hello"
    assert notes.has_ended.wait(10)
    assert notes.rows == [("GET", "/plain/1", "/plain/<int:n>", "plain", 200, None)]


@pytest.mark.parametrize("door", DOORS)
def test_context_variables_set_in_begin_reach_hooks_and_views(door: str) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
    app = Flask("observed", static_folder=None)

    class Sets(Observer):
        def begin(self, seen: Observation) -> None:
            variable.set(seen.head.header("x-name") or "")

    observe(app, Sets())
    app.before_request(lambda: variable.get() != "ann" and abort(400) or None)

    @app.get("/plain")
    def plain() -> str:
        return variable.get()

    @app.get("/async")
    async def awaited() -> str:
        return variable.get()

    for path in ("/plain", "/async"):
        answer = app.test_client(door=door).get(path, headers={"X-Name": "ann"})
        assert answer.data == b"ann"


def test_several_observers_begin_in_order_and_end_in_the_opposite_one() -> None:
    app, _ = made()
    calls: list[str] = []

    class Named(Observer):
        def __init__(self, name: str) -> None:
            self.name = name

        def begin(self, seen: Observation) -> str:
            calls.append(f"begin {self.name}")
            return self.name

        def end(self, seen: Observation, token: Any) -> None:
            assert token == self.name
            calls.append(f"end {self.name}")

    class OnlyEnds(Observer):
        def end(self, seen: Observation, token: Any) -> None:
            assert token is None
            calls.append("end only")

    for observer in (Named("a"), OnlyEnds(), Named("b")):
        observe(app, observer)
    app.test_client().get("/plain/1")
    assert calls == ["begin a", "begin b", "end b", "end only", "end a"]
    assert len(observers_of(app)) == 4


@pytest.mark.parametrize("door", DOORS)
def test_an_observer_that_fails_harms_nobody(door: str, caplog: pytest.LogCaptureFixture) -> None:
    app, notes = made()

    class Fails(Observer):
        def begin(self, seen: Observation) -> None:
            raise ValueError("begin")

        def end(self, seen: Observation, token: Any) -> None:
            raise ValueError("end")

    observe(app, Fails())
    assert app.test_client(door=door).get("/plain/1").data == b"hello"
    assert notes.has_ended.wait(10)
    assert [record.name for record in caplog.records] == ["hipflask.observing"] * 2


@pytest.mark.parametrize("door", DOORS)
def test_what_a_request_raises_is_not_kept(door: str) -> None:
    app, notes = made()
    kept: list[weakref.ref[Any]] = []

    class Keeps(Observer):
        def end(self, seen: Observation, token: Any) -> None:
            kept.append(weakref.ref(seen.ctx))

    observe(app, Keeps())
    app.test_client(door=door).get("/boom")
    assert notes.has_ended.wait(10)
    notes.seen.clear()
    for _ in range(500):
        gc.collect()
        if kept[0]() is None:
            break
        threading.Event().wait(0.01)  # the task that answered has a few steps to go
    assert kept[0]() is None


def test_without_observers_nothing_is_seen() -> None:
    app = Flask("plain", static_folder=None)

    @app.get("/")
    def index() -> str:
        assert current() is None
        return request.path

    assert app.test_client().get("/").data == b"/"
    plan: Any = app.sealed
    assert not plan.is_watched
    assert observers_of(app) == ()


def test_an_observer_may_come_late() -> None:
    app = Flask("late", static_folder=None)
    app.add_url_rule("/", view_func=lambda: "late")
    client = app.test_client()
    client.get("/")
    notes = Notes()
    observe(app, notes)
    client.get("/")
    assert len(notes.rows) == 1


def test_bytes_of_a_list_under_wsgi_are_counted_and_a_bad_status_is_a_500() -> None:
    app, notes = made()

    @app.get("/odd")
    def odd() -> Any:
        return "odd", "1000 Odd"

    with suppress(Exception):  # what comes of it is the server's to say
        app.test_client(door="wsgi").get("/odd")
    app.test_client(door="rsgi").get("/odd")
    assert {row[4] for row in notes.rows} == {500}


class Sockets(Notes):
    """Keeps connections, too."""

    def closed(self, seen: Observation) -> None:
        websocket = seen.websocket
        error = type(seen.error).__name__ if seen.error is not None else None
        self.rows.append((seen.route, seen.status, websocket.close_code, error))
        self.rows.append((websocket.received, websocket.sent))
        self.has_ended.set()


@pytest.mark.parametrize(
    ("path", "row", "messages"),
    [
        ("/echo", ("/echo", 101, 1000, None), (2, 2)),
        ("/fails", ("/fails", 101, 1011, "ZeroDivisionError"), (1, 1)),
        ("/refuses", ("/refuses", 403, None, None), (0, 0)),
        ("/nowhere", (None, 404, None, None), (0, 0)),
    ],
)
def test_a_websocket_is_seen_once_at_its_end(path: str, row: Row, messages: Row) -> None:
    app, _ = made()
    sockets = Sockets()
    observe(app, sockets)

    @app.websocket("/echo")
    async def echo() -> None:
        async for message in websocket:
            await websocket.send(message)
            assert current() is not None

    @app.websocket("/fails")
    async def fails() -> None:
        await websocket.send(await websocket.receive())
        raise ZeroDivisionError

    @app.websocket("/refuses")
    async def refuses() -> None:
        abort(403)

    try:
        with app.test_client().websocket(path) as client:
            for _ in range(messages[0]):
                client.send("hello")
                assert client.receive() == "hello"
    except (WebSocketRefused, WebSocketDisconnected):
        assert path != "/echo"
    assert sockets.has_ended.wait(10)
    assert sockets.rows == [row, messages]
    assert current() is None


def test_an_observer_of_requests_alone_is_told_of_no_websocket() -> None:
    app, notes = made()

    @app.websocket("/ws")
    async def connect() -> None:
        await websocket.send("hello")

    with app.test_client().websocket("/ws") as client:
        assert client.receive() == "hello"
    assert notes.rows == []
