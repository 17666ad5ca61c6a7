"""What is current, from push to pop.

Flask 3.1 documents two contexts. Here a request context is an application context too: one
object and one context variable serve both faces. While a context is on top it knows the
`app_ctx` and the `request_ctx` that are current; an application context pushed inside a
request leaves the request current, a request pushed inside an application context of the
same application shares its `g`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextvars import Context, Token, copy_context
from functools import update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.urls import iri_to_uri

from . import bridge
from . import typing as ft
from .globals import _cv_app, _cv_current, _cv_request
from .parts import lazy, set_aside
from .routing import ASK, Target, is_usual_host
from .signals import appcontext_popped, appcontext_pushed, heard
from .wrappers import _decode

_new = object.__new__

F = TypeVar("F", bound=Callable[..., Any])
A = TypeVar("A", bound="ft.AfterRequestCallable[Any]")

_MISSING = Token.MISSING

# Bound here: in 3.11 each look-up of them by name makes a method object.
_current = _cv_current.get
_make_current = _cv_current.set
_reset_current = _cv_current.reset

# "Not given", where None says that there was no exception.
_sentinel: Any = object()


class _AppCtxGlobals:
    """The namespace behind `g`: attributes to set during one context."""

    # Any attribute may be set by the application, hence the plain __dict__ below.
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"g.{name} was not set in this context.", name=name, obj=self)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __contains__(self, item: str) -> bool:
        return item in self.__dict__

    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The attribute `name`; set to `default` first if it was not there."""
        return self.__dict__.setdefault(name, default)

    def get(self, name: str, default: Any | None = None) -> Any:
        """The attribute `name`, or `default`."""
        return self.__dict__.get(name, default)

    def pop(self, name: str, default: Any = _sentinel) -> Any:
        """Remove the attribute `name` and return it, or `default`; KeyError without one."""
        given = () if default is _sentinel else (default,)
        return self.__dict__.pop(name, *given)

    def __repr__(self) -> str:
        ctx = _cv_app.get(None)
        return object.__repr__(self) if ctx is None else f"<flask.g of '{ctx.app.name}'>"


class AppContext:
    """Which application is current, with its `g` and `url_adapter`.

    From `app.app_context()`. May be pushed more than once; the last pop tears it down.
    """

    # The application context and the request context that are current while this one is on
    # top, where they are others. A context never refers to itself: it would be garbage to
    # collect, and the usual request has nothing to set.
    _app_face: AppContext | None = None
    _request_face: RequestContext | None = None
    # Whether the current request is this very context's, and may be read.
    _is_shown = False

    # How to return to what was current before: the first push, then further ones.
    _token: Any = None
    _further: list[Any] | None = None

    def __init__(self, app: ft.Application) -> None:
        self.app = app

    g: Any = lazy(lambda self: self.app.app_ctx_globals_class())

    @property
    def app_ctx(self) -> AppContext:
        """What `current_app` and `g` read while this context is on top."""
        return self._app_face or self

    @property
    def request_ctx(self) -> RequestContext | None:
        """What `request` and `session` read while this context is on top."""
        return self._request_face

    @property
    def is_pushed(self) -> bool:
        """Whether a pop is still to come."""
        return self._token is not None

    @lazy
    def url_adapter(self) -> Any:
        """Builds URLs outside a request; None unless SERVER_NAME is set."""
        return self.app.create_url_adapter(None)

    def push(self) -> None:
        """Make this context current."""
        outer = _current()
        self._enter(None, None if outer is None else outer.request_ctx)
        if appcontext_pushed.receivers:
            appcontext_pushed.send(self.app, _async_wrapper=self.app.ensure_sync)

    def _enter(self, app_ctx: AppContext | None, request_ctx: RequestContext | None) -> None:
        """Go on top; the contexts are those that are current then, None for this one."""
        if self._token is not None:
            if self._further is None:
                self._further = []
            self._further.append((self._token, self._app_face, self._request_face))
        self._app_face = app_ctx
        self._request_face = request_ctx
        self._token = _make_current(self)

    def _leave(self) -> None:
        """Return to what was current before the last push."""
        try:
            _reset_current(self._token)
        except (RuntimeError, ValueError):
            self._set_back()
        if self._further:
            self._token, self._app_face, self._request_face = self._further.pop()
        else:
            self._token = None

    def _set_back(self) -> None:
        """`reset`, where the push was in another of the interpreter's contexts.

        A sync view's request is pushed on the event loop and popped in a thread, which runs in
        a copy of the loop's context.
        """
        before = self._token.old_value
        _make_current(None if before is _MISSING else before)

    def _refuse_pop(self) -> None:
        raise AssertionError(
            f"Popped {self!r}, but the context on top is {_current()!r}. Contexts are"
            " popped in the reverse order of their pushes, in the thread or task that pushed"
            " them."
        )

    def pop(self, exc: BaseException | None = _sentinel) -> None:
        """Undo the last push; the first push's pop runs the teardown functions.

        They get `exc`, by default the exception being handled. Raises AssertionError if
        another context is on top.
        """
        if exc is _sentinel:
            exc = sys.exc_info()[1]
        if _current() is not self:
            self._refuse_pop()
        try:
            if not self._further:
                self.app.do_teardown_appcontext(exc)
        finally:
            self._leave()
        if appcontext_popped.receivers:
            appcontext_popped.send(self.app, _async_wrapper=self.app.ensure_sync)

    def __enter__(self) -> Any:
        self.push()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.pop(exc_value)


class RequestContext(AppContext):
    """One request: its `request`, `session` and flashes, and the rule it matched.

    From `app.request_context(environ)` or `app.test_request_context(...)`. `request` and
    `session` stand in for what would be made.

    Differs from Flask: it is an application context too; pushed again it has the `g` it had.
    """

    # Whether it shows its request: not while the application's teardown functions run.
    _is_shown = True
    #: Functions for this response alone; see `after_this_request`.
    _after_request_functions: tuple[Any, ...] = ()
    #: Whether the session was opened; reading `session` opens it.
    has_opened_session = False
    #: Whether the response is gone through (`dispatch.process`) before it is sent.
    is_processed = True
    #: Messages flashed to this request, once read.
    flashes: list[tuple[str, str]] | None = None
    #: What the application was worked out to be, and this request's route in it.
    plan: Any = None
    route: Any = None
    #: The URL's variables as matched, None without any; hooks change the request's `view_args`.
    arguments: dict[str, Any] | None = None
    # What the request is made of: an environ under WSGI, else an exchange.
    _environ: Any = None
    _exchange: Any = None
    # Made when somebody asks for it: see `make_request`.
    _request: Any = None
    #: The request's method as matched; None before it is.
    method: str | None = None
    #: The Cookie field, as sent.
    cookie: str | None = None
    #: The context that the request's plain functions run in, under ASGI and RSGI.
    pool_context: Any = None
    #: The application context pushed with this one, where `app.app_context` was replaced.
    implied: AppContext | None = None
    #: What those who observe requests are told of this one; None where nobody does.
    seen: Any = None
    #: Fields of the answer that are left to a function after the view.
    fields: tuple[tuple[str, str], ...] = ()

    def __init__(
        self,
        app: ft.Application,
        environ: ft.Environ,
        request: Any = None,
        session: Any = None,
    ) -> None:
        self.app = app
        if request is None:
            request = app.request_class(environ)
            request.json_module = app.json
        self._request = request
        self._environ = request._environ
        self._exchange = request._exchange
        if session is not None:
            self._session = session
            self.has_opened_session = True

    @property
    def request(self) -> Any:
        """The request, an instance of `app.request_class`."""
        request = self._request
        return self.make_request() if request is None else request

    @request.setter
    def request(self, request: Any) -> None:
        self._request = request

    def make_request(self) -> Any:
        """Make the request, and keep it. Many a view never asks for it, and does not pay for it."""
        plan = self.plan or self.app.sealed
        # What its constructor does, without the call.
        self._request = request = _new(plan.request_class)
        request.json_module = plan.json
        request._exchange = self._exchange
        request._environ = environ = self._environ
        request.routing_exception = None
        request.has_files = False
        route = self.route
        if route is not None and route.rule is not None:
            request.url_rule = route.rule
            request.view_args = self.arguments or {}
        if environ is not None and self._token is not None:
            environ["werkzeug.request"] = request
        return request

    @property
    def request_ctx(self) -> RequestContext | None:
        """The context itself, while `request` and `session` may be read."""
        return self if self._is_shown else None

    @lazy
    def url_adapter(self) -> Any:
        """Matches and builds URLs for the request; None if its host was refused."""
        try:
            return self.app.create_url_adapter(self.request)
        except HTTPException as error:
            self.request.routing_exception = _without_frames(error)
            return None

    def copy(self) -> RequestContext:
        """A context for the same request and session, to be pushed in another thread or greenlet.

        Two of them must not change the request at the same time.
        """
        return self.__class__(
            self.app, self.request.environ, request=self.request, session=self._session
        )

    @lazy
    def _session(self) -> Any:
        interface = self.app.session_interface
        opened = interface.open_session(self.app, self.request)
        self.has_opened_session = self.is_processed = True
        return interface.make_null_session(self.app) if opened is None else opened

    @property
    def session(self) -> Any:
        """The session; reading it here is what counts as access (it brings `Vary: Cookie`)."""
        session = self._session
        session.accessed = True
        return session

    async def open_session_async(self) -> None:
        """Open a replaced session interface's session, in the pool as it may ask a store."""
        waits = getattr(self.app.session_interface, "waits_to_open", None)
        if waits is None or waits(self.app, self.request):
            await bridge.in_pool(getattr, self, "_session")
        else:
            self._session  # noqa: B018 (opens it)

    async def save_session_async(self, response: Any) -> None:
        """Save the session; in the pool unless the interface is our own, which only signs."""
        interface = self.app.session_interface
        save, waits = interface.save_session, getattr(interface, "waits_to_save", None)
        if self.plan.opens_session and (waits is None or waits(self._session)):
            await bridge.in_pool(save, self.app, self._session, response)
        else:
            save(self.app, self._session, response)

    @property
    def teardown_funcs(self) -> Any:
        """Functions at the end, by blueprint name (None: the application)."""
        return self.app.teardown_request_funcs

    def push(self) -> None:
        """Make the request current, open a replaced session interface's session, match the URL."""
        self.arrive()
        if self.plan.opens_session:
            self._session  # noqa: B018 (opens it)
        if self.route is None:
            self.match_request()

    def arrive(self) -> None:
        """The part of `push` that makes the request current."""
        app = self.app
        outer = _current()
        self.plan = plan = app._cell.plan or app.sealed
        if outer is not None and outer.app_ctx.app is app:
            self._enter(outer.app_ctx, None)
        elif plan.makes_app_contexts:
            # Somebody's own application context, below the request's.
            self.implied = app.app_context()
            self.implied.push()
            self._enter(self.implied, None)
        else:
            if self._token is None:
                self._token = _make_current(self)  # `_enter`, where it has nothing to keep
            else:
                self._enter(None, None)
            if heard.any and appcontext_pushed.receivers:
                self._tell_of_app_context()

    def _tell_of_app_context(self) -> None:
        # By then the application is current, and the request not yet.
        self._is_shown = False
        try:
            appcontext_pushed.send(self.app, _async_wrapper=self.app.ensure_sync)
        finally:
            self._is_shown = True

    def match_request(self) -> None:
        """Find the rule for the request; what is raised is kept as `routing_exception`."""
        plan = self.plan or self.app.sealed
        exchange = self._exchange
        if exchange is None:
            environ = self._environ
            method = environ["REQUEST_METHOD"]
            path = environ.get("PATH_INFO", "/")
            host = environ.get("HTTP_HOST")
            is_upgrade = "HTTP_UPGRADE" in environ
            cookie = environ.get("HTTP_COOKIE")
        else:
            method, path, host, is_upgrade, cookie = exchange.line
        self.method = method
        self.cookie = cookie
        if host not in plan.hosts and not self._check_host(plan):
            return
        # As sent, a path without variables is found at once.
        by_method = plan.literal.get(path)
        if by_method is None or is_upgrade or (target := by_method.get(method)) is None:
            self._walk(plan, method, path, is_upgrade)
            return
        self.route = route = target.plan or plan.route_of(target)
        self.is_processed = route.is_processed or (cookie is not None and plan.cookie in cookie)
        if target.defaults:
            self.arguments = dict(target.defaults)
        if (request := self._request) is not None:
            request.url_rule = target.rule
            request.view_args = self.arguments or {}

    def _walk(self, plan: Any, method: str, path: str, is_upgrade: bool) -> None:
        """Match what is not among the paths without variables."""
        if is_upgrade and self.request.header("upgrade"):
            self._ask_werkzeug(plan)
            return
        if self._exchange is None and not path.isascii():
            path = _decode(path)
        if path[:1] != "/" or path[:2] == "//":
            path = "/" + path.lstrip("/") if path else ""
        cookie = self.cookie
        self.method = method = method.upper()
        found, detail = plan.match(method, path)
        if found.__class__ is Target:
            self.route = route = found.plan or plan.route_of(found)
            self.is_processed = route.is_processed or (cookie is not None and plan.cookie in cookie)
            self.arguments = detail
            if (request := self._request) is not None:
                request.url_rule = found.rule
                request.view_args = detail
        elif found is ASK:
            self._ask_werkzeug(plan)
        else:
            self.route = route = plan.unmatched
            self.is_processed = route.is_processed or (cookie is not None and plan.cookie in cookie)
            self.request.routing_exception = plan.refusal(found, detail)

    def _check_host(self, plan: Any) -> bool:
        """Let the URL adapter judge a host not seen before; a refusal is kept for dispatch.

        Differs from Flask: a host that no URL can be made with is refused with 400.
        """
        if plan.trusts_hosts and is_usual_host(host := self.request.header("host")):
            plan.remember_host(host)
            return True
        if self.url_adapter is None:
            self.route = plan.unmatched
            return False
        try:
            # What `url_for` and redirects would do with it.
            iri_to_uri(f"http://{self.url_adapter.server_name}/")
            _ = urlsplit(self.request.root_url).port
        except ValueError:
            self.request.routing_exception = SecurityError("The Host names no host.")
            self.route = plan.unmatched
            return False
        plan.remember_host(self.request.header("host"))
        return True

    def _ask_werkzeug(self, plan: Any) -> None:
        """Match through the URL adapter: what is rare, and what somebody replaced."""
        request = self.request
        self.route = plan.unmatched
        try:
            request.url_rule, request.view_args = self.url_adapter.match(return_rule=True)
        except HTTPException as error:
            request.routing_exception = _without_frames(error)
        else:
            self.route = plan.route_of_rule(request.url_rule)

    def renew(self) -> Any:
        """The plan as it is now: a hook may have registered something for this very request."""
        self.plan = plan = self.app.sealed
        self.is_processed = True
        self.route = plan.route_of_rule(self.request.url_rule)
        return plan

    def pop(self, exc: BaseException | None = _sentinel) -> None:
        """Undo the last push; the first push's pop tears the request down.

        The order is Flask's: the request's teardown functions, the request closed, then the
        application's, by when `request` is no longer current.
        """
        if exc is _sentinel:
            exc = sys.exc_info()[1]
        if _current() is not self:
            if self.plan is None and exc is not None:
                return  # it never came to be pushed, and `exc` says why
            self._refuse_pop()
        if self._further:
            self._leave()
            return
        app = self.app
        plan = self.plan
        if plan is not app._cell.plan:
            plan = self.renew()
        route = self.route
        owns_app_ctx = self._app_face is None
        try:
            if route is None or route.tears_down or heard.any:
                plan.teardown_request(self, exc)
            request = self.request if plan.closes_request else self._request
            if request is not None and (plan.closes_request or request.has_files):
                request.close()
        finally:
            request = self._request
            if request is not None and request._environ is not None:
                request._environ["werkzeug.request"] = None
            try:
                if owns_app_ctx and (plan.tears_down_app or heard.any):
                    self._is_shown = False
                    plan.teardown_app(self, exc)
            finally:
                self._is_shown = True
                # `_leave`, where nothing further is kept.
                try:
                    _reset_current(self._token)
                except (RuntimeError, ValueError):
                    self._set_back()
                self._token = None
                if heard.any and owns_app_ctx and appcontext_popped.receivers:
                    appcontext_popped.send(app, _async_wrapper=app.ensure_sync)
                if self.implied is not None:
                    implied, self.implied = self.implied, None
                    implied.pop(exc)

    def hand_over(self) -> Context:
        """The context to answer the request in, in a thread; it is current no more here."""
        context = copy_context()
        _reset_current(self._token)
        if self.plan.makes_app_contexts:
            _make_current(None)  # the one below it is handed over as well
        return context

    def leave(self, response: Any, is_thread: bool = False) -> bool:
        """`pop`, where it has nothing to call; returns whether that was so.

        A response of `dispatch.plain` tells that nothing is heard and the plan is the present one.
        """
        request = self._request
        if (
            not self.route.ends_quietly
            or (type(response) is not tuple and (heard.any or self.plan is not self.app._cell.plan))
            or _current() is not self
            or self._further is not None
            or (request is not None and (request.has_files or request._environ is not None))
        ):
            return False
        if not is_thread:  # whose context ends here
            _reset_current(self._token)
        self._token = None
        return True

    async def pop_async(self, exc: BaseException | None = _sentinel) -> None:
        """`pop` on the event loop."""
        if exc is _sentinel:
            exc = sys.exc_info()[1]
        if _current() is not self:
            if self.plan is None and exc is not None:
                return  # it never came to be pushed, and `exc` says why
            self._refuse_pop()
        if self._further:
            self._leave()
            return
        app = self.app
        plan = self.plan
        if plan is not app._cell.plan:
            plan = self.renew()
        route = self.route
        owns_app_ctx = self._app_face is None
        try:
            if route is None or route.tears_down or heard.any:
                await plan.teardown_request_async(self, exc)
            request = self.request if plan.closes_request else self._request
            if request is not None and (plan.closes_request or request.has_files):
                request.close()
        finally:
            request = self._request
            if request is not None and request._environ is not None:
                request._environ["werkzeug.request"] = None
            try:
                if owns_app_ctx and (plan.tears_down_app or heard.any):
                    self._is_shown = False
                    await plan.teardown_app_async(self, exc)
            finally:
                self._is_shown = True
                # `_leave`, where nothing further is kept.
                try:
                    _reset_current(self._token)
                except (RuntimeError, ValueError):
                    self._set_back()
                self._token = None
                if heard.any and owns_app_ctx and appcontext_popped.receivers:
                    appcontext_popped.send(app, _async_wrapper=app.ensure_sync)
                if self.implied is not None:
                    implied, self.implied = self.implied, None
                    await bridge.in_pool(implied.pop, exc)

    def __repr__(self) -> str:
        request = self.request
        return f"<RequestContext {request.url!r} [{request.method}] of {self.app.name}>"


set_aside(RequestContext, (
    "app", "plan", "route", "arguments", "method", "cookie", "is_processed", "implied", "g",
    "_exchange", "_environ", "_request", "_token", "_further", "_app_face", "_request_face",
    "_session", "has_opened_session", "_after_request_functions", "url_adapter", "pool_context",
    "seen", "fields", "_identity",
))  # fmt: skip


def _without_frames(error: HTTPException) -> HTTPException:
    """`error` to be kept: the frames of its traceback would keep the context in a cycle."""
    error.__context__ = None
    return error.with_traceback(None)


def begin(app: ft.Application, plan: Any, exchange: Any) -> RequestContext:
    """The context of a request of ASGI or RSGI: the usual one has arrived, another has no token."""
    if plan.makes_contexts:
        made: RequestContext = app.request_context(exchange.environ(None))
        return made
    if not plan.is_bare_request:
        return RequestContext(app, {}, plan.request_of(exchange))
    # As in `request_context`, and then as `arrive` does it.
    ctx = _new(RequestContext)
    ctx.app = app
    ctx.plan = plan
    ctx._exchange = exchange
    ctx._environ = ctx._request = ctx.arguments = ctx._further = ctx._app_face = ctx._token = None
    if not (heard.any or plan.makes_app_contexts or _current() is not None):
        ctx._token = _make_current(ctx)
    return ctx


def request_context(self: ft.Application, environ: ft.Environ) -> RequestContext:
    """The context of the request that `environ` describes, not pushed.

    Differs from Flask: without middleware `environ["werkzeug.request"]` is there once it was used.
    """
    plan = self._cell.plan
    if plan is None or not plan.is_bare_request:
        return RequestContext(self, environ)
    # What the constructor does, without the call.
    ctx = _new(RequestContext)
    ctx.app = self
    ctx._environ = environ
    ctx._exchange = ctx._request = ctx.arguments = None
    ctx.route = ctx._token = ctx._further = ctx._app_face = ctx.implied = None
    if plan.has_chain:
        environ["werkzeug.request"] = ctx.request  # which middleware may look at
    return ctx


def after_this_request(f: A) -> A:
    """Call `f` with this request's response before it is sent; `f` returns the response.

    Raises RuntimeError outside a request.
    """
    ctx = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(
            "after_this_request is about the request being handled, and none is being handled"
            " here. Call it in a view or hook, or use app.after_request for all requests."
        )
    ctx._after_request_functions += (f,)
    ctx.is_processed = True
    return f


def copy_current_request_context(f: F) -> F:
    """Decorate `f` to run with the request that is current now, in another thread or greenlet.

    The request context is copied here, not when `f` is called. Raises RuntimeError outside
    a request.
    """
    ctx = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(
            "copy_current_request_context copies the request being handled, and none is being"
            " handled here. Decorate the function inside a view or hook."
        )
    copied = ctx.copy()

    def run(*args: Any, **kwargs: Any) -> Any:
        with copied:
            return copied.app.ensure_sync(f)(*args, **kwargs)

    return update_wrapper(run, f)  # type: ignore[return-value]


def has_request_context() -> bool:
    """Whether a request is current, so that `request` and `session` may be used."""
    return _cv_request.get(None) is not None


def has_app_context() -> bool:
    """Whether an application is current, so that `current_app` and `g` may be used."""
    return _current() is not None
