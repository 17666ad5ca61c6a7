"""One plain request enters at most five files of the project, through each door."""

from __future__ import annotations

import asyncio
import io
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from hipflask import Flask, doors, signals

from .source import PACKAGE

MOST_FILES = 5
# The test's own way to ring.
NOT_COUNTED = {"doors.py"}


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


async def answer(app: Flask, path: str, door: str) -> bytes:
    """Ring the door on the running loop; the WSGI door in its thread."""
    environ = make_environ(path)
    if door == "wsgi":
        return b"".join(app(environ, lambda status, headers, exc_info=None: lambda data: None))
    talk, call = doors._RINGS[door](app, asyncio.get_running_loop(), environ)
    await talk.run(call)
    assert talk.read()[0] == "start"
    kind, piece = talk.read()
    assert kind == "last"
    return piece


def files_entered(app: Flask, path: str, door: str) -> set[str]:
    """Returns the project's files whose functions run during the second request to `path`."""
    entered: set[str] = set()
    wanted = False

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if wanted and event == "call":
            entered.add(frame.f_code.co_filename)

    async def visit() -> None:
        nonlocal wanted
        await answer(app, path, door)
        wanted = True
        await answer(app, path, door)
        wanted = False

    # Coverage may have a profiler or tracer of its own: it comes back afterwards.
    before = sys.getprofile(), threading.getprofile()
    sys.setprofile(profile)
    threading.setprofile(profile)  # for the pool's threads, which start with the loop's first
    try:
        asyncio.run(visit())
    finally:
        sys.setprofile(before[0])
        threading.setprofile(before[1])
    inside = [Path(name) for name in entered if name.startswith(str(PACKAGE))]
    return {path.relative_to(PACKAGE).as_posix() for path in inside} - NOT_COUNTED


@pytest.fixture(autouse=True)
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plain request is one that no signal's receiver, such as another test's, waits for."""
    for name, signal in vars(signals).items():
        if hasattr(signal, "receivers"):
            monkeypatch.setattr(signals.__dict__[name], "receivers", {})
    monkeypatch.setattr(signals.heard, "any", False)


@pytest.mark.parametrize("path", ["/plain/you", "/async/you"])
@pytest.mark.parametrize("door", doors.DOORS)
def test_a_plain_request_enters_at_most_five_files(door: str, path: str) -> None:
    app = Flask(__name__)

    @app.get("/plain/<name>")
    def plain(name: str) -> str:
        return f"Hello, {name}!"

    @app.get("/async/<name>")
    async def awaited(name: str) -> str:
        return f"Hello, {name}!"

    async def ask() -> bytes:
        return await answer(app, path, door)

    crosses = (door == "wsgi") == path.startswith("/async")
    if not (door == "wsgi" and crosses):  # no event loop inside an event loop
        assert asyncio.run(ask()) == b"Hello, you!"
        entered = files_entered(app, path, door)
        assert 2 <= len(entered) <= MOST_FILES + crosses, sorted(entered)
        assert crosses or "bridge.py" not in entered
