"""Fields of every answer that tell browsers what a page of ours may do: CSP, HSTS and the like.

All of them are worked out once. A page that asks for a nonce gets a policy of its own.
"""

from __future__ import annotations

import secrets
from typing import Any

from ..ctx import RequestContext
from ..responses import Plain, with_fields
from .fields import current, scheme_of, set_up

_POLICY = "Content-Security-Policy"
_NONCE = "{nonce}"
_Pairs = tuple[tuple[str, str], ...]
#: Fields, and their names in lower case.
_Made = tuple[_Pairs, frozenset[str]]


def secure_headers(app: Any) -> Headers:
    """Send the fields with each answer of the application, errors and static files included.

    What a view has set stays. The values are those of the configuration
    (`CONTENT_SECURITY_POLICY`, `HSTS_SECONDS`, ...) at the first request; None leaves a field
    out. Strict-Transport-Security is sent over HTTPS only. In templates `csp_nonce()` gives
    the nonce for `<script nonce="...">`.
    """
    made = Headers(app)
    known: Headers = set_up(app, "headers", made)
    if known is made:
        # The first in the list runs last, so it sees what others have set.
        app.after_request_funcs[None].insert(0, made)
        app.template_context_processors[None].append(_names)
        app.extensions["hipflask.always"] = made
    return known


def csp_nonce() -> str:
    """The nonce of this answer, made at its first use, 128 bits; for `<script nonce=...>`.

    The answer's Content-Security-Policy then lets scripts and styles with it run. Raises
    RuntimeError outside a request.
    """
    ctx: Any = current()
    nonce: str | None = getattr(ctx, "csp_nonce", None)
    if nonce is None:
        nonce = ctx.csp_nonce = secrets.token_urlsafe(16)
        ctx.is_processed = True
    return nonce


def _names() -> dict[str, Any]:
    return {"csp_nonce": csp_nonce}


class Headers:
    """What goes through each answer; made by `secure_headers`."""

    is_quick = True

    def __init__(self, app: Any) -> None:
        self._app = app
        self._made: dict[tuple[bool, bool], _Made] | None = None
        self._with_nonce = ("", "")
        self._plain: dict[str, type[Plain]] = {}

    #: For `dispatch.plain_adding`: the fields are those of `kind`.
    adds = None

    def kind(self, ctx: RequestContext) -> type[Plain]:
        """The class of plain answers that have the fields."""
        exchange = ctx._exchange
        if exchange is None:
            scheme = ctx._environ.get("wsgi.url_scheme", "http")
        else:
            scheme = exchange.scheme
        return self._plain.get(scheme) or self._make_kind(scheme)

    def _make_kind(self, scheme: str) -> type[Plain]:
        fields, _ = (self._made or self._make())[scheme == "https", False]
        kind = self._plain[scheme] = with_fields(fields)
        return kind

    def __call__(self, response: Any) -> Any:
        """Add the fields that the answer does not have."""
        ctx = current()
        made = self._made or self._make()
        fields, names = made[scheme_of(ctx) == "https", response.status_code >= 400]
        nonce = getattr(ctx, "csp_nonce", None)
        if nonce is not None:
            fields = self._noncing(fields, nonce)
        present = response.headers._list
        for name, _ in present:
            if name.lower() in names:
                known = {name.lower() for name, _ in present}
                present.extend(field for field in fields if field[0].lower() not in known)
                return response
        present.extend(fields)
        return response

    def _noncing(self, fields: _Pairs, nonce: str) -> _Pairs:
        name, policy = self._with_nonce
        own = (name, policy.replace(_NONCE, nonce))
        return tuple(own if field[0] == name else field for field in fields)

    def _make(self) -> dict[tuple[bool, bool], _Made]:
        config = self._app.config
        fields = [("X-Content-Type-Options", "nosniff")]
        for key, field in _FIELDS:
            if config[key]:
                fields.append((field, config[key]))
        policy = config["CONTENT_SECURITY_POLICY"]
        if policy:
            is_tried = config["CONTENT_SECURITY_POLICY_REPORT_ONLY"]
            name = f"{_POLICY}-Report-Only" if is_tried else _POLICY
            fields.append((name, policy))
            self._with_nonce = name, with_nonce(policy)
        secure = list(fields)
        if config["HSTS_SECONDS"]:
            domains = "; includeSubDomains" if config["HSTS_SUBDOMAINS"] else ""
            told = f"max-age={int(config['HSTS_SECONDS'])}{domains}"
            secure.append(("Strict-Transport-Security", told))
        # An error page is about one moment, and often about one person.
        error = ("Cache-Control", "no-store")
        self._made = {
            (is_https, is_error): _with_names((*(secure if is_https else fields), *more))
            for is_https in (False, True)
            for is_error, more in ((False, ()), (True, (error,)))
        }
        return self._made


def _with_names(fields: _Pairs) -> _Made:
    return fields, frozenset(name.lower() for name, _ in fields)


_FIELDS = (
    ("FRAME_OPTIONS", "X-Frame-Options"),
    ("REFERRER_POLICY", "Referrer-Policy"),
    ("OPENER_POLICY", "Cross-Origin-Opener-Policy"),
    ("RESOURCE_POLICY", "Cross-Origin-Resource-Policy"),
    ("PERMISSIONS_POLICY", "Permissions-Policy"),
)


def with_nonce(policy: str) -> str:
    """The policy with a place for a nonce among the sources of scripts and styles."""
    directives: dict[str, list[str]] = {}
    for text in policy.split(";"):
        words = text.split()
        if words:
            directives.setdefault(words[0].lower(), words[1:])
    for name in ("script-src", "style-src"):
        sources = directives.get(name, directives.get("default-src", []))
        kept = [source for source in sources if source != "'none'"]
        directives[name] = [*kept, f"'nonce-{_NONCE}'"]
    return "; ".join(" ".join((name, *sources)) for name, sources in directives.items())
