"""Providers: called once, given to all who ask, and cleaned up whatever happens."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import msgspec
import pytest

from hipflask import Flask, doors, g, request
from hipflask.api import Header, Provide, Supplied
from hipflask.api.problems import Problem
from hipflask.api.providers.calling import app_values, override
from hipflask.lifespan import Life
from hipflask.scaffold import SetupError

log: list[str] = []


class Seen(msgspec.Struct):
    value: Any


class Refused(Exception):
    pass


@pytest.fixture(autouse=True)
def empty_log() -> None:
    log.clear()


@pytest.fixture(params=doors.DOORS)
def door(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)
    app.config["TYPED_VIEWS"] = True
    return app


def plain() -> int:
    log.append("plain")
    return 1


async def awaited() -> int:
    log.append("awaited")
    await asyncio.sleep(0)
    return 2


def opened() -> Iterator[int]:
    log.append("open")
    try:
        yield 3
    except BaseException as error:
        log.append(f"failed {type(error).__name__}")
        raise
    else:
        log.append("end")
    finally:
        log.append("close")


async def opened_async() -> AsyncIterator[int]:
    log.append("open async")
    try:
        await asyncio.sleep(0)
        yield 4
    except BaseException as error:
        log.append(f"failed async {type(error).__name__}")
        raise
    else:
        log.append("end async")
    finally:
        log.append("close async")


def of_header(x_user: Header[str], number: int = Provide(plain)) -> str:
    return f"{x_user}{number}"


class Service:
    def __init__(self, number: int = Provide(plain)) -> None:
        self.number = number


def test_all_kinds_of_providers_give_their_values(app: Flask, door: str) -> None:
    @app.get("/plain")
    def view(
        a: int = Provide(plain),
        b: int = Provide(awaited),
        c: int = Provide(opened),
        d: int = Provide(opened_async),
    ) -> Seen:
        log.append("view")
        return Seen([a, b, c, d])

    @app.get("/async")
    async def view_async(
        a: Annotated[int, Provide(plain)],
        b: Annotated[int, Provide(awaited)],
        c: Annotated[int, Provide(opened)],
        d: Annotated[int, Provide(opened_async)],
    ) -> Seen:
        log.append("view")
        return Seen([a, b, c, d])

    for path in ("/plain", "/async"):
        log.clear()
        assert app.test_client(door=door).get(path).json == {"value": [1, 2, 3, 4]}
        assert log == [
            "plain", "awaited", "open", "open async", "view",
            "end async", "close async", "end", "close",
        ]  # fmt: skip


def test_a_provider_is_called_once_a_request(app: Flask, door: str) -> None:
    @app.get("/")
    def view(user: str = Provide(of_header), number: int = Provide(plain)) -> Seen:
        return Seen([user, number])

    client = app.test_client(door=door)
    for _ in range(2):
        log.clear()
        assert client.get("/", headers={"X-User": "ada"}).json == {"value": ["ada1", 1]}
        assert log == ["plain"]


def test_what_a_provider_reads_is_checked_with_the_rest(app: Flask, door: str) -> None:
    @app.get("/")
    def view(page: int, user: str = Provide(of_header)) -> Seen:
        return Seen(user)

    answer = app.test_client(door=door).get("/?page=x")
    places = [error["location"] for error in answer.json["errors"]]
    assert (answer.status_code, places) == (422, [["query", "page"], ["header", "x-user"]])
    assert log == []


def test_a_provider_and_its_view_may_read_the_same_and_what_the_url_says(app: Flask) -> None:
    def doubled(number: int, word: str) -> str:
        return word * number

    @app.get("/<word>")
    def view(word: str, number: int, text: str = Provide(doubled)) -> Seen:
        return Seen([word, number, text])

    assert app.test_client().get("/ab?number=2").json == {"value": ["ab", 2, "abab"]}


def test_a_decorator_may_fill_a_parameter_beside_a_provider(app: Flask) -> None:
    from functools import wraps

    def filling(view: Any) -> Any:
        @wraps(view)
        def wrapper(**values: Any) -> Any:
            return view(**values, extra=9)

        return wrapper

    @app.get("/")
    @filling
    def view(extra: Supplied[int], number: int = Provide(plain)) -> Seen:
        return Seen([extra, number])

    assert app.test_client().get("/").json == {"value": [9, 1]}


def test_an_exception_is_thrown_into_what_is_open(app: Flask, door: str) -> None:
    @app.get("/plain")
    def view(c: int = Provide(opened), d: int = Provide(opened_async)) -> Seen:
        raise Refused

    @app.get("/async")
    async def view_async(c: int = Provide(opened), d: int = Provide(opened_async)) -> Seen:
        raise Refused

    @app.errorhandler(Refused)
    def handle(error: Refused) -> tuple[str, int]:
        return "refused", 418

    for path in ("/plain", "/async"):
        log.clear()
        answer = app.test_client(door=door).get(path)
        assert (answer.status_code, answer.text) == (418, "refused")
        assert log == [
            "open", "open async", "failed async Refused", "close async", "failed Refused", "close",
        ]  # fmt: skip


def test_a_provider_that_fails_ends_those_before_it(app: Flask, door: str) -> None:
    def failing(value: int = Provide(opened)) -> int:
        raise Problem(409, "not now")

    @app.get("/")
    def view(value: int = Provide(failing)) -> Seen:
        return Seen(value)

    answer = app.test_client(door=door).get("/")
    assert (answer.status_code, answer.json["detail"]) == (409, "not now")
    assert log == ["open", "failed Problem", "close"]


def test_a_provider_may_raise_another_exception_in_its_place(app: Flask, door: str) -> None:
    def translating() -> Iterator[int]:
        try:
            yield 1
        except Refused as error:
            raise Problem(409, "translated") from error

    async def translating_async() -> AsyncIterator[int]:
        try:
            yield 1
        except Refused as error:
            raise Problem(410, "translated") from error

    @app.get("/plain")
    def view(value: int = Provide(translating)) -> Seen:
        raise Refused

    @app.get("/async")
    async def view_async(value: int = Provide(translating_async)) -> Seen:
        raise Refused

    client = app.test_client(door=door)
    assert client.get("/plain").status_code == 409
    assert client.get("/async").status_code == 410


def test_a_provider_cannot_swallow_an_exception(app: Flask, door: str) -> None:
    def swallowing() -> Iterator[int]:
        try:
            yield 1
        except Refused:
            pass

    async def swallowing_async() -> AsyncIterator[int]:
        try:
            yield 1
        except Refused:
            pass

    @app.get("/")
    def view(a: int = Provide(swallowing), b: int = Provide(swallowing_async)) -> Seen:
        raise Refused

    app.errorhandler(Refused)(lambda error: ("refused", 418))
    assert app.test_client(door=door).get("/").status_code == 418


def test_an_end_that_fails_is_a_500(app: Flask, door: str) -> None:
    def committing() -> Iterator[int]:
        yield 1
        raise OSError("disk full")

    async def committing_async() -> AsyncIterator[int]:
        yield 1
        raise OSError("disk full")

    @app.get("/plain")
    def view(a: int = Provide(opened), value: int = Provide(committing)) -> Seen:
        return Seen(1)

    @app.get("/async")
    async def view_async(a: int = Provide(opened), b: int = Provide(committing_async)) -> Seen:
        return Seen(1)

    for path in ("/plain", "/async"):
        log.clear()
        answer = app.test_client(door=door).get(path)
        assert (answer.status_code, "disk" in answer.text) == (500, False)
        assert answer.content_type == "application/problem+json"
        assert log == ["open", "failed OSError", "close"]


def test_a_generator_gives_one_value(app: Flask) -> None:
    def none() -> Iterator[int]:
        yield from ()

    def two() -> Iterator[int]:
        yield 1
        yield 2

    async def none_async() -> AsyncIterator[int]:
        if log:
            yield 1

    async def two_async() -> AsyncIterator[int]:
        yield 1
        yield 2

    app.testing = True
    for number, (provider, words) in enumerate(
        [(none, "no value"), (two, "second time"), (none_async, "no value"), (two_async, "second")]
    ):
        view = _view_of(provider)
        app.add_url_rule(f"/{number}", f"view{number}", view)
    for number, words in enumerate(["no value", "second time", "no value", "second time"]):
        with pytest.raises(RuntimeError, match=words):
            app.test_client().get(f"/{number}")


def _view_of(provider: Any) -> Any:
    def view(value: int = Provide(provider)) -> Seen:
        return Seen(value)

    return view


def test_providers_and_view_share_context_variables_and_g(app: Flask, door: str) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="-")

    def setting() -> Iterator[int]:
        token = variable.set("set")
        g.word = "g"
        yield 1
        variable.reset(token)
        log.append(f"{variable.get()} {g.word} {request.path}")

    @app.get("/plain")
    def view(value: int = Provide(setting)) -> Seen:
        return Seen([variable.get(), g.word])

    @app.get("/mixed")
    def mixed(value: int = Provide(setting), b: int = Provide(awaited)) -> Seen:
        return Seen([variable.get(), g.word])

    for path in ("/plain", "/mixed"):
        log.clear()
        assert app.test_client(door=door).get(path).json == {"value": ["set", "g"]}
        assert log[-1] == f"- g {path}"


def test_other_callables_are_providers(app: Flask, door: str) -> None:
    from functools import partial

    class Giving:
        async def __call__(self) -> int:
            return 5

        def method(self) -> int:
            log.append("method")
            return 6

    giving = Giving()

    def two(a: int = 1) -> int:
        return a

    @app.get("/")
    def view(
        service: Service = Provide(Service),
        five: int = Provide(Giving()),
        six: int = Provide(giving.method),
        again: int = Provide(giving.method),
        seven: int = Provide(partial(two, a=7)),
    ) -> Seen:
        return Seen([service.number, five, six, again, seven])

    assert app.test_client(door=door).get("/").json == {"value": [1, 5, 6, 6, 7]}
    assert log.count("method") == 1


# Streamed answers.


def pieces() -> Iterator[Seen]:
    for number in range(3):
        log.append(f"piece {number}")
        yield Seen(number)


async def pieces_async() -> AsyncIterator[Seen]:
    for number in range(3):
        log.append(f"piece {number}")
        yield Seen(number)


ENDS = ["end async", "close async", "end", "close"]


def test_the_end_comes_after_the_last_piece(app: Flask, door: str) -> None:
    @app.get("/plain")
    def view(c: int = Provide(opened), d: int = Provide(opened_async)) -> Iterator[Seen]:
        return pieces()

    @app.get("/async")
    async def view_async(
        c: int = Provide(opened), d: int = Provide(opened_async)
    ) -> AsyncIterator[Seen]:
        return pieces_async()

    @app.get("/flask")
    def as_in_flask(c: int = Provide(opened), d: int = Provide(opened_async)) -> Any:
        return (f"{piece.value}\n" for piece in pieces())

    for path in ("/plain", "/async", "/flask"):
        log.clear()
        answer = app.test_client(door=door).get(path)
        assert len(answer.data.splitlines()) == 3
        assert log[2:] == ["piece 0", "piece 1", "piece 2", *ENDS]


def test_the_end_of_a_stream_nobody_reads_comes_at_once(app: Flask, door: str) -> None:
    @app.get("/")
    def view(c: int = Provide(opened)) -> Iterator[Seen]:
        return pieces()

    assert app.test_client(door=door).head("/").status_code == 200
    assert log == ["open", "end", "close"]


def test_an_exception_between_pieces_is_thrown_into_what_is_open(app: Flask) -> None:
    @app.get("/plain")
    def view(c: int = Provide(opened)) -> Any:
        def broken() -> Iterator[str]:
            yield "a"
            raise Refused

        return broken()

    @app.get("/async")
    async def view_async(c: int = Provide(opened), d: int = Provide(opened_async)) -> Any:
        async def broken() -> AsyncIterator[str]:
            yield "a"
            raise Refused

        return broken()

    with pytest.raises(Refused):
        app.test_client().get("/plain").data  # noqa: B018
    assert log == ["open", "failed Refused", "close"]
    log.clear()
    with pytest.raises(Refused):
        app.test_client().get("/async").data  # noqa: B018
    assert log[2:] == ["failed async Refused", "close async", "failed Refused", "close"]


def test_a_client_that_leaves_ends_what_is_open(app: Flask) -> None:
    @app.get("/plain")
    def view(c: int = Provide(opened)) -> Iterator[Seen]:
        return pieces()

    @app.get("/async")
    async def view_async(c: int = Provide(opened)) -> AsyncIterator[Seen]:
        return pieces_async()

    for path in ("/plain", "/async"):
        for reads in (0, 1):
            log.clear()
            with app.test_client() as client:
                answer = client.get(path, buffered=False)
                body = iter(answer.response)
                for _ in range(reads):
                    next(body)
                answer.close()
            assert log[0] == "open"
            assert log[-2:] == ["failed GeneratorExit", "close"]


def test_an_async_client_that_leaves_ends_what_is_open(app: Flask) -> None:
    ended = threading.Event()

    async def noting() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            log.append("ended")
            ended.set()

    @app.get("/")
    async def view(value: int = Provide(noting)) -> Any:
        async def endless() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 1000
                await asyncio.sleep(0)

        return endless()

    async def visit() -> None:
        left = asyncio.Event()
        sent = 0

        async def receive() -> dict[str, Any]:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal sent
            sent += 1
            if sent == 5:
                left.set()

        scope = {
            "type": "http", "method": "GET", "path": "/", "query_string": b"",
            "headers": [(b"host", b"localhost")], "http_version": "1.1", "scheme": "http",
        }  # fmt: skip
        await asyncio.wait_for(app(scope, receive, send), 10)

    asyncio.run(visit())
    assert log == ["ended"]


# Of the application.


def of_app() -> Iterator[str]:
    log.append("app open")
    yield "app"
    log.append("app close")


async def of_app_async(word: str = Provide(of_app, scope="app")) -> AsyncIterator[str]:
    log.append("app open async")
    yield f"{word} async"
    log.append("app close async")


def add_views(app: Flask) -> None:
    @app.get("/plain")
    def view(word: str = Provide(of_app, scope="app"), a: int = Provide(plain)) -> Seen:
        return Seen([word, a])

    @app.get("/async")
    async def view_async(word: str = Provide(of_app_async, scope="app")) -> Seen:
        return Seen(word)


def test_one_value_serves_all_requests(app: Flask, door: str) -> None:
    add_views(app)
    client = app.test_client(door=door)
    for _ in range(2):
        assert client.get("/plain").json == {"value": ["app", 1]}
        assert client.get("/async").json == {"value": "app async"}
    assert [word for word in log if word.startswith("app")] == ["app open", "app open async"]
    app_values(app).close()
    assert log[-2:] == ["app close async", "app close"]


def test_it_is_made_before_serving_and_ended_after_on_the_same_loop(app: Flask) -> None:
    loops: list[Any] = []

    async def noting() -> AsyncIterator[int]:
        loops.append(asyncio.get_running_loop())
        yield 1
        loops.append(asyncio.get_running_loop())

    @app.get("/")
    def view(
        one: int = Provide(noting, scope="app"), two: str = Provide(of_app, scope="app")
    ) -> Seen:
        return Seen([one, two])

    async def serve() -> None:
        life = Life(app)
        await life.begin()
        assert (len(loops), log) == (1, ["app open"])
        answer = await app.async_test_client().get("/")
        assert answer.json == {"value": [1, "app"]}
        await life.end()
        assert loops == [asyncio.get_running_loop()] * 2
        assert log == ["app open", "app close"]

    asyncio.run(serve())


def test_a_setup_error_ends_the_start_of_a_worker(app: Flask) -> None:
    @app.get("/")
    def view(what: object = Provide(of_app), other: threading.Thread = None) -> Seen:  # type: ignore[assignment]
        return Seen(1)

    async def serve() -> None:
        await Life(app).begin()

    with pytest.raises(RuntimeError, match="test_calling.py"):
        asyncio.run(serve())


def test_it_is_made_once_though_many_ask_at_once(app: Flask) -> None:
    started = threading.Barrier(4)
    made: list[int] = []

    def slow() -> int:
        made.append(1)
        started.wait(5)
        return 1

    @app.get("/")
    def view(value: int = Provide(slow, scope="app")) -> Seen:
        return Seen(value)

    def ask(number: int) -> Any:
        if number:
            started.wait(5)
        return app.test_client().get("/").json

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [{"value": 1}] * 4
    assert made == [1]


def test_tasks_wait_for_the_one_that_makes_it(app: Flask) -> None:
    made: list[int] = []

    async def slow() -> int:
        made.append(1)
        for _ in range(10):
            await asyncio.sleep(0)
        return 1

    @app.get("/")
    async def view(value: int = Provide(slow, scope="app")) -> Seen:
        return Seen(value)

    async def ask() -> None:
        client = app.async_test_client()
        answers = await asyncio.gather(*(client.get("/") for _ in range(3)))
        assert [answer.json for answer in answers] == [{"value": 1}] * 3

    asyncio.run(ask())
    assert made == [1]


def test_one_that_fails_is_asked_again(app: Flask, door: str) -> None:
    outcomes = [Problem(503, "later"), 7]

    def failing() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @app.get("/")
    def view(value: int = Provide(failing, scope="app")) -> Seen:
        return Seen(value)

    client = app.test_client(door=door)
    assert client.get("/").status_code == 503
    assert client.get("/").json == {"value": 7}


def test_it_is_ended_when_the_interpreter_exits() -> None:
    code = """
import msgspec
from hipflask import Flask
from hipflask.api import Provide

class Seen(msgspec.Struct):
    value: int

def plain():
    yield 1
    print("plain closed")

async def awaited():
    yield 2
    print("async closed")

app = Flask(__name__)
app.config["TYPED_VIEWS"] = True

@app.get("/")
def view(a: int = Provide(plain, scope="app"), b: int = Provide(awaited, scope="app")) -> Seen:
    return Seen(a + b)

print(app.test_client().get("/").json)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == ["{'value': 3}", "async closed", "plain closed"], done.stderr
    assert done.stderr == ""


def test_it_cannot_depend_on_a_request(app: Flask) -> None:
    def of_query(page: int) -> int:
        return page

    def of_request(value: int = Provide(plain)) -> int:
        return value

    for provider in (of_query, of_request):
        app = Flask(__name__)
        app.config["TYPED_VIEWS"] = True

        def view(value: int = Provide(provider, scope="app")) -> Seen:
            return Seen(value)

        app.add_url_rule("/", view_func=view)
        with pytest.raises(SetupError, match="of one request"):
            app.test_client().get("/")


# In tests.


def test_another_may_stand_in(app: Flask, door: str) -> None:
    def other(word: str) -> str:
        return word

    @app.get("/")
    def view(user: str = Provide(of_header), a: int = Provide(plain)) -> Seen:
        return Seen([user, a])

    client = app.test_client(door=door)
    sent = {"X-User": "ada"}
    with override(app, {of_header: lambda: "bob"}):
        assert client.get("/").json == {"value": ["bob", 1]}
        with override(app, {plain: lambda: 9, of_header: other}):
            assert client.get("/?word=x").json == {"value": ["x", 9]}
            assert client.get("/").status_code == 422
        assert client.get("/").json == {"value": ["bob", 1]}
        with override(app, {plain: awaited}):
            assert client.get("/").json == {"value": ["bob", 2]}
    assert client.get("/", headers=sent).json == {"value": ["ada1", 1]}


def test_a_stand_in_for_the_application_is_ended_with_the_block(app: Flask, door: str) -> None:
    def other() -> Iterator[str]:
        log.append("other open")
        yield "other"
        log.append("other close")

    add_views(app)
    client = app.test_client(door=door)
    with override(app, {of_app: other}):
        assert client.get("/plain").json == {"value": ["other", 1]}
    assert log == ["other open", "plain", "other close"]
    assert client.get("/plain").json == {"value": ["app", 1]}
    app_values(app).close()


def test_blocks_may_end_in_any_order(app: Flask) -> None:
    app.add_url_rule("/", view_func=_view_of(plain))
    first, second = override(app, {plain: lambda: 5}), override(app, {plain: lambda: 6})
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert app.test_client().get("/").json == {"value": 6}
    second.__exit__(None, None, None)
    assert app.test_client().get("/").json == {"value": 1}


def test_a_stand_in_is_a_callable(app: Flask) -> None:
    with pytest.raises(SetupError, match="lambda"), override(app, {plain: 5}):
        pass


def test_a_circle_of_stand_ins_is_refused(app: Flask) -> None:
    def other(value: int = Provide(plain)) -> int:
        return value

    app.add_url_rule("/", view_func=_view_of(plain))
    with override(app, {plain: other}), pytest.raises(SetupError, match="circle"):
        app.test_client().get("/")
