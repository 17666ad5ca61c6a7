"""The answer while the store is away, put in the place of one that was made already."""

from __future__ import annotations

from typing import Any

from werkzeug.exceptions import ServiceUnavailable

from ..globals import _cv_request


def refuse_for_now(response: Any, text: str, retry_s: int) -> None:
    """Make of `response` a 503 with Retry-After, in the form that the route answers errors in."""
    close = getattr(response.response, "close", None)
    if close is not None:
        close()
    error: Any = ServiceUnavailable(text, retry_after=retry_s)
    ctx = _cv_request.get(None)
    if getattr(getattr(ctx, "route", None), "problem", None) is not None:
        from ..api.problems import Problem  # there is a typed view, so it is loaded

        error = Problem(503, text, headers={"Retry-After": str(retry_s)})
    response.direct_passthrough = False
    response.headers.clear()
    response.status_code = 503
    response.set_data(error.get_body())
    for name, value in error.get_headers():
        response.headers[name] = value
