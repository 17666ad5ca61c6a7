"""Reading a request's fields where a guard stands: nothing else of the request is made for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from ..ctx import RequestContext
from ..globals import _cv_current, _no_req_msg
from ..scaffold import SetupError

F = TypeVar("F", bound=Callable[..., Any])

SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


def current() -> RequestContext:
    """The context of the request being handled; RuntimeError without one."""
    current = _cv_current.get()
    ctx: RequestContext | None = None if current is None else current.request_ctx
    if ctx is None:
        raise RuntimeError(_no_req_msg)
    return ctx


class Unsafe(SetupError):
    """A setup that would work, and must not: `hipflask serve` ends with 78 for it."""

    exit_code = 78


class Field:
    """A header field by its name, read from an environ or from a door's exchange.

    Of a field that was sent twice WSGI servers join the values with a comma; the other doors
    give the first.
    """

    __slots__ = ("_key", "_name")

    def __init__(self, name: str) -> None:
        self._name = name.lower()
        self._key = "HTTP_" + name.upper().replace("-", "_")

    def of(self, ctx: RequestContext) -> str | None:
        """Its value, None without it."""
        exchange = ctx._exchange
        if exchange is None:
            return ctx._environ.get(self._key)  # type: ignore[no-any-return]
        return exchange.header(self._name)  # type: ignore[no-any-return]


def scheme_of(ctx: RequestContext) -> str:
    """ "https" or "http", as the server has it, or the proxy that `trust_proxies` believes."""
    exchange = ctx._exchange
    if exchange is None:
        return ctx._environ.get("wsgi.url_scheme", "http")  # type: ignore[no-any-return]
    return exchange.scheme  # type: ignore[no-any-return]


def address_of(ctx: RequestContext) -> str | None:
    """The address of the client; None for a unix socket."""
    exchange = ctx._exchange
    if exchange is None:
        return ctx._environ.get("REMOTE_ADDR")  # type: ignore[no-any-return]
    return exchange.remote_addr  # type: ignore[no-any-return]


def path_of(ctx: RequestContext) -> str:
    """The path as it was matched."""
    exchange = ctx._exchange
    if exchange is None:
        return ctx._environ.get("PATH_INFO", "")  # type: ignore[no-any-return]
    return exchange.path  # type: ignore[no-any-return]


def is_guarded(app: Any, key: str) -> bool:
    """Whether a guard of that kind stands before the application."""
    return key in app.extensions.get("hipflask.guards", ())


def set_up(app: Any, key: str, guard: Any) -> Any:
    """Keep an application's one guard of a kind; the one that is there already, if there is one."""
    return app.extensions.setdefault("hipflask.guards", {}).setdefault(key, guard)


def before_view(view: F, hook: Callable[[], Any]) -> F:
    """Have `hook` called before this one view, after the hooks of application and blueprints."""
    known: tuple[Any, ...] = getattr(view, "before_view", ())
    view.before_view = (*known, hook)  # type: ignore[attr-defined]
    return view
