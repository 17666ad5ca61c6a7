"""Who calls: the identity, the protocol of what tells it, and asking all of them, once a request.

A provider looks for credentials of its own kind: a field, a cookie, a certificate. Where none
are sent it returns None; where they are wrong it raises `Refused`. Providers are asked in the
order of `app.identities` until one knows who calls, so that two of a kind (opaque tokens and
JWTs) stand side by side; a refusal counts where nobody knows.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Set
from typing import Any, Protocol, TypeVar

import msgspec
from werkzeug.exceptions import Forbidden, HTTPException, Unauthorized

from ..bridge import in_pool, is_async
from ..ctx import RequestContext
from ..globals import _cv_request, _no_req_msg
from ..scaffold import SetupError
from ..wrappers import Request, Response

_UNASKED: Any = object()
# RFC 6750, 3: what an error_description may hold.
_TELLABLE = frozenset(map(chr, (*range(0x20, 0x7F),))) - {'"', "\\"}


class Identity(msgspec.Struct, frozen=True):
    """Who calls, as a provider knows them.

        Identity("billing", roles={"clerk"})

    `roles` become a frozenset. `via` is filled in when the identity is found.
    """

    #: A name that is stable and unique: a user's id, a service's name.
    name: str
    roles: Set[str] = frozenset()
    #: The name of the provider that knows them.
    via: str = ""
    #: What else it knows, such as the claims of a token.
    claims: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        given: Any = self.roles
        if isinstance(given, str):
            raise TypeError(f"roles={given!r} is one text; write roles={{{given!r}}}.")
        if type(given) is not frozenset:
            msgspec.structs.force_setattr(self, "roles", frozenset(given))

    def __repr__(self) -> str:
        # Claims may hold what must not stand in a log.
        return f"Identity({self.name!r}, roles={sorted(self.roles)}, via={self.via!r})"


class Refused(Exception):
    """Credentials of a provider's kind were sent, and they are wrong.

    `description` is told to the caller: never put anything of the credentials into it.
    """

    def __init__(self, description: str = "") -> None:
        super().__init__(description)
        self.description = description


class Access(Protocol):
    """What tells who calls, on `app.identities`.

    Optional are `prepare(app)`, called when the application is sealed, and `page_for(request)`,
    where a browser is sent that asked for a page and is not known.

    A plain `identify` may wait for a database: on the event loop it runs in the pool, unless
    the provider has an attribute `is_quick` that is true, which says that it never waits.
    """

    @property
    def name(self) -> str:
        """Unique among the application's providers; the identity's `via`."""
        ...

    def identify(self, request: Request, /) -> Identity | Awaitable[Identity | None] | None:
        """Who calls, or None where no credentials of this kind were sent; plain or `async def`.

        Raises `Refused` for credentials that are wrong. They are text from the network: any
        length a server lets pass, any characters, several fields joined with commas.
        """
        ...

    def challenge(self, error: str = "", description: str = "") -> str:
        """One challenge for WWW-Authenticate (RFC 9110, 11.6.1); "" for a kind without one.

        `error` is "" without credentials, "invalid_token" where they were refused, and
        "insufficient_scope" where they were right and do not suffice (RFC 6750, 3.1).
        """
        ...

    def scheme(self) -> tuple[str, dict[str, Any]]:
        """The name and the Security Scheme Object for an OpenAPI document."""
        ...


class _Challenging(HTTPException):
    """An answer that says which credentials would be accepted."""

    def __init__(self, challenges: list[str]) -> None:
        super().__init__()
        self.challenges = challenges

    def get_headers(self, environ: Any = None, scope: Any = None) -> list[tuple[str, str]]:
        """The fields of the answer, one WWW-Authenticate a challenge."""
        fields = super().get_headers(environ, scope)
        return [*fields, *(("WWW-Authenticate", text) for text in self.challenges)]


E = TypeVar("E", bound=_Challenging)


class Missing(_Challenging, Unauthorized):
    """401: nobody knows who calls."""

    www_authenticate = None
    description = "Credentials are missing, or they are not accepted."


class NotAllowed(_Challenging, Forbidden):
    """403: who calls is known, and may not."""

    description = "Your credentials are accepted, but they do not allow this."


def wants_page(request: Request) -> bool:
    """Whether a browser shows the answer to a person: HTML is named, and at least as welcome.

    A script's `fetch` says `*/*`, and a client of an API names JSON.
    """
    accept = request.accept_mimetypes
    is_named = any(value == "text/html" for value, _ in accept)
    return is_named and accept["text/html"] >= accept["application/json"]


def wants_json(request: Request) -> bool:
    """Whether JSON is named, and more welcome than a page."""
    accept = request.accept_mimetypes
    is_named = any(value in _JSON for value, _ in accept)
    return is_named and not wants_page(request)


_JSON = ("application/json", "application/problem+json")


class Providers:
    """An application's providers, ready to be asked."""

    def __init__(self, app: Any) -> None:
        self.all: tuple[Access, ...] = _checked_providers(app)
        sync = app.ensure_sync
        for provider in self.all:
            prepare = getattr(provider, "prepare", None)
            if prepare is not None:
                prepare(app)
        self._plain = [(p, sync(p.identify)) for p in self.all]
        self.has_async = any(is_async(p.identify) for p in self.all)
        #: Whether none of them ever waits, so that they may be asked on the event loop.
        self.is_quick = not self.has_async and all(getattr(p, "is_quick", False) for p in self.all)
        # Those with a page to log in at.
        pages = [getattr(p, "page_for", None) for p in self.all]
        self._pages: list[Callable[[Request], str | None]] = [page for page in pages if page]

    def identify(self, ctx: RequestContext) -> Identity | None:
        """Who calls, or None; each request is asked about once."""
        known = getattr(ctx, "_identity", _UNASKED)
        if known is not _UNASKED:
            return known  # type: ignore[no-any-return]
        refusals: dict[str, str] = {}
        found = None
        for provider, identify in self._plain:
            try:
                found = identify(ctx.request)
            except Refused as error:
                refusals[provider.name] = error.description
                continue
            if found is not None:
                found = _checked_identity(found, provider)
                break
        return _keep(ctx, found, refusals)

    async def identify_async(self, ctx: RequestContext) -> Identity | None:
        """`identify` on the event loop: what is async is awaited, what may wait is in the pool."""
        known = getattr(ctx, "_identity", _UNASKED)
        if known is not _UNASKED:
            return known  # type: ignore[no-any-return]
        if self.is_quick:
            return self.identify(ctx)
        if not self.has_async:
            return await in_pool(self.identify, ctx)  # type: ignore[no-any-return]
        refusals: dict[str, str] = {}
        found: Any = None
        for provider in self.all:
            identify: Callable[..., Any] = provider.identify
            try:
                if is_async(identify):
                    found = await identify(ctx.request)
                elif getattr(provider, "is_quick", False):
                    found = identify(ctx.request)
                else:
                    found = await in_pool(identify, ctx.request)
            except Refused as error:
                refusals[provider.name] = error.description
                continue
            if found is not None:
                found = _checked_identity(found, provider)
                break
        return _keep(ctx, found, refusals)

    def missing(self, ctx: RequestContext) -> Missing:
        """The 401 for a request nobody knows the caller of."""
        refusals: dict[str, str] = getattr(ctx, "_refusals", {})
        texts = (
            provider.challenge("invalid_token", tellable(refusals[provider.name]))
            if provider.name in refusals
            else provider.challenge()
            for provider in self.all
        )
        error = Missing([text for text in texts if text])
        if self._pages and wants_page(ctx.request):
            places = (page(ctx.request) for page in self._pages)
            error.response = _sent_to(next((place for place in places if place), None))
        return _told_in_json(error, ctx)

    def not_allowed(self, identity: Identity, ctx: RequestContext) -> NotAllowed:
        """The 403 for a caller who is known and may not."""
        texts = (p.challenge("insufficient_scope") for p in self.all if p.name == identity.via)
        return _told_in_json(NotAllowed([text for text in texts if text]), ctx)


def providers_of(app: Any) -> Providers:
    """The application's providers; SetupError where two have one name or one is none."""
    known = app.extensions.get("hipflask.identities")
    if known is None or known.all != tuple(app.identities):
        known = app.extensions["hipflask.identities"] = Providers(app)
    return known  # type: ignore[no-any-return]


def current_identity() -> Identity | None:
    """Who makes the request being handled; None where nobody knows.

    Behind a stance other than `public` it is never None. Elsewhere the providers are asked
    now, and wrong credentials count as none. Raises RuntimeError outside a request, and in a
    coroutine where a provider may have to wait: `await current_identity_async()` there.
    """
    ctx = _context()
    known = getattr(ctx, "_identity", _UNASKED)
    if known is not _UNASKED:
        return known  # type: ignore[no-any-return]
    providers = providers_of(ctx.app)
    if not providers.is_quick and _is_on_a_loop():
        raise RuntimeError(
            "Who calls is not known yet, and to find out may take waiting, which would stop every"
            " request on this event loop. Use 'await current_identity_async()' here, or declare"
            " a stance on the route."
        )
    return providers.identify(ctx)


async def current_identity_async() -> Identity | None:
    """`current_identity` in a coroutine."""
    ctx = _context()
    return await providers_of(ctx.app).identify_async(ctx)


def tellable(description: str) -> str:
    """The description without what a quoted string in a challenge may not hold."""
    return "".join(character for character in description[:200] if character in _TELLABLE)


def dump_challenge(scheme: str, **parameters: str) -> str:
    """A challenge: `Bearer realm="x", error="invalid_token"`; parameters that are "" left out."""
    pairs = (f'{name}="{text}"' for name, value in parameters.items() if (text := tellable(value)))
    return f"{scheme} {', '.join(pairs)}".rstrip()


def _sent_to(place: str | None) -> Response | None:
    """The answer that sends a browser to the login page."""
    if place is None:
        return None
    fields = {"Location": place, "Cache-Control": "no-store", "Vary": "Accept, Cookie"}
    return Response("", 303, fields)


def _told_in_json(error: E, ctx: RequestContext) -> E:
    """The exception, with problem details where a plain view's caller asks for JSON."""
    is_typed = ctx.route is not None and ctx.route.problem is not None
    if error.response is None and not is_typed and wants_json(ctx.request):
        members = {"type": "about:blank", "title": error.name, "status": error.code}
        fields = [("WWW-Authenticate", text) for text in error.challenges]
        error.response = Response(
            msgspec.json.encode({**members, "detail": error.description}),
            error.code,
            fields,
            content_type="application/problem+json",
        )
    return error


def _context() -> RequestContext:
    ctx: RequestContext | None = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(_no_req_msg)
    return ctx


def _is_on_a_loop() -> bool:
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _keep(ctx: Any, found: Identity | None, refusals: dict[str, str]) -> Identity | None:
    # Attributes, as a context that is asked for its `__dict__` is slower from then on (`parts`).
    ctx._identity = found
    if refusals and found is None:
        ctx._refusals = refusals
    return found


def _checked_identity(found: Any, provider: Access) -> Identity:
    if not isinstance(found, Identity):
        raise TypeError(
            f"The provider {provider.name!r} gave a {type(found).__name__}, where an Identity, None"
            " or Refused tells who calls."
        )
    return (
        found if found.via == provider.name else msgspec.structs.replace(found, via=provider.name)
    )


def _checked_providers(app: Any) -> tuple[Access, ...]:
    providers: tuple[Any, ...] = tuple(app.identities)
    names: dict[str, Any] = {}
    for provider in providers:
        lacks = [
            word for word in ("name", "identify", "challenge", "scheme")
            if isinstance(provider, type) or not hasattr(provider, word)
        ]  # fmt: skip
        if lacks:
            raise SetupError(
                f"{provider!r} on app.identities is no provider: it lacks {', '.join(lacks)}. Use"
                " one of hipflask.security, such as ApiKey(...), or see its protocol Access."
            )
        if provider.name in names:
            raise SetupError(
                f"Two providers on app.identities are named {provider.name!r}:"
                f" {names[provider.name]!r} and {provider!r}. Give one of them another: name=..."
            )
        names[provider.name] = provider
    return providers
