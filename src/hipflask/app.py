"""class Flask: assembles everything and names its doors.

The methods here are Flask's documented ones, a line each: what they do stands in the module
of the subject. Any of them may be replaced, in a subclass, on the instance or on the class;
`Flask.sealed` notices and calls the replacement.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter
from werkzeug.wsgi import get_host

from . import bridge, dispatch, errors, helpers, packages, templating
from . import typing as ft
from .assembly import App
from .ctx import AppContext, RequestContext, begin, request_context
from .front.wsgi import bell, bell_around, mark_bell, wsgi_app
from .globals import _cv_app, _cv_request, _no_req_msg
from .lifespan import LifespanHooks, rsgi_del, rsgi_init
from .plain import has_stance, is_plain
from .sealing import Plan, seal
from .sessions import SecureCookieSessionInterface, SessionInterface
from .wrappers import Request, Response

if TYPE_CHECKING:
    from .testing import AsyncFlaskClient, FlaskClient, FlaskCliRunner

F = TypeVar("F", bound=Callable[..., Any])

# "Not given", where None says that there was no exception.
_sentinel: Any = object()


def _may_take_ctx(method: F) -> F:
    """Let a method be called as Flask 3.2 calls it, with the context as first argument."""

    @wraps(method)
    def call(self: Flask, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], AppContext):
            args = args[1:]
        return method(self, *args, **kwargs)

    return call  # type: ignore[return-value]


def _ctx() -> RequestContext:
    """The current request context; RuntimeError without one."""
    ctx: RequestContext | None = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(_no_req_msg)
    return ctx


class Flask(LifespanHooks, App):
    """An application: routes, hooks, configuration, and the callable that servers call.

        app = Flask(__name__)

    `import_name` says where static files, templates and resources are found. `static_*`
    place the static files, `host_matching` and `subdomain_matching` make the host part of
    routing, `instance_path` is the folder for what belongs to one deployment, which
    configuration files are relative to with `instance_relative_config`.

    Made and configured by one thread; once it serves, any number of threads call it.
    """

    request_class: type[Request] = Request
    response_class: type[Response] = Response
    session_interface: SessionInterface = SecureCookieSessionInterface()
    # On the instance, where 3.11 finds it in a tenth of the instructions.
    _begin: Any
    #: Who observes the requests, if anybody does: see `ops/observing.py`.
    _observing: Any = None

    def _assembled(self) -> None:
        mark_bell(type(self).__call__)
        self.__dict__["_begin"] = begin

    @property
    def sealed(self) -> Plan:
        """What dispatch needs to know, worked out at first use and after each change."""
        return self._cell.plan or seal(self, self._cell, _STEPS)

    @property
    def cli(self) -> Any:
        """The Click group of the application's own commands; made when first used."""
        group = self.__dict__.get("cli")
        if group is None:
            from .cli import AppGroup  # Click costs 20 ms

            group = self.__dict__["cli"] = AppGroup(self.name)
        return group

    @cli.setter
    def cli(self, group: Any) -> None:
        self.__dict__["cli"] = group

    def bind_view(self, rule: Any, endpoint: Any, view: Callable[..., Any]) -> Any:
        """What a request to a typed, guarded or idempotent view runs; None for a plain view."""
        typed = self.config["TYPED_VIEWS"] and not is_plain(view, rule)
        is_bare = not typed and getattr(rule, "idempotent", None) is None
        if is_bare and not has_stance(self, rule, endpoint):
            return None
        from .api.binding import bind  # plain applications do not pay for it

        return bind(self, rule, view, typed)

    def complete(self) -> bool:
        """Add the routes of the typed views' documents; whether any were added."""
        if not self.config["OPENAPI"] or self._got_first_request or "_completed" in self.__dict__:
            return False
        self.__dict__["_completed"] = True
        from .api.pages import add_pages  # as above

        rules = len(self.url_map._rules)
        add_pages(self)
        return len(self.url_map._rules) > rules

    # Files and templates.

    def get_send_file_max_age(self, filename: str | None) -> int | None:
        """Seconds a browser may keep a file; None to ask every time."""
        return helpers.get_send_file_max_age(filename)

    def send_static_file(self, filename: str) -> Response:
        """The view of the static files; a 404 for what is not in `static_folder`."""
        return helpers.send_static_file(self, filename)

    def open_resource(self, resource: str, mode: str = "rb", encoding: str | None = None) -> Any:
        """Open a file below `root_path` for reading ("rb", "r" or "rt")."""
        return packages.open_resource(self.root_path, resource, mode, encoding)

    def open_instance_resource(
        self, resource: str, mode: str = "rb", encoding: str | None = "utf-8"
    ) -> Any:
        """Open a file below `instance_path`, also for writing."""
        return packages.open_instance_resource(self.instance_path, resource, mode, encoding)

    def create_jinja_environment(self) -> Any:
        """Make the template environment; override it to change more than `jinja_options` can."""
        return templating.create_jinja_environment(self)

    @_may_take_ctx
    def update_template_context(self, context: dict[str, Any]) -> None:
        """Add the context processors' names to `context`; names already there stay."""
        templating.update_template_context(self, context)

    # URLs.

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What matches and builds URLs: for a request, or for SERVER_NAME (None without it).

        Raises SecurityError (400) for a host that is not in TRUSTED_HOSTS.
        """
        config = self.config
        server_name: str | None = config["SERVER_NAME"]
        if request is None:
            if server_name is None:
                return None
            return self.url_map.bind(
                server_name,
                script_name=config["APPLICATION_ROOT"],
                url_scheme=config["PREFERRED_URL_SCHEME"],
            )
        trusted = config["TRUSTED_HOSTS"]
        if trusted is not None:
            request.trusted_hosts = trusted
        request.host = get_host(request.environ, request.trusted_hosts)
        subdomain = None
        if self.url_map.host_matching:
            server_name = None
        elif not self.subdomain_matching:
            # SERVER_NAME alone does not restrict which hosts are answered.
            subdomain = self.url_map.default_subdomain or ""
        return _bind_as_flask(self.url_map, request.environ, server_name, subdomain)  # type: ignore[no-any-return]

    def raise_routing_exception(self, request: Request) -> Any:
        """Raise what matching found."""
        return errors.raise_routing_exception(self, request)

    def url_for(
        self,
        /,
        endpoint: str,
        *,
        _anchor: str | None = None,
        _method: str | None = None,
        _scheme: str | None = None,
        _external: bool | None = None,
        **values: Any,
    ) -> str:
        """The URL of an endpoint; see `hipflask.url_for`."""
        return helpers.app_url_for(
            self,
            endpoint,
            _anchor=_anchor,
            _method=_method,
            _scheme=_scheme,
            _external=_external,
            **values,
        )

    # Running, shells and tests.

    def run(
        self,
        host: str | None = None,
        port: int | None = None,
        debug: bool | None = None,
        load_dotenv: bool = True,
        **options: Any,
    ) -> None:
        """Serve the application for development; does nothing while a command line runs it.

        `host` and `port` default to SERVER_NAME's, else 127.0.0.1 and 5000.
        """
        from .server import run_app  # who is served otherwise does not pay for it

        run_app(self, host, port, debug, load_dotenv=load_dotenv, **options)

    def make_shell_context(self) -> dict[str, Any]:
        """The names of an interactive shell: `app`, `g`, and what the processors add."""
        names: dict[str, Any] = {"app": self, "g": _cv_app.get(None) and _cv_app.get().g}
        for processor in self.shell_context_processors:
            names.update(processor())
        return names

    def test_client(self, use_cookies: bool = True, **kwargs: Any) -> FlaskClient:
        """A client that calls the application without a server; see `hipflask.testing`.

        `door="asgi"` or `"rsgi"` sends its requests through that front-end.
        """
        client_class = self.test_client_class
        if client_class is None:
            from .testing import FlaskClient as client_class  # tests only
        return client_class(self, self.response_class, use_cookies=use_cookies, **kwargs)  # type: ignore[no-any-return]

    def async_test_client(self, use_cookies: bool = True, **kwargs: Any) -> AsyncFlaskClient:
        """A client for async tests, whose requests are awaited; see `hipflask.testing`."""
        from .testing import AsyncFlaskClient  # tests only

        return AsyncFlaskClient(self, self.response_class, use_cookies=use_cookies, **kwargs)

    def test_cli_runner(self, **kwargs: Any) -> FlaskCliRunner:
        """A runner of the application's commands; see `hipflask.testing`."""
        runner_class = self.test_cli_runner_class
        if runner_class is None:
            from .testing import FlaskCliRunner as runner_class  # tests only
        return runner_class(self, **kwargs)  # type: ignore[no-any-return]

    # Work beside the requests.

    def after_response(self, function: Callable[..., Any], *args: Any) -> None:
        """Call `function(*args)` once the response to this request is sent; plain or async.

        Call it in a view or in what runs before one. The application is current in it, the
        request is not; an error is logged. Lost if the process ends: for short work only.
        Raises RuntimeError outside a request.
        """
        from .background import after_response  # who has no such work does not pay for it

        after_response(self, function, *args)

    def background(self, function: Callable[..., Any], *args: Any) -> None:
        """Call `function(*args)` beside the request, or outside one; as `after_response` does."""
        from .background import background  # as above

        background(self, function, *args)

    @property
    def background_tasks(self) -> int:
        """How much of that work waits or runs: what a graceful stop waits for."""
        return self.__dict__.get("_background", 0)  # type: ignore[no-any-return]

    # The steps of a request, in their order.

    # Functions of the modules on a request's path: it enters five files, and not this one.
    __call__ = bell
    _adapted = {"__call__": bell_around}
    wsgi_app = wsgi_app

    request_context = request_context

    asgi = dispatch.ring_asgi
    __rsgi__ = dispatch.ring_rsgi

    # What Granian's own command calls around all requests of a worker.
    __rsgi_init__ = rsgi_init
    __rsgi_del__ = rsgi_del

    def app_context(self) -> AppContext:
        """An application context, not pushed; use it in a `with` statement."""
        return AppContext(self)

    def test_request_context(self, *args: Any, **kwargs: Any) -> RequestContext:
        """The context of a made-up request; arguments as for `testing.EnvironBuilder`."""
        from .testing import EnvironBuilder  # tests only

        builder = EnvironBuilder(self, *args, **kwargs)
        try:
            environ = builder.get_environ()
        finally:
            builder.close()
        return self.request_context(environ)

    @_may_take_ctx
    def full_dispatch_request(self) -> Response:
        """Handle the current request, hooks and error handlers included."""
        ctx = _ctx()
        ctx.is_processed = True  # the caller wants a response to look at
        return dispatch.respond(ctx)  # type: ignore[no-any-return]

    @_may_take_ctx
    def preprocess_request(self) -> ft.ResponseReturnValue | None:
        """Run what comes before the view; an answer other than None replaces the view's."""
        return dispatch.preprocess(_ctx())  # type: ignore[no-any-return]

    @_may_take_ctx
    def dispatch_request(self) -> ft.ResponseReturnValue:
        """Call the view that the URL matched; raises what matching raised.

        Differs from Flask: a typed view is called with what its annotations ask for; an override
        that calls the function in `view_functions` itself gets a TypeError that says to call
        `super().dispatch_request()`.
        """
        return dispatch.dispatch(_ctx())  # type: ignore[no-any-return]

    def make_default_options_response(self) -> Response:
        """The answer to OPTIONS where the view does not give it."""
        ctx = _ctx()
        response = self.response_class()
        response.allow.update(ctx.url_adapter.allowed_methods())
        return response

    @_may_take_ctx
    def finalize_request(
        self, rv: ft.ResponseReturnValue | HTTPException, from_error_handler: bool = False
    ) -> Response:
        """Make the answer a response and run what comes after the view.

        With `from_error_handler` what fails on the way is logged, not raised.
        """
        return dispatch.finish(_ctx(), rv, from_error_handler)  # type: ignore[no-any-return]

    def make_response(self, rv: ft.ResponseReturnValue) -> Response:
        """Make a view's answer a response; TypeError for what cannot be one."""
        return dispatch.make(_ctx(), rv)  # type: ignore[no-any-return]

    @_may_take_ctx
    def process_response(self, response: Response) -> Response:
        """Run the functions after the view and save the session."""
        return dispatch.process(_ctx(), response)  # type: ignore[no-any-return]

    @_may_take_ctx
    def handle_http_exception(self, e: HTTPException) -> HTTPException | ft.ResponseReturnValue:
        """The answer of the handler for an HTTP exception, else the exception."""
        return errors.on_http_error(_ctx(), e)  # type: ignore[no-any-return]

    @_may_take_ctx
    def handle_user_exception(self, e: Exception) -> HTTPException | ft.ResponseReturnValue:
        """The answer of the handler for an exception of the view or a hook, else raises it."""
        return errors.on_user_error(_ctx(), e)  # type: ignore[no-any-return]

    @_may_take_ctx
    def handle_exception(self, e: Exception) -> Response:
        """The 500 for an exception that nothing handled; in debug mode and tests raises it."""
        return errors.on_error(_ctx(), e)  # type: ignore[no-any-return]

    @_may_take_ctx
    def log_exception(self, exc_info: Any) -> None:
        """Log an exception that nothing handled, with the request's path and method."""
        request = _ctx().request
        self.logger.error(f"Exception on {request.path} [{request.method}]", exc_info=exc_info)

    @_may_take_ctx
    def do_teardown_request(self, exc: BaseException | None = _sentinel) -> None:
        """Run the functions at a request's end, before its context is popped."""
        dispatch.teardown_request(_ctx(), _given(exc))

    @_may_take_ctx
    def do_teardown_appcontext(self, exc: BaseException | None = _sentinel) -> None:
        """Run the functions at an application context's end, before it is popped."""
        dispatch.teardown_app(_cv_app.get(), _given(exc))

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """`func` itself, or a plain function around it if it is a coroutine function."""
        return self.async_to_sync(func) if bridge.is_async(func) else func

    def ensure_async(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """`func` itself, or a coroutine function around it that runs it in the thread pool.

        For the event loop's side; Flask has no such method.
        """
        return func if bridge.is_async(func) else bridge.sync_to_async(func)

    def async_to_sync(self, func: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
        """A plain function that runs the coroutine function on the thread's event loop."""
        return bridge.async_to_sync(func)


def _bind(url_map: Any, environ: ft.Environ, server_name: str | None, subdomain: str | None) -> Any:
    return url_map.bind_to_environ(environ, server_name=server_name, subdomain=subdomain)


# Werkzeug warns of a foreign server name in its caller's module, and applications have
# filters for the one that calls it in Flask.
_bind_as_flask = FunctionType(_bind.__code__, {"__name__": "flask.app"})


def _given(exc: BaseException | None) -> BaseException | None:
    """The exception passed, or the one being handled."""
    if exc is _sentinel:
        return sys.exc_info()[1]
    return exc


# What a request runs unless it was replaced; compared by `sealed`.
_STEPS = {
    name: getattr(Flask, name)
    for name in (
        "full_dispatch_request",
        "preprocess_request",
        "dispatch_request",
        "finalize_request",
        "make_response",
        "process_response",
        "handle_http_exception",
        "handle_user_exception",
        "handle_exception",
        "do_teardown_request",
        "do_teardown_appcontext",
        "create_url_adapter",
        "_find_error_handler",
        "trap_http_exception",
        "request_context",
        "wsgi_app",
        "asgi",
        "__call__",
        "app_context",
    )
}
