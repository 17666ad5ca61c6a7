"""The test client, the environ builder and the runner of commands; loaded only when used."""

from __future__ import annotations

import os
import typing as t
from collections.abc import Mapping
from contextlib import ExitStack, closing, contextmanager
from copy import copy
from functools import cache
from types import TracebackType
from urllib.parse import urlsplit

import werkzeug.test
from werkzeug.test import Client
from werkzeug.wrappers import Request as BaseRequest
from werkzeug.wsgi import get_current_url

from .globals import _cv_current
from .sessions import SessionMixin

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import Headers
    from werkzeug.test import TestResponse

    from .app import Flask
    from .clirunner import FlaskCliRunner as FlaskCliRunner
    from .socketclient import Handshake

# Werkzeug's key, in an environ, for whom to tell of each context that ends.
_REPORT_KEY = "werkzeug.debug.preserve_context"

_DOORS = ("wsgi", "asgi", "rsgi")


def __getattr__(name: str) -> t.Any:
    if name != "FlaskCliRunner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .clirunner import FlaskCliRunner  # deferred: imports Click

    return FlaskCliRunner


class EnvironBuilder(werkzeug.test.EnvironBuilder):
    """A WSGI environ for this application: Werkzeug's builder, with the app's defaults.

    SERVER_NAME, APPLICATION_ROOT and PREFERRED_URL_SCHEME say what the URL starts with,
    unless `base_url` does or `path` is a whole URL. `subdomain` goes in front of
    SERVER_NAME. `path` may hold a query. Raises AssertionError for a `base_url` together with
    a `subdomain` or `url_scheme`, which would have no effect.
    """

    def __init__(
        self,
        app: Flask,
        path: str = "/",
        base_url: str | None = None,
        subdomain: str | None = None,
        url_scheme: str | None = None,
        *args: t.Any,
        **kwargs: t.Any,
    ) -> None:
        # First: Werkzeug's builder writes its JSON with `json_dumps`.
        self.app = app
        if base_url is None:
            base_url, path = _place(app, path, subdomain, url_scheme)
        elif subdomain or url_scheme:
            raise AssertionError(
                f"base_url={base_url!r} already says host and scheme: leave out 'subdomain' and"
                " 'url_scheme', or pass them without 'base_url'."
            )
        super().__init__(path, base_url, *args, **kwargs)

    def json_dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON, as the application's own provider writes it."""
        provider = self.app.json
        return provider.dumps(obj, **kwargs)


def _place(app: Flask, url: str, subdomain: str | None, scheme: str | None) -> tuple[str, str]:
    """Return the base URL of a request to `url`, and its path with the query."""
    config, given = app.config, urlsplit(url)
    names = (subdomain, config["SERVER_NAME"] or "localhost")
    host = given.netloc or ".".join(filter(None, names))
    scheme = given.scheme or scheme or config["PREFERRED_URL_SCHEME"]
    root = config["APPLICATION_ROOT"].lstrip("/")
    query = given.query and f"?{given.query}"
    return f"{scheme}://{host}/{root}", f"{given.path}{query}"


class FlaskClient(Client):
    """Werkzeug's test client, which knows the application's sessions and contexts.

    In a `with` block the contexts of the last request stay current after it, so that
    `request`, `session` and `g` can be looked at; the next request or the end of the block
    ends them. `environ_base` holds what goes into every environ; change it for a different
    address or user agent.

        with app.test_client() as client:
            client.post("/login", data={"name": "ada"})
            assert session["name"] == "ada"

    `door` chooses the front-end that requests go through, by default the one named by the
    environment variable HIPFLASK_TEST_DOOR, else "wsgi". "asgi" and "rsgi" run the
    application on an event loop in a thread of its own, with the caller's context variables:
    what a request sets in a context variable is not set for the caller afterwards. Of an
    environ such a door passes on what a server would: keys that no protocol has (of
    `environ_base`, `environ_overrides`, `errors_stream`), a status line's own words, and for
    "rsgi" the root path do not arrive. A stream that fails there is logged and cut short, as
    behind a server, where "wsgi" raises its exception. An application context that a
    replaced `app_context` made is not preserved.
    """

    preserve_context = False
    """Whether a `with` block of this client is open."""

    application: Flask

    door: str
    """The front-end that requests go through: "wsgi", "asgi" or "rsgi"."""

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        self.door = kwargs.pop("door", None) or os.environ.get("HIPFLASK_TEST_DOOR") or "wsgi"
        if self.door not in _DOORS:
            raise ValueError(f"There is no door {self.door!r}: choose one of {', '.join(_DOORS)}.")
        self.environ_base: dict[str, t.Any] = {
            "HTTP_USER_AGENT": _user_agent(),
            "REMOTE_ADDR": "127.0.0.1",
        }
        # What the request under way reports, through its environ, as having ended.
        self._ended: list[t.ContextManager[t.Any]] = []
        # Leaves the contexts that were made current again, at the next request.
        self._revived = ExitStack()
        super().__init__(*args, **kwargs)

    @contextmanager
    def session_transaction(self, *args: t.Any, **kwargs: t.Any) -> t.Iterator[SessionMixin]:
        """Open the session, as the next request will find it, and save it at the end.

        Takes the arguments of `Flask.test_request_context`, for sessions that depend on
        the URL. Nothing is saved if the block raises. Raises TypeError for a client without
        cookies and RuntimeError if the session interface opens no session.

            with client.session_transaction() as session:
                session["user"] = 42
        """
        if self._cookies is None:
            raise TypeError(
                "Cookies are disabled. A session needs them: make the client with"
                " 'use_cookies=True'."
            )
        app = self.application
        interface = app.session_interface
        ctx = app.test_request_context(*args, **kwargs)
        asked = ctx.request
        self._add_cookies_to_wsgi(asked.environ)
        # Pushed only around the interface's own calls: the block sees what it saw before.
        with ctx:
            opened = interface.open_session(app, asked)
        if opened is None:
            raise RuntimeError(
                "Session backend did not open a session:"
                f" {type(interface).__name__}.open_session returned None."
            )
        yield opened
        if interface.is_null_session(opened):
            return
        answer = app.response_class()
        with ctx:
            interface.save_session(app, opened, answer)
        self._update_cookies_from_response(
            asked.host.partition(":")[0], asked.path, answer.headers.getlist("Set-Cookie")
        )

    def open(
        self,
        *args: t.Any,
        buffered: bool = False,
        follow_redirects: bool = False,
        **kwargs: t.Any,
    ) -> TestResponse:
        """Send a request and return its response; see Werkzeug's `Client.open`.

        The first argument may be a path, or a request given whole: an environ, a builder
        or a request object. Anything else makes an `EnvironBuilder` for the application.
        """
        asked = self._request_for(args, kwargs)
        # Before sending: the contexts kept so far would be in the way of the new ones.
        self._revived.close()
        answer = super().open(asked, buffered=buffered, follow_redirects=follow_redirects)
        answer.json_module = self.application.json  # type: ignore[assignment]  # same methods
        self._revive()
        return answer

    def run_wsgi_app(
        self, environ: WSGIEnvironment, buffered: bool = False
    ) -> tuple[t.Iterable[bytes], str, Headers]:
        """Send one request through the door, with the cookies kept; `open` calls it."""
        if self.door == "wsgi":
            return super().run_wsgi_app(environ, buffered)
        from .doors import ring  # who tests through WSGI does not pay for asyncio

        self._add_cookies_to_wsgi(environ)
        body, status, headers = ring(self.application, self.door, environ)
        url = urlsplit(get_current_url(environ))
        self._update_cookies_from_response(
            url.hostname or "localhost", url.path, headers.getlist("Set-Cookie")
        )
        if not buffered:
            body.look_ahead()  # what it raises is raised here, as under WSGI
            return body, status, headers
        with closing(body):
            return list(body), status, headers

    def websocket(
        self, path: str, *, subprotocols: t.Sequence[str] = (), **kwargs: t.Any
    ) -> Handshake:
        """Open a WebSocket, in `with` or `async with`; it goes through the ASGI door.

        Further arguments (`headers`, `query_string`, `base_url`...) are those of
        `EnvironBuilder`. The client's cookies are sent.

            with client.websocket("/echo") as socket:
                socket.send("hello")
                assert socket.receive() == "hello"
        """
        from .socketclient import Handshake, scope_of  # as for `doors`

        base = self._over_base(kwargs.pop("environ_base", None))
        with closing(
            EnvironBuilder(self.application, path, environ_base=base, **kwargs)
        ) as builder:
            environ = builder.get_environ()
        self._add_cookies_to_wsgi(environ)
        return Handshake(self.application, scope_of(environ, tuple(subprotocols)))

    def _request_for(self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]) -> BaseRequest:
        """Return what to send: a request given whole, else one built from the arguments."""
        match args:
            case (BaseRequest() as whole, *_):
                request = copy(whole)
                request.environ = self._over_base(whole.environ)
                return request
            case (werkzeug.test.EnvironBuilder() as whole, *_):
                ours = copy(whole)
                ours.environ_base = self._over_base(whole.environ_base)
                return ours.get_request()
            case (dict() as whole, *_):
                own = {"app": self.application, "environ_base": self._over_base(None)}
                return EnvironBuilder.from_environ(whole, **own).get_request()
        base = self._over_base(kwargs.pop("environ_base", None))
        with closing(
            EnvironBuilder(self.application, *args, environ_base=base, **kwargs)
        ) as builder:
            return builder.get_request()

    def _over_base(self, given: Mapping[str, t.Any] | None) -> WSGIEnvironment:
        # Dispatch calls it with each context that it ends.
        report = {_REPORT_KEY: self._ended.append} if self.preserve_context else {}
        return {**self.environ_base, **(given or {}), **report}

    def _revive(self) -> None:
        """Make the contexts of the requests just sent current again, the last one on top."""
        outer = _cv_current.get()
        for ctx in self._ended:
            if outer is not None and ctx is outer.app_ctx:
                continue  # was current before the request, and still is
            # Each is pushed where it was pushed for its request: a redirect's target must
            # not share the redirecting request's `g`.
            self._revived.callback(_cv_current.reset, _cv_current.set(outer))
            self._revived.enter_context(ctx)
        del self._ended[:]

    def __enter__(self) -> FlaskClient:
        if self.preserve_context:
            raise RuntimeError(
                "Cannot nest client invocations: this client is in a 'with' block already."
                " Use a second client."
            )
        self.preserve_context = True
        return self

    def __exit__(
        self,
        exc_type: type | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.preserve_context = False
        self._revived.close()


@cache
def _user_agent() -> str:
    from importlib import metadata  # deferred: slow, and once is enough

    return f"Werkzeug/{metadata.version('werkzeug')}"


class AsyncFlaskClient:
    """The test client for async tests: each request is awaited, on the test's own loop.

    The application runs on the loop of the test, so that both share what belongs to a loop:
    clients, locks, database pools. Takes the arguments of `FlaskClient`, "asgi" being the
    default door; `get`, `post` and the other methods take what they take there. Cookies are
    kept from one request to the next, requests may run at the same time, and cancelling one
    closes its connection. With `buffered=False` the response comes with its first piece and
    is read by `async for`; leaving early closes the connection, as `aclose` does.

    A request's contexts are not kept: they were another task's.

        client = app.async_test_client()
        response = await client.post("/rooms", json={"name": "attic"})
        assert response.status_code == 201
    """

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        self._client = FlaskClient(*args, **kwargs)
        if "door" not in kwargs and self._client.door == "wsgi":
            self._client.door = "asgi"
        kind = self._client.response_wrapper
        self._client.response_wrapper = type("AsyncTestResponse", (_AsyncPieces, kind), {})

    @property
    def door(self) -> str:
        """The front-end that requests go through."""
        return self._client.door

    @property
    def environ_base(self) -> dict[str, t.Any]:
        """What goes into every request, in a WSGI environ's terms."""
        return self._client.environ_base

    def session_transaction(self, *args: t.Any, **kwargs: t.Any) -> t.ContextManager[SessionMixin]:
        """Open the session and save it at the end; see `FlaskClient.session_transaction`."""
        return self._client.session_transaction(*args, **kwargs)

    def get_cookie(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """A kept cookie or None; see Werkzeug's `Client.get_cookie`."""
        return self._client.get_cookie(*args, **kwargs)

    def set_cookie(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Keep a cookie; see Werkzeug's `Client.set_cookie`."""
        self._client.set_cookie(*args, **kwargs)

    def delete_cookie(self, *args: t.Any, **kwargs: t.Any) -> None:
        """Forget a cookie; see Werkzeug's `Client.delete_cookie`."""
        self._client.delete_cookie(*args, **kwargs)

    def websocket(
        self, path: str, *, subprotocols: t.Sequence[str] = (), **kwargs: t.Any
    ) -> Handshake:
        """Open a WebSocket, in `async with`; see `FlaskClient.websocket`."""
        return self._client.websocket(path, subprotocols=subprotocols, **kwargs)

    async def open(self, *args: t.Any, buffered: bool = True, **kwargs: t.Any) -> t.Any:
        """Send a request and return its response; see `FlaskClient.open`."""
        import asyncio

        from .doors import Talk, on_loop  # who tests plainly does not pay for asyncio

        talks: list[Talk] = []
        token = on_loop.set((asyncio.get_running_loop(), talks))
        try:
            work = asyncio.ensure_future(
                asyncio.to_thread(self._client.open, *args, buffered=buffered, **kwargs)
            )
        finally:
            on_loop.reset(token)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            for talk in talks:
                talk.leave()
            # Whatever the application makes of it, its own task has ended when we do.
            await asyncio.wait([work])
            if not work.cancelled():
                work.exception()
            raise

    async def get(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Send a GET request."""
        return await self.open(*args, **kwargs, method="GET")

    async def post(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Send a POST request."""
        return await self.open(*args, **kwargs, method="POST")

    async def put(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Send a PUT request."""
        return await self.open(*args, **kwargs, method="PUT")

    async def patch(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Send a PATCH request."""
        return await self.open(*args, **kwargs, method="PATCH")

    async def delete(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Send a DELETE request."""
        return await self.open(*args, **kwargs, method="DELETE")

    async def head(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Send a HEAD request."""
        return await self.open(*args, **kwargs, method="HEAD")

    async def options(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Send an OPTIONS request."""
        return await self.open(*args, **kwargs, method="OPTIONS")


class _AsyncPieces:
    """Mixin for the async client's responses: the body as an async iterator."""

    close: t.Callable[[], None]
    iter_encoded: t.Callable[[], t.Iterator[bytes]]

    async def __aiter__(self) -> t.AsyncIterator[bytes]:
        import asyncio

        pieces = iter(self.iter_encoded())
        try:
            while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
                yield piece
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the response, and its connection if more was to come."""
        import asyncio

        await asyncio.to_thread(self.close)
