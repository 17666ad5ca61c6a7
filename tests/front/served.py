"""The application that the real servers of these tests run."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from hipflask import Event, Flask, Response, ndjson, request, send_file, session, sse, streams_body

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 100_000
app.secret_key = "for tests"
SEEN: list[Any] = []
FILE = Path(tempfile.gettempdir()) / "hipflask-served.txt"
FILE.write_bytes(b"0123456789")


@app.get("/seen")
def seen() -> Any:
    found, SEEN[:] = list(SEEN), []
    return found


@app.get("/pid")
def pid() -> Any:
    return str(os.getpid())


@app.get("/untouched")
def untouched() -> Any:
    """Does not look at its session: a permanent one is refreshed all the same."""
    return "ok"


@app.get("/fields")
def fields() -> Any:
    environ = {k: v for k, v in request.environ.items() if k.startswith("HTTP_X")}
    headers = {k: v for k, v in request.headers if k.startswith("X")}
    return {"cookies": request.cookies, "environ": environ, "headers": headers}


@app.post("/sync")
def sync_view() -> Any:
    SEEN.append(len(request.get_data()))
    return "ok"


@app.post("/async")
async def async_view() -> Any:
    SEEN.append(len(request.get_data()))
    return "ok"


@app.post("/streamed")
@streams_body
async def streamed() -> Any:
    size = 0
    async for chunk in request.body_stream:
        size += len(chunk)
    SEEN.append(size)
    return str(size)


@app.get("/fails/<when>")
async def fails(when: str) -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        if when == "later":
            yield b"piece"
        raise ValueError("on purpose")

    return pieces()


@app.get("/fails-plainly")
def fails_plainly() -> Any:
    def pieces() -> Iterator[bytes]:
        yield b"piece"
        raise ValueError("on purpose")

    return pieces()


@app.get("/declared/<int:length>")
def declared(length: int) -> Any:
    return Response(iter([b"abc", b"def"]), headers={"Content-Length": str(length)})


@app.get("/status/<code>")
def status(code: str) -> Any:
    return "x", int(code) if code.isdigit() else code


@app.get("/field")
def field() -> Any:
    response = Response("x")
    response.headers._list.append((request.args["name"], request.args["value"]))
    return response


@app.get("/file")
def file() -> Any:
    return send_file(FILE)


@app.get("/rows")
async def rows() -> Any:
    async def values() -> AsyncIterator[Any]:
        for number in range(3):
            yield {"row": number}

    return ndjson(values())


@app.get("/waits")
async def waits() -> Any:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        SEEN.append("cancelled")
        raise


@app.teardown_request
def torn_down(error: BaseException | None) -> None:
    if request.path == "/waits":
        SEEN.append("torn down")


@app.get("/events/<kind>")
def events(kind: str) -> Any:
    async def ticks() -> AsyncIterator[Any]:
        try:
            for number in range(100_000):
                yield Event(number, id=str(number))
                await asyncio.sleep(0.01)
        finally:
            SEEN.append("closed")

    def plain_ticks() -> Iterator[Any]:
        try:
            for number in range(100_000):
                yield Event(number, id=str(number))
                time.sleep(0.01)
        finally:
            SEEN.append("closed")

    return sse(ticks() if kind == "async" else plain_ticks())


@app.get("/after")
def after() -> Any:
    app.after_response(SEEN.append, "after")
    return "ok"


@app.get("/keep")
def keep() -> Any:
    session.permanent = True
    session["n"] = 1
    return "kept"
