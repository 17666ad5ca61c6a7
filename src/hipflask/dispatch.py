"""The story of a request, from an open context to a response.

In Flask's documented order: the start signal, the functions before the view, the view,
its answer made a response, the functions after it, the session saved, the end signal; an
exception on the way goes to an error handler, whose answer takes the view's place. What
runs for a request was worked out before (`sealing.py`); a step that somebody replaced is
called through `plan`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as ResponseBase

from . import bridge
from . import typing as ft
from .ctx import AppContext, RequestContext
from .errors import response_of
from .responses import Fixed, Plain
from .signals import (
    appcontext_tearing_down,
    heard,
    request_finished,
    request_started,
    request_tearing_down,
)

_new = object.__new__
_pop = RequestContext.pop

# Seconds an async view runs, up to twice that, before anybody looks for its client.
WATCH_AFTER_S = 0.05

# Answers that become a response without its constructor being called.
_READY = frozenset((str, bytes, dict, list))


async def ring_asgi(self: ft.Application, scope: Any, receive: Any, send: Any) -> None:
    """Answer an ASGI 3 server; this is `Flask.asgi`, for those that do not take the application."""
    ring = _asgi_app()
    plan = self._cell.plan
    if plan is not None and not plan.has_own_asgi:
        plan.asgi = ring
    await ring(self, scope, receive, send)


def ring_rsgi(self: ft.Application, scope: Any, protocol: Any) -> Any:
    """Answer an RSGI server, which is Granian; this is `Flask.__rsgi__`. To be awaited."""
    return _rsgi_app()(self, scope, protocol)


@cache  # an import in a function costs each request some 3 % of its CPU
def _asgi_app() -> Any:
    from .front.asgi import asgi_app  # who serves WSGI does not pay for asyncio

    return asgi_app


@cache
def _rsgi_app() -> Any:
    from .front.rsgi import rsgi_app  # as above

    return rsgi_app


async def serve(app: ft.Application, make: Any, scope: Any, receive: Any, send: Any) -> None:
    """Answer an exchange of ASGI or RSGI, send the response, and start the work after it.

    What `wsgi_app` is for WSGI, on the event loop and in a task of the request's own: the
    exchange, which asks for that task, is therefore made here. The body is read here, within
    its limit, before a thread is taken; then a route of plain functions runs in the pool as a
    whole, and any other on the loop.
    """
    ctx: Any = None
    response: Any = None
    watch = None
    error: BaseException | None = None
    exchange = make(scope, receive, send)
    try:
        try:
            plan = app._cell.plan or app.sealed
            if plan.has_chain:
                from .front.chain import answer_through_chain  # middleware only

                response = await answer_through_chain(app, exchange)
            else:
                begin = app._begin
                ctx = begin(app, plan, exchange)
                if ctx._token is None:
                    ctx.arrive()
                    plan = ctx.plan
                ctx.match_request()
                exchange.route = route = ctx.route
                if exchange.has_body:
                    if route.streams:
                        exchange.leave_unread(ctx.app.config)
                    else:
                        await _take_body(ctx, exchange)
                if route.is_sync:
                    handed, ctx = ctx, None  # the thread pops it
                    response = await _in_pool(handed)
                else:
                    watch = _watches.get(exchange.loop) or _begin_watch(exchange.loop)
                    if watch.latest is not None:
                        watch.young.add(watch.latest)
                    watch.latest = exchange
                    if route.is_straight and plan.is_used and not heard.any:
                        # As `respond_async`, whose coroutine is 1,700 instructions of 39,000.
                        try:
                            call = plan.dispatch_async
                            answer = preprocess(ctx) if route.has_before else None
                            if answer is None:
                                answer = await call(ctx)
                        except Exception as caught:
                            answer = await recover_async(ctx, caught)
                        try:
                            if not (ctx.is_processed or heard.any or plan is not app._cell.plan):  # type: ignore[redundant-expr]  # others ran meanwhile
                                make_plain = plan.plain
                                response = make_plain(ctx, answer)
                            else:
                                response = await plan.finish_async(ctx, answer)
                        finally:
                            del answer  # as in `respond`
                    else:
                        if plan.opens_session:
                            await ctx.open_session_async()
                        respond = plan.respond_async
                        response = await respond(ctx)
        except Exception as caught:
            if ctx is None or ctx.plan is None:
                raise
            error = caught
            response = await app.sealed.on_error_async(ctx, caught)
        except BaseException as caught:
            error = caught
            raise
        finally:
            if watch is not None:
                if watch.latest is exchange:
                    watch.latest = None
                else:
                    watch.forget(exchange)
            if error is not None and ctx is not None and app.should_ignore_error(error):
                error = None
            try:
                if ctx is None:
                    pass  # not made, or the pool's to pop
                elif error is not None or not ctx.leave(response):
                    await ctx.pop_async(error)
            finally:
                del error  # its traceback keeps this frame
        if isinstance(response, tuple) and (messages := exchange.send_plain(response)) is not None:
            if messages:
                start, body = messages
                await send(start)
                await send(body)
        else:
            await exchange.send(app, response)
    except BaseException as caught:
        if not exchange.is_end(caught):
            raise
    finally:
        if exchange.has_rest:
            exchange.close(app)


async def _take_body(ctx: RequestContext, exchange: Any) -> None:
    """Read the body, which the view does not do itself."""
    if error := await exchange.read(ctx.request.max_content_length, ctx.app.config):
        # Raised where the view would be called, so that no view gets such a body.
        ctx.request.routing_exception = ctx.request.routing_exception or error


def _in_pool(ctx: RequestContext) -> Any:
    """`conclude` in a thread, to be awaited; a response that refuses where all are busy."""
    context = ctx.hand_over()
    try:
        return bridge.pool().run(context, conclude, ctx)
    except bridge.Busy:
        # Before any hook of the application, so that being busy costs next to nothing.
        return bridge.ready(
            ctx.app.response_class(
                "The server is busy.\n", 503, {"Retry-After": "1"}, content_type="text/plain"
            )
        )


class Watch:
    """Has the exchanges of one loop watched whose view runs for longer than WATCH_AFTER_S.

    Those are cancelled when their client leaves; a watch from the start would cost each a task.
    One timer for all of them, none while nothing runs: one for each took a tenth of its CPU.

    An exchange is the latest while its view runs. Who finds another one there knows that its
    view waits, and puts it to the young: a view that never waits costs nothing more.
    """

    __slots__ = ("_loop", "_old", "latest", "young")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self.latest: Any = None
        self.young: set[Any] = set()
        self._old: set[Any] = set()

    def forget(self, exchange: Any) -> None:
        """The view of an exchange that waited is done."""
        self.young.discard(exchange)
        self._old.discard(exchange)

    def _tick(self) -> None:
        for exchange in self._old:
            exchange.watch()
        if self.latest is not None:
            self.young.add(self.latest)
            self.latest = None
        self._old, self.young = self.young, set()
        if self._old:
            self._loop.call_later(WATCH_AFTER_S, self._tick)
        else:
            _watches.pop(self._loop, None)


# The watches that tick, by loop.
_watches: dict[Any, Watch] = {}


def _begin_watch(loop: Any) -> Watch:
    for known in list(_watches):
        if known.is_closed():
            _watches.pop(known, None)
    watch = _watches[loop] = Watch(loop)
    loop.call_later(WATCH_AFTER_S, watch._tick)
    return watch


def conclude(ctx: RequestContext) -> Any:
    """Answer a request that has arrived and pop its context; returns the response to send.

    What a front-end calls once the request is current and its rule known.
    """
    error: BaseException | None = None
    response: Any = None
    app = ctx.app
    try:
        try:
            if ctx.plan.opens_session:
                ctx._session  # noqa: B018 (opens it)
            respond = ctx.plan.respond
            response = respond(ctx)
        except Exception as caught:
            error = caught
            response = app.sealed.on_error(ctx, caught)
        except BaseException as caught:
            error = caught
            raise
    finally:
        if error is not None and app.should_ignore_error(error):
            error = None
        try:
            is_patched = RequestContext.pop is not _pop
            if error is not None or is_patched or not ctx.leave(response, is_thread=True):
                ctx.pop(error)
        finally:
            del error  # its traceback keeps this frame
    return response


def respond(ctx: RequestContext) -> Any:
    """Handle the request of a pushed context; returns the response to send.

    Raises what no error handler takes.
    """
    app = ctx.app
    plan = ctx.plan
    route = ctx.route
    if not plan.is_used:
        # From now on registering raises; written past the notice that a change gives.
        plan.is_used = app.__dict__["_got_first_request"] = True
    try:
        if heard.any and request_started.receivers:
            request_started.send(app, _async_wrapper=app.ensure_sync)
        answer = plan.preprocess(ctx) if route.has_before else None
        if answer is None:
            call = plan.dispatch
            answer = call(ctx)
    except Exception as error:
        answer = recover(ctx, error)
    try:
        if not ctx.is_processed and not heard.any and plan is app._cell.plan:
            make = plan.plain
            return make(ctx, answer)
        return plan.finish(ctx, answer)
    finally:
        del answer  # may be the exception, whose traceback keeps this frame


async def respond_async(ctx: RequestContext) -> Any:
    """`respond` on the event loop."""
    app = ctx.app
    plan = ctx.plan
    route = ctx.route
    if not plan.is_used:
        # From now on registering raises; written past the notice that a change gives.
        plan.is_used = app.__dict__["_got_first_request"] = True
    try:
        if heard.any and request_started.receivers:
            await request_started.send_async(app, _sync_wrapper=app.ensure_async)
        answer = await plan.preprocess_async(ctx) if route.has_before else None
        if answer is None:
            call = plan.dispatch_async
            answer = await call(ctx)
    except Exception as error:
        answer = await recover_async(ctx, error)
    try:
        if not ctx.is_processed and not heard.any and plan is app._cell.plan:
            make = plan.plain
            return make(ctx, answer)
        return await plan.finish_async(ctx, answer)
    finally:
        del answer  # may be the exception, whose traceback keeps this frame


def recover(ctx: RequestContext, error: Exception) -> Any:
    """The answer to an exception on the way to the view or in it; raises what nobody takes."""
    try:
        answer = ctx.plan.on_user_error(ctx, error)
        if (request := ctx._request) is not None and error is request.routing_exception:
            # Its traceback leads to frames that lead back to the request that keeps it.
            error.__traceback__ = None
        return answer
    finally:
        del error  # its traceback keeps this frame


async def recover_async(ctx: RequestContext, error: Exception) -> Any:
    """`recover` on the event loop."""
    try:
        answer = await ctx.plan.on_user_error_async(ctx, error)
        if (request := ctx._request) is not None and error is request.routing_exception:
            # Its traceback leads to frames that lead back to the request that keeps it.
            error.__traceback__ = None
        return answer
    finally:
        del error  # its traceback keeps this frame


def preprocess(ctx: RequestContext) -> Any:
    """Run what comes before the view; an answer that is not None is given instead of the view's."""
    route = ctx.route
    for preprocessor in route.preprocess:
        request = ctx.request
        preprocessor(request.endpoint, request.view_args)
    for guard in route.guards:
        guard(ctx)
    for hook in route.before:
        answer = hook()
        if answer is not None:
            return answer
    return None


async def preprocess_async(ctx: RequestContext) -> Any:
    """`preprocess` on the event loop."""
    route = ctx.route
    for preprocessor in route.preprocess:
        request = ctx.request
        preprocessor(request.endpoint, request.view_args)
    for guard in route.guards:
        guard(ctx)
    for hook in route.before_async:
        answer = await hook()
        if answer is not None:
            return answer
    return None


def dispatch(ctx: RequestContext) -> Any:
    """Call the view the URL leads to, or raise what matching found; returns its answer."""
    route = ctx.route
    arguments = ctx.arguments
    if (request := ctx._request) is not None:
        if request.routing_exception is not None:
            ctx.app.raise_routing_exception(request)
        if route.rule is not request.url_rule:
            # A hook sent the request elsewhere.
            route = ctx.plan.route_of_rule(request.url_rule)
        arguments = request.view_args
    if ctx.method == "OPTIONS" and route.options:
        return ctx.app.make_default_options_response()
    if route.call is not None:
        return route.call(ctx)
    view = route.view
    return view(**arguments) if arguments else view()


def dispatch_async(ctx: RequestContext) -> Any:
    """`dispatch` on the event loop; what it returns is to be awaited."""
    route = ctx.route
    arguments = ctx.arguments
    if (request := ctx._request) is not None:
        if request.routing_exception is not None:
            ctx.app.raise_routing_exception(request)
        if route.rule is not request.url_rule:
            # A hook sent the request elsewhere.
            route = ctx.plan.route_of_rule(request.url_rule)
        arguments = request.view_args
    if ctx.method == "OPTIONS" and route.options:
        return bridge.ready(ctx.app.make_default_options_response())
    if route.call_async is not None:
        return route.call_async(ctx)
    view = route.view_async
    return view(**arguments) if arguments else view()


def finish(ctx: RequestContext, answer: Any, from_error_handler: bool = False) -> Any:
    """Make `answer` a response and run what comes after the view.

    With `from_error_handler` an exception on the way is logged instead of raised, so that
    the error is answered in any case.
    """
    app = ctx.app
    plan = ctx.plan
    if plan is not app._cell.plan:
        plan = ctx.renew()
    response = plan.make(ctx, answer)
    try:
        if ctx.is_processed or plan.adding:
            response = plan.process(ctx, response)
        if heard.any and request_finished.receivers:
            request_finished.send(app, _async_wrapper=app.ensure_sync, response=response)
    except Exception:
        if not from_error_handler:
            raise
        app.logger.exception(
            "The answer to an error could not be finished: a function after the request failed."
        )
        # What every answer gets, as security headers are, gets this one too.
        if plan.always is not None:
            response = plan.always(response)
    return response


async def finish_async(ctx: RequestContext, answer: Any, from_error_handler: bool = False) -> Any:
    """`finish` on the event loop."""
    app = ctx.app
    plan = ctx.plan
    if plan is not app._cell.plan:
        plan = ctx.renew()
    response = plan.make(ctx, answer)
    try:
        if ctx.is_processed or plan.adding:
            response = await plan.process_async(ctx, response)
        if heard.any and request_finished.receivers:
            await request_finished.send_async(
                app, _sync_wrapper=app.ensure_async, response=response
            )
    except Exception:
        if not from_error_handler:
            raise
        app.logger.exception(
            "The answer to an error could not be finished: a function after the request failed."
        )
        # What every answer gets, as security headers are, gets this one too.
        if plan.always is not None:
            response = plan.always(response)
    return response


def has_session(ctx: RequestContext) -> bool:
    """Whether saving the session may do anything: it was opened, or came with the request.

    Our own session is opened when touched. Untouched it needs saving only to refresh a
    permanent session's cookie.
    """
    if ctx.has_opened_session:
        return True
    app = ctx.app
    if ctx.cookie is None or not app.config["SESSION_REFRESH_EACH_REQUEST"]:
        return False
    name: str = app.session_interface.get_cookie_name(app)
    return name in ctx.cookie


def process(ctx: RequestContext, response: Any) -> Any:
    """Run the functions after the view, innermost first, then save the session."""
    app = ctx.app
    for function in ctx._after_request_functions:
        response = app.ensure_sync(function)(response)
    route = ctx.route or ctx.plan.unmatched
    for function in route.after:
        response = function(response)
    if has_session(ctx):
        interface = app.session_interface
        if not interface.is_null_session(ctx._session):
            interface.save_session(app, ctx._session, response)
    return response


async def process_async(ctx: RequestContext, response: Any) -> Any:
    """`process` on the event loop."""
    app = ctx.app
    for function in ctx._after_request_functions:
        response = await app.ensure_async(function)(response)
    route = ctx.route or ctx.plan.unmatched
    for function in route.after_async:
        response = await function(response)
    if has_session(ctx):
        interface = app.session_interface
        if not interface.is_null_session(ctx._session):
            await ctx.save_session_async(response)
    return response


def plain(ctx: RequestContext, answer: Any) -> Any:
    """`make` where nobody goes through the response.

    For most answers that is (Content-Type field, body) in place of a response.
    """
    plan = ctx.plan
    kind = answer.__class__
    if kind is str and plan.bare is not None:
        return plan.text_type, answer.encode()
    if kind in _READY and plan.bare is not None:
        if kind is bytes:
            return plan.text_type, answer
        if plan.dumps_json:
            write = plan.write_json or plan.first_json_writer()
            return plan.json_type, write(answer)
    elif kind is plan.bare:
        field = answer._ready_type
        if field is not None:
            pieces = answer.response
            if pieces.__class__ is list and len(pieces) == 1 and pieces[0].__class__ is bytes:
                return field, pieces[0]
        return answer
    elif kind is Fixed and plan.bare is not None:
        return answer
    return plan.make(ctx, answer)


def plain_adding(hooks: tuple[Any, ...], plain: Any) -> Any:
    """`plain` where each answer gets the fields of `hooks`, functions after the view.

    Such a hook `adds` the answer's own, checked, or has as `kind` a class of `Plain` with them.
    """
    kind_of = next((hook.kind for hook in hooks if hasattr(hook, "kind")), None)
    adds = tuple(hook.adds for hook in hooks if not hasattr(hook, "kind"))

    def plain_with_fields(ctx: RequestContext, answer: Any) -> Any:
        made = plain(ctx, answer)
        if made.__class__ is tuple:
            own: tuple[tuple[str, str], ...] = ()
            for add in adds:
                own += add(ctx)
            field, piece = made
            return (Plain if kind_of is None else kind_of(ctx))((field, piece, own))
        if made.__class__ is Fixed:
            made = made.response(ctx.app.response_class)
        for hook in hooks:
            made = hook(made)
        return made

    return plain_with_fields


def make(ctx: RequestContext, answer: Any) -> Any:
    """Make a view's answer a response of the application's response class.

    Takes text, bytes, a dict or list (as JSON), an iterator of text or bytes, a response, a WSGI
    application, and these in a tuple with a status, headers or both. Else raises TypeError.
    """
    app = ctx.app
    plan = ctx.plan
    kind = answer.__class__
    if kind in _READY and plan.bare is not None:
        if (kind is dict or kind is list) and not plan.dumps_json:
            return app.json.response(answer)
        response = _new(plan.bare)
        response._ready_type, body = plain(ctx, answer)
        response.response = [body]
        return response
    if kind is plan.bare:
        return answer
    if kind is Fixed:
        return answer.response(app.response_class)
    status = headers = None
    if isinstance(answer, tuple):
        answer, status, headers = _unpack(answer)
    response_class = app.response_class
    if answer is None:
        raise TypeError(_no_answer(ctx))
    if isinstance(answer, response_class):
        response = answer
    elif isinstance(answer, HTTPException) and type(answer).__call__ is HTTPException.__call__:
        response = response_of(answer, ctx, response_class)
    elif isinstance(answer, (str, bytes, bytearray, Iterator, AsyncIterator)):
        # Given to the constructor together, so that headers can replace the content type.
        response = response_class(answer, status=status, headers=headers)
        status = headers = None
    elif isinstance(answer, (dict, list)):
        response = app.json.response(answer)
    elif isinstance(answer, ResponseBase) or callable(answer):
        try:
            response = response_class.force_type(answer, ctx.request.environ)
        except TypeError as error:
            raise TypeError(f"{error}\n{_wrong_answer(ctx, answer)}") from error
    else:
        raise TypeError(_wrong_answer(ctx, answer))
    if status is not None:
        if isinstance(status, (str, bytes, bytearray)):
            response.status = status
        else:
            response.status_code = status
    if headers:
        response.headers.update(headers)
    return response


def _unpack(answer: tuple[Any, ...]) -> tuple[Any, Any, Any]:
    """(body, status, headers) of a tuple, None for what it does not have."""
    if len(answer) == 3:
        return answer
    if len(answer) == 2:
        body, second = answer
        if isinstance(second, (Headers, Mapping, tuple, list)):
            return body, None, second
        return body, second, None
    raise TypeError(
        f"The view function returned a tuple of {len(answer)}. A view's tuple must have the form"
        " (body, status, headers), (body, status) or (body, headers)."
    )


def _view_name(ctx: RequestContext) -> str:
    view = ctx.app.view_functions.get(ctx.request.endpoint)
    code = getattr(view, "__code__", None)
    name = repr(ctx.request.endpoint)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def _no_answer(ctx: RequestContext) -> str:
    return (
        f"The view function for {_view_name(ctx)} returned None instead of an answer. It may"
        " have ended without a return statement."
    )


def _wrong_answer(ctx: RequestContext, answer: Any) -> str:
    return (
        f"The view function for {_view_name(ctx)} returned something that makes no response:"
        f" it was a {type(answer).__name__}. A view returns text, bytes, a dict, a list, an"
        " iterator of text or bytes, a response or a WSGI application, or one of these in a"
        " tuple with a status, headers or both."
    )


def teardown_request(ctx: RequestContext, exc: BaseException | None) -> None:
    """Run the functions after everything, innermost blueprint first; one that raises ends it."""
    app = ctx.app
    for scope in (*ctx.request.blueprints, None):
        for function in reversed(ctx.teardown_funcs.get(scope, ())):
            app.ensure_sync(function)(exc)
    if request_tearing_down.receivers:
        request_tearing_down.send(app, _async_wrapper=app.ensure_sync, exc=exc)


async def teardown_request_async(ctx: RequestContext, exc: BaseException | None) -> None:
    """`teardown_request` on the event loop."""
    app = ctx.app
    for scope in (*ctx.request.blueprints, None):
        for function in reversed(ctx.teardown_funcs.get(scope, ())):
            await app.ensure_async(function)(exc)
    if request_tearing_down.receivers:
        await request_tearing_down.send_async(app, _sync_wrapper=app.ensure_async, exc=exc)


def teardown_app(ctx: AppContext, exc: BaseException | None) -> None:
    """Run the functions at the application context's end, last registered first."""
    app = ctx.app
    for function in reversed(app.teardown_appcontext_funcs):
        app.ensure_sync(function)(exc)
    if appcontext_tearing_down.receivers:
        appcontext_tearing_down.send(app, _async_wrapper=app.ensure_sync, exc=exc)


async def teardown_app_async(ctx: AppContext, exc: BaseException | None) -> None:
    """`teardown_app` on the event loop."""
    app = ctx.app
    for function in reversed(app.teardown_appcontext_funcs):
        await app.ensure_async(function)(exc)
    if appcontext_tearing_down.receivers:
        await appcontext_tearing_down.send_async(app, _sync_wrapper=app.ensure_async, exc=exc)
