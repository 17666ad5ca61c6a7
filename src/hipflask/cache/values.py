"""`Cache`: values by key, made once for all who ask at the time.

Values are kept as msgpack, so that nobody changes another's, and so that their bytes can be
counted: text, numbers, bytes, dates, lists and mappings, and with `type=` whatever msgspec knows.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import msgspec

from ..bridge import in_pool
from .flights import Flights
from .memory import Entries, Found, MemoryEntries

if TYPE_CHECKING:
    from ..database import Database

F = TypeVar("F", bound=Callable[..., Any])
_log = logging.getLogger("hipflask.cache")
_KEY_BYTES = 4096


class Cache:
    """A cache in this process, or with `app` in the application's store for all processes.

        cache = Cache()                                # this process, 32 MiB
        cache = Cache(app, name="prices")              # HIPFLASK_DATABASE_URL
        cache = Cache(app, database="postgresql://...")

    `max_bytes` bounds all values together in memory, and one value in the store. `entries` is
    something else that keeps them. `wait_s` is how long anybody waits for another's `make`
    before making the value as well. Thread-safe.
    """

    def __init__(
        self,
        app: Any = None,
        *,
        name: str = "cache",
        database: str | Database | None = None,
        max_bytes: int | None = None,
        entries: Entries | None = None,
        wait_s: float = 30.0,
    ) -> None:
        self.name = name
        self.wait_s = wait_s
        if entries is None:
            entries = _entries(app, name, database, max_bytes)
        self.entries: Entries = entries
        self._flights = Flights()

    def get(self, key: str, default: Any = None, *, type: Any = Any) -> Any:
        """The value under `key`, stale or not; `default` without one, or where it is no `type`."""
        found = self.entries.get(_checked(key))
        return default if found is None else _decode(found.value, type, default)

    def set(self, key: str, value: Any, ttl_s: float, *, stale_s: float = 0.0) -> None:
        """Keep a value, fresh for `ttl_s` seconds, and stale for `stale_s` more."""
        _check_times(ttl_s, stale_s)
        self.entries.set(_checked(key), msgspec.msgpack.encode(value), ttl_s, stale_s)

    def delete(self, key: str) -> None:
        """Keep it no longer. StoreUnavailable where the store could not be told."""
        self.entries.delete(_checked(key))

    def clear(self) -> None:
        """Keep nothing."""
        self.entries.clear()

    def get_or_make(
        self,
        key: str,
        make: Callable[[], Any],
        ttl_s: float,
        *,
        stale_s: float = 0.0,
        type: Any = Any,
    ) -> Any:
        """The value under `key`; made by `make()` where there is none, once in this process.

        Others who ask meanwhile wait, and get what it returned or raised. A stale value is given
        to all but the one who makes it anew, and to that one as well if `make` raises.
        """
        _check_times(ttl_s, stale_s)
        value, is_wanted = self._usable(key, self.entries.get(_checked(key)), type)
        if not is_wanted:
            return value

        def made() -> bytes:
            # Somebody may have landed with it since we looked.
            again = self.entries.get(key)
            if again is not None and _is_good(again, type):
                return again.value
            packed = msgspec.msgpack.encode(make())
            self.entries.set(key, packed, ttl_s, stale_s)
            return packed

        try:
            packed = self._flights.run(key, made, self.wait_s)
        except Exception:
            if value is _MISSING:
                raise
            _log.warning("%s cannot be made anew, and stays stale.", key[:80], exc_info=True)
            return value
        return msgspec.msgpack.decode(packed, type=type)

    async def get_or_make_async(
        self,
        key: str,
        make: Callable[[], Awaitable[Any]],
        ttl_s: float,
        *,
        stale_s: float = 0.0,
        type: Any = Any,
    ) -> Any:
        """`get_or_make` in a coroutine, with an async `make`; the store is asked in the pool."""
        _check_times(ttl_s, stale_s)
        found = await self._aside(self.entries.get, _checked(key))
        value, is_wanted = self._usable(key, found, type)
        if not is_wanted:
            return value

        async def made() -> bytes:
            again = await self._aside(self.entries.get, key)
            if again is not None and _is_good(again, type):
                return again.value  # type: ignore[no-any-return]  # as above
            packed = msgspec.msgpack.encode(await make())
            await self._aside(self.entries.set, key, packed, ttl_s, stale_s)
            return packed

        try:
            packed = await self._flights.run_async(key, made, self.wait_s)
        except Exception:
            if value is _MISSING:
                raise
            _log.warning("%s cannot be made anew, and stays stale.", key[:80], exc_info=True)
            return value
        return msgspec.msgpack.decode(packed, type=type)

    def cached(self, ttl_s: float, *, stale_s: float = 0.0) -> Callable[[F], F]:
        """Decorate a function, plain or async, whose results are kept by its arguments.

            @cache.cached(ttl_s=60)
            def rate(currency: str) -> float: ...

            rate.forget("EUR")      # ask anew next time

        Arguments are what JSON can say; the result has the type of the return annotation.
        """

        def decorate(function: F) -> F:
            start = f"{function.__module__}.{function.__qualname__}"
            type = _answer_of(function)

            def key_of(*args: Any, **kwargs: Any) -> str:
                told = msgspec.json.encode([args, kwargs], order="deterministic")
                return f"{start}{told.decode()}"

            if inspect.iscoroutinefunction(function):

                @wraps(function)
                async def run_async(*args: Any, **kwargs: Any) -> Any:
                    make = partial(function, *args, **kwargs)
                    key = key_of(*args, **kwargs)
                    return await self.get_or_make_async(
                        key, make, ttl_s, stale_s=stale_s, type=type
                    )

                made: Any = run_async
            else:

                @wraps(function)
                def run(*args: Any, **kwargs: Any) -> Any:
                    make = partial(function, *args, **kwargs)
                    key = key_of(*args, **kwargs)
                    return self.get_or_make(key, make, ttl_s, stale_s=stale_s, type=type)

                made = run
            made.forget = lambda *args, **kwargs: self.delete(key_of(*args, **kwargs))
            return made  # type: ignore[no-any-return]  # the function's own type

        _check_times(ttl_s, stale_s)
        return decorate

    async def _aside(self, call: Callable[..., Any], *args: Any) -> Any:
        return await in_pool(call, *args) if self.entries.waits else call(*args)

    def _usable(self, key: str, found: Found | None, type: Any) -> tuple[Any, bool]:
        """What is kept, and whether it is to be made anew by who asks now."""
        value = _MISSING if found is None else _decode(found.value, type, _MISSING)
        if found is None or value is _MISSING:
            return _MISSING, True
        return value, not (found.is_fresh or self._flights.is_under_way(key))


_MISSING: Any = object()


def _entries(
    app: Any, name: str, database: str | Database | None, max_bytes: int | None
) -> Entries:
    bound: Any = {} if max_bytes is None else {"max_bytes": max_bytes}
    if app is None:
        if database is not None:
            raise ValueError("Cache(database=...) takes the app as well, whose store it is.")
        return MemoryEntries(**bound)
    from ..database.opened import database_of  # who keeps values in memory needs no database
    from .stored import StoredEntries

    return StoredEntries(lambda: database_of(app, database), name, **bound)


def _answer_of(function: Callable[..., Any]) -> Any:
    try:
        return get_type_hints(function, include_extras=True).get("return", Any)
    except Exception:  # names that only a type checker knows
        return Any


def _checked(key: Any) -> str:
    if not isinstance(key, str) or not 0 < len(key) <= _KEY_BYTES:
        raise ValueError(f"A key is a text of 1 to {_KEY_BYTES} characters, and this is none.")
    return key


def _check_times(ttl_s: float, stale_s: float) -> None:
    if ttl_s <= 0 or stale_s < 0:
        raise ValueError(f"ttl_s={ttl_s} and stale_s={stale_s}: more than 0, and no less than 0.")


def _is_good(found: Found, type: Any) -> bool:
    return found.is_fresh and _decode(found.value, type, _MISSING) is not _MISSING


def _decode(value: bytes, type: Any, default: Any) -> Any:
    try:
        return msgspec.msgpack.decode(value, type=type)
    except msgspec.DecodeError:  # kept by code of another day, whose type was another
        return default
