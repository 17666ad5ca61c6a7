"""How often one caller may call: 429, and fields that say so before.

    limit_rates(app, "600/minute")

    @app.post("/search")
    @rate_limit("20/minute")
    def search(): ...

The fields are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy:
"search";q=20;w=60` and `RateLimit: "search";r=7;t=31`, with Retry-After on a 429 (RFC 9110).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from functools import wraps
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from operator import attrgetter
from typing import Any, TypeVar

from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from ..bridge import in_pool, is_async
from ..ctx import RequestContext
from ..scaffold import SetupError
from .counters import MISSING, Counters, open_counters
from .fields import current, set_up

F = TypeVar("F", bound=Callable[..., Any])

#: Whom calls are counted for: "address", "identity", or what a function makes of the request.
By = str | Callable[[Any], str]

_Fields = tuple[tuple[str, str], ...]

_log = logging.getLogger("hipflask.guards")
_ceil = math.ceil
_LONGEST_KEY = 80
# Of a store that cannot be reached so much is said, and not more.
_TOLD_EVERY_S = 60.0


class _TooMany(TooManyRequests):
    description = "Too many requests: wait before you send more."

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        super().__init__()
        self.fields = fields

    def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
        """The fields of the answer, with those that say how many there may be."""
        return [*super().get_headers(environ, scope), *self.fields]


class Rate:
    """Some calls in some time, for whom they are counted, and what happens without a store."""

    def __init__(self, text: str, by: By = "address", name: str = "", failing: str = "") -> None:
        self.text = text
        self.amount, self.window_s = _parse(text)
        self.by = by
        self.name = name
        self.failing = failing
        if not callable(by) and by not in ("address", "identity"):
            raise SetupError(f"by={by!r} is neither 'address', 'identity' nor a function.")
        if failing not in ("", "allow", "refuse"):
            raise SetupError(f"on_store_failure={failing!r} is neither 'allow' nor 'refuse'.")
        if not name.isascii() or not name.isprintable() or '"' in name or "\\" in name:
            raise SetupError(f"name={name!r}: it stands in a header field; use plain letters.")
        self._texts: dict[str, tuple[str, str, tuple[str, str]]] = {}
        self._ending = 0, ""
        # Usually the address, and nothing to be asked.
        self._is_own = callable(by) or by == "identity"

    def texts(self, name: str) -> tuple[str, str, tuple[str, str]]:
        """What a view's counters begin with, its name in a field, and its RateLimit-Policy."""
        is_plain = name.isascii() and name.isprintable() and '"' not in name
        shown = f'"{name if is_plain else "route"}"'
        policy = "RateLimit-Policy", f"{shown};q={self.amount};w={self.window_s}"
        found = f"{name[:64]}:{self.amount}/{self.window_s}:", shown, policy
        self._texts[name] = found
        return found

    def whom(self, ctx: RequestContext) -> str:
        """Whom this call is counted for."""
        if not self._is_own:
            text = client_of(ctx)
        elif callable(self.by):
            text = str(self.by(ctx.request))
        else:
            identity = getattr(ctx, "_identity", None)
            text = client_of(ctx) if identity is None else f"{identity.via}:{identity.name}"
        if len(text) <= _LONGEST_KEY and text.isascii():
            return text
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=20).hexdigest()


def client_of(ctx: RequestContext) -> str:
    """The client's address; of IPv6 its network of 64 bits, which one customer has at least."""
    exchange = ctx._exchange
    address = (ctx._environ.get("REMOTE_ADDR") if exchange is None else exchange.remote_addr) or ""
    if ":" not in address:
        return address or "unix"
    try:
        found: Any = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = found.ipv4_mapped
    return str(mapped) if mapped else str(ip_network((int(found) >> 64 << 64, 64)))


def rate_limit(
    rate: str, *, by: By = "address", name: str = "", on_store_failure: str = ""
) -> Callable[[F], F]:
    """Decorate a view (under its route) that one caller may call so often: "20/minute".

    `by` is whom calls are counted for: "address", the client's as `trust_proxies` has it;
    "identity", who was let in, else the address; or a function of the request. Views with one
    `name` share a count. `on_store_failure` is "allow" or "refuse" (503, for a login), else
    what `RATE_LIMIT_ON_STORE_FAILURE` says. Plain and async views, typed ones too. Raises
    SetupError for a rate that is none.
    """
    made = Rate(rate, by, name, on_store_failure)

    def decorate(view: F) -> F:
        if is_async(view):

            @wraps(view)
            async def limited_async(*args: Any, **kwargs: Any) -> Any:
                ctx = current()
                rates = rates_of(ctx.app)
                if rates.counters.is_quick:
                    fields = rates.count(ctx, made)
                else:
                    fields = await in_pool(rates.count, ctx, made)
                _tell_later(ctx, fields)
                return await view(*args, **kwargs)

            return limited_async  # type: ignore[return-value]

        @wraps(view)
        def limited(*args: Any, **kwargs: Any) -> Any:
            ctx = current()
            _tell_later(ctx, rates_of(ctx.app).count(ctx, made))
            return view(*args, **kwargs)

        return limited  # type: ignore[return-value]

    return decorate


def limit_rates(app: Any, rate: str | None = None, *, by: By = "address") -> None:
    """Limit all requests of one caller to the application: `rate`, else `RATE_LIMIT`.

    Static files count, too. Without either nothing is limited. To be called once, after the
    configuration is loaded.
    """
    chosen = rate or app.config["RATE_LIMIT"]
    if chosen is None:
        return
    hook = _Default(rates_of(app), Rate(chosen, by, "all"))
    if set_up(app, "default rate", hook) is hook:
        app.before_request_funcs[None].insert(0, hook)
        app.after_request_funcs[None].append(_tell_default)


class _Default:
    def __init__(self, rates: Rates, rate: Rate) -> None:
        self._rates = rates
        self._rate = rate
        self.is_quick = rates.counters.is_quick

    def __call__(self) -> None:
        self.guard(current())

    def guard(self, ctx: RequestContext) -> None:
        ctx.fields = self._rates.count(ctx, self._rate)


def _tell_default(response: Any) -> Any:
    response.headers._list.extend(current().fields)
    return response


_tell_default.is_quick = True  # type: ignore[attr-defined]  # for `sealing`: it never waits
_tell_default.adds = attrgetter("fields")  # type: ignore[attr-defined]  # and is all it does


def _tell_later(ctx: RequestContext, fields: _Fields) -> None:
    if fields:
        ctx._after_request_functions += (_Tell(fields),)
        ctx.is_processed = True


class Rates:
    """An application's limits: where they count, and what happens when they cannot."""

    def __init__(self, counters: Counters, failing: str) -> None:
        self.counters = counters
        self._failing = failing
        self._told = -math.inf

    def count(self, ctx: RequestContext, rate: Rate) -> _Fields:
        """Count a call; returns the fields that tell of it, none where it was not counted.

        Raises 429 past the rate, 503 where the store fails and that is meant.
        """
        name = rate.name or str(ctx.request.endpoint)
        prefix, shown, policy = rate._texts.get(name) or rate.texts(name)
        try:
            number, left_s = self.counters.hit(prefix + rate.whom(ctx), rate.window_s)
        except Exception as error:
            self._tell(error)
            if (rate.failing or self._failing) == "refuse":
                raise ServiceUnavailable(retry_after=5) from error
            return ()
        wait_s = _ceil(left_s) or 1
        left = rate.amount - number
        if left < 0:
            limit = "RateLimit", f"{shown};r=0;t={wait_s}"
            raise _TooMany([policy, limit, ("Retry-After", str(wait_s))])
        # In words once a second, where all have the same window.
        known, ending = rate._ending
        if wait_s != known:
            ending = f";t={wait_s}"
            rate._ending = wait_s, ending
        return policy, ("RateLimit", f"{shown};r={left}{ending}")

    def _tell(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._told > _TOLD_EVERY_S:
            self._told = now
            _log.error("rate limits cannot be counted: %s: %s", type(error).__name__, error)


class _Tell:
    is_quick = True

    def __init__(self, fields: _Fields) -> None:
        self._fields = fields

    def __call__(self, response: Any) -> Any:
        response.headers._list.extend(self._fields)
        return response


def rates_of(app: Any) -> Rates:
    """The application's limits, made at first use from `RATE_LIMIT_STORE`."""
    known = app.extensions.get("hipflask.guards", {}).get("rates")
    if known is None:
        failing = app.config["RATE_LIMIT_ON_STORE_FAILURE"]
        if failing not in ("allow", "refuse"):
            raise SetupError(
                f"RATE_LIMIT_ON_STORE_FAILURE={failing!r} is neither 'allow' nor 'refuse'."
            )
        store: Any = app.config["RATE_LIMIT_STORE"]
        counters = open_counters(store) if isinstance(store, str) else store
        known = set_up(app, "rates", Rates(counters, failing))
    return known  # type: ignore[no-any-return]


def _parse(text: str) -> tuple[int, int]:
    try:
        from limits import parse_many  # optional
    except ImportError:
        raise SetupError(MISSING) from None
    found: list[Any]
    try:
        found = parse_many(text)
    except ValueError:
        found = []
    if len(found) != 1 or found[0].amount < 1:
        raise SetupError(
            f"{text!r} is no rate: write '20/minute', '5 per 10 seconds' or '1000/day'."
        )
    return found[0].amount, found[0].get_expiry()
