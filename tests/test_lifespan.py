"""What runs once per worker, driven through each of its doors."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from hipflask import Flask, current_app, g
from hipflask.lifespan import Life, StartupError


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture
def app(steps: list[str]) -> Flask:
    app = Flask("made")

    @app.before_serving
    def first() -> None:
        g.seen = current_app.name
        steps.append("first")

    @app.before_serving
    async def second() -> None:
        await asyncio.sleep(0)
        steps.append(f"second after {g.seen}")

    @app.while_serving
    async def outer() -> Any:
        steps.append("outer in")
        async with asyncio.timeout(60):  # to be left in the task that entered it
            yield
        steps.append("outer out")

    @app.while_serving
    @contextlib.contextmanager
    def inner() -> Any:
        steps.append("inner in")
        yield
        steps.append("inner out")

    @app.after_serving
    def last() -> None:
        steps.append(f"last in {current_app.name}")

    return app


ORDER = ["first", "second after made", "outer in", "inner in"]
END = ["last in made", "inner out", "outer out"]


async def lifespan(app: Flask, steps: list[str]) -> list[Any]:
    """Play an ASGI server's part; returns what the app sent."""
    sent: list[Any] = []
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        steps.append(message["type"])
        sent.append(message)

    await app.asgi({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    return sent


def test_an_asgi_server_runs_all_in_order(app: Flask, steps: list[str]) -> None:
    asyncio.run(lifespan(app, steps))
    assert steps == [*ORDER, "lifespan.startup.complete", *END, "lifespan.shutdown.complete"]


def test_granians_own_command_runs_all_in_order(app: Flask, steps: list[str]) -> None:
    with asyncio.Runner() as runner:
        app.__rsgi_init__(runner.get_loop())
        assert steps == ORDER
        app.__rsgi_del__(runner.get_loop())
    assert steps == [*ORDER, *END]


def test_a_failure_at_the_start_names_the_function_and_leaves_what_was_entered(
    app: Flask, steps: list[str]
) -> None:
    @app.while_serving
    async def broken() -> Any:
        raise OSError("no database")
        yield

    (message,) = asyncio.run(lifespan(app, steps))
    assert message["type"] == "lifespan.startup.failed"
    assert "broken (" in message["message"]
    assert message["message"].endswith("failed: OSError: no database")
    assert steps == [*ORDER, "inner out", "outer out", "lifespan.startup.failed"]


def test_a_failure_at_the_end_is_logged_and_the_rest_still_runs(
    app: Flask, steps: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    @app.after_serving
    def broken() -> None:
        raise OSError("gone")

    asyncio.run(lifespan(app, steps))
    assert steps[-4:] == [*END, "lifespan.shutdown.complete"]
    assert "broken (" in caplog.text


def test_what_is_no_context_manager_is_refused() -> None:
    app = Flask("made")
    app.while_serving(lambda: 1)
    with pytest.raises(StartupError, match="returned 1"):
        asyncio.run(Life(app).begin())


def test_an_app_without_any_needs_no_context() -> None:
    async def live() -> None:
        life = Life(Flask("made"))
        await life.begin()
        await life.end()

    asyncio.run(live())


def test_registering_after_the_first_request_is_refused(app: Flask) -> None:
    app.test_client().get("/")
    with pytest.raises(AssertionError, match="before_serving"):
        app.before_serving(print)
