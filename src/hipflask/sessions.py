"""Sessions, and the interface that opens and saves them: by default in one signed cookie.

The cookie is Flask's to the byte, in both directions: tagged JSON, signed by ItsDangerous
with the key's HMAC. Anybody can read it; only a holder of the key can write it.
"""

from __future__ import annotations

import hashlib
import typing as t
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from functools import cache

from werkzeug.datastructures import CallbackDict

from .live import LiveType, empty_all

if t.TYPE_CHECKING:
    from itsdangerous import Signer, URLSafeTimedSerializer

    from .app import Flask
    from .json.tag import TaggedJSONSerializer
    from .sessioncookie import SessionCookie
    from .wrappers import Request, Response

    # Made when first asked for; inside this module ask `_shared_serializer()`.
    session_json_serializer: TaggedJSONSerializer


def __getattr__(name: str) -> t.Any:
    if name == "session_json_serializer":
        return _shared_serializer()
    if name in ("BadSignature", "URLSafeTimedSerializer"):  # costly: only sessions need it
        import itsdangerous

        return getattr(itsdangerous, name)
    if name == "timezone":  # unused here, and imported from here by some
        from datetime import timezone

        return timezone
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class SessionMixin(MutableMapping[str, t.Any]):
    """What every session has beside its items; `modified` is true unless a class knows better."""

    new = False
    """Whether the session was made by this request. The built-in sessions do not tell."""

    modified = True
    """Whether to save it. Changes inside its values are not seen: set this after one."""

    accessed = False
    """Whether this request looked at it, and so answers differ by cookie.

    Set by the request context when `session` is read, whatever is then done with it.
    """

    @property
    def permanent(self) -> bool:
        """Whether the session outlives the browser, by `app.permanent_session_lifetime`."""
        return bool(self.get("_permanent", False))

    @permanent.setter
    def permanent(self, value: bool) -> None:
        self["_permanent"] = bool(value)


def _note_change(session: SecureCookieSession) -> None:
    session.modified = True


_fill = dict.__init__
_set_item = dict.__setitem__


class SecureCookieSession(CallbackDict[str, t.Any], SessionMixin):
    """The session kept in the signed cookie. Setting or deleting an item marks it modified."""

    modified = False
    on_update = staticmethod(_note_change)

    # Both as inherited, in a fifth of the instructions: a view makes one and sets an item or two.

    def __init__(self, initial: Mapping[str, t.Any] | None = None) -> None:
        if initial is not None:
            _fill(self, initial)

    def __setitem__(self, key: str, value: t.Any) -> None:
        _set_item(self, key, value)
        on_update = self.on_update
        if on_update is _note_change:
            self.modified = True
        elif on_update is not None:
            on_update(self)


class NullSession(SecureCookieSession):
    """Stands in when there is no key to sign with: empty to read, an error to write.

    Differs from Flask: `session |= ...` is refused as well.
    """

    def _refuse(self, *args: t.Any, **kwargs: t.Any) -> t.NoReturn:
        raise RuntimeError(
            "The session is unavailable because the application has no secret key to sign"
            " it with. Set app.secret_key, or SECRET_KEY in the configuration, to a long"
            " random value and keep it secret."
        )

    __setitem__ = __delitem__ = clear = pop = popitem = update = setdefault = _refuse
    __ior__ = _refuse
    del _refuse


class SessionInterface(metaclass=LiveType):
    """How sessions are opened and saved; set an instance as `app.session_interface`.

    A subclass gives `open_session` and `save_session`. The session may be any mapping with
    the attributes of `SessionMixin`. Requests run at the same time may open the same
    session; guarding what is shared between them is the interface's task.
    """

    null_session_class = NullSession
    """The class whose instances `is_null_session` recognises."""

    pickle_based = False
    """Told to extensions (a debug toolbar, say): whether values of any type can be kept."""

    def make_null_session(self, app: Flask) -> NullSession:
        """Return the session used when `open_session` gave None."""
        return self.null_session_class()

    def is_null_session(self, obj: object) -> bool:
        """Return whether `obj` is a session that will not be saved."""
        kind = obj.__class__
        if kind is SecureCookieSession and kind is not self.null_session_class:
            return False  # as nearly always, and its ABC need not be asked
        return isinstance(obj, self.null_session_class)

    def get_cookie_name(self, app: Flask) -> str:
        """Return the cookie's name: `SESSION_COOKIE_NAME`."""
        return t.cast(str, app.config["SESSION_COOKIE_NAME"])

    def get_cookie_domain(self, app: Flask) -> str | None:
        """Return the cookie's domain, `SESSION_COOKIE_DOMAIN`; None for this host only."""
        return t.cast("str | None", app.config["SESSION_COOKIE_DOMAIN"])

    def get_cookie_path(self, app: Flask) -> str:
        """Return the cookie's path: `SESSION_COOKIE_PATH`, or else `APPLICATION_ROOT`."""
        config = app.config
        return t.cast(str, config["SESSION_COOKIE_PATH"] or config["APPLICATION_ROOT"])

    def get_cookie_httponly(self, app: Flask) -> bool:
        """Return whether scripts cannot read the cookie: `SESSION_COOKIE_HTTPONLY`."""
        return t.cast(bool, app.config["SESSION_COOKIE_HTTPONLY"])

    def get_cookie_secure(self, app: Flask) -> bool:
        """Return whether only HTTPS carries the cookie: `SESSION_COOKIE_SECURE`."""
        return t.cast(bool, app.config["SESSION_COOKIE_SECURE"])

    def get_cookie_samesite(self, app: Flask) -> str | None:
        """Return `SESSION_COOKIE_SAMESITE`: `"Strict"`, `"Lax"`, `"None"`, or None for unsaid."""
        return t.cast("str | None", app.config["SESSION_COOKIE_SAMESITE"])

    def get_cookie_partitioned(self, app: Flask) -> bool:
        """Return whether embedded pages get a cookie of their own: `SESSION_COOKIE_PARTITIONED`."""
        return t.cast(bool, app.config["SESSION_COOKIE_PARTITIONED"])

    def get_expiration_time(self, app: Flask, session: SessionMixin) -> datetime | None:
        """Return when the cookie ends, in UTC; None for when the browser closes."""
        if not session.permanent:
            return None
        lifetime: timedelta = app.permanent_session_lifetime
        return datetime.now(UTC) + lifetime

    def should_set_cookie(self, app: Flask, session: SessionMixin) -> bool:
        """Return whether to send the cookie: if modified, or permanent and to be refreshed.

        The latter is `SESSION_REFRESH_EACH_REQUEST`, so that it ends only after disuse.
        """
        if session.modified:
            return True
        return bool(session.permanent and app.config["SESSION_REFRESH_EACH_REQUEST"])

    def open_session(self, app: Flask, request: Request) -> SessionMixin | None:
        """Return the session of a request; None if it cannot have one (then a null session).

        Called before the URL is matched. An empty or unreadable session is a new, empty one.
        """
        raise NotImplementedError

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Save the session and set what headers it needs; not called for a null session.

        Called at the end of each request, after the hooks that change the response.
        """
        raise NotImplementedError

    def _cookie_scope(self, app: Flask) -> dict[str, t.Any]:
        # A browser deletes only the cookie whose scope is named again.
        return {
            "domain": self.get_cookie_domain(app),
            "path": self.get_cookie_path(app),
            "secure": self.get_cookie_secure(app),
            "httponly": self.get_cookie_httponly(app),
            "samesite": self.get_cookie_samesite(app),
            "partitioned": self.get_cookie_partitioned(app),
        }


@cache
def _shared_serializer() -> TaggedJSONSerializer:
    from .json.tag import TaggedJSONSerializer  # only sessions need it

    return TaggedJSONSerializer()


class _SharedSerializer:
    """Stands on the class for the serializer that interfaces share, until it is asked for."""

    def __get__(self, instance: object, owner: type) -> TaggedJSONSerializer:
        serializer = _shared_serializer()
        # Past `LiveType`: this is no change that a plan would have to be made anew for.
        type.__setattr__(SecureCookieSessionInterface, "serializer", serializer)
        return serializer


def _sha1_if_called(string: bytes = b"") -> t.Any:
    # The name is looked up here: Python built for FIPS mode has no SHA-1, and may not need it.
    return hashlib.sha1(string)


# All that a signing serializer is made from: keys, salt, hash, derivation, inner serializer.
_Recipe: t.TypeAlias = tuple[tuple[t.Any, ...], t.Any, Callable[..., t.Any], str, t.Any]

# One interface may serve several applications, each with its keys; this many at a time.
_KEPT_RECIPES = 16


class SecureCookieSessionInterface(SessionInterface):
    """Keeps the session in the cookie itself, signed; what Flask does by default."""

    salt = "cookie-session"
    """Mixed into the key, so that other uses of the same key cannot forge sessions."""

    digest_method = staticmethod(_sha1_if_called)
    """The hash behind the signature."""

    key_derivation = "hmac"
    """ItsDangerous' name for how key and salt are mixed."""

    serializer: t.Any = _SharedSerializer()
    """Turns the session into text and back: anything with `dumps` and `loads`."""

    session_class = SecureCookieSession

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:
        """Return what signs and reads the cookie; None if the application has no key.

        The current key signs. It and each of `SECRET_KEY_FALLBACKS` are accepted, so that a
        key can be replaced while sessions signed with the old one live on. The object is
        kept and shared until one of these settings changes.

        Differs from Flask: fallbacks given as one text are one key, not a key per letter.
        """
        current = app.secret_key
        if not current:
            return None
        former = app.config["SECRET_KEY_FALLBACKS"] or ()
        if isinstance(former, str | bytes):
            former = (former,)
        # ItsDangerous signs with the last key of its list.
        keys = (*former, current)
        recipe = (keys, self.salt, self.digest_method, self.key_derivation, self.serializer)
        kept: dict[_Recipe, URLSafeTimedSerializer] = self.__dict__.setdefault("_signing", {})
        try:
            signing = kept.get(recipe)
        except TypeError:  # a serializer or key that cannot be a dictionary's key
            return _make_signing_serializer(recipe, keep=False)
        if signing is None:
            if len(kept) >= _KEPT_RECIPES:
                kept.clear()
            signing = kept[recipe] = _make_signing_serializer(recipe)
        return signing

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Return the session in the request's cookie; None without a key.

        A cookie that is absent, forged, or older than `app.permanent_session_lifetime` gives
        an empty session.
        """
        kept = self._kept_cookie(app)
        if kept is not None:
            session = kept.open(request)
            if session is not None:
                return session
        signing = self.get_signing_serializer(app)
        if signing is None:
            return None
        cookie = request.cookies.get(self.get_cookie_name(app))
        if not cookie:
            return self.session_class()
        from itsdangerous import BadSignature  # costly: only sessions need it

        oldest_s = int(app.permanent_session_lifetime.total_seconds())
        try:
            items = signing.loads(cookie, max_age=oldest_s)
        except BadSignature:
            return self.session_class()
        return self.session_class(items)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Set or delete the cookie if needed, and `Vary: Cookie` whenever it played a part.

        It did if the session was read, or if the cookie is sent: a shared cache must not
        hand one visitor's answer, or cookie, to another.
        """
        kept = self._kept_cookie(app)
        if kept is not None and kept.save(session, response):
            return
        emptied = not session and session.modified
        sent = bool(session) and self.should_set_cookie(app, session)
        if session.accessed or emptied or sent:
            response.vary.add("Cookie")
        if emptied:
            response.delete_cookie(self.get_cookie_name(app), **self._cookie_scope(app))
        elif sent:
            signing = self.get_signing_serializer(app)
            if signing is None:
                raise RuntimeError(
                    "The session cannot be saved: the secret key was there when the request"
                    " began and is gone now. Do not unset app.secret_key while requests run."
                )
            response.set_cookie(
                self.get_cookie_name(app),
                signing.dumps(dict(session)),
                expires=self.get_expiration_time(app, session),
                **self._cookie_scope(app),
            )

    def _kept_cookie(self, app: Flask) -> SessionCookie | None:
        """Return what does the work of the methods here; None where one was overridden."""
        if self.__class__ is not SecureCookieSessionInterface:
            return None
        kept: SessionCookie | None = app.__dict__.get("_session_cookie")
        if kept is None or kept.epoch != app._cell.epoch or kept.interface is not self:
            from .sessioncookie import SessionCookie  # only sessions need it

            kept = app.__dict__["_session_cookie"] = SessionCookie(self, app)
        return kept if kept.is_plain and not kept.former else None

    def __setattr__(self, name: str, value: t.Any) -> None:
        super().__setattr__(name, value)
        if self.__class__ is SecureCookieSessionInterface:
            empty_all()  # as where an attribute of the class is set

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if self.__class__ is SecureCookieSessionInterface:
            empty_all()


def _members() -> dict[str, t.Any]:
    """Return what the interface's classes hold, but for what is put there when first needed."""
    held = {**vars(SessionInterface), **vars(SecureCookieSessionInterface)}
    return {name: value for name, value in held.items() if name not in ("serializer", "_original")}


# As they come; past `LiveType`, which would take it for a change.
type.__setattr__(SecureCookieSessionInterface, "_original", _members())


def _make_signing_serializer(recipe: _Recipe, keep: bool = True) -> URLSafeTimedSerializer:
    from itsdangerous import URLSafeTimedSerializer  # costly: only sessions need it

    keys, salt, digest_method, key_derivation, serializer = recipe
    signing_class = _kept_signer_class() if keep else URLSafeTimedSerializer
    return signing_class(
        keys,
        salt=salt,
        serializer=serializer,
        signer_kwargs={"key_derivation": key_derivation, "digest_method": digest_method},
    )


@cache
def _kept_signer_class() -> type[URLSafeTimedSerializer]:
    """Return ItsDangerous' serializer with one signer per serializer, one derivation per key.

    As it comes, it makes a signer and derives the key again for each cookie: measured on
    Python 3.11, 15 of the 74 us that writing and reading a small session takes. To repeat: time
    `dumps` and `loads` of this class and of its base, made with the same arguments.
    """
    from itsdangerous import TimestampSigner, URLSafeTimedSerializer  # costly: only sessions

    class KeptKeySigner(TimestampSigner):
        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(*args, **kwargs)
            self._derived: dict[str | bytes | None, bytes] = {}

        def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
            derived = self._derived.get(secret_key)
            if derived is None:
                derived = self._derived[secret_key] = super().derive_key(secret_key)
            return derived

    class KeptSigner(URLSafeTimedSerializer):
        default_signer = KeptKeySigner

        def __init__(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().__init__(*args, **kwargs)
            self._kept = super().make_signer()

        def make_signer(self, salt: str | bytes | None = None) -> Signer:
            if salt is None or salt == self.salt:
                return self._kept
            return super().make_signer(salt)

    return KeptSigner
