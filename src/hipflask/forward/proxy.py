"""A route that sends its requests on: `proxy`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..globals import current_app, request
from ..scaffold import SetupError
from .answers import SendFailure
from .client import Client, default_client
from .destination import Destination
from .exchange import (
    NoUpgrade,
    answer_of,
    body_of,
    check_no_upgrade,
    no_answer,
    outgoing,
    send_on,
)

#: The methods that are sent on unless `methods` says others.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Proxy:
    """Sends the current request to one destination and its answer back. See `proxy`."""

    def __init__(
        self,
        to: Destination,
        *,
        strip: str = "",
        tries: int = 2,
        max_body: int | None = None,
        client: Client | None = None,
        drop: Iterable[str] = (),
    ) -> None:
        if strip and (not strip.startswith("/") or strip.endswith("/")):
            raise SetupError(f"strip={strip!r} is to be the beginning of a path, such as '/old'.")
        if not 1 <= tries <= 5:
            raise SetupError(f"tries={tries!r} is to be 1 to 5.")
        self.to = to
        self.strip = strip
        self.tries = tries
        self.max_body = max_body
        self.drop = tuple(drop)
        #: The client that is used.
        self.client = default_client() if client is None else client

    async def answer(
        self, *, copy_bytes: int = 0, when_done: Any = None, when_cut: Any = None
    ) -> Any:
        """The response to the current request. Raises HTTPException: 502, 504, or a body's own.

        `copy_bytes` of both bodies are kept; `when_done(sent, opened, answer)` is called with
        the request as it was sent, its body, and the answer's status, fields and body, the
        bodies None where they were longer or not whole. `when_cut()` is called where the service
        broke its answer off.
        """
        current: Any = request._get_current_object()  # type: ignore[attr-defined]  # the proxy's
        app: Any = current_app._get_current_object()  # type: ignore[attr-defined]  # the proxy's
        check_no_upgrade(current)
        if self.max_body is not None:
            current.max_content_length = self.max_body
        made = outgoing(self.to, current, self.strip, self.drop)
        body = await body_of(current, copy_bytes)
        if body is not None and (length := current.headers.get("Content-Length")):
            made = made.with_headers([("Content-Length", length)])
        try:
            opened = await send_on(self.client, self.to, made, body, self.tries)
        except SendFailure as failure:
            app.logger.warning(
                "Destination %r gave no answer to %s %s: %s",
                self.to.name, made.method, current.path, failure,
            )  # fmt: skip
            raise no_answer(failure, current) from failure
        tell = None
        if when_done is not None:

            def tell(answer: bytes | None) -> None:
                sent = b"" if body is None else body.copy
                when_done(made, sent, (opened.status, opened.headers, answer))

        return await answer_of(
            app.response_class,
            current.method,
            opened,
            self.to.base,
            current.host_url,
            copy_bytes,
            tell,
            when_cut,
        )


def proxy(
    app: Any,
    rule: str,
    *,
    to: Destination,
    strip: str = "",
    methods: Iterable[str] = METHODS,
    tries: int = 2,
    max_body: int | None = None,
    endpoint: str | None = None,
    client: Client | None = None,
    **options: Any,
) -> Proxy:
    """Send requests to `rule` of an app or blueprint to the destination `to`, bodies streamed.

    The path is kept as it is below the destination's address, without `strip` in front of it.
    `max_body` in bytes stands for MAX_CONTENT_LENGTH, `tries` is how often a request is sent at
    most, where sending it again can do no harm. `options` are those of `add_url_rule`, such as
    `access`. A WebSocket is refused with a 501. 502 and 504 are raised inside the request, so that
    error handlers see them.

        proxy(app, "/legacy/<path:rest>", to=Destination("legacy", env="LEGACY_URL"))
    """
    made = Proxy(to, strip=strip, tries=tries, max_body=max_body, client=client)
    name = endpoint or f"proxy_{to.name}"

    async def forwarded(**values: Any) -> Any:
        return await made.answer()

    add_route(app, rule, name, forwarded, methods, options)
    return made


def add_route(
    app: Any, rule: str, endpoint: str, view: Any, methods: Iterable[str], options: dict[str, Any]
) -> None:
    """Register a view that reads bodies itself, and one that refuses WebSockets."""
    if isinstance(methods, str):
        raise SetupError(f"methods={methods!r} is to be a list of methods.")
    app.add_url_rule(
        rule,
        endpoint,
        view,
        provide_automatic_options=False,
        methods=list(methods),
        stream=True,
        **options,
    )

    async def refused(**values: Any) -> Any:
        raise NoUpgrade

    app.websocket(rule, endpoint=f"{endpoint}_websocket", **options)(refused)
