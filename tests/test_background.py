from __future__ import annotations

import asyncio
import contextvars
import logging
import threading

import pytest

from hipflask import Flask, current_app, has_request_context, stream_with_context
from hipflask.background import drain, drain_sync
from hipflask.front.asgi import asgi_app

name = contextvars.ContextVar("name", default="nobody")


@pytest.fixture
def app():
    return Flask(__name__)


async def ask(app, path="/"):
    """One request over ASGI; returns what was sent when the work of the request is done."""
    sent = []

    async def receive():
        if any(message.get("body") is not None for message in sent):
            return {"type": "http.disconnect"}
        await asyncio.Event().wait()

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": [(b"host", b"h")]}
    await asgi_app(app, scope, receive, send)
    assert await drain(app, 10)
    return sent


def collect(app):
    seen = []

    def plain(word):
        seen.append((word, current_app.name, has_request_context(), name.get()))

    async def later(word):
        await asyncio.sleep(0)
        plain(word)

    return seen, plain, later


EXPECTED = [("later", "after"), ("plain", "after"), ("later", "beside"), ("plain", "beside")]


def add_views(app, plain, later):
    def ask_for_work():
        name.set("somebody")
        app.after_response(plain, "plain after")
        app.after_response(later, "later after")
        app.background(plain, "plain beside")
        app.background(later, "later beside")
        return "ok"

    async def ask_async():
        return ask_for_work()

    app.add_url_rule("/plain", "plain", ask_for_work)
    app.add_url_rule("/async", "async", ask_async)


@pytest.mark.parametrize("path", ["/plain", "/async"])
@pytest.mark.parametrize("door", ["wsgi", "asgi"])
def test_work_is_done_with_the_application_and_context_variables(app, path, door):
    seen, plain, later = collect(app)
    add_views(app, plain, later)
    if door == "asgi":
        asyncio.run(ask(app, path))
    else:
        app.test_client().get(path).close()  # as a server does
        assert drain_sync(app, 10)
    words = sorted(one[0] for one in seen)
    assert words == ["later after", "later beside", "plain after", "plain beside"]
    assert {one[1:] for one in seen} == {(app.name, False, "somebody")}
    assert app.background_tasks == 0


def test_work_after_the_response_waits_for_the_end_of_a_stream(app):
    order = []

    @app.get("/")
    def view():
        app.after_response(order.append, "work")

        def pieces():
            yield b"x"
            order.append("sent")

        return stream_with_context(pieces())

    asyncio.run(ask(app))
    assert order == ["sent", "work"]
    del order[:]
    app.test_client().get("/", buffered=True)
    assert drain_sync(app, 10)
    assert order == ["sent", "work"]


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_an_error_is_logged(app, kind, caplog):
    def fail():
        raise ValueError("on purpose")

    async def fail_later():
        raise ValueError("on purpose")

    @app.get("/")
    def view():
        app.background(fail if kind == "plain" else fail_later)
        return "ok"

    with caplog.at_level(logging.ERROR):
        asyncio.run(ask(app))
    [record] = [one for one in caplog.records if "Background work failed" in one.message]
    assert "fail" in record.message
    assert app.background_tasks == 0


def test_work_is_counted_until_it_ends(app):
    go_on = threading.Event()
    app.background(go_on.wait)
    assert app.background_tasks == 1
    assert not drain_sync(app, 0.01)
    assert not asyncio.run(drain(app, 0.01))
    go_on.set()
    assert drain_sync(app, 10)


def test_after_response_needs_a_request(app):
    with pytest.raises(RuntimeError, match=r"Use app\.background"):
        app.after_response(print)
