"""Who may call, and in whose name: A01 to A07."""

from __future__ import annotations

from collections.abc import Iterator

from .declaring import Check, Found, Look, Skipped, found


def access_undeclared(look: Look) -> Iterator[Found]:
    """A01."""
    routes = [one for one in look.facts.own_routes if one.access is None]
    if look.facts.as_flask and routes:
        yield found("application", f"{len(routes)} routes, and plain Flask declares no access", "")
        return
    for route in routes:
        yield found(route.name, "nobody declared who may call it", route.place)


def anonymous_probe(look: Look) -> Iterator[Found]:
    """A02."""
    for route in look.facts.routes:
        if route.access is None or route.is_public or route.kind in ("static", "websocket"):
            continue
        answer = look.probe.ask(route)
        if answer.entered:
            yield found(route.name, "its view was entered without credentials", route.place)
        elif answer.status not in (0, 301, 302, 303, 307, 401, 403, 404):
            yield found(
                route.name,
                f"answers {answer.status} to a request without credentials, where 401, 403 or the"
                " login page is right",
                route.place,
            )


def origin_guard_off(look: Look) -> Iterator[Found]:
    """A03."""
    facts = look.facts
    cookies = [one for one in facts.providers if one.uses_cookies]
    if not cookies and "login" not in facts.ways:
        return
    unsafe = [one for one in facts.own_routes if one.is_unsafe and not one.takes_any_origin]
    if "origins" in facts.guards:
        if facts.config.get("ORIGIN_GUARD") == "warn" and unsafe:
            yield found("application", "ORIGIN_GUARD is 'warn': forged writes are let in", "")
        return
    if "csrf" in facts.ways:
        return
    if not cookies:
        if unsafe:
            # Forms may carry a token each, which no registry tells of.
            yield found(
                "application", "Flask-Login without CSRFProtect or an origin guard", "", "W"
            )
        return
    for route in unsafe:
        if not route.is_public:
            yield found(
                route.name,
                f"is called with the cookie of {cookies[0].kind}, and nothing asks which site"
                " the request comes from",
                route.place,
            )


def proxy_trust(look: Look) -> Iterator[Found]:
    """A04."""
    for one in look.facts.providers:
        if one.header and one.trusts_any_peer:
            yield found(
                f"provider {one.name}", f"believes {one.header} from any address on earth", ""
            )


def dev_login(look: Look) -> Iterator[Found]:
    """A05."""
    for one in look.facts.providers:
        if one.for_development:
            yield found(
                f"provider {one.name}",
                f"{one.kind} is an identity for development, on app.identities",
                "",
            )


def webhook_unverified(look: Look) -> Iterator[Found]:
    """A06."""
    for one in look.facts.webhooks:
        where = f"POST {one.rule}"
        if not one.has_secrets:
            yield found(where, "has no secret to check a signature with", one.place)
        elif one.window_s is None and not one.has_id:
            yield found(
                where,
                f"a delivery of any age is accepted ({one.scheme} signs no time, or tolerance_s is"
                " None), and none is known by an id",
                one.place,
            )


def write_on_get(look: Look) -> Iterator[Found]:
    """A07."""
    if look.record is None:
        raise Skipped("there is no record of a test run: pytest -p hipflask.checks.recorder")
    places = {one.name: one.place for one in look.facts.routes}
    for write in look.record.writes:
        where = f"{write.method} {write.rule}"
        yield found(
            where, f"issued {write.verb} on {write.table} in the tests", places.get(where, "")
        )


CHECKS = [
    Check(
        id="A01",
        name="access-undeclared",
        levels=("W", "E", "E"),
        needs="app",
        as_flask="I",
        inspects="every method of every route has a stance: its own, its blueprint's, the app's",
        why="a route that says nothing is open, and nobody can tell whether that was meant",
        fix="declare it: access=public, authenticated or roles(...) on the route, or app.access",
        fix_as_flask="nothing to mend: it is counted, as stances come with hipflask alone",
        find=access_undeclared,
    ),
    Check(
        id="A02",
        name="anonymous-probe",
        levels=("E", "E", "E"),
        needs="probe",
        inspects="protected routes answer 401, 403 or a login page, and the view is not entered",
        why="a stance that is declared and does not hold is worse than none",
        fix="look for what answers before the stance is asked: a hook, middleware",
        find=anonymous_probe,
    ),
    Check(
        id="A03",
        name="origin-guard-off",
        levels=("E", "E", "E"),
        needs="app",
        inspects="routes that write and are called with a cookie have the origin guard before them",
        why="any other site can have a visitor's browser write in his name",
        fix="from hipflask.guards import protect; protect(app)",
        fix_as_flask="CSRFProtect(app) of Flask-WTF, and its token in each form",
        find=origin_guard_off,
    ),
    Check(
        id="A04",
        name="proxy-trust",
        levels=("E", "E", "E"),
        needs="app",
        inspects="a login by header believes named peers only",
        why="whoever reaches the port writes the header, and is whom he likes",
        fix="ProxyHeader(peers=[...]) with the addresses of the proxy alone",
        find=proxy_trust,
    ),
    Check(
        id="A05",
        name="dev-login",
        levels=("W", "E", "E"),
        needs="app",
        inspects="no identity for development is on app.identities",
        why="it lets everybody in, and a prototype's start is soon a pilot's",
        fix="set app.identities by configuration, the development one in tests alone",
        find=dev_login,
    ),
    Check(
        id="A06",
        name="webhook-unverified",
        levels=("W", "E", "E"),
        needs="app",
        inspects="each webhook has a secret, and a window or an id against replays",
        why="an address that takes unsigned or old deliveries takes anybody's",
        fix="hooks.source(..., secrets=..., tolerance_s=...), or id= where no time is signed",
        find=webhook_unverified,
    ),
    Check(
        id="A07",
        name="write-on-GET",
        levels=("W", "W", "W"),
        needs="record",
        inspects="no GET issued INSERT, UPDATE or DELETE in the tests",
        why="browsers, crawlers and retries repeat a GET, and no guard asks where it comes from",
        fix="make it a POST, or silence it where it notes a last visit",
        find=write_on_get,
    ),
]  # fmt: skip
