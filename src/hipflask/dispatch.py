"""The story of a request, from an open context to a response.

In Flask's documented order: the start signal, the functions before the view, the view,
its answer made a response, the functions after it, the session saved, the end signal; an
exception on the way goes to an error handler, whose answer takes the view's place. What
runs for a request was worked out before (`sealing.py`); a step that somebody replaced is
called through `plan`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.exceptions import (
    BadRequestKeyError,
    HTTPException,
    InternalServerError,
    default_exceptions,
)
from werkzeug.routing import RequestRedirect, RoutingException
from werkzeug.wrappers import Response as ResponseBase

from .ctx import RequestContext
from .signals import (
    got_request_exception,
    request_finished,
    request_started,
    request_tearing_down,
)
from .typing import Application

_new = object.__new__

# Answers that become a response without its constructor being called.
_READY = frozenset((str, bytes, dict, list))


def respond(ctx: RequestContext) -> Any:
    """Handle the request of a pushed context; returns the response to send.

    Raises what no error handler takes.
    """
    app = ctx.app
    plan = ctx.plan
    route = ctx.route
    if not app._got_first_request:
        # From now on registering raises; written past the notice that a change gives.
        app.__dict__["_got_first_request"] = True
    try:
        if request_started.receivers:
            request_started.send(app, _async_wrapper=app.ensure_sync)
        answer = plan.preprocess(ctx) if route.has_before else None
        if answer is None:
            answer = plan.dispatch(ctx)
    except Exception as error:
        answer = plan.on_user_error(ctx, error)
        if error is ctx.request.routing_exception:
            # Its traceback leads to frames that lead back to the request that keeps it.
            error.__traceback__ = None
    try:
        return plan.finish(ctx, answer)
    finally:
        del answer  # may be the exception, whose traceback keeps this frame


def preprocess(ctx: RequestContext) -> Any:
    """Run what comes before the view; an answer that is not None is given instead of the view's."""
    route = ctx.route
    request = ctx.request
    for preprocessor in route.preprocess:
        preprocessor(request.endpoint, request.view_args)
    for hook in route.before:
        answer = hook()
        if answer is not None:
            return answer
    return None


def dispatch(ctx: RequestContext) -> Any:
    """Call the view the URL leads to, or raise what matching found; returns its answer."""
    request = ctx.request
    if request.routing_exception is not None:
        ctx.app.raise_routing_exception(request)
    route = ctx.route
    if route.rule is not request.url_rule:
        # A hook sent the request elsewhere.
        route = ctx.plan.route_of_rule(request.url_rule)
    if route.options and request.method == "OPTIONS":
        return ctx.app.make_default_options_response()
    return route.view(**request.view_args)


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
        route = ctx.route or plan.unmatched
        if route.after or ctx._after_request_functions or plan.processes or has_session(ctx):
            response = plan.process(ctx, response)
        if request_finished.receivers:
            request_finished.send(app, _async_wrapper=app.ensure_sync, response=response)
    except Exception:
        if not from_error_handler:
            raise
        app.logger.exception(
            "The answer to an error could not be finished: a function after the request failed."
        )
    return response


def has_session(ctx: RequestContext) -> bool:
    """Whether saving the session may do anything: it was opened, or came with the request.

    Our own session is opened when touched. Untouched it needs saving only to refresh a
    permanent session's cookie.
    """
    if ctx.has_opened_session:
        return True
    app = ctx.app
    cookies = ctx.request.environ.get("HTTP_COOKIE")
    if cookies is None or not app.config["SESSION_REFRESH_EACH_REQUEST"]:
        return False
    name: str = app.session_interface.get_cookie_name(app)
    return name in cookies


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


def make(ctx: RequestContext, answer: Any) -> Any:
    """Make a view's answer a response of the application's response class.

    Takes text, bytes, a dict or list (as JSON), an iterator of text or bytes, a response, a
    WSGI application, and these in a tuple with a status, headers or both. Raises TypeError
    for anything else.
    """
    app = ctx.app
    plan = ctx.plan
    kind = answer.__class__
    if plan.bare is not None and kind in _READY:
        response = _new(plan.bare)
        if kind is str:
            response.response = [answer.encode()]
        elif kind is bytes:
            response.response = [answer]
        elif plan.dumps_json:
            response.response = [app.json.dump_body(answer)]
            response._own_type = app.json.mimetype
        else:
            return app.json.response(answer)
        return response
    status = headers = None
    if isinstance(answer, tuple):
        answer, status, headers = _unpack(answer)
    response_class = app.response_class
    if answer is None:
        raise TypeError(_no_answer(ctx))
    if isinstance(answer, response_class):
        response = answer
    elif isinstance(answer, (str, bytes, bytearray, Iterator)):
        # Given to the constructor together, so that headers can replace the content type.
        response = response_class(answer, status=status, headers=headers)
        status = headers = None
    elif isinstance(answer, (dict, list)):
        response = app.json.response(answer)
    elif isinstance(answer, HTTPException) and type(answer).__call__ is HTTPException.__call__:
        response = _response_of(answer, ctx, response_class)
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


def _response_of(error: HTTPException, ctx: RequestContext, response_class: Any) -> Any:
    """The response an HTTP exception stands for, as `force_type` would have made it."""
    if ctx.plan.bare is not None and error.__dict__ == _UNCHANGED:
        page = _pages.get(type(error)) or _keep_page(error)
        if page is not None:
            response = _new(ctx.plan.bare)
            response.__dict__.update(page[1], response=[page[0]])
            return response
    response = error.get_response(ctx.request.environ)
    if not isinstance(response, response_class):
        response = response_class.force_type(response, ctx.request.environ)
    return response


# What an HTTP exception holds that was raised with nothing but its class. Its page then
# depends on the class alone, and is made once: a 404 costs a fifth (make bench).
_UNCHANGED = {"response": None}
_pages: dict[type[HTTPException], tuple[bytes, dict[str, Any]]] = {}


def _keep_page(error: HTTPException) -> tuple[bytes, dict[str, Any]] | None:
    """The body of the exception's page, and what else its response holds.

    None for a class that is not Werkzeug's own, as it may make a page of its own.
    """
    kind = type(error)
    if kind is not default_exceptions.get(error.code or 0):
        return None
    made = error.get_response()
    rest = {
        "_status": made.status,
        "_status_code": made.status_code,
        "_own_type": made.content_type,
    }
    page = _pages[kind] = (made.get_data(), rest)
    return page


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


def on_user_error(ctx: RequestContext, error: Exception) -> Any:
    """The answer of the handler registered for `error`; raises it again if there is none."""
    app = ctx.app
    if isinstance(error, BadRequestKeyError) and (
        app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"]
    ):
        error.show_exception = True
    if isinstance(error, HTTPException) and not app.trap_http_exception(error):
        return ctx.plan.on_http_error(ctx, error)
    handler = app._find_error_handler(error, ctx.request.blueprints)
    if handler is None:
        try:
            raise error
        finally:
            del error  # no cycle of exception, traceback and frame for the collector
    return app.ensure_sync(handler)(error)


def on_http_error(ctx: RequestContext, error: HTTPException) -> Any:
    """The answer of the handler registered for `error`, or the exception itself as the answer."""
    # An exception without a code stands for a response; redirects of the router are no errors.
    if error.code is None or isinstance(error, RoutingException):
        return error
    handler = ctx.app._find_error_handler(error, ctx.request.blueprints)
    return error if handler is None else ctx.app.ensure_sync(handler)(error)


def on_error(ctx: RequestContext, error: Exception) -> Any:
    """The response to an exception nobody handled: 500, or what a handler for 500 makes of it.

    Raises the exception again where the configuration says so (debug mode, tests). Sends
    `got_request_exception` and logs first.
    """
    app = ctx.app
    exc_info: Any = sys.exc_info()
    if exc_info[1] is not error:
        exc_info = (type(error), error, error.__traceback__)
    if got_request_exception.receivers:
        got_request_exception.send(app, _async_wrapper=app.ensure_sync, exception=error)
    propagate = app.config["PROPAGATE_EXCEPTIONS"]
    if propagate is None:
        propagate = app.testing or app.debug
    if propagate:
        raise error
    app.log_exception(exc_info)
    answer: Any = InternalServerError(original_exception=error)
    handler = app._find_error_handler(answer, ctx.request.blueprints)
    if handler is not None:
        answer = app.ensure_sync(handler)(answer)
    return (ctx.plan or app.sealed).finish(ctx, answer, True)


def raise_routing_exception(app: Application, request: Any) -> Any:
    """Raise what matching found, in debug mode explained where a redirect would lose a form."""
    error = request.routing_exception
    loses_body = (
        isinstance(error, RequestRedirect)
        and error.code not in (307, 308)
        and request.method not in ("GET", "HEAD", "OPTIONS")
    )
    if app.debug and loses_body:
        from .debughelpers import FormDataRoutingRedirect  # debug mode only

        raise FormDataRoutingRedirect(request)
    raise error


def teardown_request(ctx: RequestContext, exc: BaseException | None) -> None:
    """Run the functions after everything, innermost blueprint first; one that raises ends it."""
    app = ctx.app
    for scope in (*ctx.request.blueprints, None):
        for function in reversed(app.teardown_request_funcs.get(scope, ())):
            app.ensure_sync(function)(exc)
    if request_tearing_down.receivers:
        request_tearing_down.send(app, _async_wrapper=app.ensure_sync, exc=exc)
