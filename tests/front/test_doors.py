"""The test clients through each door, and what a request may rely on behind it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import hipflask as fl
from hipflask import doors
from hipflask.signals import (
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    request_finished,
    request_started,
    request_tearing_down,
)

ASYNC_DOORS = ("asgi", "rsgi")
every_door = pytest.mark.parametrize("door", doors.DOORS)
every_async_door = pytest.mark.parametrize("door", ASYNC_DOORS)

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture
def app() -> fl.Flask:
    app = fl.Flask("doors", static_folder=None)
    app.secret_key = "a key for tests"
    app.testing = True

    @app.get("/count")
    def count() -> str:
        fl.session["n"] = fl.session.get("n", 0) + 1
        return str(fl.session["n"])

    @app.get("/async/count")
    async def count_async() -> str:
        fl.g.seen = "async"
        return count()

    @app.post("/echo")
    def echo() -> Any:
        return fl.jsonify(json=fl.request.get_json(silent=True), form=dict(fl.request.form))

    @app.get("/away")
    def away() -> Any:
        return fl.redirect("/count")

    @app.get("/fail")
    def fail() -> str:
        raise ZeroDivisionError

    @app.get("/pieces")
    def pieces() -> Any:
        return (f"{n}," for n in range(4))

    return app


@every_door
def test_the_client_keeps_cookies_and_follows_redirects(app: fl.Flask, door: str) -> None:
    client = app.test_client(door=door)
    assert [client.get(path).text for path in ("/count", "/async/count")] == ["1", "2"]
    answer = client.get("/away", follow_redirects=True)
    assert answer.text == "3"
    assert [hop.status_code for hop in answer.history] == [302]
    assert app.test_client(use_cookies=False, door=door).get("/count").text == "1"


@every_door
def test_the_client_sends_json_and_forms(app: fl.Flask, door: str) -> None:
    client = app.test_client(door=door)
    assert client.post("/echo", json={"a": [1, "ü"]}).json == {"json": {"a": [1, "ü"]}, "form": {}}
    assert client.post("/echo", data={"a": "ü"}).json["form"] == {"a": "ü"}
    assert client.post("/nowhere").status == "404 NOT FOUND"


@every_door
def test_session_transaction_and_contexts_of_a_with_block(app: fl.Flask, door: str) -> None:
    with app.test_client(door=door) as client:
        with client.session_transaction() as session:
            session["n"] = 41
        assert client.get("/async/count").text == "42"
        assert fl.g.seen == "async"
        assert fl.request.path == "/async/count"
        assert fl.session["n"] == 42
        client.get("/count")
        assert "seen" not in fl.g
    assert not fl.has_request_context()


@every_door
def test_an_exception_reaches_the_test(app: fl.Flask, door: str) -> None:
    with pytest.raises(ZeroDivisionError):
        app.test_client(door=door).get("/fail")


@every_door
def test_a_stream_is_read_piece_by_piece(app: fl.Flask, door: str) -> None:
    client = app.test_client(door=door)
    assert client.get("/pieces").text == "0,1,2,3,"
    answer = client.get("/pieces")
    assert next(answer.iter_encoded()) == b"0,"
    answer.close()


def test_the_door_is_chosen_by_argument_or_environment(
    app: fl.Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HIPFLASK_TEST_DOOR", raising=False)
    assert app.test_client().door == "wsgi"
    monkeypatch.setenv("HIPFLASK_TEST_DOOR", "rsgi")
    assert app.test_client().door == "rsgi"
    assert app.test_client(door="asgi").door == "asgi"
    with pytest.raises(ValueError, match="no door 'http'"):
        app.test_client(door="http")


@every_async_door
def test_the_async_client_awaits_on_the_tests_own_loop(app: fl.Flask, door: str) -> None:
    @app.get("/loop")
    async def loop() -> str:
        return str(id(asyncio.get_running_loop()))

    async def main() -> None:
        client = app.async_test_client(door=door)
        assert client.door == door
        assert (await client.get("/loop")).text == str(id(asyncio.get_running_loop()))
        answers = await asyncio.gather(*(client.post("/echo", json=n) for n in range(20)))
        assert [answer.json["json"] for answer in answers] == list(range(20))
        with client.session_transaction() as session:
            session["n"] = 1
        assert (await client.get("/count")).text == "2"
        answer = await client.get("/pieces", buffered=False)
        assert [piece async for piece in answer] == [b"0,", b"1,", b"2,", b"3,"]

    asyncio.run(main())


def test_the_plain_client_refuses_the_loop_it_would_block(app: fl.Flask) -> None:
    @app.get("/inside")
    async def inside() -> str:
        with pytest.raises(RuntimeError, match="async_test_client"):
            app.test_client(door="asgi").get("/count")
        return "refused"

    assert app.test_client(door="asgi").get("/inside").text == "refused"


@pytest.mark.parametrize("path", ["/count", "/async/count"])
@pytest.mark.parametrize("face", ["app", "app.asgi"])
def test_httpx_takes_the_application_as_asgi(app: fl.Flask, face: str, path: str) -> None:
    httpx = pytest.importorskip("httpx")
    target = app if face == "app" else app.asgi

    async def main() -> None:
        transport = httpx.ASGITransport(app=target)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.get(path)).text == "1"
            assert (await client.get(path)).text == "2"
            answer = await client.post("/echo", json=[1])
            assert answer.json()["json"] == [1]
            assert (await client.get("/pieces")).text == "0,1,2,3,"

    asyncio.run(main())


@every_door
@pytest.mark.parametrize("is_async", [False, True], ids=["sync view", "async view"])
def test_what_a_plain_hook_sets_is_seen_and_can_be_undone(door: str, is_async: bool) -> None:
    app = fl.Flask("contexts", static_folder=None)
    log: list[str] = []

    @app.before_request
    def sign_in() -> None:
        fl.g.user = "ada"
        fl.g.token = who.set("ada")

    @app.teardown_request
    def sign_out(error: BaseException | None) -> None:
        log.append(f"{who.get()} {fl.g.user}")
        who.reset(fl.g.token)
        log.append(who.get())

    if is_async:

        @app.get("/")
        async def view() -> str:
            await asyncio.sleep(0)
            return f"{who.get()} {fl.g.user} {fl.request.path}"
    else:
        app.add_url_rule("/", "view", lambda: f"{who.get()} {fl.g.user} {fl.request.path}")
    for _ in range(2):
        assert app.test_client(door=door).get("/").text == "ada ada /"
    assert log == ["ada ada", "nobody"] * 2
    assert who.get() == "nobody"


@every_async_door
def test_requests_at_the_same_time_do_not_see_one_another(door: str) -> None:
    app = fl.Flask("apart", static_folder=None)

    @app.before_request
    def remember() -> None:
        fl.g.name = fl.request.args["name"]
        who.set(fl.g.name)

    async def wait() -> str:
        names = [fl.g.name, who.get()]
        for _ in range(3):
            await asyncio.sleep(0)
            names += fl.g.name, who.get(), fl.request.args["name"]
        return " ".join(sorted(set(names)))

    app.add_url_rule("/async", "wait", wait)
    app.add_url_rule("/sync", "now", lambda: " ".join({fl.g.name, who.get()}))

    async def main() -> None:
        client = app.async_test_client(door=door)
        asked = [(path, f"n{n}") for n in range(50) for path in ("/async", "/sync")]
        answers = await asyncio.gather(*(client.get(f"{path}?name={n}") for path, n in asked))
        assert [answer.text for answer in answers] == [name for _, name in asked]

    asyncio.run(main())


SIGNALS = {
    "pushed": appcontext_pushed,
    "started": request_started,
    "finished": request_finished,
    "tearing down": request_tearing_down,
    "app tearing down": appcontext_tearing_down,
    "popped": appcontext_popped,
}


def order_of(door: str, path: str) -> list[str]:
    """What happens in one request, in its order."""
    app = fl.Flask("order", static_folder=None)
    inner = fl.Blueprint("inner", __name__)
    log: list[str] = []
    for scope, name in ((app, "app"), (inner, "inner")):
        scope.before_request(lambda name=name: log.append(f"before {name}"))
        scope.after_request(lambda r, name=name: log.append(f"after {name}") or r)
        scope.teardown_request(lambda e, name=name: log.append(f"teardown {name} {e!r}"))
    app.teardown_appcontext(lambda e: log.append(f"teardown context {e!r}"))
    app.register_error_handler(404, lambda e: log.append("handler") or ("none", 404))

    @inner.get("/sync")
    def plain() -> str:
        log.append("view")
        return "x"

    @inner.get("/async")
    async def awaited() -> str:
        return plain()

    @inner.get("/fail/sync")
    def fail() -> str:
        raise ZeroDivisionError

    @inner.get("/fail/async")
    async def fail_async() -> str:
        raise ZeroDivisionError

    app.register_blueprint(inner)
    app.logger.disabled = True
    keep = []
    for name, signal in SIGNALS.items():
        keep.append(lambda sender, name=name, **rest: log.append(f"signal {name}"))
        signal.connect(keep[-1], app)
    app.test_client(door=door).get(path)
    return log


@every_async_door
@pytest.mark.parametrize("path", ["/sync", "/async", "/fail/sync", "/fail/async", "/nowhere"])
def test_hooks_and_signals_come_in_the_order_of_wsgi(door: str, path: str) -> None:
    expected = order_of("wsgi", path)
    assert len(expected) > 8
    assert order_of(door, path) == expected


def leaving_app() -> tuple[fl.Flask, list[str]]:
    app = fl.Flask("leaving", static_folder=None)
    log: list[str] = []
    app.teardown_request(lambda error: log.append(type(error).__name__))

    @app.get("/wait")
    async def wait() -> str:
        await asyncio.Event().wait()
        return "never"

    @app.get("/stream")
    def stream() -> Any:
        def forever() -> Iterator[str]:
            while True:
                yield "x" * 1000

        return forever()

    @app.get("/hello")
    async def hello() -> str:
        return "hello"

    return app, log


@every_async_door
def test_a_cancelled_request_is_torn_down_once(door: str) -> None:
    app, log = leaving_app()

    async def main() -> None:
        client = app.async_test_client(door=door)
        work = asyncio.ensure_future(client.get("/wait"))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(work, 1)

    asyncio.run(main())
    assert log == ["CancelledError"]


@every_async_door
def test_a_thousand_requests_half_of_them_abandoned_leave_nothing_behind(door: str) -> None:
    app, log = leaving_app()

    async def main() -> None:
        client = app.async_test_client(door=door)
        await asyncio.gather(*(client.get("/hello") for _ in range(20)))
        tasks, threads = len(asyncio.all_tasks()), threading.active_count()
        for _ in range(25):
            halves = [client.get("/hello") for _ in range(20)]
            halves += [leave(client) for _ in range(20)]
            await asyncio.gather(*halves)
        # What a thread of the pool is still at ends soon, on a busy machine a little later.
        deadline = time.monotonic() + 20
        while len(asyncio.all_tasks()) > tasks and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) <= tasks
        # The pool's threads and those of asyncio.to_thread stay, and are bounded.
        assert threading.active_count() <= threads + 32 + 32

    async def leave(client: Any) -> None:
        answer = await client.get("/stream", buffered=False)
        async for _ in answer:
            break
        await answer.aclose()

    asyncio.run(main())
    assert log == ["NoneType"] * 1020
    gc.collect()
    contexts = [each for each in gc.get_objects() if type(each).__name__ == "RequestContext"]
    # One may still be the last of a thread of the pool.
    assert sum(each.app is app for each in contexts) <= 1
