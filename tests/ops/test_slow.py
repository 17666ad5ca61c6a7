"""Reports of requests that take too long, while they do."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from hipflask import Flask, Response
from hipflask.ops.observing import observe, observers_of
from hipflask.ops.slow import SlowRequests, report_slow_requests
from hipflask.scaffold import SetupError

DOORS = ("wsgi", "asgi", "rsgi")


class Told(logging.Handler):
    """Lets a view wait until it is told of."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[Any] = []
        self.came = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)
        self.came.set()


@pytest.fixture
def told() -> Any:
    handler = Told()
    logger = logging.getLogger("hipflask.slow")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


def made(told: Told, limit_s: float = 0.4) -> Flask:
    app = Flask("slow", static_folder=None)
    observe(app, SlowRequests(limit_s))

    @app.get("/waits/<int:n>")
    def waits(n: int) -> str:
        assert told.came.wait(20)
        return "waited"

    @app.get("/awaits")
    async def awaits() -> str:
        await until_told()
        return "awaited"

    async def until_told() -> None:
        while not told.came.is_set():
            await asyncio.sleep(0.01)

    @app.get("/quick")
    def quick() -> str:
        return "quick"

    @app.get("/streams")
    def streams() -> Any:
        def pieces() -> Any:
            yield b"a"
            assert not told.came.wait(0.8)
            yield b"b"

        return Response(pieces())

    return app


@pytest.mark.parametrize("door", DOORS)
def test_a_plain_view_is_told_of_with_the_line_it_is_at(door: str, told: Told) -> None:
    app = made(told)
    assert app.test_client(door=door).get("/waits/7").data == b"waited"
    record = told.records[0]
    assert "GET /waits/<int:n> has no answer after 0.4 s; it is at" in record.getMessage()
    assert any(f"{__file__}:" in line and line.endswith("waits") for line in record.stack)
    assert len(record.request_id) == 16
    assert len(told.records) == 1


@pytest.mark.parametrize("door", ["asgi", "rsgi"])
def test_an_async_view_is_told_of_with_what_it_awaits(door: str, told: Told) -> None:
    app = made(told)
    assert app.test_client(door=door).get("/awaits").data == b"awaited"
    stack = told.records[0].stack
    assert stack[0].endswith("awaits")
    assert stack[-1].endswith("until_told")


@pytest.mark.parametrize("door", DOORS)
def test_a_stream_that_has_begun_is_not_slow(door: str, told: Told) -> None:
    app = made(told)
    assert app.test_client(door=door).get("/streams").data == b"ab"
    assert app.test_client(door=door).get("/quick").data == b"quick"
    assert told.records == []


def test_the_setting_decides() -> None:
    app = Flask("slow", static_folder=None)
    app.config["SLOW_REQUEST_S"] = None
    report_slow_requests(app)
    assert observers_of(app) == ()
    app.config["SLOW_REQUEST_S"] = "5"
    with pytest.raises(SetupError, match="SLOW_REQUEST_S='5'"):
        report_slow_requests(app)
    app.config["SLOW_REQUEST_S"] = 5
    report_slow_requests(app)
    report_slow_requests(app)
    assert len(observers_of(app)) == 1
