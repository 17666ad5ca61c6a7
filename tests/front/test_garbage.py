"""A request with a body leaves nothing that has to wait for the garbage collector."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# A process of its own: what other tests left would be found here.
CODE = """
import asyncio, gc, json, sys
from hipflask import Flask, request

app = Flask(__name__)
app.config["MAX_CONTENT_LENGTH"] = 10

@app.post("/")
def show():
    return request.get_data()

scope = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "root_path": "",
    "scheme": "http",
    "server": ("localhost", 80),
    "client": ("127.0.0.1", 1),
    "headers": [(sys.argv[1].encode(), sys.argv[2].encode()), (b"host", b"localhost")],
}
statuses = []

async def receive():
    return {"type": "http.request", "body": b"abc", "more_body": False}

async def send(message):
    if message["type"] == "http.response.start":
        statuses.append(message["status"])

async def ask():
    await app(dict(scope), receive, send)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    for _ in range(3):
        await app(dict(scope), receive, send)
    gc.collect()
    gc.set_debug(0)
    return [type(one).__name__ for one in gc.garbage]

print(json.dumps([asyncio.run(ask()), statuses]))
"""


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        pytest.param("content-length", "3", 200, id="whole"),
        pytest.param("content-length", "9", 400, id="cut"),
        pytest.param("content-length", "99", 413, id="over the limit"),
        pytest.param("transfer-encoding", "chunked", 200, id="chunked"),
    ],
)
def test_a_body_leaves_no_circles(name: str, value: str, status: int) -> None:
    told = subprocess.run(
        [sys.executable, "-c", CODE, name, value], capture_output=True, check=True, text=True
    )
    assert json.loads(told.stdout) == [[], [status] * 4]
