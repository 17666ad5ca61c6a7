"""Who has logged in, kept in Flask's session: for people with a browser.

What the session says is signed, and so cannot be made up; but a copy of its cookie stays a copy.
So a login ends by itself, after half an hour without a request and after twelve hours in any
case, and logging out is written down where all processes see it: one session's number, or a
version of the user's, with which every session made before it is no longer accepted.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ..bridge import in_pool, is_async
from ..ctx import RequestContext
from ..globals import _cv_request, _no_req_msg
from ..scaffold import SetupError
from ..wrappers import Request
from .audit import tell_login, tell_logout
from .ended import Ended
from .identity import Identity, Refused, dump_challenge

LoadUser = Callable[[str], Identity | None] | Callable[[str], Awaitable[Identity | None]]

#: Where the login stands in the session.
KEY = "_login"
IDLE_S = 30 * 60.0
ABSOLUTE_S = 12 * 60 * 60.0
# How old the time of the last request may be before it is written again: a cookie each.
_NOTED_S = 60.0
#: Secrets of forms, of Flask-WTF and others: new ones after a login.
ROTATED = frozenset(("csrf_token", "_csrf_token", "_csrf", KEY))
# Longer ones would fill the cookie.
_LONGEST_NEXT = 1024


class SessionLogin:
    """Knows who has logged in, by the session; `login(user)` and `logout()` change it.

    `load_user(name)` gives the identity as it is now, or None for somebody who is gone; it is
    plain or async, and asked with each request. Without it the identity's roles stay as they
    were at login. A login ends `idle_s` seconds after the last request (told within a minute) and
    `absolute_s` after it was made.

    `version(name)` is a text or number that the application keeps for a user and changes to
    end every session, such as when the password was changed. Without it `logout_everywhere` keeps
    one, in `store`: a `hipflask.database` or its URL; None is HIPFLASK_DATABASE_URL, or the
    memory of this process, which other processes do not see and a restart forgets. Other
    processes see it within two seconds.

    `login_url` is the path of the login page: a browser that asks for a page is sent there
    instead of getting the 401. Raises SetupError for settings that cannot be meant.

        app.identities = [SessionLogin(load_user, login_url="/login")]
    """

    def __init__(
        self,
        load_user: LoadUser | None = None,
        *,
        idle_s: float = IDLE_S,
        absolute_s: float = ABSOLUTE_S,
        version: Callable[[str], str | int] | None = None,
        login_url: str | None = None,
        store: Any = None,
        realm: str = "pages",
        name: str = "session",
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not 0 < idle_s <= absolute_s:
            raise SetupError(
                f"SessionLogin(idle_s={idle_s!r}, absolute_s={absolute_s!r}): a login ends after"
                " some time without a request, and after a longer time in any case."
            )
        if login_url is not None and (not login_url.startswith("/") or login_url[1:2] == "/"):
            raise SetupError(f"SessionLogin(login_url={login_url!r}): write a path, as '/login'.")
        self.name = name
        self.realm = realm
        self.login_url = login_url
        self.idle_s = idle_s
        self.absolute_s = absolute_s
        self._load_user: Any = load_user
        self._version = version
        self._noted_s = min(_NOTED_S, idle_s / 10)
        self._clock = clock
        self._ended = Ended(store)
        self._cookie_name: str = "session"
        #: `identify` of the protocol `Access`, of the kind of `load_user`.
        self.identify: Callable[[Request], Any] = (
            self._identify_async
            if load_user is not None and is_async(load_user)
            else self._identify
        )

    def _identify(self, request: Request) -> Identity | None:
        told = self._told(_context())
        if told is None:
            return None
        if self._load_user is None:
            return Identity(told["n"], frozenset(told.get("r", ())), self.name, told.get("c", {}))
        return _still_there(self._load_user(told["n"]))

    async def _identify_async(self, request: Request) -> Identity | None:
        ctx = _context()
        told = await in_pool(self._told, ctx) if self.waits else self._told(ctx)
        return None if told is None else _still_there(await self._load_user(told["n"]))

    @property
    def is_quick(self) -> bool:
        """Whether it never waits: neither a store nor functions of the application are asked."""
        return self._load_user is None and not self.waits

    @property
    def waits(self) -> bool:
        """Whether looking at a session may take waiting, besides for `load_user`."""
        return self._version is not None or self._ended.waits

    def _told(self, ctx: RequestContext) -> dict[str, Any] | None:
        """What the session says of a login that still counts; None without any."""
        session = ctx.session
        told = session.get(KEY)
        _keep_from_caches(ctx, is_known=told is not None)
        if told is None:
            return None
        now = self._clock()
        try:
            is_over = now - told["t"] > self.idle_s or now - told["a"] > self.absolute_s
            counts = not is_over and self._counts(told)
        # Of another version, or put there by something else that signs with this key.
        except (TypeError, KeyError, AttributeError):
            counts = False
        if not counts:
            # What else is in it was theirs as well.
            _empty(session)
            raise Refused("The session has ended")
        if now - told["t"] > self._noted_s:
            session[KEY] = {**told, "t": int(now)}
        return told  # type: ignore[no-any-return]

    def _counts(self, told: Mapping[str, Any]) -> bool:
        record = self._ended.read(told["n"])
        return (
            told["v"] == record.get("v", 0)
            and told["i"] not in record.get("out", ())
            and (self._version is None or told.get("x") == str(self._version(told["n"])))
        )

    def begin(self, user: Identity | str, keep: Iterable[str] = ()) -> Identity:
        """See `login`."""
        identity = Identity(user) if isinstance(user, str) else user
        if not identity.name:
            raise ValueError("Whoever logs in has a name; the identity's is empty.")
        ctx: Any = _context()
        session = ctx.session
        before = session.get(KEY)
        kept: dict[str, Any] = {}
        if before is None or (isinstance(before, dict) and before.get("n") == identity.name):
            kept = {key: session[key] for key in keep if key in session and key not in ROTATED}
        record = self._ended.read(identity.name, anew=True)
        if "_permanent" in session:
            kept["_permanent"] = session["_permanent"]
        _renew(ctx, session)
        session.update(kept)
        now = int(self._clock())
        told: dict[str, Any] = {
            "n": identity.name, "a": now, "t": now,
            "v": record.get("v", 0), "i": secrets.token_urlsafe(9),
        }  # fmt: skip
        if self._load_user is None:
            told.update({"r": sorted(identity.roles)} if identity.roles else {})
            told.update({"c": dict(identity.claims)} if identity.claims else {})
        if self._version is not None:
            told["x"] = str(self._version(identity.name))
        session[KEY] = told
        identity = msgspec.structs.replace(identity, via=self.name)
        ctx._identity = identity
        _keep_from_caches(ctx, is_known=True)
        tell_login("right", identity.name)
        return identity

    def end(self, *, everywhere: bool = False) -> None:
        """See `logout` and `logout_everywhere`."""
        ctx: Any = _context()
        session = ctx.session
        told = session.get(KEY)
        ctx._identity = None
        _renew(ctx, session)
        _keep_from_caches(ctx, is_known=True)
        if not isinstance(told, dict) or not isinstance(told.get("n"), str):
            return
        tell_logout(told["n"], everywhere=everywhere)
        if everywhere:
            self._ended.end_all(told["n"])
        else:
            now = int(self._clock())
            self._ended.end(told["n"], str(told.get("i")), int(now + self.absolute_s), now)

    def end_all(self, name: str) -> None:
        """End every session of a user, whose name it is; see `logout_everywhere`."""
        self._ended.end_all(name)
        tell_logout(name, everywhere=True)

    def page_for(self, request: Request) -> str | None:
        """Where to log in, for a browser that asked for this; None without a login page."""
        if self.login_url is None:
            return None
        root: str = request.root_path
        wanted = quote(root + request.path, safe="/:@!$&'()*+,;=~")
        if request.query_string:
            wanted += f"?{request.query_string.decode('latin-1')}"
        if request.method not in ("GET", "HEAD") or len(wanted) > _LONGEST_NEXT:
            return root + self.login_url
        return f"{root}{self.login_url}?next={quote(wanted, safe='/')}"

    def challenge(self, error: str = "", description: str = "") -> str:
        """`Session realm="pages"`; the scheme is not a registered one."""
        return dump_challenge(
            "Session", realm=self.realm, error=error, error_description=description
        )

    def scheme(self) -> tuple[str, dict[str, Any]]:
        """The Security Scheme Object for an OpenAPI document, with its name."""
        scheme = {"type": "apiKey", "in": "cookie", "name": self._cookie_name}
        if self.login_url is not None:
            scheme["description"] = f"Set by logging in at {self.login_url}."
        return self.name, scheme

    def prepare(self, app: Any) -> None:
        """Learn the application's store, and its session cookie; called when it is sealed."""
        self._ended.prepare(app)
        name_of = getattr(app.session_interface, "get_cookie_name", None)
        if name_of is not None:
            self._cookie_name = name_of(app)

    def __repr__(self) -> str:
        return f"<SessionLogin {self.name!r}>"


def login(user: Identity | str, *, keep: Iterable[str] = ()) -> Identity:
    """Log somebody in, in the request being handled, and return the identity.

    The session begins anew: nothing of what was in it stays but the keys in `keep` (a basket),
    and those only if nobody else was logged in. Secrets of forms never stay. With a session
    interface that keeps sessions on the server, its `regenerate(session)` gives it a new id.
    Check the password first; this checks nothing. Raises RuntimeError where `app.identities`
    has no `SessionLogin`, and without a secret key.

        login(Identity("ada", roles={"clerk"}), keep=["basket"])
    """
    return _provider().begin(user, keep)


def logout() -> None:
    """Log out whoever is logged in: the session is emptied, and copies of it end as well.

    Raises StoreAway, a 503, where the latter cannot be written down; the session is emptied
    nevertheless.
    """
    _provider().end()


def logout_everywhere(user: Identity | str | None = None) -> None:
    """End every session of a user: of whoever is logged in here, or of the one named.

    For a stolen device, and after a change of password; sessions made later count. Raises
    StoreAway, a 503, where it cannot be written down.
    """
    provider = _provider()
    if user is None:
        provider.end(everywhere=True)
    else:
        provider.end_all(user if isinstance(user, str) else user.name)


def session_login_of(app: Any) -> SessionLogin | None:
    """The `SessionLogin` among the application's providers."""
    return next((each for each in app.identities if isinstance(each, SessionLogin)), None)


def _provider() -> SessionLogin:
    found = session_login_of(_context().app)
    if found is None:
        raise RuntimeError(
            "Nobody can log in: app.identities has no SessionLogin that would know them by their"
            " next request. Set app.identities = [SessionLogin(load_user)]."
        )
    return found


def _context() -> RequestContext:
    ctx: RequestContext | None = _cv_request.get(None)
    if ctx is None:
        raise RuntimeError(_no_req_msg)
    return ctx


def _still_there(identity: Identity | None) -> Identity:
    if identity is None:
        raise Refused("The session has ended")
    return identity


def _empty(session: Any) -> None:
    permanent = session.get("_permanent")
    session.clear()
    if permanent is not None:
        session["_permanent"] = permanent


def _renew(ctx: RequestContext, session: Any) -> None:
    session.clear()
    # Flask-Session's name, for what keeps a session under an id: that one is known to others.
    regenerate = getattr(ctx.app.session_interface, "regenerate", None)
    if regenerate is not None:
        regenerate(session)
    # Flask-WTF's, which would go on with the secret of before.
    for key in ROTATED:
        ctx.g.pop(key, None)


def _keep_from_caches(ctx: RequestContext, *, is_known: bool) -> None:
    """Have the answer say that it is one person's, unless the view says what caches may do."""
    functions = ctx._after_request_functions
    if is_known and _no_store not in functions:
        # In front of `_private`, which then leaves it as it is.
        ctx._after_request_functions = (_no_store, *functions)
    elif not (is_known or _no_store in functions or _private in functions):
        ctx._after_request_functions = (*functions, _private)
    ctx.is_processed = True


def _no_store(response: Any) -> Any:
    return _say(response, "no-store")


def _private(response: Any) -> Any:
    return _say(response, "private")


# They never wait, so that they need no thread where the rest is on an event loop.
_no_store.is_quick = _private.is_quick = True  # type: ignore[attr-defined]


def _say(response: Any, directive: str) -> Any:
    # Past the methods of `Headers`, which make an exception for what is not there.
    fields = response.headers._list
    for name, _ in fields:
        if len(name) == 13 and name.lower() == "cache-control":
            return response
    fields.append(("Cache-Control", directive))
    return response
