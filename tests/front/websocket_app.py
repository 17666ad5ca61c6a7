"""What the servers of test_websocket.py serve; every end of a view is told on the way out."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from hipflask import Flask, WebSocketDisconnected, abort, session, websocket

app = Flask(__name__)
app.config.update(SECRET_KEY="for tests", WEBSOCKET_IDLE_S=float(os.environ.get("IDLE_S", 300)))

#: How often each kind of view began and was torn down, and the codes that views were told.
counts = {"begun": 0, "torn_down": 0}
codes: list[int] = []


@app.before_websocket
def begin() -> None:
    counts["begun"] += 1


@app.teardown_websocket
def end(error: BaseException | None) -> None:
    counts["torn_down"] += 1


@app.get("/state")
def state() -> dict[str, Any]:
    return {**counts, "codes": codes, "pid": os.getpid()}


@app.websocket("/echo")
async def echo() -> None:
    try:
        while True:
            await websocket.send(await websocket.receive())
    except WebSocketDisconnected as end:
        codes.append(end.code)
        raise


@app.websocket("/sub")
async def choose() -> None:
    await websocket.accept(subprotocol=websocket.requested_subprotocols[-1])
    await websocket.send("chosen")


@app.websocket("/header")
async def with_header() -> None:
    await websocket.accept(headers={"X-A": "1"})


@app.websocket("/session")
async def visits() -> None:
    session["n"] = session.get("n", 0) + 1
    await websocket.send(str(session["n"]))


@app.websocket("/close/<int:code>")
async def close(code: int) -> None:
    await websocket.accept()
    await websocket.close(code, "for a reason")


@app.websocket("/refuse/<int:status>")
async def refuse(status: int) -> tuple[str, int]:
    if status < 500:
        abort(status)
    return "refused", status


@app.websocket("/fail")
async def fail() -> None:
    await websocket.accept()
    raise LookupError("on purpose")


@app.websocket("/fail-early")
async def fail_early() -> None:
    raise LookupError("on purpose")


@app.websocket("/feed")
async def feed() -> None:
    for number in range(1_000_000):
        await websocket.send(str(number))
        await asyncio.sleep(0)


@app.websocket("/quiet")
async def quiet() -> None:
    await websocket.accept()
    await websocket.receive()
