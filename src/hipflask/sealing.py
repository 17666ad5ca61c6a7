"""What dispatch needs to know about an application, worked out once.

A `Plan` is made when a request (or a test's context) first asks for it, and again after any
change it rests on: see `live.py`. It holds the compiled map, and per rule a `Route`: view,
hooks and whether there is anything to do after the view. Steps of Flask's lifecycle that a
subclass, an instance or a patched class replaced are called by name instead of ours.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping
from itertools import groupby, takewhile
from typing import Any

from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Rule

from . import dispatch, errors
from . import typing as ft
from .bridge import is_async, sync_to_async
from .live import Cell
from .responses import Response, _content_type, type_field
from .routing import NOT_ALLOWED, AskingMatcher, LiveMap, Matcher, Target, compile_map
from .scaffold import declared_access
from .sessions import SecureCookieSessionInterface
from .wrappers import Request

# Hosts remembered as well-formed (and trusted); past this number each one is checked anew.
HOSTS_KEPT = 256

# The steps of a request as Flask names them, and what runs for each unless it was replaced.
STEPS = (
    ("full_dispatch_request", dispatch.respond, dispatch.respond_async),
    ("preprocess_request", dispatch.preprocess, dispatch.preprocess_async),
    ("dispatch_request", dispatch.dispatch, dispatch.dispatch_async),
    ("finalize_request", dispatch.finish, dispatch.finish_async),
    ("make_response", dispatch.make, None),
    ("process_response", dispatch.process, dispatch.process_async),
    ("handle_user_exception", errors.on_user_error, errors.on_user_error_async),
    ("handle_http_exception", errors.on_http_error, errors.on_http_error_async),
    ("handle_exception", errors.on_error, errors.on_error_async),
    ("do_teardown_request", dispatch.teardown_request, dispatch.teardown_request_async),
    ("do_teardown_appcontext", dispatch.teardown_app, dispatch.teardown_app_async),
)

_RESPONSE: Any = Response
# RFC 9110, 9.2.1. Guards against forged writes leave these alone.
_SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


class Route:
    """One rule with everything that runs around its view, in order."""

    __slots__ = (
        "after", "after_async", "before", "before_async", "call", "call_async", "ends_quietly",
        "guards", "has_before", "is_processed", "is_straight", "is_sync", "options", "preprocess",
        "problem", "rule", "streams", "tears_down", "view", "view_async",
    )  # fmt: skip

    rule: Rule | None
    #: The view, callable without awaiting.
    view: Callable[..., Any]
    #: Whether an OPTIONS request is answered for the view.
    options: bool
    #: Whether the view reads the body itself, as it arrives: see `streams.py`.
    streams: bool
    #: URL value preprocessors, then functions before the view: application first. Those that
    #: come first, never wait and never answer are `guards`, which take the context.
    preprocess: tuple[Callable[..., Any], ...]
    guards: tuple[Callable[[Any], None], ...]
    before: tuple[Callable[..., Any], ...]
    has_before: bool
    #: Functions after the view: the innermost blueprint's first, each list reversed.
    after: tuple[Callable[..., Any], ...]
    #: Whether each response is gone through before it is sent.
    is_processed: bool
    #: Whether `do_teardown_request` has anything to do.
    tears_down: bool
    #: Whether nothing at all is called when the request's context is popped.
    ends_quietly: bool
    #: The same to be awaited; neighbours that are plain functions share a call of the pool.
    view_async: Callable[..., Any]
    before_async: tuple[Callable[..., Any], ...]
    after_async: tuple[Callable[..., Any], ...]
    #: For a typed view: reads what it asks for, calls it and writes its answer. None otherwise.
    call: Callable[[Any], Any] | None
    call_async: Callable[[Any], Any] | None
    #: Answers for an HTTP exception that no error handler takes. None: its own page.
    problem: Callable[[Any, HTTPException], Any] | None
    #: Whether all of it is plain functions, so that the whole request may run in the pool.
    is_sync: bool
    #: Whether nothing that may wait stands before the view, so that `serve` calls it without
    #: `respond_async`.
    is_straight: bool


class Plan:
    """The sealed application. Shared by all threads; only lazily made routes are added to it."""

    def __init__(
        self, app: ft.Application, steps: Mapping[str, Any], bound: Mapping[int, Any]
    ) -> None:
        own = {name for name, step in steps.items() if _is_replaced(app, name, step)}
        self._app_data = (
            app.url_value_preprocessors, app.before_request_funcs, app.after_request_funcs,
            app.teardown_request_funcs, app.view_functions, app.ensure_sync
        )  # fmt: skip
        self._own = own
        #: What was made of the typed views, by the identity of their rules.
        self.bound = bound
        matcher = self._matcher(app)
        self.match = matcher.match
        #: The rules of paths without variables, by path as sent and by method.
        self.literal = matcher.literal
        #: Whether each well-formed host is good.
        self.trusts_hosts = not self._asks and (
            app.config["TRUSTED_HOSTS"] is None and app.request_class.trusted_hosts is None
        )
        #: Hosts that passed; empty while each request is Werkzeug's to match.
        self.hosts: set[str | bytes | None] = set()
        # By identity, as Werkzeug's rules have no hash; a route keeps its rule alive.
        self._routes: dict[int, Route] = {}

        for name, ours, ours_async in STEPS:
            setattr(self, ours.__name__, self._step(app, name, ours))
            if ours_async is not None:
                setattr(self, ours_async.__name__, self._step_async(app, name, ours_async))
        #: What makes a response that nobody goes through, or what stands for one.
        replaced = self._step(app, "make_response", dispatch.make)
        self.plain = replaced if "make_response" in own else dispatch.plain
        #: What puts fields into each answer, one that could not be finished too; None without.
        self.always = app.extensions.get("hipflask.always")
        afters = app.after_request_funcs.get(None, ())
        #: The functions after each view that do no more than add fields: they have a like that
        #: gives these to what needs no response.
        self.adding = tuple(hook for hook in reversed(afters) if hasattr(hook, "adds"))
        if self.adding:
            self.plain = dispatch.plain_adding(self.adding, self.plain)
        self._processes = "process_response" in own or "finalize_request" in own
        self.makes_app_contexts = "app_context" in own
        #: Whether an HTTP exception may be an error like any other.
        self.traps_errors = (
            "trap_http_exception" in own
            or app.debug
            or any(map(app.config.get, ("TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS")))
        )
        #: Whether somebody replaced how an exception's handler is found.
        self.searches_handlers = "_find_error_handler" in own
        self.closes_request = app.request_class.close is not Request.close
        #: Whether contexts or requests are made by code that wants a WSGI environ.
        self.makes_contexts = "request_context" in own
        #: Whether a WSGI request is not just begun: that, or somebody observes the requests.
        self.is_watched = self.makes_contexts or app._observing is not None
        #: Whether somebody put WSGI middleware around the application. A `__call__` that is no
        #: bell (`front/wsgi.py`) was written for ASGI, and calls ours.
        call: Any = type(app).__call__
        #: A step of ours in front of it (`keeps_doors`) has its like at the other doors.
        self.has_chain = ("wsgi_app" in own and not hasattr(app.wsgi_app, "keeps_doors")) or (
            "__call__" in own and getattr(call, "_bell", None) is call
        )
        #: What `asgi` awaits; None until it was called, and where it was replaced.
        self.asgi: Any = None
        self.has_own_asgi = "asgi" in own
        self.request_class = app.request_class
        self.json = app.json
        self.is_bare_request = (
            app.request_class.__init__ is Request.__init__
            and app.request_class.__new__ is object.__new__
        )
        self.tears_down_app = bool(app.teardown_appcontext_funcs) or (
            "do_teardown_appcontext" in own
        )
        #: A replaced session interface opens its session where Flask does; ours when touched.
        self.opens_session = not _is_own_interface(app.session_interface)
        #: The name of the session's cookie, which brings one to be refreshed. Where none is: what
        #: no Cookie field has.
        is_refreshed = not self.opens_session and app.config["SESSION_REFRESH_EACH_REQUEST"]
        cookie = app.session_interface.get_cookie_name(app) if is_refreshed else None
        self.cookie: str = cookie if isinstance(cookie, str) else "\n"
        #: The class whose instances dispatch may make without calling its constructor.
        self.bare = app.response_class if _is_bare(app.response_class) else None
        #: The Content-Type of its text.
        self.text_type = type_field(_content_type(app.response_class.default_mimetype or ""))
        #: Whether the JSON provider gives the body of a dict or list without a response.
        plainly = getattr(app.json, "answers_plainly", None)
        self.dumps_json = plainly is not None and plainly()
        #: What writes such a body, made for the first (`first_json_writer`), and its Content-Type.
        self.write_json: Callable[[Any], bytes] | None = None
        self.json_type = type_field(getattr(app.json, "mimetype", ""))
        self.unmatched = self._make_route(None, None)
        #: Whether a request was handled with it.
        self.is_used = False
        if app._observing is not None:
            app._observing.seal(self)
        #: The same for WebSockets, made for the first of them: see `websockets.py`.
        self.sockets: Any = None

    def first_json_writer(self) -> Callable[[Any], bytes]:
        """Make `write_json`, which takes modules that no plain text needs."""
        write: Callable[[Any], bytes] = self.json.body_writer()
        self.write_json = write
        return write

    def _matcher(self, app: ft.Application) -> Matcher:
        url_map = app.url_map
        self._asks = (
            app.subdomain_matching
            or url_map.host_matching
            or not isinstance(url_map, LiveMap)
            or "create_url_adapter" in self._own
        )
        return AskingMatcher() if self._asks else compile_map(url_map)

    def _step(self, app: ft.Application, name: str, ours: Callable[..., Any]) -> Callable[..., Any]:
        """Our function, or one of the same arguments that calls the method replaced by name."""
        if name not in self._own:
            return ours
        if name == "dispatch_request":
            return _guarding(self._replaced(app, name))
        return self._replaced(app, name)

    def _replaced(self, app: ft.Application, name: str) -> Callable[..., Any]:
        if _takes_ctx(getattr(app, name)):
            return lambda ctx, *args: getattr(ctx.app, name)(ctx, *args)
        return lambda ctx, *args: getattr(ctx.app, name)(*args)

    def _step_async(
        self, app: ft.Application, name: str, ours: Callable[..., Any]
    ) -> Callable[..., Any]:
        """The same to be awaited; a plain method that was put there runs in the pool."""
        if name not in self._own:
            return ours
        if not is_async(getattr(app, name)):
            return sync_to_async(self._step(app, name, ours))
        replaced = self._replaced(app, name)
        return _guarding_async(replaced) if name == "dispatch_request" else replaced

    def remember_host(self, host: str | None) -> None:
        """The host passed Werkzeug's checks; the next request to it is matched by the plan."""
        if not self._asks and len(self.hosts) < HOSTS_KEPT:
            self.hosts.add(host)
            if host is not None and host.isascii():
                self.hosts.add(host.encode())  # as ASGI has it

    def request_of(self, exchange: Any) -> Request:
        """The request of an exchange of ASGI or RSGI."""
        if not self.is_bare_request:
            made: Request = self.request_class(exchange.environ(None))
            made._exchange = exchange
            return made
        request: Request = object.__new__(self.request_class)
        request._exchange = exchange
        return request

    def refusal(self, found: Any, detail: Any) -> HTTPException:
        """The exception for a path, or a method of it, that no rule takes."""
        if found is NOT_ALLOWED:
            return MethodNotAllowed(valid_methods=list(detail))
        return NotFound()

    def route_of(self, target: Target) -> Route:
        """The route of a matched target, made at its first match."""
        target.plan = route = self.route_of_rule(target.rule)
        return route

    def route_of_rule(self, rule: Rule | None) -> Route:
        """The route of a rule, also of one that the plan did not match itself."""
        if rule is None:
            return self.unmatched
        route = self._routes.get(id(rule))
        if route is None:
            route = self._routes[id(rule)] = self._make_route(rule, rule.endpoint)
        return route

    def _make_route(self, rule: Rule | None, endpoint: Any) -> Route:
        preprocessors, before, after, teardown, views, ensure_sync = self._app_data
        scopes = _scopes(endpoint)
        outside_in = scopes[::-1]
        view = views[endpoint] if endpoint in views else _missing_view(endpoint)
        befores = _chain(before, outside_in)
        if rule is not None and rule.methods is not None and rule.methods <= _SAFE:
            befores = tuple(hook for hook in befores if not hasattr(hook, "for_unsafe"))
        # What a decorator of `hipflask.guards` put on the view itself.
        befores += getattr(view, "before_view", ())
        afters = tuple(f for scope in scopes for f in reversed(after.get(scope, ())))
        guards = tuple(takewhile(_is_guard, befores))
        befores = befores[len(guards) :]
        route = Route()
        route.rule = rule
        route.guards = tuple(hook.guard for hook in guards)
        route.options = bool(getattr(rule, "provide_automatic_options", False))
        route.streams = getattr(rule, "streams_body", False) or getattr(view, "streams_body", False)
        route.view = ensure_sync(view)
        route.view_async = view if is_async(view) else sync_to_async(view)
        route.preprocess = _chain(preprocessors, outside_in)
        route.before = tuple(map(ensure_sync, befores))
        route.before_async = _awaitable(befores, _first_answer)
        route.has_before = bool(
            route.preprocess or guards or befores or "preprocess_request" in self._own
        )
        route.after = tuple(map(ensure_sync, afters))
        route.is_processed = (
            self._processes or self.opens_session or any(hook not in self.adding for hook in afters)
        )
        route.after_async = _awaitable(afters, _through_all)
        bound = self.bound.get(id(rule))
        route.call = route.call_async = route.problem = None
        waits = is_async(view)
        if bound is not None:
            route.call, route.call_async = bound.call, bound.call_async
            route.problem = bound.problem
            route.streams = route.streams or bound.streams
            waits = not bound.is_sync
        # Without a rule there is no view to wait for.
        route.is_sync = not (waits or any(map(is_async, (*befores, *afters)))) and bool(
            rule is not None or guards or befores or afters
        )
        route.tears_down = "do_teardown_request" in self._own or any(
            teardown.get(scope) for scope in scopes
        )
        route.is_straight = not (
            route.preprocess
            or any(_kind_of(hook) != "quick" for hook in befores)
            or self.opens_session
            or self._own & {"preprocess_request", "full_dispatch_request"}
        )
        route.ends_quietly = not (
            route.tears_down
            or self.tears_down_app
            or self.closes_request
            or self.makes_app_contexts
        )
        return route


def _scopes(endpoint: Any) -> tuple[str | None, ...]:
    """The keys of the hook dictionaries for an endpoint: inmost blueprint first, None last."""
    names: list[str | None] = []
    if isinstance(endpoint, str):
        while "." in endpoint:
            endpoint = endpoint.rpartition(".")[0]
            names.append(endpoint)
    return (*names, None)


def _chain(hooks: Mapping[Any, Any], scopes: tuple[str | None, ...]) -> tuple[Any, ...]:
    return tuple(hook for scope in scopes for hook in hooks.get(scope, ()))


def _awaitable(
    hooks: tuple[Callable[..., Any], ...], together: Callable[..., Any]
) -> tuple[Callable[..., Any], ...]:
    """The hooks as coroutine functions; `together` makes one of neighbouring plain ones.

    Plain ones run in the pool, unless they are marked as `is_quick`: these never wait.
    """
    run: Any
    made: list[Callable[..., Any]] = []
    for kind, neighbours in groupby(hooks, _kind_of):
        group = tuple(neighbours)
        if kind == "async":
            made.extend(group)
        else:
            run = together(group)
            run.is_quick = kind == "quick"
            made.append(sync_to_async(run))
    return tuple(made)


def _kind_of(hook: Callable[..., Any]) -> str:
    if is_async(hook):
        return "async"
    return "quick" if getattr(hook, "is_quick", False) else "plain"


def _is_guard(hook: Any) -> bool:
    return hasattr(hook, "guard") and _kind_of(hook) == "quick"


def _first_answer(hooks: tuple[Callable[..., Any], ...]) -> Callable[[], Any]:
    def run() -> Any:
        for hook in hooks:
            answer = hook()
            if answer is not None:
                return answer
        return None

    return run


def _through_all(hooks: tuple[Callable[..., Any], ...]) -> Callable[[Any], Any]:
    def run(response: Any) -> Any:
        for hook in hooks:
            response = hook(response)
        return response

    return run


def _missing_view(endpoint: Any) -> Callable[..., Any]:
    def view(**arguments: Any) -> Any:
        raise KeyError(endpoint)

    return view


def _guards(ctx: Any) -> tuple[Any, Any]:
    """What decides who may call the view, for a `dispatch_request` that calls it by itself."""
    rule = ctx.request.url_rule
    is_answered = ctx.request.method == "OPTIONS" and getattr(
        rule, "provide_automatic_options", False
    )
    if rule is None or is_answered or not any(declared_access(ctx.app, rule, rule.endpoint)):
        return None, None
    from .security import access_of, guard_of  # loaded by whoever declares one

    return guard_of(ctx.app, access_of(ctx.app, rule, rule.endpoint))


def _guarding(step: Callable[..., Any]) -> Callable[..., Any]:
    def dispatch_request(ctx: Any) -> Any:
        guard, _ = _guards(ctx)
        if guard is not None:
            guard(ctx)
        try:
            return step(ctx)
        except TypeError as error:
            _refuse_bare_call(ctx, error)
            raise

    return dispatch_request


def _guarding_async(step: Callable[..., Any]) -> Callable[..., Any]:
    async def dispatch_request(ctx: Any) -> Any:
        _, guard = _guards(ctx)
        if guard is not None:
            await guard(ctx)
        try:
            return await step(ctx)
        except TypeError as error:
            _refuse_bare_call(ctx, error)
            raise

    return dispatch_request


def _refuse_bare_call(ctx: Any, error: TypeError) -> None:
    """Say so where a typed view was called by the `dispatch_request` that was put there itself."""
    if ctx.route.problem is None or "() missing " not in str(error):
        return
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in _OUR_CALLS:
            return
        trace = trace.tb_next
    raise TypeError(
        f"{type(ctx.app).__qualname__}.dispatch_request calls the view of the endpoint"
        f" {ctx.request.endpoint!r} with the URL's variables alone. It is a typed view, and what"
        " its other parameters ask for is read by super().dispatch_request(): call that."
    ) from error


_OUR_CALLS = (dispatch.dispatch.__code__, dispatch.dispatch_async.__code__)


def _is_replaced(app: ft.Application, name: str, step: Any) -> bool:
    return name in app.__dict__ or getattr(type(app), name) is not step


def _takes_ctx(method: Callable[..., Any]) -> bool:
    """Whether the method is written for Flask 3.2, which passes the context first."""
    try:
        first = next(iter(inspect.signature(method).parameters), None)
    except (TypeError, ValueError):
        return False
    return first == "ctx"


_sealing = threading.RLock()


def seal(app: ft.Application, cell: Cell, steps: Mapping[str, Any]) -> Plan:
    """Make the application's plan; kept in `cell` unless something changed meanwhile."""
    # One thread at a time: while routes are added, no other may answer without them.
    with _sealing:
        made: Plan | None = cell.plan
        if made is not None:
            return made
        epoch = cell.epoch
        bound = _bind_views(app)
        if any(each.problem is not None for each in bound.values()) and app.complete():
            # Routes were added: the documents' own.
            epoch = cell.epoch
            bound = _bind_views(app)
        if app.identities:
            from .security.access import refuse_undeclared  # loaded by whoever sets one

            refuse_undeclared(app)
        plan = Plan(app, steps, bound)
        if cell.epoch == epoch:
            cell.plan = plan
        return plan


def _bind_views(app: ft.Application) -> dict[int, Any]:
    """What the application's typed views become, by the identity of their rules.

    Done here and not at a view's first request, so that what is wrong with one shows at start.
    """
    views = app.view_functions
    bind = app.bind_view
    bound: dict[int, Any] = {}
    for rule in app.url_map.iter_rules():
        view = views.get(rule.endpoint)
        if view is not None and not rule.websocket:
            made = bind(rule, rule.endpoint, view)
            if made is not None:
                bound[id(rule)] = made
    return bound


def _is_own_interface(interface: Any) -> bool:
    return type(interface) is SecureCookieSessionInterface and not vars(interface).keys() & {
        "open_session", "save_session", "make_null_session", "is_null_session", "get_cookie_name",
    }  # fmt: skip


def _is_bare(cls: Any) -> bool:
    return (
        issubclass(cls, Response)
        and cls._sends_plainly
        and cls.__init__ is _RESPONSE.__init__
        and cls.__new__ is _RESPONSE.__new__
        and cls.set_data is _RESPONSE.set_data
        and cls.default_status == 200
    )
