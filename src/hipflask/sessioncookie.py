"""The session cookie of an application that overrode nothing of how it is read and written.

`SecureCookieSessionInterface` gets the cookie's settings from ten methods, asks Werkzeug for the
cookie and ItsDangerous for the session in it. Where none of that was overridden and one key
signs, the answers are worked out once, and again after any change (see `live.py`). Loaded with
the first session.
"""

from __future__ import annotations

import time
import typing as t
from datetime import UTC, datetime

from werkzeug.http import http_date
from werkzeug.wrappers import Response as ResponseBase

from .config import ConfigAttribute
from .cookies import make_composer, make_finder
from .globals import _cv_current
from .json.plain import encoder_of
from .json.plain import loads as loads_plain
from .sessions import (
    SecureCookieSession,
    SecureCookieSessionInterface,
    SessionMixin,
    _members,
    _shared_serializer,
)
from .signing import make_signer
from .wrappers import Request, Response

# What the interface has on import, whatever is put on the class later.
_REQUEST_PARTS = ("cookies", "dict_storage_class", "header", "headers")
_RESPONSE_PARTS = ("headers", "max_cookie_size")
_WERKZEUG_RESPONSE_PARTS = ("set_cookie", "vary")


class _Replaced(Exception):
    """Something is not as it comes, so that the interface's methods have to be called."""


class SessionCookie:
    """Opens and saves the sessions of one application as its settings are now.

    `is_plain` is false where the interface's methods have to do it.
    """

    is_plain = False
    #: The fallback keys: empty, unless somebody adds to the list.
    former: t.Any = None

    def __init__(self, interface: SecureCookieSessionInterface, app: t.Any) -> None:
        self.interface = interface
        # Taken before all else: a change meanwhile makes what follows out of date.
        self.epoch = app._cell.epoch
        try:
            self._prepare(interface, app)
        except Exception:  # settings that are in error are told of by the methods, when used
            return
        self.is_plain = True

    def _prepare(self, interface: SecureCookieSessionInterface, app: t.Any) -> None:
        config = app.config
        key = config["SECRET_KEY"]
        self.former = config["SECRET_KEY_FALLBACKS"]
        self._request_class = app.request_class
        self._response_class = app.response_class
        if not (
            _is_untouched(interface)
            and _is_setting(app, "secret_key", "SECRET_KEY")
            and _is_setting(app, "permanent_session_lifetime", "PERMANENT_SESSION_LIFETIME")
            and config.cell is app._cell
            and type(config).__getitem__ is dict.__getitem__
            and type(key) in (str, bytes)
            and key
            and not self.former
            and _has_parts(app.request_class, _REQUEST_PARTS, Request)
            and _has_parts(app.response_class, _RESPONSE_PARTS, Response)
            and _has_parts(app.response_class, _WERKZEUG_RESPONSE_PARTS, ResponseBase)
        ):
            raise _Replaced
        key = key.encode() if isinstance(key, str) else key
        self._sign, self._unsign = make_signer(key, interface.salt.encode())
        name = interface.get_cookie_name(app)
        self._find = make_finder(name)
        self._compose = make_composer(name, **interface._cookie_scope(app))
        self._is_refreshed = bool(config["SESSION_REFRESH_EACH_REQUEST"])
        # Beyond, Werkzeug warns.
        self._limit_bytes = min(config["MAX_COOKIE_SIZE"] or 4093, 4093)
        lifetime = app.permanent_session_lifetime
        if lifetime.microseconds:
            raise _Replaced
        self._lifetime_s = int(lifetime.total_seconds())
        http_date(datetime.now(UTC) + lifetime)  # whether there is such a date
        self._serializer = interface.serializer
        provider: t.Any = app.json
        self._encode = None
        if provider.answers_plainly():
            self._encode = encoder_of(provider.sort_keys, provider.ensure_ascii)
        self._cell = app._cell
        # A second, and the date at which a permanent session saved in it ends.
        self._last_expiry = (0, "")

    def open(self, request: Request) -> SecureCookieSession | None:
        """Return the session of a request; None where the interface's methods are to do it."""
        if request.__class__ is not self._request_class or request._cookies is not None:
            return None
        field = request.header("cookie")
        if field is None:
            return SecureCookieSession()
        cookie = self._find(field)
        if cookie is None:
            return None
        if not cookie:
            return SecureCookieSession()
        payload = self._unsign(cookie, self._lifetime_s)
        if payload is None:
            return None
        try:
            items = self._load(payload.decode())
        except Exception:  # signed with the key, and no session: as above
            return None
        return SecureCookieSession(items)

    def save(self, session: SessionMixin, response: Response) -> bool:
        """Add to the response what the session needs; False where the methods are to do it."""
        if (
            session.__class__ is not SecureCookieSession
            or response.__class__ is not self._response_class
        ):
            return False
        cookie = None
        if session:
            is_permanent = "_permanent" in session and session.permanent
            if session.modified or (is_permanent and self._is_refreshed):
                payload = self._dump(dict(session))
                expires = self._expiry() if is_permanent else None
                cookie = self._compose(self._sign(payload), expires)
                if len(cookie) > self._limit_bytes:
                    return False
        elif session.modified:
            return False  # the cookie is to be deleted
        if cookie is not None or session.accessed:
            _add_fields(response, cookie)
        return True

    def _load(self, text: str) -> t.Any:
        """Return what the serializer loads; by itself if it would only hand it on."""
        if self._encode is not None:
            ctx = _cv_current.get()
            if ctx is not None and ctx.app._cell is self._cell:
                items = loads_plain(text)
                return items if self._serializer.is_plain(items) else self._serializer.read(items)
        return self._serializer.loads(text)

    def _dump(self, items: dict[str, t.Any]) -> bytes:
        """Return the bytes that the serializer dumps; by itself if it would only hand them on."""
        if self._encode is not None and self._serializer.is_plain(items):
            ctx = _cv_current.get()
            if ctx is not None and ctx.app._cell is self._cell:
                payload = self._encode(items)
                if payload is not None:
                    return payload
        text: str = self._serializer.dumps(items)
        return text.encode()

    def _expiry(self) -> str:
        now = int(time.time())
        second, date = self._last_expiry
        if second != now:
            date = http_date(now + self._lifetime_s)
            self._last_expiry = now, date
        return date


def _add_fields(response: Response, cookie: str | None) -> None:
    # Past `Headers.add`, whose checks no name or value from here needs: 1.2 us less.
    fields = (response._headers or response.headers)._list
    for name, _ in fields:
        if len(name) == 4 and name.lower() == "vary":
            response.vary.add("Cookie")
            break
    else:
        fields.append(("Vary", "Cookie"))
    if cookie is not None:
        fields.append(("Set-Cookie", cookie))


def _is_untouched(interface: SecureCookieSessionInterface) -> bool:
    """Whether neither the interface nor its class has a method or setting of somebody else's."""
    return (
        not vars(interface).keys() - {"_signing"}
        and _members() == vars(SecureCookieSessionInterface)["_original"]
        and interface.serializer is _shared_serializer()
    )


def _is_setting(app: t.Any, name: str, key: str) -> bool:
    """Whether the application's attribute is what its configuration has under the key."""
    attribute = getattr(type(app), name)
    return isinstance(attribute, ConfigAttribute) and attribute.__name__ == key


def _has_parts(cls: type, names: tuple[str, ...], source: type) -> bool:
    return all(getattr(cls, name) is getattr(source, name) for name in names)
