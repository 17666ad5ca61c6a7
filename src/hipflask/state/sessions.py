"""Sessions in the store: the cookie holds an id, the row what belongs to it.

Flask's interface, and what a row makes possible: a session ends when it is told to, and not
when its cookie does. What two requests at a time promise one another: each writes the keys it
changed, into the row as it then is, so neither loses the other's keys; of one key the last
writer's value stays. What is inside a value is not merged.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NoReturn

from werkzeug.exceptions import ServiceUnavailable

from ..database import Database, StoreUnavailable
from ..database.expiring import Purger, purge
from ..database.opened import database_of
from ..scaffold import SetupError
from ..sessions import SecureCookieSession, SessionInterface, SessionMixin, _shared_serializer
from ..wrappers import Request, Response
from . import records
from .answers import refuse_for_now
from .records import Change, Items, SessionRecord, handle_of

# 256 bits, which take 43 characters; more cannot be one of ours.
_ID_BYTES = 32
_ID_LENGTH = 43
_MOST_BYTES = 64 * 1024
_RETRY_S = 2


class StoredSession(SecureCookieSession):
    """A session whose items are in the store. `new` is true until it has been stored."""

    new = True
    #: The row as this request found it; None for a session that is not stored.
    record: SessionRecord | None = None
    #: Whose it is; what its items say, where nothing was set here.
    owner: str | None = None
    is_moving = False
    is_permanent_as_read = False
    _owner_as_read: str | None = None
    _read_items: Items | None = None

    def regenerate(self, owner: str | None = None) -> None:
        """Have another id from the next answer on, with the same items; the old id ends.

        To be called wherever what somebody may do grows, at a login above all: an id that a
        stranger has put into the browser is then worth nothing. `owner` says whose it is.
        """
        self.is_moving = self.modified = True
        if owner is not None:
            self.owner = owner

    @property
    def handle(self) -> str | None:
        """What `StoredSessions.revoke` takes; None until it has been stored."""
        return None if self.record is None else self.record.handle


class _Unavailable(StoredSession):
    """The store is away: any look at the session is a 503, never an empty session."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise ServiceUnavailable(
            "Sessions cannot be read at the moment.", retry_after=_RETRY_S
        ) from self._error

    __getitem__ = __setitem__ = __delitem__ = __contains__ = __iter__ = __len__ = _refuse
    get = pop = popitem = setdefault = update = clear = keys = values = items = copy = _refuse
    __eq__ = __or__ = __ior__ = __ror__ = __reversed__ = regenerate = _refuse
    del _refuse


class StoredSessions(SessionInterface):
    """Keeps sessions in the store; an id of 256 bits is all that is in the cookie.

        app.session_interface = StoredSessions()

    `database` is a URL or a `Database`; by default the application's, HIPFLASK_DATABASE_URL.
    A session ends after `idle` without a request, and `absolute` after it began; a permanent
    one after `app.permanent_session_lifetime` without a request, and `permanent_absolute`
    after it began. `owner` is called with a session's items and returns whose it is, or None.
    Sessions larger than `max_bytes` of JSON are refused with ValueError when they are saved.
    """

    session_class = StoredSession

    def __init__(
        self,
        database: str | Database | None = None,
        *,
        idle: timedelta = timedelta(minutes=30),
        absolute: timedelta = timedelta(hours=12),
        permanent_absolute: timedelta = timedelta(days=90),
        owner: Callable[[Mapping[str, Any]], Any] | None = None,
        max_bytes: int = _MOST_BYTES,
    ) -> None:
        if not timedelta(0) < idle <= absolute:
            raise SetupError(
                f"StoredSessions(idle={idle}, absolute={absolute}): a session ends after idle"
                " without a request, and after absolute at the latest, so idle is more than"
                " nothing and no more than absolute."
            )
        self.database = database
        self.idle = idle
        self.absolute = absolute
        self.permanent_absolute = permanent_absolute
        self.owner = owner or owner_of
        self.max_bytes = max_bytes
        self._purger = Purger("hipflask_session")

    # What Flask calls.

    def waits_to_open(self, app: Any, request: Request) -> bool:
        """Whether `open_session` asks the store: not for a request without the cookie."""
        return bool(request.cookies.get(self.get_cookie_name(app)))

    def waits_to_save(self, session: Any) -> bool:
        """Whether `save_session` may ask the store: not for one that is neither stored nor new."""
        return bool(session.modified or session.record is not None)

    def open_session(self, app: Any, request: Request) -> StoredSession:
        """The session of the cookie's id, if it is stored and has not ended; else a new one.

        While the store is away it is one that answers 503 when it is looked at.
        """
        session_id = request.cookies.get(self.get_cookie_name(app))
        if not session_id or len(session_id) != _ID_LENGTH or not session_id.isascii():
            return self.session_class()
        try:
            record = records.read(self._database(app), handle_of(session_id))
        except StoreUnavailable as error:
            app.logger.error("A session could not be read: %s", error)
            return _Unavailable(error)
        if record is None:
            return self.session_class()
        items = _load(record.items)
        session = self.session_class(_values_of(items))
        session.new = False
        session.record = record
        session.owner = record.owner
        session._owner_as_read = self._named(session)
        session.is_permanent_as_read = session.permanent
        session._read_items = items
        return session

    def save_session(self, app: Any, session: SessionMixin, response: Response) -> None:
        """Store what has changed and set the cookie; write nothing for an untouched session.

        While the store is away the answer becomes a 503 with Retry-After: what the view says
        may rest on a session that is not there.
        """
        if isinstance(session, _Unavailable):
            if session.accessed:
                response.vary.add("Cookie")
            return
        if not isinstance(session, StoredSession):
            raise TypeError(
                f"{type(session).__name__} is no session of StoredSessions: change the one that"
                " open_session gave instead of putting another in its place."
            )
        try:
            session_id = self._store(app, session)
        except StoreUnavailable as error:
            app.logger.error("A session could not be saved: %s", error)
            refuse_for_now(response, "The session cannot be saved at the moment.", _RETRY_S)
            return
        is_emptied = session.modified and not session
        if session.accessed or is_emptied or session_id is not None:
            response.vary.add("Cookie")
        if is_emptied:
            response.delete_cookie(self.get_cookie_name(app), **self._cookie_scope(app))
        elif session_id is not None:
            response.set_cookie(
                self.get_cookie_name(app),
                session_id,
                expires=self.get_expiration_time(app, session),
                **self._cookie_scope(app),
            )

    # What a row makes possible.

    def regenerate(self, session: Any) -> None:
        """`session.regenerate()`, under the name that Flask-Session has, which logins call."""
        session.regenerate()

    def revoke(self, app: Any, handle: str) -> bool:
        """End one session, as `session.handle` or `sessions_of` names it; whether there was one.

        The next request with its cookie has a new, empty session. Raises StoreUnavailable.
        """
        return records.delete(self._database(app), handle)

    def revoke_all(self, app: Any, owner: str, *, keep: str | None = None) -> int:
        """End all sessions of one owner, but for the one with the handle `keep`; how many."""
        return records.delete_owned(self._database(app), str(owner), keep or "")

    def sessions_of(self, app: Any, owner: str, *, limit: int = 100) -> list[SessionRecord]:
        """The sessions of one owner, the one seen last first."""
        return records.owned(self._database(app), str(owner), limit)

    def purge(self, app: Any, *, limit: int | None = None) -> int:
        """Delete sessions that have ended; each process does so itself once a minute it writes."""
        return purge(self._database(app), "hipflask_session", limit=limit)

    # How.

    def _database(self, app: Any) -> Database:
        return database_of(app, self.database)

    def _store(self, app: Any, session: StoredSession) -> str | None:
        """Write what has to be written; the id to send, None if the browser's is still right."""
        record = session.record
        if session.modified and not session:
            if record is not None:
                records.delete(self._database(app), record.handle)
            return None
        if record is None:
            return self._store_new(app, session) if session and session.modified else None
        database = self._database(app)
        now = database.clock.now()
        expires_at = self._expires_at(app, session, record.created_at, now)
        seen = record._replace(
            seen_at=now, expires_at=expires_at, owner=self._owner_of(session, record.owner)
        )
        if not session.modified:
            if now - record.seen_at >= self._touch_after_s(app, session):
                records.touch(database, seen)
                self._purger.wrote(database)
            return self._refreshed(app, session)
        change = self._change_of(session)
        if session.is_moving:
            session_id = _new_id()
            moved = seen._replace(handle=handle_of(session_id), created_at=now)
            moved = moved._replace(expires_at=self._expires_at(app, session, now, now))
            is_there = records.move(database, record.handle, moved, change, _load, _dump)
            session.record = moved if is_there else None
            return session_id if is_there else None
        if not records.merge(database, seen, change, _load, _dump):
            # Ended or given another id while this request ran: what it did goes with it, and
            # its answer leaves alone the cookie that somebody may have got since.
            return None
        self._purger.wrote(database)
        return self._refreshed(app, session)

    def _store_new(self, app: Any, session: StoredSession) -> str:
        database = self._database(app)
        session_id, now = _new_id(), database.clock.now()
        items = _dump(self._change_of(session).put)
        session.record = SessionRecord(
            handle_of(session_id),
            self._owner_of(session, None),
            items,
            now,
            now,
            self._expires_at(app, session, now, now),
        )
        records.insert(database, session.record)
        self._purger.wrote(database)
        return session_id

    def _refreshed(self, app: Any, session: StoredSession) -> str | None:
        """The id once more, where the browser's cookie is to end later, or with the browser."""
        is_permanent = session.permanent
        if is_permanent == session.is_permanent_as_read and not (
            is_permanent and app.config["SESSION_REFRESH_EACH_REQUEST"]
        ):
            return None
        from ..globals import _cv_request  # the cookie of the request that is being answered

        ctx = _cv_request.get(None)
        return None if ctx is None else ctx.request.cookies.get(self.get_cookie_name(app))

    def _change_of(self, session: StoredSession) -> Change:
        before = session._read_items or {}
        now = {str(key): _dump_value(value) for key, value in dict(session).items()}
        size = sum(len(key) + len(value) for key, value in now.items())
        if size > self.max_bytes:
            largest = max(now, key=lambda key: len(now[key]))
            raise ValueError(
                f"The session has {size} bytes of JSON, and at most {self.max_bytes} are kept:"
                f" its largest item is {largest!r} with {len(now[largest])}. Keep such things"
                " in a table of your own, and their id in the session."
            )
        put = {key: value for key, value in now.items() if before.get(key) != value}
        return Change(put, frozenset(before.keys() - now.keys()))

    def _owner_of(self, session: StoredSession, known: str | None) -> str | None:
        found = self._named(session)
        if found is not None:
            return found
        # Whoever was named by an item and is no longer has logged out; `regenerate` may have
        # named somebody whom no item names.
        has_left = session._owner_as_read is not None and session.owner == known
        return None if has_left else session.owner

    def _named(self, session: StoredSession) -> str | None:
        found = self.owner(session)
        return None if found is None else str(found)

    def _expires_at(self, app: Any, session: StoredSession, created_at: float, now: float) -> float:
        if session.permanent:
            lifetime: timedelta = app.permanent_session_lifetime
            idle_s, absolute_s = lifetime.total_seconds(), self.permanent_absolute.total_seconds()
        else:
            idle_s, absolute_s = self.idle.total_seconds(), self.absolute.total_seconds()
        return min(now + idle_s, created_at + absolute_s)

    def _touch_after_s(self, app: Any, session: StoredSession) -> float:
        """How old the note of the last request may get: writing it each time is a write each."""
        idle = app.permanent_session_lifetime if session.permanent else self.idle
        return min(60.0, float(idle.total_seconds()) / 20)


def owner_of(items: Mapping[str, Any]) -> Any:
    """Whose a session is: whom Flask-Login's item names, or that of `hipflask.security`."""
    login = items.get("_login")
    return items.get("_user_id", login.get("n") if isinstance(login, dict) else None)


def _new_id() -> str:
    return secrets.token_urlsafe(_ID_BYTES)


def _dump_value(value: Any) -> str:
    """One item as tagged JSON, as in Flask's cookie; TypeError for what JSON cannot say."""
    return _shared_serializer().dumps(value)


def _load(items: str) -> Items:
    loaded: Items = json.loads(items)
    return loaded


def _dump(items: Mapping[str, str]) -> str:
    return json.dumps(items)


def _values_of(items: Items) -> dict[str, Any]:
    loads = _shared_serializer().loads
    return {key: loads(value) for key, value in items.items()}
