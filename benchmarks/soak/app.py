"""The app under test: plain and async views, streams, sockets, and views that misbehave.

With `SOAK_FAULT` in the environment it leaks a task, a file and some memory on each request,
answers every fiftieth request late and every hundredth with a 500: figures must be missed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from hipflask import Flask, Response, abort, g, request, websocket
from hipflask.streams import Event, sse, streams_body

CHUNK = b"x" * 65536
LARGE = CHUNK * 16
BAD_HEADERS = (
    ("", "empty name"),
    ("X Space", "a"),
    ("X-Colon:", "a"),
    ("X-Line\n", "a"),
    ("X-Return\r", "a"),
    ("X-Nul\0", "a"),
    ("X-Ünicode", "a"),
    ("X-Value", "line\nbreak"),
    ("X-Value", "line\r\nX-Injected: yes"),
    ("X-Value", "return\r"),
    ("X-Value", "nul\0"),
    ("X-Value", "\x1b[31m"),
    ("X-Value", "\u2028 past Latin-1"),
    ("(comment)", "a"),
)

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 2 << 30
counts = {"begun": 0, "ended": 0, "twice": 0}
lock = threading.Lock()


@app.before_request
def begin() -> None:
    g.has_begun = True
    with lock:
        counts["begun"] += 1


@app.teardown_request
def end(error: BaseException | None) -> None:
    with lock:
        counts["twice"] += "has_ended" in g
        # A guard may have refused it before.
        counts["ended"] += "has_begun" in g
    g.has_ended = True


# Polite views


@app.get("/plain")
def plain() -> str:
    return "ok"


@app.get("/async")
async def on_the_loop() -> str:
    return "ok"


@app.get("/pid")
def pid() -> str:
    return str(os.getpid())


@app.get("/work")
def work() -> str:
    time.sleep(0.02)
    return "ok"


@app.get("/wait/<float:seconds>")
def wait(seconds: float) -> str:
    time.sleep(seconds)
    return "waited"


@app.get("/wait-async/<float:seconds>")
async def wait_async(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "waited"


@app.post("/take")
def take() -> str:
    return str(len(request.get_data()))


@app.get("/large")
def large() -> bytes:
    return LARGE


@app.get("/inside")
async def inside() -> dict[str, Any]:
    """What is alive in this worker, this request left out."""
    gc.collect()
    with lock:
        return {
            "tasks": len(asyncio.all_tasks()) - 1,
            "threads": threading.active_count(),
            "files": len(os.listdir("/proc/self/fd")) - 1,
            "open": counts["begun"] - counts["ended"] - 1,
            "twice": counts["twice"],
        }


# Streams


@app.websocket("/ws")
async def socket() -> None:
    await websocket.send("ready")
    async for message in websocket:
        await websocket.send(message)


@app.get("/download/<int:mib>")
def download(mib: int) -> Any:
    return Response(CHUNK for _ in range(mib * 16))


@app.get("/download-async/<int:mib>")
async def download_async(mib: int) -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(mib * 16):
            yield CHUNK

    return Response(pieces())


@app.get("/events")
async def events() -> Any:
    async def ticks() -> AsyncIterator[Event]:
        for number in range(1_000_000):
            yield Event(number, id=str(number))
            await asyncio.sleep(30)

    return sse(ticks())


@app.post("/upload")
@streams_body
async def upload() -> str:
    size = 0
    async for chunk in request.body_stream:
        size += len(chunk)
    return str(size)


# Misbehaving views


@app.get("/bad/status/<value>")
def bad_status(value: str) -> Any:
    return "body", int(value) if value.isdigit() else value


@app.get("/bad/header/<int:number>")
def bad_header(number: int) -> Any:
    return "body", 200, [BAD_HEADERS[number]]


@app.get("/bad/midway")
def bad_midway() -> Any:
    def pieces() -> Iterator[bytes]:
        yield b"begun"
        raise RuntimeError("raised midway")

    return Response(pieces())


@app.get("/bad/midway-async")
async def bad_midway_async() -> Any:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"begun"
        raise RuntimeError("raised midway")

    return Response(pieces())


@app.get("/bad/longer")
def bad_longer() -> Any:
    return Response([b"x" * 100], headers={"Content-Length": "10"})


@app.get("/bad/shorter")
def bad_shorter() -> Any:
    return Response([b"x" * 10], headers={"Content-Length": "100"})


@app.get("/bad/nothing")
def bad_nothing() -> Any:
    return None


# The planted fault

kept: list[Any] = []


async def leak() -> None:
    if request.path == "/inside":
        return  # who looks for leaks asks there
    kept.append(asyncio.create_task(asyncio.sleep(3600)))
    kept.append(open("/dev/null"))  # noqa: SIM115
    kept.append(bytearray(100_000))
    if len(kept) % 150 == 0:
        await asyncio.sleep(1.0)
    if len(kept) % 300 == 0:
        abort(500)


if os.environ.get("SOAK_FAULT"):
    app.before_request(leak)
