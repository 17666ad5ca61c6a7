"""A small app to patch, and the means to patch it and to ask it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from hipflask import doors

# The door that `ask` rings at; the fixture `fl` chooses it.
door = "wsgi"


def ask(app: Any, path: str = "/", method: str = "GET", **extra: Any) -> tuple[str, str]:
    """Ring the app at the door; gives status code and body."""
    status: list[str] = []
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        **extra,
    }
    if door == "wsgi":
        chunks = app(environ, lambda line, headers, exc_info=None: status.append(line))
    else:
        chunks, line, _ = doors.ring(app, door, environ)
        status.append(line)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    return status[-1][:3], body.decode()


def make(fl: ModuleType, cls: Any = None) -> Any:
    """An app with a view that answers, one that fails, and one that is forbidden."""
    app = (cls or fl.Flask)("patched", static_folder=None)
    app.secret_key = "k"
    app.add_url_rule("/", "index", lambda: "view")
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)
    app.add_url_rule("/refuse", "refuse", lambda: fl.abort(403))
    app.add_url_rule("/item/<int:n>", "item", lambda n: str(n))
    app.add_url_rule("/session", "session", lambda: str(fl.session.get("x")))
    app.logger.disabled = True
    return app


@contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Set an attribute on a class for a while, as an instrumentation library does."""
    had = name in vars(owner)
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if had:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


WARM = pytest.mark.parametrize("warm", [False, True], ids=["before", "after"])


def warm_up(app: Any, warm: bool) -> None:
    """Serve one request first, so that the app is sealed when the patch comes."""
    if warm:
        assert ask(app) == ("200", "view")


def wrapping(log: list[str], original: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A wrapper as APM libraries write them: any arguments, passed through."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        log.append(name)
        return original(*args, **kwargs)

    return wrapper
