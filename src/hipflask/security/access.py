"""What stands before a view: the stance that holds for it, compiled into one call.

Made when the application is sealed. A guard learns who calls, at most once a request, and
raises 401 where nobody knows and 403 where they may not; which answer that becomes is up to
the error handlers, and to the route: problem details before a typed view, a page elsewhere.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from ..bridge import in_pool, is_async
from ..ctx import RequestContext
from ..scaffold import OPEN, SetupError, declared_access
from .identity import Providers, providers_of
from .stances import ByMethod, Stance, public, stance_of

Guard = Callable[[RequestContext], None]
AsyncGuard = Callable[[RequestContext], Awaitable[None]]


def access_of(app: Any, rule: Any, endpoint: Any, method: str | None = None) -> Stance | None:
    """The stance that holds for a rule, or for one method of it; None where none is declared.

    The innermost declaration counts: the route's, the view class's, the inmost blueprint's and
    so outwards, the application's. `rule` may be None, for the endpoint by itself. Static files
    are public. Raises SetupError for what is declared and is no stance.
    """
    own = getattr(rule, "access", None)
    if own is OPEN:
        return public
    stance = _declared(app, rule, endpoint)
    if method is not None and isinstance(stance, ByMethod):
        return stance.for_method(method)
    return stance


def _declared(app: Any, rule: Any, endpoint: Any) -> Stance | None:
    stance: Stance | None = None
    # From outside in, as a mapping of methods leaves the others to what is around it.
    for value, where in reversed(list(declared_access(app, rule, endpoint))):
        stance = stance_of(value, where, stance)
    return stance


def guard_of(app: Any, stance: Stance | None) -> tuple[Guard | None, AsyncGuard | None]:
    """What raises 401 or 403 before a view of that stance, plain and for the event loop.

    None and None where there is nothing to ask. Raises SetupError where nobody could ever
    call, as no provider tells who does.
    """
    if isinstance(stance, ByMethod):
        return _guard_by_method(app, stance)
    if stance is None or stance == public:
        return None, None
    providers = providers_of(app)
    if not providers.all:
        raise SetupError(
            f"The access {stance!r} is declared, but nothing tells who calls, so that every"
            " request would be refused. Set app.identities, for example to"
            " [ApiKey(hashed_keys({...}))]."
        )
    guard = _guard(providers, stance, app.ensure_sync)
    return guard, _guard_async(providers, stance, guard)


def _guard(providers: Providers, stance: Stance, ensure_sync: Callable[..., Any]) -> Guard:
    test = stance.test(ensure_sync)

    def guard(ctx: RequestContext) -> None:
        identity = providers.identify(ctx)
        if identity is None:
            raise providers.missing(ctx)
        if not test(identity, ctx.request):
            raise providers.not_allowed(identity, ctx)

    return guard


def _guard_async(providers: Providers, stance: Stance, guard: Guard) -> AsyncGuard:
    predicates = list(stance.predicates())
    if providers.is_quick and not predicates:

        async def at_once(ctx: RequestContext) -> None:
            guard(ctx)

        return at_once
    if not providers.has_async and not any(map(is_async, predicates)):

        async def in_one_hop(ctx: RequestContext) -> None:
            await in_pool(guard, ctx)

        return in_one_hop
    test = stance.test_async()

    async def guard_async(ctx: RequestContext) -> None:
        identity = await providers.identify_async(ctx)
        if identity is None:
            raise providers.missing(ctx)
        if not await test(identity, ctx.request):
            raise providers.not_allowed(identity, ctx)

    return guard_async


def _guard_by_method(app: Any, stance: ByMethod) -> tuple[Guard | None, AsyncGuard | None]:
    methods = {*stance.stances, "HEAD"}
    pairs = {method: guard_of(app, stance.for_method(method)) for method in methods}
    others = guard_of(app, stance.otherwise)
    if others[0] is None and all(guard is None for guard, _ in pairs.values()):
        return None, None

    def guard(ctx: RequestContext) -> None:
        check = pairs.get(ctx.request.method, others)[0]
        if check is not None:
            check(ctx)

    async def guard_async(ctx: RequestContext) -> None:
        check = pairs.get(ctx.request.method, others)[1]
        if check is not None:
            await check(ctx)

    return guard, guard_async


def needs_loop(app: Any, stance: Stance | None) -> bool:
    """Whether something that decides is async, and so at home on the server's event loop."""
    if stance is None or stance == public:
        return False
    if isinstance(stance, ByMethod):
        return any(needs_loop(app, each) for each in (*stance.stances.values(), stance.otherwise))
    return providers_of(app).has_async or any(map(is_async, stance.predicates()))


def refuse_undeclared(app: Any) -> None:
    """Raise SetupError for rules that nobody declared a stance for, where providers are set.

    Each is named, with the view's file and line. A typed view that cannot be called without an
    `Identity` says enough. Static files, and pages of ours about other routes, are open unless
    something is declared.
    """
    open_rules = [text for rule in app.url_map.iter_rules() for text in _undeclared(app, rule)]
    if open_rules:
        listed = "\n".join(f"  {text}" for text in open_rules[:_MOST_LISTED])
        more = len(open_rules) - _MOST_LISTED
        raise SetupError(
            "app.identities is set, and these routes do not say who may call them:\n"
            f"{listed}\n{f'  ... and {more} more{chr(10)}' if more > 0 else ''}"
            "Say it on the route (access=public), on its blueprint, or for all at once: app.access"
            " = authenticated. With app.access = public they stay open to everybody."
        )


_MOST_LISTED = 10
#: How the endpoints of our own pages begin.
_OURS = "hipflask_"


def _undeclared(app: Any, rule: Any) -> Iterator[str]:
    if getattr(rule, "access", None) is OPEN or str(rule.endpoint).startswith(_OURS):
        return
    view = app.view_functions.get(rule.endpoint)
    # A rule without a view redirects, or is built only.
    methods = sorted((rule.methods or {"GET"}) - {"HEAD", "OPTIONS"}) or ["OPTIONS"]
    missing = [m for m in methods if view and access_of(app, rule, rule.endpoint, m) is None]
    if missing and app.config["TYPED_VIEWS"] and not rule.websocket:
        from ..api.details import asks_who_calls  # loaded by whoever has typed views

        missing = [method for method in missing if not asks_who_calls(rule, view, method)]
    if missing and missing != ["OPTIONS"]:
        shown = "WebSocket" if rule.websocket else "|".join(missing)
        yield f"{shown} {rule.rule}: {place_of(view)}"


def place_of(function: Any) -> str:
    """A function with the file and line it is defined at, for a message."""
    function = getattr(function, "view_class", function)
    name = getattr(function, "__qualname__", repr(function))
    code = getattr(inspect.unwrap(function), "__code__", None)
    return name if code is None else f"{name} ({code.co_filename}:{code.co_firstlineno})"


def schemes_of(app: Any) -> dict[str, dict[str, Any]]:
    """The Security Scheme Objects of the application's providers, by name."""
    return dict(provider.scheme() for provider in providers_of(app).all)


def security_of(app: Any, stance: Stance | None) -> list[dict[str, list[str]]]:
    """The Security Requirement Objects for one method's stance: any one of them lets in.

    Roles are told as OpenAPI 3.1 has it, by name behind the scheme. Predicates are not told.
    Empty for what is open.
    """
    if stance is None or stance == public:
        return []
    return [{name: sorted(needed)} for needed in stance.role_sets() for name in schemes_of(app)]
