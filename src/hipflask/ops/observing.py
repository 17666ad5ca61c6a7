"""The one place where requests are observed: metrics, logs, traces and reports build on it.

    class Slow(Observer):
        def end(self, seen, token):
            if seen.duration_s > 1:
                print(seen.method, seen.route, seen.status, seen.duration_s)

    observe(app, Slow())

Who observes is worked out when the application is sealed: without an observer a request runs
what it always ran. With one, the WSGI door answers through `Observing.answer`, and under ASGI
and RSGI the context is begun here and the exchange tells how it went.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from time import perf_counter
from typing import Any

from ..front.wsgi import wsgi_app
from ..globals import _cv_current
from ..parts import set_aside
from ..responses import SEEN
from .environs import EnvironHead, code_of, watched
from .identifiers import new_id
from .tracing import Trace, begin_trace

#: The status of a request whose client left before its answer began, as nginx has it.
CLIENT_LEFT = 499

_cv_seen: ContextVar[Observation | None] = ContextVar("hipflask.seen", default=None)
# Bound once: 3.11 makes a method object at each look-up by name.
_current = _cv_current.get
_seen_here = _cv_seen.get
_see_here = _cv_seen.set
_log = logging.getLogger("hipflask.observing")


class Observation:
    """One request as observers see it. The same object from `begin` to `end`.

    An observer may keep what it works out as an attribute of a name of its own.
    """

    # None of these has a value in the class: 3.11 would look up each of them, at every use, in
    # all classes first. `Observing` sets them all.

    observing: Observing
    #: The request's head: `method`, `path`, `query_string` (bytes), `http_version`, `client`
    #: (address and port, or None), `scheme`, and `header(name)` with the name in lower case.
    head: Any
    #: The request's context; None in `begin`, where the request was refused before there was
    #: one, and where WSGI middleware answered.
    ctx: Any
    #: Of `time.perf_counter`.
    began: float
    #: Known at the end; 0 before the answer began.
    status: int
    duration_s: float
    #: Bytes of the response's body that were handed to the server; files it sends itself not.
    size: int
    #: What no error handler took, or what broke the answer off.
    error: BaseException | None
    #: Whether the client left before it had the whole answer.
    is_gone: bool
    #: Why `serve` answered instead of the application: "busy", "late" or "stopped".
    refusal: str | None
    has_ended: bool
    #: The connection, where this is one and no request.
    websocket: Any
    #: What of the request's fields must not be logged, once somebody asked: see `redacting.py`.
    secrets: list[str] | None
    _tokens: Any
    # What the properties of these names give, once somebody asked.
    _request_id: str | None
    _trace: Trace | None

    @property
    def request_id(self) -> str:
        """The request's name: the caller's own, if it may give one, else one made here."""
        found = self._request_id
        if found is None:
            name = self.observing.name
            found = self._request_id = name(self.head)
        return found

    @property
    def trace(self) -> Trace:
        """The request's place in its trace."""
        found = self._trace
        if found is None:
            found = self._trace = begin_trace(self.head)
        return found

    @trace.setter
    def trace(self, trace: Trace) -> None:
        self._trace = trace

    @property
    def app(self) -> Any:
        """The application."""
        return self.observing.app

    @property
    def method(self) -> str:
        """The request's method, as sent: any token of any length."""
        return self.head.method  # type: ignore[no-any-return]

    @property
    def is_unusual(self) -> bool:
        """Whether there is more to say than that a request was answered."""
        return (
            self.error is not None
            or self.is_gone
            or self.refusal is not None
            or self.websocket is not None
        )

    @property
    def rule(self) -> Any:
        """The rule that was matched; None without one."""
        ctx = self.ctx
        if ctx is None or ctx.route is None:
            return None
        return ctx.route.rule

    @property
    def route(self) -> str | None:
        """The route's template, `/items/<int:id>`; None for 404, 405 and refused requests."""
        rule = self.rule
        return None if rule is None else rule.rule

    @property
    def endpoint(self) -> str | None:
        """The matched rule's endpoint; None as for `route`."""
        rule = self.rule
        return None if rule is None else rule.endpoint

    @property
    def user(self) -> str | None:
        """The name of the identity that a provider found; None where nobody asked or knew."""
        identity = getattr(self.ctx, "_identity", None)
        name: str | None = None if identity is None else getattr(identity, "name", None)
        return name

    # What the doors tell.

    def sent(self, status: int, size: int) -> None:
        """The answer began, with so many bytes of body."""
        self.status = status
        self.size = size

    def leave(self, exchange: Any) -> None:
        """The exchange is over, on an async door; so is the request, unless somebody holds it."""
        observing, error = self.observing, self.error
        if error is None:
            self.is_gone = exchange.gone
        elif observing.held is not None and not isinstance(error, Exception):
            observing.held[exchange.task] = self
            return
        observing.end(self)

    def end(self) -> None:
        """The request is over; only the first call counts."""
        self.observing.end(self)

    def told(self, response: Any, start_response: Any) -> Any:
        """The `start_response` to give a response of this request, which tells its status."""
        if isinstance(response, tuple):
            self.status = 200
            return start_response
        return self.starting(start_response)

    def starting(self, start_response: Any) -> Any:
        """WSGI's `start_response`, which tells the status."""

        def start(status: str, fields: Any, *exc_info: Any) -> Any:
            self.status = code_of(status)
            return start_response(status, fields, *exc_info)

        return start


set_aside(Observation, (
    "observing", "head", "ctx", "began", "status", "duration_s", "size", "error", "is_gone",
    "refusal", "has_ended", "websocket", "secrets", "_tokens", "_request_id", "_trace",
))  # fmt: skip


class Observer:
    """Sees each request begin and end; a subclass has one of these methods, or both.

    Both are called in the request's own context (its task or thread, where context variables
    set in `begin` are seen by hooks and view), on the event loop under ASGI and RSGI: they must
    not wait. What they raise is logged, and harms nobody.
    """

    #: Whether it is given `work`, which requests are in work now, in the order they began. The
    #: values are False until an observer sets one.
    needs_work = False
    work: dict[Observation, bool]

    def added(self, observing: Observing) -> None:
        """It is one of the observers there now."""

    def begin(self, seen: Observation) -> Any:
        """The request arrived, and was not matched yet. What is returned is `end`'s token."""

    def end(self, seen: Observation, token: Any) -> None:
        """The response was sent, or its client left, or there will be none.

        Under WSGI a response that is a list was handed to the server, which is to send it.
        """

    def closed(self, seen: Observation) -> None:
        """A WebSocket has ended, of which `begin` and `end` know nothing.

        `seen.websocket` has its close code. The status is 101, or what refused the handshake.
        """


def observe(app: Any, observer: Observer) -> None:
    """Let `observer` see every HTTP request of `app` from now on."""
    if app._observing is None:
        app._observing = Observing(app)
        app._observing.make_context = app._begin
        app.__dict__["_begin"] = app._observing.context_of
    app._observing.add(observer)
    app._cell.empty()


def observers_of(app: Any) -> tuple[Observer, ...]:
    """Who observes the requests of `app`."""
    return () if app._observing is None else app._observing.observers


def current() -> Observation | None:
    """What is seen of the current request; None outside of one, or where nobody observes."""
    ctx = _current()
    request_ctx = None if ctx is None else ctx.request_ctx
    if request_ctx is not None and request_ctx.seen is not None:
        return request_ctx.seen  # type: ignore[no-any-return]
    # A response that is streamed, or middleware: the context is gone, or not there yet.
    return _seen_here()


class Observing:
    """An application's observers, composed."""

    #: What makes contexts where nobody observes: `ctx.begin`, or what trusts proxies before it.
    make_context: Any = None

    def __init__(self, app: Any) -> None:
        self.app = app
        self.observers: tuple[Observer, ...] = ()
        self._begins: tuple[Callable[[Observation], Any], ...] = ()
        self._ends: tuple[tuple[Callable[[Observation, Any], None], int], ...] = ()
        self._closed: tuple[Callable[[Observation], None], ...] = ()
        #: The requests in work, where an observer needs to know them.
        self.work: dict[Observation, bool] | None = None
        #: What the next request calls when it begins.
        self.wakes: tuple[Callable[[], None], ...] = ()
        #: Where something in front answers for what is cancelled: those requests, by task.
        self.held: dict[Any, Observation] | None = None
        #: Gives a request, by its head, the name that it is found by in logs.
        self.name: Callable[[Any], str] = new_id

    def add(self, observer: Observer) -> None:
        """One more; begins come in this order, ends in the opposite one."""
        self.observers = (*self.observers, observer)
        if observer.needs_work:
            if self.work is None:
                self.work = {}
            observer.work = self.work
        observer.added(self)
        begins: list[Any] = []
        ends: list[Any] = []
        for each in self.observers:
            has_begin = type(each).begin is not Observer.begin
            if type(each).end is not Observer.end:
                ends.append((each.end, len(begins) if has_begin else -1))
            if has_begin:
                begins.append(each.begin)
        self._begins, self._ends = tuple(begins), tuple(reversed(ends))
        self._closed = tuple(
            each.closed
            for each in reversed(self.observers)
            if type(each).closed is not Observer.closed
        )

    def seal(self, plan: Any) -> None:
        """Put what notes an exception that nobody handled into a plan."""
        on_error, on_error_async = plan.on_error, plan.on_error_async

        def noting(ctx: Any, error: Exception) -> Any:
            if ctx.seen is not None:
                ctx.seen.error = error
            return on_error(ctx, error)

        async def noting_async(ctx: Any, error: Exception) -> Any:
            if ctx.seen is not None:
                ctx.seen.error = error
            return await on_error_async(ctx, error)

        plan.on_error, plan.on_error_async = noting, noting_async

    def start(self, head: Any) -> Observation:
        """A request came in."""
        # As `_see` does it, which would be a tenth of the cost by its call alone.
        seen = Observation()
        seen.observing = self
        seen.head = head
        seen.ctx = seen.error = seen.refusal = seen.websocket = seen.secrets = None
        seen._tokens = seen._request_id = seen._trace = None
        seen.status = seen.size = 0
        seen.duration_s = 0.0
        seen.is_gone = seen.has_ended = False
        seen.began = perf_counter()
        _see_here(seen)
        if self.work is not None:
            self.work[seen] = False
            if self.wakes:
                for wake in self.wakes:
                    wake()
        if self._begins:
            seen._tokens = tokens = []
            for begin_one in self._begins:
                try:
                    tokens.append(begin_one(seen))
                except Exception:
                    tokens.append(None)
                    _log.exception("an observer failed at the beginning of a request")
        return seen

    def _see(self, head: Any) -> Observation:
        seen = Observation()
        seen.observing = self
        seen.head = head
        seen.ctx = seen.error = seen.refusal = seen.websocket = seen.secrets = None
        seen._tokens = seen._request_id = seen._trace = None
        seen.status = seen.size = 0
        seen.duration_s = 0.0
        seen.is_gone = seen.has_ended = False
        seen.began = perf_counter()
        _see_here(seen)
        return seen

    def end(self, seen: Observation) -> None:
        """A request is over: tell all. Only the first call counts."""
        if seen.has_ended:
            return
        seen.has_ended = True
        seen.duration_s = perf_counter() - seen.began
        if not seen.status:
            seen.status = CLIENT_LEFT if seen.is_gone else 500
        if self.work is not None:
            self.work.pop(seen, None)
        tokens = seen._tokens
        for end_one, place in self._ends:
            try:
                end_one(seen, None if place < 0 else tokens[place])
            except Exception:
                _log.exception("an observer failed at the end of a request")
        self._forget(seen)

    def _forget(self, seen: Observation) -> None:
        # Its traceback leads to frames that lead back here, as the context does.
        seen.error = seen._tokens = None
        if seen.ctx is not None:
            seen.ctx.seen = None
        # A WSGI server's thread goes on to something else.
        if _seen_here() is seen:
            _see_here(None)

    def refuse(self, head: Any, status: int, size: int, reason: str) -> None:
        """A request was answered in front of the application, which never saw it."""
        seen = self.start(head)
        seen.refusal = reason
        seen.sent(status, size)
        seen.end()

    # ASGI and RSGI

    def begin(self, exchange: Any) -> Observation:
        """An exchange came in; it tells how it ends."""
        seen = exchange.seen = self.start(exchange)
        exchange.has_rest = True
        return seen

    def context_of(self, app: Any, plan: Any, exchange: Any) -> Any:
        """The context of an exchange that is observed."""
        seen = exchange.seen = self.start(exchange)
        exchange.has_rest = True
        make = self.make_context
        ctx = make(app, plan, exchange)
        ctx.seen = seen
        seen.ctx = ctx
        return ctx

    # WebSockets

    def connect(self, ctx: Any) -> Observation:
        """A handshake came in, whose context this is."""
        seen = self._see(ctx.websocket._door.exchange)
        seen.websocket = ctx.websocket
        seen.ctx = ctx
        ctx.seen = seen
        return seen

    def disconnect(self, seen: Observation, response: Any) -> None:
        """A connection is over, or its handshake was refused with `response`: tell all."""
        websocket = seen.websocket
        seen.duration_s = perf_counter() - seen.began
        seen.is_gone = websocket.close_code == 1006
        if websocket.accepted:
            seen.status = 101
        elif seen.is_gone:
            seen.status = CLIENT_LEFT
        else:
            seen.status = 500 if response is None else response.status_code
        for closed_one in self._closed:
            try:
                closed_one(seen)
            except Exception:
                _log.exception("an observer failed at the end of a WebSocket")
        self._forget(seen)

    # WSGI

    def answer(self, environ: dict[str, Any], start_response: Any, call: Any = None) -> Any:
        """`wsgi_app`, observed, or the WSGI callable `call`.

        A response that is no list is over when it is closed.
        """
        head = EnvironHead()
        head.environ = environ
        environ[SEEN] = seen = self.start(head)
        try:
            if call is None:
                body = wsgi_app(self.app, environ, start_response)
            else:
                body = call(environ, seen.starting(start_response))
        except BaseException as error:
            seen.error = error
            self.end(seen)
            raise
        if body.__class__ is list:
            for piece in body:
                seen.size += len(piece)
            self.end(seen)
            return body
        return watched(body, seen, environ)
