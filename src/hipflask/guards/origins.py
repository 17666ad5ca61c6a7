"""Refuses writes that another site makes in a visitor's name (CSRF), without tokens.

Browsers say with each request that may write where it comes from: `Sec-Fetch-Site`
(w3.org/TR/fetch-metadata), before that `Origin` (RFC 6454). No page can change either. A
program that sends neither is no browser, and has no visitor's cookies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from werkzeug.exceptions import Forbidden

from ..ctx import RequestContext
from ..scaffold import SetupError
from .cors import Cors
from .fields import SAFE, Field, current, set_up
from .sites import checked_origins, is_own

F = TypeVar("F", bound=Callable[..., Any])

_SITE = Field("Sec-Fetch-Site")
_ORIGIN = Field("Origin")
_HOST = Field("Host")
_REFUSAL = "This request was made by a page of another site."


def guard_origins(app: Any) -> OriginGuard:
    """Put the guard before every view that takes other methods than GET, HEAD and OPTIONS.

    A request passes whose `Sec-Fetch-Site` is `same-origin` or `none`, or which has neither
    that nor `Origin`, or whose `Origin` is the own host, one of `TRUSTED_ORIGINS`, or one that
    `cors` names for that route. Others are answered 403; with `ORIGIN_GUARD` "warn" they are
    logged and let in. Views that others' pages may post to are marked `@takes_any_origin`, or
    named by endpoint in `ORIGIN_GUARD_EXEMPT` ("pay.callback", "pay.*").
    """
    guard = OriginGuard(app)
    known: OriginGuard = set_up(app, "origins", guard)
    if known is guard:
        app.before_request_funcs[None].insert(0, guard)
    return known


def takes_any_origin(view: F) -> F:
    """Mark a view that pages of other sites may post to: a payment's return, a SAML answer."""
    view.takes_any_origin = True  # type: ignore[attr-defined]
    return view


class OriginGuard:
    """What stands before the views; made by `guard_origins`."""

    #: For `sealing`: it never waits, and has no say about a route of safe methods.
    is_quick = True
    for_unsafe = True

    def __init__(self, app: Any) -> None:
        self._app = app
        self._settings: tuple[Any, ...] | None = None

    def __call__(self) -> None:
        """Raise 403 for a write that another site's page makes."""
        self.guard(current())

    def guard(self, ctx: RequestContext) -> None:
        """The same for a context."""
        if ctx.method in SAFE:
            return
        site = _SITE.of(ctx)
        if site == "same-origin" or site == "none":
            return
        origin = _ORIGIN.of(ctx)
        if site is None and (origin is None or is_own(origin, _HOST.of(ctx))):
            return
        trusted, exempt, warns = self._settings or self._read()
        if origin is not None and (origin in trusted or self._is_declared(ctx, origin)):
            return
        endpoint = ctx.request.endpoint
        if self._is_exempt(endpoint, exempt):
            return
        # `!a` escapes what would start a line of its own in a log.
        told = f"{ctx.method} to {endpoint!r} from {origin!a:.200} (Sec-Fetch-Site: {site!a:.40})"
        if warns:
            ctx.app.logger.warning("ORIGIN_GUARD would refuse: %s", told)
            return
        ctx.app.logger.info("refused a request of another site: %s", told)
        raise Forbidden(_REFUSAL)

    def _read(self) -> tuple[Any, ...]:
        config = self._app.config
        mode = config["ORIGIN_GUARD"]
        if mode not in ("refuse", "warn"):
            raise SetupError(f"ORIGIN_GUARD={mode!r}: it is 'refuse' or 'warn'.")
        trusted = checked_origins(config["TRUSTED_ORIGINS"], "TRUSTED_ORIGINS")
        self._settings = trusted, tuple(config["ORIGIN_GUARD_EXEMPT"]), mode == "warn"
        return self._settings

    def _is_exempt(self, endpoint: str | None, names: tuple[str, ...]) -> bool:
        if endpoint is None:
            return False
        view = self._app.view_functions.get(endpoint)
        if getattr(view, "takes_any_origin", False):
            return True
        return any(
            endpoint.startswith(name[:-1]) if name.endswith("*") else endpoint == name
            for name in names
        )

    def _is_declared(self, ctx: RequestContext, origin: str) -> bool:
        return any(isinstance(hook, Cors) and origin in hook.origins for hook in ctx.route.before)
