"""Applications that do nothing with a body but take it: what the server itself costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

_TEXT = [("content-type", "text/plain")]


class Rsgi:
    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        size = 0
        async for chunk in protocol:
            size += len(chunk)
        protocol.response_str(200, _TEXT, str(size))


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    size, more = 0, scope["type"] == "http"
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", _TEXT)
    return [str(size).encode()]


rsgi = Rsgi()
