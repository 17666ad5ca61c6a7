"""The test client, the environ builder and the runner of commands; loaded only when used."""

from __future__ import annotations

import typing as t
from contextlib import ExitStack, contextmanager
from copy import copy
from types import TracebackType
from urllib.parse import urlsplit

import werkzeug.test
from werkzeug.test import Client
from werkzeug.wrappers import Request as BaseRequest

from .globals import _cv_current
from .sessions import SessionMixin

if t.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.test import TestResponse

    from .app import Flask
    from .clirunner import FlaskCliRunner as FlaskCliRunner


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
        if base_url is None:
            url = urlsplit(path)
            host = url.netloc or ".".join(
                part for part in (subdomain, app.config["SERVER_NAME"] or "localhost") if part
            )
            scheme = url.scheme or url_scheme or app.config["PREFERRED_URL_SCHEME"]
            base_url = f"{scheme}://{host}/{app.config['APPLICATION_ROOT'].lstrip('/')}"
            path = f"{url.path}?{url.query}" if url.query else url.path
        elif subdomain or url_scheme:
            raise AssertionError(
                f"base_url={base_url!r} already says host and scheme: leave out 'subdomain' and"
                " 'url_scheme', or pass them without 'base_url'."
            )
        self.app = app
        super().__init__(path, base_url, *args, **kwargs)

    def json_dumps(self, obj: t.Any, **kwargs: t.Any) -> str:
        """Return `obj` as JSON, as the application's own provider writes it."""
        return self.app.json.dumps(obj, **kwargs)


_werkzeug_version = ""


def _get_werkzeug_version() -> str:
    """Return the installed version of Werkzeug, which the client names as its user agent."""
    global _werkzeug_version
    if not _werkzeug_version:
        import importlib.metadata  # deferred: slow, and once is enough

        _werkzeug_version = importlib.metadata.version("werkzeug")
    return _werkzeug_version


class FlaskClient(Client):
    """Werkzeug's test client, which knows the application's sessions and contexts.

    In a `with` block the contexts of the last request stay current after it, so that
    `request`, `session` and `g` can be looked at; the next request or the end of the block
    ends them. `environ_base` holds what goes into every environ; change it for a different
    address or user agent.

        with app.test_client() as client:
            client.post("/login", data={"name": "ada"})
            assert session["name"] == "ada"
    """

    application: Flask

    def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(*args, **kwargs)
        self.preserve_context = False
        # Contexts of the request under way, reported through its environ.
        self._new_contexts: list[t.ContextManager[t.Any]] = []
        # Contexts of the last request, which are current until the next.
        self._context_stack = ExitStack()
        self.environ_base: dict[str, t.Any] = {
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_USER_AGENT": f"Werkzeug/{_get_werkzeug_version()}",
        }

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
        asked = self._take_request(args[0]) if args else None
        if asked is None:
            asked = self._request_from_builder_args(args, kwargs)
        # Before sending: the contexts kept so far would be in the way of the new ones.
        self._context_stack.close()
        response = super().open(asked, buffered=buffered, follow_redirects=follow_redirects)
        response.json_module = self.application.json  # type: ignore[assignment]  # same methods
        self._keep_contexts()
        return response

    def _keep_contexts(self) -> None:
        """Make the contexts of the requests just sent current again, the last one on top."""
        outer = _cv_current.get()
        for ctx in self._new_contexts:
            if outer is not None and ctx is outer.app_ctx:
                continue  # was current before the request, and still is
            # Each is pushed where it was pushed for its request: a redirect's target must
            # not share the redirecting request's `g`.
            self._context_stack.callback(_cv_current.reset, _cv_current.set(outer))
            self._context_stack.enter_context(ctx)
        del self._new_contexts[:]

    def _take_request(self, given: t.Any) -> BaseRequest | None:
        """Return a request given whole, with our environ under it; None for other things."""
        if isinstance(given, werkzeug.test.EnvironBuilder):
            builder = copy(given)
            builder.environ_base = self._copy_environ(dict(builder.environ_base or {}))
            return builder.get_request()
        if isinstance(given, BaseRequest):
            request = copy(given)
            request.environ = self._copy_environ(request.environ)
            return request
        if isinstance(given, dict):
            return EnvironBuilder.from_environ(
                given, app=self.application, environ_base=self._copy_environ({})
            ).get_request()
        return None

    def _request_from_builder_args(
        self, args: tuple[t.Any, ...], kwargs: dict[str, t.Any]
    ) -> BaseRequest:
        kwargs["environ_base"] = self._copy_environ(kwargs.get("environ_base", {}))
        builder = EnvironBuilder(self.application, *args, **kwargs)
        try:
            return builder.get_request()
        finally:
            builder.close()

    def _copy_environ(self, other: WSGIEnvironment) -> WSGIEnvironment:
        environ = {**self.environ_base, **other}
        if self.preserve_context:
            # Dispatch calls it with each context that it ends.
            environ["werkzeug.debug.preserve_context"] = self._new_contexts.append
        return environ

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
        self._context_stack.close()
