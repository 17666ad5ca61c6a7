"""The app under test: the soak's, with the production limits and views that read whole bodies.

Each view that reads a body notes its size, so that a short one is seen afterwards.
"""

from __future__ import annotations

import importlib.util
from typing import Annotated, Any

import msgspec

from benchmarks.soak.app import app, counts
from hipflask import Response, request, session
from hipflask.streams import streams_body

__all__ = ["app"]

app.config.update(
    TRUSTED_HOSTS=["127.0.0.1", "localhost", "a"],
    MAX_CONTENT_LENGTH=16 << 20,
    SECRET_KEY="only for these batteries, and no secret",
    WEBSOCKET_MAX_MESSAGE_BYTES=1 << 20,
)
if importlib.util.find_spec("hipflask.guards") is not None:
    from hipflask.guards import protect

    protect(app)
counts["smuggled"] = 0
sizes: list[int] = []


class Order(msgspec.Struct):
    """A typed body."""

    name: str
    notes: str
    count: Annotated[int, msgspec.Meta(ge=1)] = 1


@app.post("/size")
def size() -> str:
    return note(len(request.get_data()))


@app.post("/size-async")
async def size_async() -> str:
    return note(len(request.get_data()))


@app.post("/size-streamed")
@streams_body
async def size_streamed() -> str:
    size = 0
    async for chunk in request.body_stream:
        size += len(chunk)
    return note(size)


@app.post("/form")
def form() -> str:
    files = sum(len(file.read()) for file in request.files.values())
    return note(files + sum(map(len, request.form.values())))


@app.post("/json")
def as_json() -> str:
    note(len(request.get_data()))
    found = request.get_json()
    return type(found).__name__


@app.post("/typed")
def typed(order: Order) -> str:
    return note(len(order.notes))


@app.route("/smuggled", methods=["GET", "POST"])
def smuggled() -> str:
    counts["smuggled"] += 1
    return "smuggled"


@app.get("/echo/<int:number>")
def echo(number: int) -> str:
    return str(number)


@app.get("/counts")
def counted() -> dict[str, int]:
    return counts


@app.get("/query")
def query() -> str:
    return str(len(request.args))


@app.get("/cookies")
def cookies() -> str:
    session["visits"] = session.get("visits", 0) + 1
    return str(len(request.cookies))


@app.get("/session")
def its_session() -> str:
    known = "known" if "at" in session else "new"
    session.setdefault("at", "first")
    return known


@app.get("/download-file")
def download_file() -> Response:
    return Response(b"0123456789" * 1000, headers={"Accept-Ranges": "bytes"})


@app.get("/seen")
def seen() -> dict[str, Any]:
    """The sizes of all bodies since this was asked last, and how often /smuggled was answered."""
    found, sizes[:] = list(sizes), []
    return {"sizes": found, "smuggled": counts["smuggled"]}


def note(size: int) -> str:
    sizes.append(size)
    return str(size)
