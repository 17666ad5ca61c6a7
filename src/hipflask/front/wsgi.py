"""WSGI (PEP 3333): environ to request, response to `start_response`."""

from __future__ import annotations

import sys
from typing import Any

from ..globals import _cv_app, _cv_request
from ..typing import Application, Environ, StartResponse, WSGIBody


def bell(self: Application, environ: Any, start_response: Any = None, send: Any = None) -> Any:
    """Answer a server; this is `Flask.__call__`.

    Two arguments ring for WSGI: environ and start_response. Three ring for ASGI: scope,
    receive and send; what is returned then is to be awaited. Middleware goes around
    `wsgi_app`, so that the application stays what servers call.
    """
    if send is not None:
        return self.asgi(environ, start_response, send)
    if start_response is None:
        raise TypeError(
            "An application is called with (environ, start_response) by a WSGI server or with"
            " (scope, receive, send) by an ASGI server, and was called with one argument. A"
            " server that takes it for ASGI 2 is given 'module:app.asgi' instead of 'module:app'."
        )
    return self.wsgi_app(environ, start_response)


def wsgi_app(self: Application, environ: Environ, start_response: StartResponse) -> WSGIBody:
    """Answer one WSGI request; this is `Flask.wsgi_app`.

    Called on the server's thread, which has the request's context until it returns.
    """
    ctx = self.request_context(environ)
    error: BaseException | None = None
    try:
        try:
            ctx.push()
            response = ctx.plan.respond(ctx)
        except Exception as caught:
            error = caught
            response = self.sealed.on_error(ctx, caught)
        except BaseException:
            error = sys.exc_info()[1]
            raise
        body: WSGIBody = response(environ, start_response)
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


def _keep_contexts(environ: Environ) -> None:
    """Hand the contexts to the test client or the debugger, who look at them afterwards."""
    keep = environ["werkzeug.debug.preserve_context"]
    contexts = (_cv_app.get(None), _cv_request.get(None))
    for ctx in dict.fromkeys(contexts):
        keep(ctx)


def mark_bell() -> None:
    """Let servers that ask `iscoroutinefunction` of `Flask.__call__` take it for ASGI 3.

    Called when an application is made: before Python 3.12 the mark is asyncio's own object,
    and who asks for it has imported asyncio by then. A WSGI server does not ask.
    """
    if sys.version_info >= (3, 12):
        import inspect

        inspect.markcoroutinefunction(bell)
    elif (asyncio := sys.modules.get("asyncio.coroutines")) is not None:
        bell._is_coroutine = asyncio._is_coroutine  # type: ignore[attr-defined]
