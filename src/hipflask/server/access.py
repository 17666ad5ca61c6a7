"""What a worker logs: a line a request, and what the application logs in the same form.

Written by `ops/logs.py`, through the application's own observers where it has them; another
framework's application is observed from outside.
"""

from __future__ import annotations

from typing import Any

from ..ops import logs
from ..ops.lines import Stream
from ..ops.observing import Observing
from ..ops.slow import report_slow_requests
from ..ops.traffic import count_requests
from .settings import Settings


def observe(app: Any, inner: Any, settings: Settings) -> Observing | None:
    """Set up what is logged, and return who is to be told of requests that are refused.

    `app` is what is served, `inner` the application in it.
    """
    is_ours = hasattr(inner, "_observing")
    chosen = inner.config.get("LOGS") if is_ours else None
    stream = Stream(settings.log_to)
    observing: Observing | None = None if is_ours else Observing(inner)
    if settings.logs and chosen != "off":
        logs.log_records(inner, None, stream, keeps_own=True)
        if is_ours:
            report_slow_requests(inner)
    if settings.access_log and chosen != "off":
        form = "text" if settings.log_text and chosen is None else None
        logs.log_requests(observing or inner, form, stream, query=settings.log_query)
    if settings.counts:
        count_requests(observing or inner)
    if is_ours:
        observing = inner._observing
    elif observing is not None and not observing.observers:
        return None
    if observing is not None:
        observing.held = {}
        if app is not inner and hasattr(app, "_observing"):
            app._observing = observing
    return observing
