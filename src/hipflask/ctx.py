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
from contextvars import Token
from functools import update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from werkzeug.exceptions import HTTPException, SecurityError
from werkzeug.urls import iri_to_uri

from . import bridge
from .globals import _cv_app, _cv_current, _cv_request
from .routing import ASK, Target
from .signals import (
    appcontext_popped,
    appcontext_pushed,
    appcontext_tearing_down,
    request_tearing_down,
)
from .typing import AfterRequestCallable, Application, Environ
from .wrappers import lazy

F = TypeVar("F", bound=Callable[..., Any])
A = TypeVar("A", bound=AfterRequestCallable[Any])

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


class _Itself:
    """What a context leads to while it is not pushed: a reference that makes no cycle.

    A `contextvars.Context` copied during a request, such as a task's or a thread's, has the
    context current for longer than it is pushed.
    """

    def __get__(self, instance: Any, owner: type) -> Any:
        return instance


class AppContext:
    """Which application is current, with its `g` and `url_adapter`.

    Make one with `app.app_context()`. It may be pushed more than once; the last pop runs
    the application's teardown functions.
    """

    #: What `current_app` and `g` read while this context is on top.
    app_ctx: Any = _Itself()
    #: What `request` and `session` read while this context is on top.
    request_ctx: RequestContext | None = None

    # How to return to what was current before: the first push, then further ones.
    _token: Any = None
    _further: list[Any] | None = None

    def __init__(self, app: Application) -> None:
        self.app = app

    g: Any = lazy(lambda self: self.app.app_ctx_globals_class())

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
        outer = _cv_current.get()
        self._enter(self, None if outer is None else outer.request_ctx)
        if appcontext_pushed.receivers:
            appcontext_pushed.send(self.app, _async_wrapper=self.app.ensure_sync)

    def _enter(self, app_ctx: AppContext, request_ctx: RequestContext | None) -> None:
        if self._token is not None:
            if self._further is None:
                self._further = []
            self._further.append((self._token, self.app_ctx, self.request_ctx))
        self.app_ctx = app_ctx
        self.request_ctx = request_ctx
        self._token = _cv_current.set(self)

    def _leave(self) -> None:
        """Return to what was current before the last push."""
        # Set, not reset: a sync view's request is pushed on the event loop and popped in a
        # thread, which runs in a copy of the loop's context.
        before = self._token.old_value
        _cv_current.set(None if before is Token.MISSING else before)
        if self._further:
            self._token, self.app_ctx, self.request_ctx = self._further.pop()
            return
        self._token = None
        if self.app_ctx is self:
            del self.app_ctx  # no reference to itself: no garbage is left to collect

    def _refuse_pop(self) -> None:
        raise AssertionError(
            f"Popped {self!r}, but the context on top is {_cv_current.get()!r}. Contexts are"
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
        if _cv_current.get() is not self:
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

    Make one with `app.request_context(environ)` or `app.test_request_context(...)`.
    `request` and `session` stand in for what would be made.

    Differs from Flask: it is an application context too, so a context that was popped and is
    pushed again has the `g` it had.
    """

    request_ctx: Any = _Itself()
    #: Messages flashed to this request, once read.
    flashes: list[tuple[str, str]] | None = None
    #: What the application was worked out to be, and this request's route in it.
    plan: Any = None
    route: Any = None
    #: The context that the request's plain functions run in, under ASGI and RSGI.
    pool_context: Any = None
    #: The application context pushed with this one, where `app.app_context` was replaced.
    implied: AppContext | None = None

    def __init__(
        self,
        app: Application,
        environ: Environ,
        request: Any = None,
        session: Any = None,
    ) -> None:
        self.app = app
        if request is None:
            request = app.request_class(environ)
            request.json_module = app.json
        self.request = request
        self._after_request_functions: list[Any] = []
        if session is not None:
            self._session = session

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
        return interface.make_null_session(self.app) if opened is None else opened

    @property
    def session(self) -> Any:
        """The session; reading it here is what counts as access (it brings `Vary: Cookie`)."""
        session = self._session
        session.accessed = True
        return session

    async def open_session_async(self) -> None:
        """Open a replaced session interface's session, in the pool as it may ask a store."""
        await bridge.in_pool(_open_session, self)

    async def save_session_async(self, response: Any) -> None:
        """Save the session; in the pool unless the interface is our own, which only signs."""
        save = self.app.session_interface.save_session
        if self.plan.opens_session:
            await bridge.in_pool(save, self.app, self._session, response)
        else:
            save(self.app, self._session, response)

    @property
    def teardown_funcs(self) -> Any:
        """Functions at the end, by blueprint name (None: the application)."""
        return self.app.teardown_request_funcs

    @property
    def has_opened_session(self) -> bool:
        """Whether the session was opened; reading `session` opens it."""
        return "_session" in self.__dict__

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
        outer = _cv_current.get()
        self.plan = plan = app._cell.plan or app.sealed
        if outer is None or outer.app_ctx.app is not app:
            if plan.makes_app_contexts:
                # Somebody's own application context, below the request's.
                self.implied = app.app_context()
                self.implied.push()
                self._enter(self.implied, self)
            else:
                self._enter(self, self)
                if appcontext_pushed.receivers:
                    self._tell_of_app_context()
        else:
            self._enter(outer.app_ctx, self)

    def _tell_of_app_context(self) -> None:
        # By then the application is current, and the request not yet.
        self.request_ctx = None
        try:
            appcontext_pushed.send(self.app, _async_wrapper=self.app.ensure_sync)
        finally:
            self.request_ctx = self

    def match_request(self) -> None:
        """Find the rule for the request; what is raised is kept as `routing_exception`."""
        plan = self.plan or self.app.sealed
        request = self.request
        if request.header("host") not in plan.hosts and not self._check_host(plan):
            return
        if request.header("upgrade"):
            self._ask_werkzeug(plan)
            return
        method, path = request.line()
        request.method = method
        found, detail = plan.match(method, path)
        if found.__class__ is Target:
            self.route = found.plan or plan.route_of(found)
            request.url_rule = found.rule
            request.view_args = detail
        elif found is ASK:
            self._ask_werkzeug(plan)
        else:
            self.route = plan.unmatched
            request.routing_exception = plan.refusal(found, detail)

    def _check_host(self, plan: Any) -> bool:
        """Let the URL adapter judge a host not seen before; a refusal is kept for dispatch.

        Differs from Flask: a host that no URL can be made with is refused with 400.
        """
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
        self.route = plan.route_of_rule(self.request.url_rule)
        return plan

    def pop(self, exc: BaseException | None = _sentinel) -> None:
        """Undo the last push; the first push's pop tears the request down.

        The order is Flask's: the request's teardown functions, the request closed, then the
        application's, by when `request` is no longer current.
        """
        if exc is _sentinel:
            exc = sys.exc_info()[1]
        if _cv_current.get() is not self:
            if self.plan is None and exc is not None:
                return  # it never came to be pushed, and `exc` says why
            self._refuse_pop()
        if self._further:
            self._leave()
            return
        app = self.app
        request = self.request
        plan = self.plan
        if plan is not app._cell.plan:
            plan = self.renew()
        owns_app_ctx = self.app_ctx is self
        try:
            if self.route is None or self.route.tears_down or request_tearing_down.receivers:
                plan.teardown_request(self, exc)
            if plan.closes_request or "files" in request.__dict__:
                request.close()
        finally:
            self.request_ctx = None
            if "environ" in request.__dict__:
                request.environ["werkzeug.request"] = None
            try:
                if owns_app_ctx and (plan.tears_down_app or appcontext_tearing_down.receivers):
                    plan.teardown_app(self, exc)
            finally:
                self._leave()
                del self.request_ctx
                if owns_app_ctx and appcontext_popped.receivers:
                    appcontext_popped.send(app, _async_wrapper=app.ensure_sync)
                if self.implied is not None:
                    implied, self.implied = self.implied, None
                    implied.pop(exc)

    async def pop_async(self, exc: BaseException | None = _sentinel) -> None:
        """`pop` on the event loop."""
        if exc is _sentinel:
            exc = sys.exc_info()[1]
        if _cv_current.get() is not self:
            if self.plan is None and exc is not None:
                return  # it never came to be pushed, and `exc` says why
            self._refuse_pop()
        if self._further:
            self._leave()
            return
        app = self.app
        request = self.request
        plan = self.plan
        if plan is not app._cell.plan:
            plan = self.renew()
        owns_app_ctx = self.app_ctx is self
        try:
            if self.route is None or self.route.tears_down or request_tearing_down.receivers:
                await plan.teardown_request_async(self, exc)
            if plan.closes_request or "files" in request.__dict__:
                request.close()
        finally:
            self.request_ctx = None
            if "environ" in request.__dict__:
                request.environ["werkzeug.request"] = None
            try:
                if owns_app_ctx and (plan.tears_down_app or appcontext_tearing_down.receivers):
                    await plan.teardown_app_async(self, exc)
            finally:
                self._leave()
                del self.request_ctx
                if owns_app_ctx and appcontext_popped.receivers:
                    appcontext_popped.send(app, _async_wrapper=app.ensure_sync)
                if self.implied is not None:
                    implied, self.implied = self.implied, None
                    await bridge.in_pool(implied.pop, exc)

    def __repr__(self) -> str:
        request = self.request
        return f"<RequestContext {request.url!r} [{request.method}] of {self.app.name}>"


def _open_session(ctx: RequestContext) -> Any:
    return ctx._session


def _without_frames(error: HTTPException) -> HTTPException:
    """`error` to be kept: the frames of its traceback would keep the context in a cycle."""
    error.__context__ = None
    return error.with_traceback(None)


def request_context_of(self: Application, exchange: Any) -> RequestContext:
    """The context of a request that came through ASGI or RSGI, not pushed."""
    plan = self._cell.plan or self.sealed
    if plan.makes_contexts:
        made: RequestContext = self.request_context(exchange.environ(None))
        return made
    if plan.is_bare_request:
        request = object.__new__(self.request_class)
        request._exchange = exchange
    else:
        request = plan.request_of(exchange)
    return RequestContext(self, {}, request)


def request_context(self: Application, environ: Environ) -> RequestContext:
    """The context of the request that `environ` describes, not pushed."""
    return RequestContext(self, environ)


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
    ctx._after_request_functions.append(f)
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
    return _cv_current.get() is not None
