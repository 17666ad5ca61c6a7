"""WSGI (PEP 3333): environ to request, response to `start_response`."""

from __future__ import annotations

import sys
from functools import update_wrapper
from inspect import CO_COROUTINE
from typing import Any

from .. import typing as ft
from ..ctx import request_context
from ..globals import _cv_app, _cv_request
from ..responses import SEEN, _length_field, _length_fields


def bell(self: ft.Application, environ: Any, start_response: Any = None, send: Any = None) -> Any:
    """Answer a server; this is `Flask.__call__`.

    Two arguments ring for WSGI: environ and start_response. Three ring for ASGI: scope,
    receive and send; what is returned then is to be awaited. Middleware goes around
    `wsgi_app`, so that the application stays what servers call.
    """
    if send is not None:
        plan = self._cell.plan
        if plan is None or (ring := plan.asgi) is None:
            return self.asgi(environ, start_response, send)
        # What it would await, without a coroutine around it.
        return ring(self, environ, start_response, send)
    if start_response is None:
        raise TypeError(
            "An application is called with (environ, start_response) by a WSGI server or with"
            " (scope, receive, send) by an ASGI server, and was called with one argument. A"
            " server that takes it for ASGI 2 is given 'module:app.asgi' instead of 'module:app'."
        )
    return self.wsgi_app(environ, start_response)


def wsgi_app(
    self: ft.Application, environ: ft.Environ, start_response: ft.StartResponse
) -> ft.WSGIBody:
    """Answer one WSGI request; this is `Flask.wsgi_app`.

    Called on the server's thread, which has the request's context until it returns.
    """
    plan = self._cell.plan
    seen: Any = None
    if plan is None or plan.is_watched:
        if (observing := self._observing) is not None:
            seen = environ.pop(SEEN, None)
            if seen is None or seen.observing is not observing:
                return observing.answer(environ, start_response)  # type: ignore[no-any-return]
        ctx = self.request_context(environ)
        if seen is not None:
            ctx.seen = seen
            seen.ctx = ctx
    else:
        ctx = request_context(self, environ)
    error: BaseException | None = None
    try:
        try:
            ctx.push()
            respond = ctx.plan.respond
            response = respond(ctx)
        except Exception as caught:
            error = caught
            if ctx.plan is None:
                raise  # it cannot be sealed, which is told once
            response = self.sealed.on_error(ctx, caught)
        except BaseException:
            error = sys.exc_info()[1]
            raise
        if seen is not None:
            start_response = seen.told(response, start_response)
        if response.__class__ is tuple:
            field, piece = response
            length = len(piece)
            known = _length_fields.get(length) or _length_field(length)
            start_response("200 OK", [field, known])
            return [piece] if environ["REQUEST_METHOD"] != "HEAD" else []
        # Called by name, which costs a third of what calling the object does.
        body: ft.WSGIBody = response.__call__(environ, start_response)
        return body
    finally:
        if "werkzeug.debug.preserve_context" in environ:
            _keep_contexts(environ)
        if error is not None and self.should_ignore_error(error):
            error = None
        try:
            ctx.pop(error)
        finally:
            del error  # its traceback keeps this frame


def _keep_contexts(environ: ft.Environ) -> None:
    """Hand the contexts to the test client or the debugger, who look at them afterwards."""
    keep = environ["werkzeug.debug.preserve_context"]
    contexts = (_cv_app.get(None), _cv_request.get(None))
    for ctx in dict.fromkeys(contexts):
        keep(ctx)


def is_bell(function: Any) -> bool:
    """Whether it answers WSGI and ASGI servers. What `functools.wraps` made of one does not."""
    return getattr(function, "_bell", None) is function


def bell_around(replacement: Any) -> Any:
    """What `Flask.__call__` becomes where somebody replaces it by a function for WSGI.

    Instrumentation does, Sentry's for one, and an ASGI server rings with three arguments. Those
    are answered as ever, and the replacement is called on the way: see `chain.py`. A coroutine
    function, which was written for ASGI, stays as it is.
    """
    code = getattr(replacement, "__code__", None)
    if is_bell(replacement) or (code is not None and code.co_flags & CO_COROUTINE):
        return replacement

    def ring(
        self: ft.Application, environ: Any, start_response: Any = None, send: Any = None
    ) -> Any:
        if send is not None:
            return self.asgi(environ, start_response, send)
        bind = getattr(replacement, "__get__", None)
        call = replacement if bind is None else bind(self, type(self))
        return call(environ, start_response)

    # A mark on the replacement, for inspection or as a bell, says nothing about this one.
    update_wrapper(ring, replacement, updated=())
    ring._bell = ring  # type: ignore[attr-defined]
    mark_bell(ring)
    return ring


def mark_bell(ring: Any) -> None:
    """Let servers that ask `iscoroutinefunction` of a bell take it for ASGI 3.

    Called when an application is made, too: before Python 3.12 the mark is asyncio's own
    object, and who asks for it has imported asyncio by then. A WSGI server does not ask.
    """
    if not is_bell(ring):
        return
    if sys.version_info >= (3, 12):
        import inspect

        inspect.markcoroutinefunction(ring)
    elif (asyncio := sys.modules.get("asyncio.coroutines")) is not None:
        ring._is_coroutine = asyncio._is_coroutine


bell._bell = bell  # type: ignore[attr-defined]
