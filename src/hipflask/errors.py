"""What becomes of an exception: the handler for it, its page, or a 500.

In Flask's order: an HTTP exception goes to the handler for its code or class, else is the
answer itself; another exception goes to the handler for its class, else is logged and
becomes a 500, for which a handler may answer again. A request without an error does not
come here.
"""

from __future__ import annotations

import sys
from typing import Any

from werkzeug.exceptions import (
    BadRequestKeyError,
    HTTPException,
    InternalServerError,
    default_exceptions,
)
from werkzeug.routing import RequestRedirect, RoutingException

from . import typing as ft
from .ctx import RequestContext
from .signals import got_request_exception

_new = object.__new__


def response_of(error: HTTPException, ctx: RequestContext, response_class: Any) -> Any:
    """The response an HTTP exception stands for, as `force_type` would have made it."""
    if ctx.plan.bare is not None and error.__dict__ == _UNCHANGED:
        page = _pages.get(type(error)) or _keep_page(error)
        if page is not None:
            response = _new(ctx.plan.bare)
            body, response._status, response._status_code, response._own_type = page
            response.response = [body]
            return response
    response = error.get_response(ctx.request.environ)
    if not isinstance(response, response_class):
        response = response_class.force_type(response, ctx.request.environ)
    return response


# What an HTTP exception holds that was raised with nothing but its class. Its page then
# depends on the class alone, and is made once: a 404 costs a fifth (make bench).
_UNCHANGED = {"response": None}
_pages: dict[type[HTTPException], tuple[bytes, str, int, str]] = {}


def _keep_page(error: HTTPException) -> tuple[bytes, str, int, str] | None:
    """The body, status line, code and content type of the exception's page.

    None for a class that is not Werkzeug's own, as it may make a page of its own.
    """
    kind = type(error)
    if kind is not default_exceptions.get(error.code or 0):
        return None
    made = error.get_response()
    page = made.get_data(), made.status, made.status_code, str(made.content_type)
    _pages[kind] = page
    return page


def _handler_of(ctx: RequestContext, error: Exception) -> Any:
    """The handler registered for the exception, or None."""
    app = ctx.app
    if not (app.error_handler_spec or (ctx.plan or app.sealed).searches_handlers):
        return None
    return app._find_error_handler(error, ctx.request.blueprints)


def on_user_error(ctx: RequestContext, error: Exception) -> Any:
    """The answer of the handler registered for `error`; raises it again if there is none."""
    app = ctx.app
    traps = ctx.plan.traps_errors
    if (
        traps
        and isinstance(error, BadRequestKeyError)
        and (app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"])
    ):
        error.show_exception = True
    if isinstance(error, HTTPException) and not (traps and app.trap_http_exception(error)):
        return ctx.plan.on_http_error(ctx, error)
    handler = _handler_of(ctx, error)
    if handler is None:
        try:
            raise error
        finally:
            del error  # no cycle of exception, traceback and frame for the collector
    return app.ensure_sync(handler)(error)


async def on_user_error_async(ctx: RequestContext, error: Exception) -> Any:
    """`on_user_error` on the event loop."""
    app = ctx.app
    traps = ctx.plan.traps_errors
    if (
        traps
        and isinstance(error, BadRequestKeyError)
        and (app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"])
    ):
        error.show_exception = True
    if isinstance(error, HTTPException) and not (traps and app.trap_http_exception(error)):
        return await ctx.plan.on_http_error_async(ctx, error)
    handler = _handler_of(ctx, error)
    if handler is None:
        try:
            raise error
        finally:
            del error  # no cycle of exception, traceback and frame for the collector
    return await app.ensure_async(handler)(error)


def as_problem(ctx: RequestContext, error: HTTPException) -> Any:
    """What a typed view answers with for an exception nobody handles; elsewhere the exception."""
    problem = None if ctx.route is None else ctx.route.problem
    return error if problem is None else problem(ctx, error)


def on_http_error(ctx: RequestContext, error: HTTPException) -> Any:
    """The answer of the handler registered for `error`, or the exception itself as the answer."""
    # An exception without a code stands for a response; redirects of the router are no errors.
    if error.code is None or isinstance(error, RoutingException):
        return error
    handler = _handler_of(ctx, error)
    return as_problem(ctx, error) if handler is None else ctx.app.ensure_sync(handler)(error)


async def on_http_error_async(ctx: RequestContext, error: HTTPException) -> Any:
    """`on_http_error` on the event loop."""
    # An exception without a code stands for a response; redirects of the router are no errors.
    if error.code is None or isinstance(error, RoutingException):
        return error
    handler = _handler_of(ctx, error)
    return as_problem(ctx, error) if handler is None else await ctx.app.ensure_async(handler)(error)


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
    handler = _handler_of(ctx, answer)
    answer = as_problem(ctx, answer) if handler is None else app.ensure_sync(handler)(answer)
    return (ctx.plan or app.sealed).finish(ctx, answer, True)


async def on_error_async(ctx: RequestContext, error: Exception) -> Any:
    """`on_error` on the event loop."""
    app = ctx.app
    exc_info: Any = sys.exc_info()
    if exc_info[1] is not error:
        exc_info = (type(error), error, error.__traceback__)
    if got_request_exception.receivers:
        await got_request_exception.send_async(app, _sync_wrapper=app.ensure_async, exception=error)
    propagate = app.config["PROPAGATE_EXCEPTIONS"]
    if propagate is None:
        propagate = app.testing or app.debug
    if propagate:
        raise error
    app.log_exception(exc_info)
    answer: Any = InternalServerError(original_exception=error)
    handler = _handler_of(ctx, answer)
    answer = as_problem(ctx, answer) if handler is None else await app.ensure_async(handler)(answer)
    return await (ctx.plan or app.sealed).finish_async(ctx, answer, True)


def raise_routing_exception(app: ft.Application, request: Any) -> Any:
    """Raise what matching found, in debug mode explained where a redirect would lose a form."""
    error = request.routing_exception
    if (
        isinstance(error, RequestRedirect)
        and app.debug
        and error.code not in (307, 308)
        and request.method not in ("GET", "HEAD", "OPTIONS")
    ):
        from .debughelpers import FormDataRoutingRedirect  # debug mode only

        raise FormDataRoutingRedirect(request)
    raise error
