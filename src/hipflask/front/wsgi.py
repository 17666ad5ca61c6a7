"""WSGI (PEP 3333): environ to request, response to `start_response`."""

from __future__ import annotations

import sys

from ..globals import _cv_app, _cv_request
from ..typing import Application, Environ, StartResponse, WSGIBody


def bell(self: Application, environ: Environ, start_response: StartResponse) -> WSGIBody:
    """Answer a WSGI server; this is `Flask.__call__`.

    Middleware goes around `wsgi_app`, so that the application stays what servers call.
    """
    body: WSGIBody = self.wsgi_app(environ, start_response)
    return body


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
