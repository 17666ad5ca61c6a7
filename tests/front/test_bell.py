"""`Flask.__call__` answers ASGI servers also where it was replaced by a function for WSGI."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from hipflask import Flask
from hipflask.front.wsgi import bell

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from serving import await_port, head, status, talk  # noqa: E402


@pytest.fixture
def cls() -> type[Flask]:
    """A class of the test's own, so that what it replaces is gone with it."""
    return type("Ringing", (Flask,), {})


def make(cls: type[Flask]) -> Flask:
    app = cls(__name__, static_folder=None)
    app.add_url_rule("/", "view", lambda: "view")
    return app


def looks_like_asgi(app: Any) -> bool:
    """What uvicorn asks, and from Python 3.12 on Hypercorn."""
    is_marked = inspect.iscoroutinefunction(app.__call__)
    if sys.version_info >= (3, 14):
        return is_marked
    assert is_marked or sys.version_info < (3, 12)
    return asyncio.iscoroutinefunction(app.__call__)


def ring_asgi(app: Any) -> bytes:
    """The body of a request to "/", asked for as an ASGI server asks."""
    scope = {
        "type": "http", "method": "GET", "path": "/", "query_string": b"", "http_version": "1.1",
        "headers": [(b"host", b"localhost")],
    }  # fmt: skip
    sent: list[Any] = []

    async def run() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, asyncio.Event().wait, send)

    asyncio.run(run())
    assert sent[0]["status"] == 200
    return b"".join(message.get("body", b"") for message in sent)


def for_wsgi(log: list[Any], inner: Any) -> Any:
    """A replacement as Sentry makes one: two arguments, and no word of ASGI."""

    def replacement(self: Any, environ: Any, start_response: Any) -> Any:
        log.append(environ["PATH_INFO"])
        return inner(self, environ, start_response)

    return replacement


@pytest.mark.parametrize("first", ["the app", "the replacement"])
def test_a_replacement_for_wsgi_is_called_on_both_doors(cls: type[Flask], first: str) -> None:
    log: list[Any] = []
    app = make(cls) if first == "the app" else None
    cls.__call__ = for_wsgi(log, cls.__call__)  # type: ignore[method-assign]
    app = app or make(cls)
    assert looks_like_asgi(app)
    assert ring_asgi(app) == b"view"
    assert log == ["/"]
    assert app.test_client(door="wsgi").get("/").text == "view"
    assert log == ["/"] * 2


def test_two_replacements_are_called_once_each(cls: type[Flask]) -> None:
    log: list[Any] = []
    for _ in range(2):
        cls.__call__ = for_wsgi(log, cls.__call__)  # type: ignore[method-assign]
    assert ring_asgi(make(cls)) == b"view"
    assert log == ["/"] * 2


def test_a_replacement_that_wraps_the_bell_is_a_bell_again(cls: type[Flask]) -> None:
    log: list[Any] = []
    # It takes over the marks of what it wraps, and they are not true of it.
    inner = cls.__call__
    cls.__call__ = functools.wraps(inner)(for_wsgi(log, inner))  # type: ignore[method-assign]
    app = make(cls)
    assert looks_like_asgi(app)
    assert ring_asgi(app) == b"view"
    assert log == ["/"]


def test_a_subclass_that_overrides_it_for_wsgi_is_rung_by_both(cls: type[Flask]) -> None:
    log: list[Any] = []

    class Sub(cls):  # type: ignore[misc,valid-type]
        def __call__(self, environ: Any, start_response: Any) -> Any:
            log.append(environ["PATH_INFO"])
            return super().__call__(environ, start_response)

    app = make(Sub)
    assert looks_like_asgi(app)
    assert ring_asgi(app) == b"view"
    assert log == ["/"]


def test_a_subclass_that_overrides_it_for_asgi_is_left_alone(cls: type[Flask]) -> None:
    log: list[Any] = []

    class Sub(cls):  # type: ignore[misc,valid-type]
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            log.append(scope["path"])
            await super().__call__(scope, receive, send)

    assert ring_asgi(make(Sub)) == b"view"
    assert log == ["/"]


def test_what_is_no_function_may_stand_there(cls: type[Flask]) -> None:
    app = make(cls)
    with mock.patch.object(cls, "__call__", mock.Mock(return_value=[b"mocked"])):
        assert app({}, None) == [b"mocked"]
    assert ring_asgi(app) == b"view"


def test_putting_it_back_is_as_if_nothing_had_been(cls: type[Flask]) -> None:
    app = make(cls)
    before = cls.__call__
    cls.__call__ = for_wsgi([], before)  # type: ignore[method-assign]
    assert app.sealed.has_chain
    cls.__call__ = before  # type: ignore[method-assign]
    assert cls.__call__ is bell
    assert not app.sealed.has_chain


@pytest.fixture(scope="module")
def sentry() -> Iterator[int]:
    """The port of uvicorn with an app that Sentry watches."""
    for module in ("uvicorn", "sentry_sdk"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"needs {module}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [sys.executable, "-m", "uvicorn", "--port", str(port), "--log-level", "warning"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hipflask", "as-flask", *server, "sentry_app:app"],
        cwd=HERE / "chain",
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await_port(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def test_uvicorn_serves_an_app_that_sentry_watches(sentry: int) -> None:
    for path in ("/plain", "/async"):
        answer = talk(sentry, head("GET", f"{path}?name=you"))
        assert (status(answer), answer.partition(b"\r\n\r\n")[2]) == (200, b"you")
    answer = talk(sentry, head("POST", "/body", "Content-Length: 2000"), b"x" * 2000)
    assert answer.endswith(b"\r\n\r\n2000")
    assert status(talk(sentry, head("GET", "/fail"))) == 500
    told = json.loads(talk(sentry, head("GET", "/events")).partition(b"\r\n\r\n")[2])
    # Each request's transaction, and before its own the error of the one that failed, which
    # Sentry sends twice as it does with Flask: as raised and as logged.
    assert told == ["plain", "awaited", "body", "fail", "fail", "fail"]
