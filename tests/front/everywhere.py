"""The app of test_every_server.py; with a port as argument it is served by wsgiref, validated."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from hipflask import Flask, Response, jsonify, request, session

app = Flask(__name__, static_folder=None)
app.secret_key = "a key for tests"

bodies: list[int] = []


@app.get("/sync")
def plain() -> str:
    return "plain"


@app.get("/async")
async def awaited() -> str:
    return "awaited"


@app.post("/json")
def echo() -> Any:
    return jsonify(got=request.get_json(), header=request.headers["X-Two"])


@app.get("/session")
def count() -> str:
    session["n"] = session.get("n", 0) + 1
    return str(session["n"])


@app.get("/stream")
def stream() -> Any:
    def pieces() -> Iterator[str]:
        for n in range(100):
            yield f"{n:04}" * 100

    return Response(pieces(), mimetype="text/plain")


@app.post("/body")
def body() -> str:
    length = len(request.get_data())
    bodies.append(length)
    return str(length)


@app.get("/bodies")
def told() -> Any:
    return jsonify(bodies)


@app.get("/where/<path:rest>")
def where(rest: str) -> Any:
    """What a stand-in for the server has to say in the same way."""
    return jsonify(
        path=request.path,
        query=request.query_string.decode("latin-1"),
        headers=sorted((k, v) for k, v in request.headers if k.startswith(("X-", "Cookie"))),
        cookies=request.cookies,
        method=request.method,
        scheme=request.scheme,
        address=request.remote_addr,
        host=request.host,
        protocol=request.environ["SERVER_PROTOCOL"],
    )


if __name__ == "__main__":
    from wsgiref.simple_server import WSGIRequestHandler, make_server
    from wsgiref.validate import validator

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    make_server("127.0.0.1", int(sys.argv[1]), validator(app), handler_class=Quiet).serve_forever()
