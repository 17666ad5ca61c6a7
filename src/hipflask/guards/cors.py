"""Which other sites' scripts may read answers: CORS (fetch.spec.whatwg.org, 3.3), declared.

cors(api, origins=["https://shop.example"], credentials=True)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..scaffold import SetupError
from .fields import Field, Unsafe, current
from .sites import checked_origins

#: Seconds that browsers keep what a preflight told them.
KEPT_S = 600

_ORIGIN = Field("Origin")
_WANTED = Field("Access-Control-Request-Method")


def cors(
    scope: Any,
    *,
    origins: Iterable[str],
    methods: Iterable[str] | None = None,
    headers: Iterable[str] = ("Content-Type", "Authorization"),
    expose: Iterable[str] = (),
    credentials: bool = False,
    max_age_s: int = KEPT_S,
) -> Cors:
    """Let scripts of these origins call the routes of an application or a blueprint.

    `origins` are exact, as ("https://shop.example",); nothing that a request sends is ever
    sent back unless it is among them. `("*",)` lets everybody read, and not with `credentials`,
    which are cookies and Authorization. `methods` are the URL's own unless given, `headers` are
    those that may be sent beyond the plain ones, `expose` those of the answer that may be read.
    Preflights are answered before any identity is asked for. Raises SetupError.
    """
    given = [origins] if isinstance(origins, str) else list(origins)
    if given == ["*"]:
        if credentials:
            raise Unsafe(
                "cors(origins=['*'], credentials=True): every site there is could act as the"
                " visitor. Name the origins, or leave out credentials."
            )
        allowed = frozenset[str]()
    else:
        allowed = checked_origins(given, "cors(origins=...)")
        if not allowed:
            raise SetupError("cors(origins=[]): name the origins that may call.")
    made = Cors(allowed, methods, headers, expose, credentials, max_age_s)
    scope.before_request(made)
    scope.after_request(made.finish)
    return made


class Cors:
    """What `cors` puts around the routes."""

    is_quick = True

    def __init__(
        self,
        origins: frozenset[str],
        methods: Iterable[str] | None,
        headers: Iterable[str],
        expose: Iterable[str],
        credentials: bool,
        max_age_s: int,
    ) -> None:
        #: Those that may call; empty where everybody may.
        self.origins = origins
        self._methods = None if methods is None else ", ".join(m.upper() for m in methods)
        self._told = [("Access-Control-Allow-Credentials", "true")] if credentials else []
        self._preflight = [*self._told, ("Access-Control-Max-Age", str(int(max_age_s)))]
        if wanted := ", ".join(headers):
            self._preflight.append(("Access-Control-Allow-Headers", wanted))
        if shown := ", ".join(expose):
            self._told.append(("Access-Control-Expose-Headers", shown))
        self.finish = _Finish(self)

    def __call__(self) -> Any:
        """Answer a preflight; None for any other request."""
        ctx = current()
        if ctx.method != "OPTIONS" or _WANTED.of(ctx) is None or _ORIGIN.of(ctx) is None:
            return None
        response = ctx.app.response_class(status=204)
        response.headers["Vary"] = "Access-Control-Request-Method, Access-Control-Request-Headers"
        if self.allowed(_ORIGIN.of(ctx)) is not None:
            methods = self._methods or ", ".join(sorted(ctx.url_adapter.allowed_methods()))
            response.headers["Access-Control-Allow-Methods"] = methods
            for name, value in self._preflight:
                response.headers[name] = value
        return response

    def allowed(self, origin: str | None) -> str | None:
        """The value of Access-Control-Allow-Origin for an Origin; None for no such field."""
        if not self.origins:
            return "*"
        return origin if origin in self.origins else None

    def tell(self, response: Any) -> None:
        """Set the fields of an answer, unless the view has set its own."""
        headers = response.headers
        if "Access-Control-Allow-Origin" in headers:
            return
        if self.origins:
            # Without it a cache would give one site's answer to another.
            response.vary.add("Origin")
        allowed = self.allowed(_ORIGIN.of(current()))
        if allowed is not None:
            headers["Access-Control-Allow-Origin"] = allowed
            for name, value in self._told:
                headers[name] = value


class _Finish:
    is_quick = True

    def __init__(self, guard: Cors) -> None:
        self._guard = guard

    def __call__(self, response: Any) -> Any:
        self._guard.tell(response)
        return response
