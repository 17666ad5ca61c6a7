"""Slows down who guesses at passwords, by account and by address, in all processes together.

An attempt is counted before the password is looked at, and the count taken back where it was
right: of a thousand guesses sent at once no more than the free ones are looked at. Counts stand
in 256 records of at most 64 entries each, under digests, so that made-up names neither fill a
store nor are told by it. What is pushed out of a full record is what failed least.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
import unicodedata
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import Any

from werkzeug.exceptions import ServiceUnavailable, TooManyRequests

from ..globals import _cv_app
from .audit import tell_login
from .records import Record, Records, is_shared, records_of

_log = logging.getLogger("hipflask.security")

#: Entries of a record; past them the least counts.
_MOST = 64
# An entry: attempts, until when the next has to wait, when the last one was.
_Entry = list[float]


class TooManyAttempts(TooManyRequests):
    """429: so many attempts failed that the next has to wait; `Retry-After` says how long."""

    description = "Too many failed attempts. Try again later."

    def __init__(self, wait_s: float) -> None:
        super().__init__(retry_after=max(1, math.ceil(wait_s)))


class LoginClosed(ServiceUnavailable):
    """503: what was tried so far is not known, so nobody may try more."""

    description = "Logging in is not possible at the moment."

    def __init__(self) -> None:
        super().__init__(retry_after=5)


class Throttle:
    """How often somebody may fail: each account and each client address for itself.

    The first `account_free` failures at one account, and `address_free` from one address (a /64
    of IPv6), cost nothing; after them the next attempt waits `first_s` seconds, doubled with each
    failure up to `most_s`. Counts are forgotten `forget_s` after the last attempt. A right
    password forgets the account's, and not the address's, or one known account would open all.

    `store` is a `hipflask.database`, or its URL: the counts of all processes are one then. None
    is HIPFLASK_DATABASE_URL, or this process's memory. A store that does not answer closes the
    login: 503. Safe from any thread; the database makes it wait.

        Basic(check, throttle=Throttle(store=database))
    """

    def __init__(
        self,
        store: Any = None,
        *,
        account_free: int = 10,
        address_free: int = 30,
        first_s: float = 1.0,
        most_s: float = 900.0,
        forget_s: float = 3600.0,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self._free = {"account": account_free, "address": address_free}
        self._first_s = first_s
        self._most_s = most_s
        self._forget_s = max(forget_s, most_s)
        self._given_clock = clock
        # Without a store, the first request says which is the application's.
        self._asks_for_store = store is None
        self._keep_in(records_of(store))

    def _keep_in(self, records: Records) -> None:
        self._records = records
        # Processes have only the wall clock in common; alone, one that nobody can set is better.
        self._clock = self._given_clock or (time.time if is_shared(records) else time.monotonic)

    @property
    def waits(self) -> bool:
        """Whether counts are in a store, which takes waiting."""
        self._find_store()
        return is_shared(self._records)

    def _find_store(self) -> None:
        ctx = _cv_app.get(None) if self._asks_for_store else None
        if ctx is not None:
            found = records_of(None, ctx.app)
            if is_shared(found):
                self._keep_in(found)
            self._asks_for_store = False

    def begin(self, account: str, address: str | None) -> Attempt:
        """Count an attempt that begins now; say of the result what became of it.

        `address` is the client's, None where it is not known. Raises TooManyAttempts (429) where
        it may not begin, before any password is hashed, and LoginClosed (503) for a store that
        does not answer.
        """
        self._find_store()
        # As one what any store of users takes for one: capitals, forms of letters, spaces.
        name = " ".join(unicodedata.normalize("NFKC", account).casefold().split())
        keys = [_key("account", name)]
        network = network_of(address)
        if network is not None:
            keys.append(_key("address", network))
        try:
            # Looking takes no lock: whoever has to wait keeps nobody from the writer.
            waits = [self._wait(self._entry(key), key[0], self._clock()) for key in keys]
            if max(waits) <= 0:
                waits = [self._count(key) for key in reversed(keys)]
        except Exception:
            _log.exception("The store of failed logins does not answer; nobody can log in.")
            tell_login("closed", account)
            raise LoginClosed from None
        if max(waits) > 0:
            tell_login("slowed", account)
            raise TooManyAttempts(max(waits))
        return Attempt(self, keys)

    def _entry(self, key: tuple[str, str, str]) -> _Entry:
        return self._records.get(key[1]).get(key[2]) or [0, 0, 0]

    def _count(self, key: tuple[str, str, str]) -> float:
        kind, name, digest = key
        wait_s = 0.0

        def change(record: Record) -> Record | None:
            nonlocal wait_s
            now = self._clock()
            entry: _Entry = record.get(digest) or [0, 0, 0]
            wait_s = self._wait(entry, kind, now)
            if wait_s > 0:
                return None
            tried = 1 if self._is_old(entry, now) else int(entry[0]) + 1
            record[digest] = [tried, now + self._delay(kind, tried), now]
            return self._kept(record, now)

        self._records.update(name, change)
        return wait_s

    def _kept(self, record: Record, now: float) -> Record:
        if len(record) > _MOST:
            record = {each: entry for each, entry in record.items() if not self._is_old(entry, now)}
        if len(record) > _MOST:
            worst = sorted(record.items(), key=lambda item: (item[1][0], item[1][2]))
            record = dict(worst[len(record) - _MOST :])
        return record

    def _uncount(self, keys: list[tuple[str, str, str]], *, is_right: bool) -> None:
        for kind, name, digest in keys:
            forgets = is_right and kind == "account"

            def change(
                record: Record, digest: str = digest, kind: str = kind, forgets: bool = forgets
            ) -> Record | None:
                entry = record.get(digest)
                if entry is None:
                    return None
                tried = 0 if forgets else int(entry[0]) - 1
                if tried < 1:
                    del record[digest]
                else:
                    record[digest] = [tried, entry[2] + self._delay(kind, tried), entry[2]]
                return record

            try:
                self._records.update(name, change)
            except Exception:
                # The attempt stays counted, which harms nobody for long.
                _log.exception("The store of failed logins does not answer.")

    def _delay(self, kind: str, tried: int) -> float:
        over = tried - self._free[kind]
        return 0.0 if over <= 0 else min(self._most_s, self._first_s * 2.0 ** min(over - 1, 32))

    def _wait(self, entry: _Entry, kind: str, now: float) -> float:
        if self._is_old(entry, now):
            return 0.0
        # Never longer than it was meant to be, whatever was done to the clock meanwhile.
        return min(entry[1] - now, self._delay(kind, int(entry[0])))

    def _is_old(self, entry: _Entry, now: float) -> bool:
        return now - entry[2] > self._forget_s


class Attempt:
    """One attempt to log in, counted as failed until something else is said of it."""

    def __init__(self, throttle: Throttle, keys: list[tuple[str, str, str]]) -> None:
        self._throttle = throttle
        self._keys = keys

    def succeeded(self) -> None:
        """The password was right."""
        self._throttle._uncount(self._keys, is_right=True)

    def take_back(self) -> None:
        """Nobody looked at the password: something else went wrong."""
        self._throttle._uncount(self._keys, is_right=False)


def network_of(address: str | None) -> str | None:
    """What counts as one client: an IPv4 address, the /64 of an IPv6 address; None for neither."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return found.packed[:8].hex()
    return str(found)


def _key(kind: str, text: str) -> tuple[str, str, str]:
    """The kind, the record's name, and the entry in it."""
    raw = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(raw, digest_size=12, person=kind.encode()).hexdigest()
    return kind, f"security:{kind}:{digest[:2]}", digest[2:]
