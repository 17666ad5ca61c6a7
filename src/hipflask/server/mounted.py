"""A plain WSGI callable on RSGI or ASGI: middleware, the debugger, another framework's app.

It runs in the pool of threads over the body already read, as a replaced `wsgi_app` does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..config import default_config
from ..front.asgi import asgi_exchange
from ..front.chain import answer_through_chain
from ..front.rsgi import rsgi_exchange


class Mounted:
    """Answers HTTP with the WSGI callable `call`; WebSockets go to `inner`, if there is one."""

    #: Who observes the requests, if anybody does.
    _observing: Any = None

    def __init__(self, call: Callable[..., Any], inner: Any = None) -> None:
        self._call = call
        self._inner = inner if hasattr(inner, "__rsgi__") else None
        known = hasattr(inner, "config")
        self.config = inner.config if known else default_config()
        self.logger = inner.logger if known else logging.getLogger("hipflask")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            # Granian aborts the whole process on a number outside of this.
            if not 100 <= int(status[:4]) <= 999:
                raise ValueError(f"the app answered with the status {status!r}")
            return start_response(status, headers, exc_info)

        return self._call(environ, start)

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto == "http":
            await _answer(self, rsgi_exchange(scope, protocol))
        elif self._inner is not None:
            await self._inner.__rsgi__(scope, protocol)
        else:
            protocol.close(404)

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await _answer(self, asgi_exchange(scope, receive, send))
        elif self._inner is not None:
            await self._inner.asgi(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})


async def _answer(app: Any, exchange: Any) -> None:
    try:
        await exchange.send(app, await answer_through_chain(app, exchange))
    except BaseException as error:
        if not exchange.is_end(error):
            raise
    finally:
        exchange.close(app)
