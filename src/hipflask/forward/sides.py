"""The two sides of a rollout: a destination, or a view of this application."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol

from .. import bridge
from ..globals import current_app, request
from .answers import Answer
from .compare import Seen
from .exchange import Asked, outgoing
from .proxy import Proxy
from .request import Request

#: How much of a request's body and of an answer's is kept to be sent again and compared.
COPY_BYTES = 1024 * 1024
#: Says to the new side that nobody waits for its answer, and to the old one that it is asked again.
SHADOW_HEADER = "Hipflask-Shadow"

#: Called once the answer has gone: the request's body and the answer, None where either was
#: longer than COPY_BYTES or not whole.
Done = Callable[[bytes | None, Seen | None], None]
#: Repeats a request with its body, and returns the answer; of a dead side a `Seen` of 502.
Again = Callable[[bytes], Any]


class Side(Protocol):
    """Answers requests, and can be asked again beside a request."""

    async def answer(
        self, values: dict[str, Any], when_done: Done | None, when_cut: Callable[[], None]
    ) -> Any:
        """The response to the current request; `when_cut` tells that its body broke off.

        Raises HTTPException.
        """

    def again(self, label: str) -> Again:
        """What asks again for the current request, once it is over, on the loop of `loops`."""


class DestinationSide:
    """A side behind HTTP."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    async def answer(
        self, values: dict[str, Any], when_done: Done | None, when_cut: Callable[[], None]
    ) -> Any:
        """See `Side.answer`."""
        if when_done is None:
            return await self._proxy.answer(when_cut=when_cut)
        tell: Done = when_done

        def done(made: Request, sent: bytes | None, answer: Any) -> None:
            status, fields, body = answer
            tell(sent, None if body is None else Seen(status, tuple(fields), body))

        return await self._proxy.answer(copy_bytes=COPY_BYTES, when_done=done, when_cut=when_cut)

    def again(self, label: str) -> Again:
        """See `Side.again`."""
        own = self._proxy
        asked = Asked.of(_current())

        async def ask(body: bytes) -> Seen:
            # Put together here, where nobody waits for it.
            made = outgoing(own.to, asked, own.strip, own.drop)
            made = made.with_headers([(SHADOW_HEADER, label)])
            answer: Answer = await own.client.send_async(
                replace(made, body=body),
                own.to.deadlines,
                keep_bytes=COPY_BYTES,
                read_bytes=COPY_BYTES,
            )
            if answer.status is None:
                return Seen(502, (), answer.error.encode())
            return Seen(answer.status, answer.headers, answer.body if answer.is_whole else None)

        return ask


class ViewSide:
    """A side that is a function of this application, called with the rule's variables."""

    def __init__(self, view: Callable[..., Any], threads: Callable[[], ThreadPoolExecutor]) -> None:
        self._view = view
        self._threads = threads

    async def answer(
        self, values: dict[str, Any], when_done: Done | None, when_cut: Callable[[], None]
    ) -> Any:
        """See `Side.answer`."""
        app: Any = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's
        current = _current()
        await self._take_body(app, current)
        if bridge.is_async(self._view):
            made = await self._view(**values)
        elif current._exchange is None:
            made = self._view(**values)  # under WSGI the thread is this request's own
        else:
            made = await bridge.sync_to_async(self._view)(**values)
        response = app.make_response(made)
        if when_done is not None:
            when_done(_sent(current), _seen(response))
        return response

    async def _take_body(self, app: Any, current: Any) -> None:
        """Read the body ahead, as it is for a view that is no side; the route leaves it unread."""
        exchange = current._exchange
        if exchange is None or not exchange.has_body or getattr(self._view, "streams_body", False):
            return
        error = await exchange.read(current.max_content_length, app.config)
        if error is not None:
            raise error

    def again(self, label: str) -> Again:
        """See `Side.again`."""
        app: Any = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's
        environ = dict(request.environ)
        environ.pop("werkzeug.request", None)
        environ[f"HTTP_{SHADOW_HEADER.upper().replace('-', '_')}"] = label

        async def ask(body: bytes) -> Seen:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads(), self._run, app, environ, body)

        return ask

    def _run(self, app: Any, environ: dict[str, Any], body: bytes) -> Seen:
        environ = {
            **environ,
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input_terminated": True,
        }
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        with app.request_context(environ) as ctx:
            values = ctx.request.view_args or {}
            try:
                response = app.make_response(app.ensure_sync(self._view)(**values))
            except Exception as error:
                response = app.make_response(app.handle_user_exception(error))
            found = _seen(response)
            response.close()
        return Seen(response.status_code, (), None) if found is None else found


def _current() -> Any:
    return request._get_current_object()  # type: ignore[attr-defined]  # the proxy's


def _sent(current: Any) -> bytes | None:
    """The current request's body; None where it is too long to be kept."""
    length = current.content_length
    if length is None:
        return None if current.headers.get("Transfer-Encoding") else b""
    if length > COPY_BYTES:
        return None
    data: bytes = current.get_data()
    return data


def _seen(response: Any) -> Seen | None:
    """A response as it is compared; None where its body is streamed or long."""
    if not response.is_sequence or (response.calculate_content_length() or 0) > COPY_BYTES:
        return None
    return Seen(response.status_code, tuple(response.headers), response.get_data())
