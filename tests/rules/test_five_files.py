"""One plain request enters at most five files of the project."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hipflask import Flask, signals

from .source import PACKAGE

MOST_FILES = 5


def make_environ(path: str) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
    }


def answer(app: Flask, path: str) -> bytes:
    body = app(make_environ(path), lambda status, headers, exc_info=None: lambda data: None)
    data = b"".join(body)
    close = getattr(body, "close", None)
    if close is not None:
        close()
    return data


def files_entered(app: Flask, path: str) -> dict[str, set[str]]:
    """Returns the project's files whose functions run during one request, with the functions."""
    entered: dict[str, set[str]] = {}

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event == "call":
            code = frame.f_code
            entered.setdefault(code.co_filename, set()).add(code.co_name)

    # Coverage may have a profiler or tracer of its own: it comes back afterwards.
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        answer(app, path)
    finally:
        sys.setprofile(before)
    return {
        Path(name).relative_to(PACKAGE).as_posix(): functions
        for name, functions in entered.items()
        if name.startswith(str(PACKAGE))
    }


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain request is one that no signal's receiver, such as another test's, waits for."""
    for name, signal in vars(signals).items():
        if hasattr(signal, "receivers"):
            monkeypatch.setattr(signals.__dict__[name], "receivers", {})


def test_a_plain_request_enters_at_most_five_files() -> None:
    app = Flask(__name__)

    @app.get("/hello/<name>")
    def hello(name: str) -> str:
        return f"Hello, {name}!"

    assert answer(app, "/hello/sealed") == b"Hello, sealed!"
    entered = files_entered(app, "/hello/you")
    assert 2 <= len(entered) <= MOST_FILES, entered
