"""Bodies cut at every byte: no view may ever get a part for the whole."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from benchmarks.soak.client import fetch
from benchmarks.soak.server import Soak

from .servers import names, watched
from .wire import exchange, head

NOTES = "n" * 150
PLAIN = b"x" * 200
JSON = json.dumps({"name": "Ada", "notes": NOTES}).encode()
FORM = b"notes=" + NOTES.encode()
FILES = (
    b'--b0\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    + NOTES.encode()
    + b"\r\n--b0--\r\n"
)
#: By name: where to, as what, the body, and the size that the view notes of the whole.
BODIES = {
    "plain view": ("/size", "application/octet-stream", PLAIN, 200),
    "async view": ("/size-async", "application/octet-stream", PLAIN, 200),
    "streaming view": ("/size-streamed", "application/octet-stream", PLAIN, 200),
    "JSON": ("/json", "application/json", JSON, len(JSON)),
    "typed view": ("/typed", "application/json", JSON, 150),
    "form": ("/form", "application/x-www-form-urlencoded", FORM, 150),
    "multipart": ("/form", "multipart/form-data; boundary=b0", FILES, 150),
}
AT_ONCE = 50
#: Views under gunicorn and Granian's WSGI are plain; these are asynchronous.
ONLY_ASYNC = ("/size-streamed",)


def chunked(body: bytes) -> bytes:
    """The body in three chunks."""
    third = len(body) // 3
    pieces = (body[:third], body[third : 2 * third], body[2 * third :])
    return b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in pieces) + b"0\r\n\r\n"


async def cut(soak: Soak) -> None:
    report: Any = soak.report
    report.begin("cut", f"{len(BODIES)} bodies in two framings, cut at each byte")
    for name in names(soak):
        async with watched(soak, name) as server:
            short = []
            for label, (target, kind, body, size) in BODIES.items():
                if target in ONLY_ASYNC and name in ("wsgi", "gunicorn"):
                    continue
                for framing in ("length", "chunks"):
                    sizes = await _cut_all(soak, server.port, name, target, kind, body, framing)
                    wrong = [one for one in sizes if one != size]
                    if wrong:
                        short.append(f"{label} by {framing}")
                        report.line(f"{name}: {label} by {framing}: views got {sorted(set(wrong))}")
            report.check(f"{name}: views run with a short body", len(short), "=", 0)


async def _cut_all(
    soak: Soak, port: int, name: str, target: str, kind: str, body: bytes, framing: str
) -> list[int]:
    report: Any = soak.report
    field = "Transfer-Encoding: chunked"
    wire = chunked(body)
    if framing == "length":
        field, wire = f"Content-Length: {len(body)}", body
    start = head(f"POST {target} HTTP/1.1", f"Content-Type: {kind}", "Connection: close", field)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(at: int) -> None:
        async with gate:
            found = await exchange(port, start, wire[:at], ends=True)
        report.case(f"{name}: {target} by {framing} cut at {at}", found)

    step = 7 if soak.quick else 1
    await asyncio.gather(*(one(at) for at in range(0, len(wire), step)))
    sizes: list[int] = json.loads((await fetch(port, "/seen")).body)["sizes"]
    return sizes
