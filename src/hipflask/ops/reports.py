"""Exceptions that nobody handled, reported with their request.

Each is logged once by the application (`Flask.log_exception`), and `lines.py` adds the request
to that line. Here it is also handed to whoever wants it, such as Sentry:

    from hipflask.ops.reports import report_errors, to_sentry

    report_errors(app, to_sentry())
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..scaffold import SetupError
from .observing import Observation, Observer, observe
from .redacting import shown_fields


@dataclass(frozen=True)
class About:
    """The request that failed, without its secrets: nothing of its body, cookies or query."""

    request_id: str
    trace_id: str
    method: str
    #: The route's template and the endpoint; None where no route was matched.
    route: str | None
    endpoint: str | None
    #: The name of the identity that called; None where it is not known.
    user: str | None
    status: int
    headers: dict[str, str]


Report = Callable[[BaseException, About], Any]


def report_errors(app: Any, report: Report) -> None:
    """Have `report(error, about)` called after each request of `app` that an exception ended.

    On the event loop under ASGI and RSGI: it must not wait. What it raises is logged.
    """
    observe(app, ErrorReports(report))


class ErrorReports(Observer):
    """Hands exceptions on that became a 500, or cut a response off."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def end(self, seen: Observation, token: Any) -> None:
        """Report what ended the request, if that was an exception."""
        error = seen.error
        # A task that was cancelled did not fail.
        if isinstance(error, Exception):
            self._report(error, about(seen))


def about(seen: Observation) -> About:
    """What a report may say of a request."""
    return About(
        request_id=seen.request_id,
        trace_id=seen.trace.trace_id,
        method=seen.method[:32],
        route=seen.route,
        endpoint=seen.endpoint,
        user=seen.user,
        status=seen.status,
        headers=shown_fields(seen.head),
    )


def to_sentry() -> Report:
    """What reports to Sentry, by the client that `sentry_sdk.init` has set up.

    Where Sentry's own middleware or Flask integration reports the same exception, Sentry keeps
    one of both. Raises SetupError without the library.
    """
    try:
        import sentry_sdk
        from sentry_sdk.utils import event_from_exception
    except ImportError:
        raise SetupError(
            "to_sentry() reports through Sentry's client, which is not installed:"
            " pip install 'hipflask[sentry]'."
        ) from None

    def report(error: BaseException, about: About) -> None:
        client = sentry_sdk.get_client()
        event, hint = event_from_exception(
            error,
            client_options=client.options,
            mechanism={"type": "hipflask", "handled": False},
        )
        event["transaction"] = about.route or about.method
        event["request"] = {"method": about.method, "headers": about.headers}
        with sentry_sdk.new_scope() as scope:
            scope.set_tag("request_id", about.request_id)
            scope.set_tag("trace_id", about.trace_id)
            scope.set_tag("endpoint", about.endpoint)
            if about.user is not None:
                scope.set_user({"id": about.user})
            sentry_sdk.capture_event(event, hint=hint)

    return report
