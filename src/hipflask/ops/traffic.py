"""Requests by route: rate, errors and duration, in one histogram.

The name is OpenTelemetry's `http.server.request.duration` in Prometheus' form. Labels take few
values, whatever clients send: the rule of the route and never the path, methods that RFC 9110
and 5789 name, the status.
"""

from __future__ import annotations

from typing import Any

from .metrics import MOST_SERIES, OTHER, Observed, Registry, registry
from .observing import Observation, Observer, Observing, observe

NAME = "http_server_request_duration_seconds"
METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
#: The route of a request that no rule matched.
UNMATCHED = "_UNMATCHED"


def count_requests(app: Any, of: Registry = registry) -> None:
    """Count the requests of `app` from now on; `hipflask serve` does so where figures are asked
    for. `app` may be an `Observing` by itself. Twice is once."""
    observing = app if isinstance(app, Observing) else app._observing
    if observing is not None and any(isinstance(one, Traffic) for one in observing.observers):
        return
    if isinstance(app, Observing):
        app.add(Traffic(of))
    else:
        observe(app, Traffic(of))


class Traffic(Observer):
    """Counts requests that ended, in `registry`. From any thread."""

    needs_work = True

    def __init__(self, registry: Registry) -> None:
        self._duration = registry.histogram(
            NAME, "From the request's head to the end of its answer.", ["method", "route", "status"]
        )
        self._series: dict[tuple[str, str | None, int], Observed] = {}
        self._known: dict[tuple[str, Any, int], Observed] = {}
        active = registry.gauge(
            "http_server_active_requests", "Requests in work.", ["route"], across="sum"
        )
        active.ask_all(self._by_route)

    def _by_route(self) -> dict[tuple[str, ...], float]:
        # Routes that are asked now and then stay in sight, with 0.
        found: dict[tuple[str, ...], float] = {
            (route or UNMATCHED,): 0.0 for _, route, _ in list(self._series)
        }
        for seen in list(self.work):
            labels = (seen.route or UNMATCHED,)
            found[labels] = found.get(labels, 0.0) + 1.0
        return found

    def end(self, seen: Observation, token: Any) -> None:
        """Count a request."""
        # By the plan's route, which is at hand; its template would have to be asked for.
        ctx = seen.ctx
        key = seen.head.method, None if ctx is None else ctx.route, seen.status
        series = self._known.get(key)
        if series is None:
            if len(self._known) >= MOST_SERIES:
                self._known.clear()  # of plans that are no more, among others
            series = self._known[key] = self._add(key[0], seen.route, seen.status)
        series.observe(seen.duration_s)

    def _add(self, method: str, route: str | None, status: int) -> Observed:
        method = method if method in METHODS else OTHER
        found = self._series.get((method, route, status))
        if found is None:
            found = self._duration.series(method, route or UNMATCHED, str(status))
            self._series[method, route, status] = found
        return found
