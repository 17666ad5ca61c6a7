"""WebSockets (RFC 6455): what a view gets, its context, and the story of one connection.

A reader task takes messages off the server ahead of the view, a few at most, so that the
client's leaving is noticed while the view does something else, and so that a `receive` that
is cancelled loses nothing. The protocol itself, frames and all, is the server's.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException
from werkzeug.http import parse_list_header
from werkzeug.routing import Rule

from .bridge import is_async, sync_to_async
from .ctx import RequestContext, _without_frames
from .dispatch import has_session
from .globals import _cv_request
from .routing import ASK, AskingMatcher, Matcher, Target, compile_map
from .scaffold import declared_access
from .sealing import Plan, Route, _awaitable, _chain, _first_answer, _scopes, _through_all
from .typing import Application

# Messages that wait for the view; after these the server is not asked for more.
QUEUED_MESSAGES = 4
# How long a view that looks elsewhere may go on after its connection has ended.
GRACE_S = 10.0

# The codes that may be sent (RFC 6455 section 7.4 and its registry).
_CODES = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))
# A control frame holds 125 bytes, of which the code takes two.
_LONGEST_REASON = 123
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_FIELD = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class Ended(NamedTuple):
    """The end of a connection: the code and reason of the close frame; 1006 without one."""

    code: int
    reason: str = ""


class WebSocketDisconnected(Exception):
    """The connection has ended; a view that lets it pass has ended well.

    `code` and `reason` are those of the close frame: 1005 for a frame without a code, 1006
    for a connection that broke. Granian's RSGI does not tell the client's code: 1005.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"The WebSocket is closed: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class BadMessage(BadRequest):
    """A message is not what the view asked for; unhandled it closes the connection with 1007."""


def _of_request(name: str) -> Any:
    return property(
        lambda self: getattr(self._request, name), doc=f"`{name}` of the handshake's request."
    )


class WebSocket:
    """One connection, as its view sees it. Belongs to the event loop.

    The first `receive` or `send` accepts the connection unless `accept` did. Any number of
    tasks may send and receive. The handshake is `hipflask.request` as well. The session can be
    read; what is changed in it before `accept` is sent with the handshake where the server can.
    """

    args: Any = _of_request("args")
    authorization: Any = _of_request("authorization")
    blueprint: Any = _of_request("blueprint")
    blueprints: Any = _of_request("blueprints")
    cookies: Any = _of_request("cookies")
    endpoint: Any = _of_request("endpoint")
    environ: Any = _of_request("environ")
    headers: Any = _of_request("headers")
    host: Any = _of_request("host")
    origin: Any = _of_request("origin")
    path: Any = _of_request("path")
    query_string: Any = _of_request("query_string")
    remote_addr: Any = _of_request("remote_addr")
    root_path: Any = _of_request("root_path")
    scheme: Any = _of_request("scheme")
    url: Any = _of_request("url")
    url_rule: Any = _of_request("url_rule")
    view_args: Any = _of_request("view_args")

    def __init__(self, app: Application, request: Any, door: Any) -> None:
        self._app = app
        self._request = request
        self._door = door
        self._limit_bytes: int | None = app.config["WEBSOCKET_MAX_MESSAGE_BYTES"]
        self._idle_s: float | None = app.config["WEBSOCKET_IDLE_S"]
        #: Whether the handshake was completed.
        self.accepted = False
        #: The subprotocol chosen, or None.
        self.subprotocol: str | None = None
        #: Messages that came from the client, and that were sent to it.
        self.received = self.sent = 0
        self._ended: Ended | None = None
        self._loop = asyncio.get_running_loop()
        self._view_task = asyncio.current_task()
        self._accepting = asyncio.Lock()
        self._closing = asyncio.Lock()
        self._messages: deque[str | bytes] = deque()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[None] | None = None
        self._active_at = 0.0
        self._idle_timer: asyncio.TimerHandle | None = None
        self._grace_timer: asyncio.TimerHandle | None = None
        self._was_cut = False

    @property
    def requested_subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, the one it prefers first."""
        offered = ",".join(self.headers.getlist("Sec-WebSocket-Protocol"))
        return [name for name in parse_list_header(offered) if name]

    @property
    def close_code(self) -> int | None:
        """The code the connection ended with, whoever closed it; None while it is open."""
        return None if self._ended is None else self._ended.code

    @property
    def close_reason(self) -> str | None:
        """The reason that came with the code; None while the connection is open."""
        return None if self._ended is None else self._ended.reason

    async def accept(
        self,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        subprotocol: str | None = None,
    ) -> None:
        """Complete the handshake; does nothing where that was done.

        `subprotocol` is one of `requested_subprotocols`, else ValueError. Raises RuntimeError
        where the server cannot send it, which is Granian's RSGI, or `headers`: Granian as such.
        """
        fields = _checked_fields(headers)
        if fields and not self._door.sends_fields:
            raise RuntimeError(
                f"The WebSocket cannot be accepted with the header {fields[0][0]!r}: Granian sends"
                " none of the application's. Serve it with another server, such as uvicorn."
            )
        if subprotocol is not None:
            _check_subprotocol(subprotocol, self.requested_subprotocols)
        async with self._accepting:
            if self.accepted:
                return
            self._check_open()
            fields += await self._session_fields()
            ended = await self._door.accept(subprotocol, fields)
            if ended is not None:
                self._finish(ended)
                self._check_open()
            self.accepted = True
        self.subprotocol = subprotocol
        self._reader = self._loop.create_task(self._read())
        self._active_at = self._loop.time()
        if self._idle_s:
            self._idle_timer = self._loop.call_later(self._idle_s, self._look)

    async def _session_fields(self) -> list[tuple[str, str]]:
        """The cookie of a session that was changed before the handshake is completed."""
        ctx = _cv_request.get(None)
        if ctx is None or getattr(ctx, "websocket", None) is not self or not has_session(ctx):
            return []
        response = self._app.response_class()
        await _save_session(ctx, response)
        cookies = [("Set-Cookie", value) for value in response.headers.getlist("Set-Cookie")]
        if cookies and not self._door.sends_fields:
            if getattr(ctx._session, "modified", True):
                self._app.logger.warning(
                    "The session was changed before the WebSocket %r was accepted, and its cookie"
                    " cannot be sent: Granian sends no header with a handshake. Change the session"
                    " in a request, or serve with another server, such as uvicorn.", self.path,
                )  # fmt: skip
            return []
        return cookies

    async def receive(self) -> str | bytes:
        """The next message: text as str, binary as bytes.

        Raises WebSocketDisconnected once the connection has ended and what came before was
        received. May be cancelled; no message is lost by it.
        """
        if not self.accepted:
            await self.accept()
        while not self._messages:
            self._check_open()
            self._news.clear()
            await self._news.wait()
        self._room.set()
        return self._messages.popleft()

    async def receive_json(self, type: Any = None) -> Any:
        """The next message read as JSON, through the application's provider.

        With `type` it is read and checked as that type by msgspec. Raises BadMessage for what
        is no JSON, or not of the type.

            class Move(msgspec.Struct):
                x: int
                y: int

            move = await websocket.receive_json(type=Move)
        """
        message = await self.receive()
        try:
            if type is None:
                return self._app.json.loads(message)
            return msgspec.json.decode(message, type=type)
        except RecursionError as error:
            raise BadMessage("The JSON is nested too deeply.") from error
        except ValueError as error:
            raise BadMessage(f"The message is not the JSON asked for: {error}") from error

    async def send(self, data: str | bytes) -> None:
        """Send a message: str as text, bytes as binary.

        Waits while the client is slower than the view. Raises WebSocketDisconnected once the
        connection has ended, TypeError for anything else than text or bytes.
        """
        if isinstance(data, (bytearray, memoryview)):
            data = bytes(data)
        elif isinstance(data, str):
            if not data.isascii():
                data.encode()  # lone surrogates fail here, and not inside the server
        elif not isinstance(data, bytes):
            raise TypeError(
                f"A WebSocket message is text or bytes, and this is a {type(data).__name__}."
                " Use send_json for other values."
            )
        if not self.accepted:
            await self.accept()
        self._check_open()
        if not await self._door.send(data):
            self._finish(Ended(1006))
            self._check_open()
        self.sent += 1
        self._active_at = self._loop.time()

    async def send_json(self, *args: Any, **kwargs: Any) -> None:
        """Send a value as JSON text; arguments as for `jsonify`, or one msgspec struct."""
        if len(args) == 1 and not kwargs:
            value = args[0]
            if isinstance(value, msgspec.Struct):
                await self.send(msgspec.json.encode(value).decode())
                return
        else:
            if args and kwargs:
                raise TypeError("send_json takes values or names with values, not both.")
            value = args or kwargs
        await self.send(self._app.json.dumps(value))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """End the connection; does nothing where it has ended.

        Raises ValueError for a code that may not be sent and for a reason of more than 123
        bytes. Before `accept` the handshake is refused with 403, or with what the view then
        returns. Granian's RSGI sends neither code nor reason.
        """
        if code not in _CODES:
            raise ValueError(
                f"The close code {code!r} may not be sent (RFC 6455 section 7.4). Use 1000 to"
                " 1003, 1007 to 1014, or one of your own from 3000 to 4999."
            )
        reason = reason or ""
        if len(reason.encode()) > _LONGEST_REASON:
            raise ValueError(
                f"The reason {reason!r} has more than the {_LONGEST_REASON} bytes that a close"
                " frame has room for."
            )
        await self._shut(Ended(code, reason))
        self._note_told()

    def __aiter__(self) -> WebSocket:
        return self

    async def __anext__(self) -> str | bytes:
        """The next message; the iteration ends with the connection."""
        try:
            return await self.receive()
        except WebSocketDisconnected:
            raise StopAsyncIteration from None

    def _check_open(self) -> None:
        if self._ended is None:
            return
        self._note_told()
        raise WebSocketDisconnected(*self._ended)

    def _note_told(self) -> None:
        # A view that knows may take its time over what is left to do.
        if self._grace_timer is not None:
            self._grace_timer.cancel()

    async def _read(self) -> None:
        try:
            await self._read_all()
        except Exception:
            self._app.logger.exception(f"Reading from the WebSocket {self.path!r} failed.")
            self._finish(Ended(1006))

    async def _read_all(self) -> None:
        while True:
            message = await self._door.receive()
            if isinstance(message, Ended):
                self._finish(message)
                return
            self.received += 1
            self._active_at = self._loop.time()
            if self._limit_bytes is not None and _is_longer(message, self._limit_bytes):
                await self._shut(Ended(1009, f"a message has at most {self._limit_bytes} bytes"))
                return
            self._messages.append(message)
            self._news.set()
            while len(self._messages) >= QUEUED_MESSAGES:
                self._room.clear()
                await self._room.wait()

    def _look(self) -> None:
        """Close the connection if nothing was sent or received for too long."""
        left_s = self._active_at + (self._idle_s or 0) - self._loop.time()
        if left_s > 0:
            self._idle_timer = self._loop.call_later(left_s, self._look)
        elif self._ended is None:
            self._closer = self._loop.create_task(self._shut(Ended(1001, "idle for too long")))

    def _finish(self, ended: Ended) -> None:
        """Note the end, and let the view know."""
        if self._ended is not None:
            return
        self._ended = ended
        self._news.set()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._grace_timer = self._loop.call_later(GRACE_S, self._cut)

    def _cut(self) -> None:
        self._was_cut = True
        if self._view_task is not None:
            self._view_task.cancel()

    async def _shut(self, ended: Ended) -> None:
        if self._ended is not None:
            return
        async with self._closing:
            self._finish(ended)
            if self.accepted:
                if self._door.closes_unread:
                    await self._stop(self._reader)
                await self._door.close(*ended)

    async def _stop(self, task: asyncio.Task[None] | None) -> None:
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait((task,))

    async def _conclude(self, code: int, response: Any) -> None:
        """The view has ended: close what is open, or refuse what was not accepted."""
        if self._ended is None or not self.accepted:
            if self.accepted:
                await self._shut(Ended(code))
            elif self._ended is None or self._ended.code != 1006:
                await self._refuse(response)
        async with self._closing:  # the reader or the idle timer may be at it
            self._door.release()
        for timer in (self._idle_timer, self._grace_timer):
            if timer is not None:
                timer.cancel()
        for task in (self._reader, self._closer):
            await self._stop(task)

    async def _refuse(self, response: Any) -> None:
        try:
            await self._door.refuse(response)
        except Exception:
            self._app.logger.exception(
                f"The response that refuses the WebSocket {self.path!r} could not be sent."
            )
            await self._door.refuse(None)


def _is_longer(message: str | bytes, limit_bytes: int) -> bool:
    if len(message) > limit_bytes:
        return True
    if isinstance(message, bytes) or 4 * len(message) <= limit_bytes:
        return False
    return len(message.encode("utf-8", "surrogatepass")) > limit_bytes


def _check_subprotocol(name: str, offered: list[str]) -> None:
    if not _TOKEN(name):
        raise ValueError(
            f"The subprotocol {name!r} is no token (RFC 6455 section 11.3.4): only ASCII letters,"
            " digits and a few signs may stand in it."
        )
    if name not in offered:
        raise ValueError(
            f"The subprotocol {name!r} was not offered by the client, which would end the"
            f" connection. It offers {offered!r}: choose one of them, or None."
        )


def _checked_fields(headers: Any) -> list[tuple[str, str]]:
    fields = [] if headers is None else list(Headers(headers).items())
    for name, value in fields:
        if not _TOKEN(name) or not _FIELD(value):
            raise ValueError(f"The header {name!r}: {value!r} cannot be sent (RFC 9110 section 5).")
    return fields


class WebSocketContext(RequestContext):
    """The context of one connection: a request context for its handshake, and `websocket`."""

    def __init__(self, app: Application, door: Any) -> None:
        super().__init__(app, {}, app.sealed.request_of(door.exchange))
        self.websocket = WebSocket(app, self.request, door)

    @property
    def teardown_funcs(self) -> Any:
        return self.app.teardown_websocket_funcs

    def match_request(self) -> None:
        """Find the rule for the handshake among those for WebSockets."""
        plan = self.plan
        sockets = _sockets(self.app, plan)
        request = self.request
        self.method = "GET"
        self.cookie = request.header("cookie")
        self.route = sockets.unmatched
        correct = self.app.extensions.get("hipflask.proxies")
        if correct is not None:
            try:
                correct(request._exchange)
            except HTTPException as error:
                request.routing_exception = _without_frames(error)
                return
        if request.header("host") not in plan.hosts and not self._check_host(plan):
            self.route = sockets.unmatched
            return
        found, detail = sockets.match("GET", request.path)
        if found.__class__ is Target:
            self.route = sockets.route_of_rule(found.rule)
            request.url_rule = found.rule
            request.view_args = detail
        elif found is ASK:
            self._ask_for_websocket(sockets)
        else:
            request.routing_exception = plan.refusal(found, detail)

    def _ask_for_websocket(self, sockets: SocketPlan) -> None:
        request = self.request
        try:
            request.url_rule, request.view_args = self.url_adapter.match(
                return_rule=True, websocket=True
            )
        except HTTPException as error:
            request.routing_exception = _without_frames(error)
        else:
            self.route = sockets.route_of_rule(request.url_rule)

    def renew(self) -> Any:
        """The plan as it is now."""
        self.plan = plan = self.app.sealed
        self.route = _sockets(self.app, plan).route_of_rule(self.request.url_rule)
        return plan


class SocketRoute(Route):
    """One WebSocket rule with what runs around its view."""

    __slots__ = ("after_socket", "guard", "parameter")

    #: Functions after the view, to be awaited with the refusing response or None.
    after_socket: tuple[Callable[..., Any], ...]
    #: Raises where the caller may not connect, to be awaited; None where anybody may.
    guard: Callable[..., Any] | None
    #: The view's parameter that gets the connection, or None.
    parameter: str | None


class SocketPlan:
    """The part of the sealed application that WebSockets need; made for the first of them."""

    def __init__(self, app: Application, plan: Plan) -> None:
        self._app = app
        matcher: Matcher = AskingMatcher() if plan._asks else compile_map(app.url_map, True)
        self.match = matcher.match
        self._routes: dict[int, SocketRoute] = {}
        self.unmatched = self._make_route(None, None)

    def route_of_rule(self, rule: Rule | None) -> SocketRoute:
        """The route of a rule, made at its first match."""
        if rule is None:
            return self.unmatched
        route = self._routes.get(id(rule))
        if route is None:
            route = self._routes[id(rule)] = self._make_route(rule, rule.endpoint)
        return route

    def _make_route(self, rule: Rule | None, endpoint: Any) -> SocketRoute:
        app = self._app
        scopes = _scopes(endpoint)
        outside_in = scopes[::-1]
        after = app.after_websocket_funcs
        route = SocketRoute()
        route.rule = rule
        route.preprocess = _chain(app.url_value_preprocessors, outside_in)
        route.before_async = _awaitable(
            _chain(app.before_websocket_funcs, outside_in), _first_answer
        )
        route.after_socket = _awaitable(
            tuple(f for scope in scopes for f in reversed(after.get(scope, ()))), _through_all
        )
        # The functions after a request are not for connections, nor for what refuses them.
        route.after = route.after_async = ()
        route.tears_down = any(app.teardown_websocket_funcs.get(scope) for scope in scopes)
        route.parameter = route.guard = route.problem = None
        if rule is not None:
            if any(declared_access(app, rule, endpoint)):
                from .security import access_of, guard_of  # loaded by whoever declares one

                route.guard = guard_of(app, access_of(app, rule, endpoint))[1]
            view = app.view_functions[endpoint]
            route.view_async = view if is_async(view) else sync_to_async(view)
            route.parameter = _parameter_of(view)
        return route


def _sockets(app: Application, plan: Plan) -> SocketPlan:
    if plan.sockets is None:
        plan.sockets = SocketPlan(app, plan)
    sockets: SocketPlan = plan.sockets
    return sockets


def _parameter_of(view: Callable[..., Any]) -> str | None:
    for name, parameter in inspect.signature(view).parameters.items():
        annotation = parameter.annotation
        # As text where the view's module postpones the evaluation of annotations.
        if annotation is WebSocket or annotation in ("WebSocket", "hipflask.WebSocket"):
            return name
    return None


def _check_origin(ctx: RequestContext) -> None:
    """Raise Forbidden for a browser's handshake from a page of another site.

    A browser sends cookies with it and always says where the page is from; who says nothing
    is no browser.
    """
    allowed = ctx.app.config["WEBSOCKET_ORIGINS"]
    if isinstance(allowed, str):
        allowed = (allowed,)
    origins = ctx.request.headers.getlist("Origin")
    if not origins or "*" in allowed:
        return
    (origin, *more) = origins
    if not more and (origin in allowed or _host_of(origin) == ctx.request.host.lower()):
        return
    raise Forbidden("This origin may not open a WebSocket here.")


def _host_of(origin: str) -> str:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower().removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))


async def serve(app: Application, door: Any) -> None:
    """Answer one handshake and serve its connection to the end; `door` is the front-end's."""
    ctx = WebSocketContext(app, door)
    observing = app._observing
    seen = None if observing is None else observing.connect(ctx)
    code, response = 1011, None
    try:
        code, response = await _converse(ctx)
    except asyncio.CancelledError:
        code = 1001  # the server is going away
        raise
    finally:
        try:
            await ctx.websocket._conclude(code, response)
        finally:
            if seen is not None:
                observing.disconnect(seen, response)


async def _converse(ctx: WebSocketContext) -> tuple[int, Any]:
    """Run the view with all around it and pop the context.

    Returns the code to close with and the response to refuse with, whichever it comes to.
    """
    app = ctx.app
    websocket = ctx.websocket
    error: BaseException | None = None
    ctx.arrive()
    try:
        try:
            ctx.match_request()
            app.__dict__["_got_first_request"] = True
            if ctx.plan.opens_session:
                await ctx.open_session_async()
            return await _respond(ctx)
        except Exception as caught:
            error = caught
            return 1011, await app.sealed.on_error_async(ctx, caught)
        except asyncio.CancelledError as caught:
            if not websocket._was_cut:
                error = caught
                raise
            asyncio.current_task().uncancel()  # type: ignore[union-attr]  # runs in a task
            return 1011, None
        except BaseException as caught:
            error = caught
            raise
    finally:
        if error is not None and app.should_ignore_error(error):
            error = None
        try:
            await ctx.pop_async(error)
        finally:
            del error  # its traceback keeps this frame


async def _respond(ctx: WebSocketContext) -> tuple[int, Any]:
    code, answer = 1000, None
    try:
        answer = await _call_view(ctx)
    except WebSocketDisconnected:
        pass
    except Exception as error:
        code = _code_for(error)
        answer = await ctx.plan.on_user_error_async(ctx, error)
        if error is ctx.request.routing_exception:
            error.__traceback__ = None  # leads to frames that lead back to the request
    response = None
    if not ctx.websocket.accepted:
        response = ctx.plan.make(ctx, Forbidden() if answer is None else answer)
        if has_session(ctx):
            await _save_session(ctx, response)
    for hook in ctx.route.after_socket:
        response = await hook(response)
    return code, response


async def _call_view(ctx: WebSocketContext) -> Any:
    route = ctx.route
    request = ctx.request
    _check_origin(ctx)
    for preprocessor in route.preprocess:
        preprocessor(request.endpoint, request.view_args)
    for hook in route.before_async:
        answer = await hook()
        if answer is not None:
            return answer
    if request.routing_exception is not None:
        raise request.routing_exception
    if route.guard is not None:
        await route.guard(ctx)
    arguments = request.view_args
    if route.parameter is not None:
        arguments = {**arguments, route.parameter: ctx.websocket}
    return await route.view_async(**arguments)


async def _save_session(ctx: RequestContext, response: Any) -> None:
    if not ctx.app.session_interface.is_null_session(ctx._session):
        await ctx.save_session_async(response)


def _code_for(error: Exception) -> int:
    """The code an accepted connection is closed with after `error`."""
    if isinstance(error, BadMessage):
        return 1007
    if isinstance(error, HTTPException) and (error.code or 500) < 500:
        return 1008
    return 1011
