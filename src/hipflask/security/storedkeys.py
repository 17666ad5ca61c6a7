"""API keys kept in a file or in the store, made and taken back by `hipflask keys`.

    app.identities = [ApiKey(stored_keys("keys.json"))]

Only hashes are kept, with the first characters of the key, by which people tell keys apart.
Several keys may lead to one name, so that the next is handed over while the last one is valid.
What is changed counts within two seconds in every process, without a restart.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from .identity import Identity, Refused
from .keyplaces import KeyFile, KeyRecord, StoredKey
from .keys import hash_key, new_key
from .records import records_of

_log = logging.getLogger("hipflask.security")

#: Where keys are, unless a place is named: the environment variable, and the file without it.
SETTING = "HIPFLASK_KEYS"
DEFAULT_FILE = "keys.json"
DAY_S = 86400
MOST_DAYS = 36500
# How old what is known of a place may be.
_FRESH_S = 1.0
# Characters of a key that are shown behind its prefix: 36 of its 256 bits.
_SHOWN = 6


class KeyRing:
    """The keys of one place: a file, or a database by its URL or as an object.

    None is HIPFLASK_KEYS, or `keys.json` in the current folder without it. Safe from any thread
    and process.
    """

    def __init__(self, place: Any = None, *, clock: Callable[[], float] = time.time) -> None:
        given = os.environ.get(SETTING) or DEFAULT_FILE if place is None else place
        is_file = isinstance(given, Path) or (isinstance(given, str) and "://" not in given)
        self._at: KeyFile | KeyRecord = (
            KeyFile(Path(given)) if is_file else KeyRecord(records_of(given))
        )
        self._clock = clock

    @property
    def is_file(self) -> bool:
        """Whether it is a file, which is read without waiting for anybody."""
        return isinstance(self._at, KeyFile)

    def entries(self) -> tuple[StoredKey, ...]:
        """All keys, also those that ended; SetupError for a file that holds something else."""
        return self._at.read()

    def used(self) -> dict[str, int]:
        """The day each key was last used, by its id, in days since 1970."""
        return self._at.used()

    def stamp(self) -> Any:
        """What changes when the keys do, as far as can be told without reading them."""
        return self._at.stamp()

    def new(
        self,
        name: str,
        *,
        roles: Iterable[str] = (),
        prefix: str = "key",
        days: float = 0,
        retire_days: float | None = None,
    ) -> tuple[str, StoredKey]:
        """Make a key for `name` and return it, this once, with what is kept of it.

        It ends after `days`; 0 is never. With `retire_days` the name's other keys end after so
        many days at the latest, which is the time to hand the new one over. Raises ValueError
        for a name or a prefix that cannot be, and for more than a hundred years.
        """
        if not name or len(name) > 255 or not name.isprintable():
            raise ValueError(f"{name!r} is no name: 1 to 255 printable characters.")
        if not (0 <= days <= MOST_DAYS and 0 <= (retire_days or 0) <= MOST_DAYS):
            raise ValueError(f"A key ends, or is retired, after 0 to {MOST_DAYS} days.")
        now = int(self._clock())
        key = new_key(prefix)
        made = StoredKey(
            key[: len(prefix) + 1 + _SHOWN] if prefix else key[:_SHOWN],
            hash_key(key), name, tuple(dict.fromkeys(roles)), now,
            now + int(days * DAY_S) if days else 0,
        )  # fmt: skip

        def change(keys: list[StoredKey]) -> list[StoredKey]:
            if any(each.id == made.id for each in keys):
                raise ValueError(f"There is a key {made.id!r} already; make another.")
            if retire_days is not None:
                ends = now + int(retire_days * DAY_S)
                keys = [_retired(each, ends) if each.name == name else each for each in keys]
            return [*keys, made]

        self._at.change(change)
        return key, made

    def revoke(self, key_id: str) -> StoredKey:
        """Take a key back, from now on; LookupError for an id that no key has."""
        found: list[StoredKey] = []

        def change(keys: list[StoredKey]) -> list[StoredKey]:
            changed = []
            for each in keys:
                if each.id == key_id:
                    each = msgspec.structs.replace(each, revoked=each.revoked or int(self._clock()))
                    found.append(each)
                changed.append(each)
            return changed

        self._at.change(change)
        if not found:
            raise LookupError(f"No key has the id {key_id!r}.")
        return found[0]

    def note_used(self, key_id: str, day: int) -> None:
        """Keep the day of a key's last use; what fails is logged, as the key is right anyway."""
        try:
            self._at.note_used(key_id, day)
        except Exception as error:
            _log.warning("When the key %s was used could not be kept: %s", key_id, error)


def stored_keys(
    place: Any = None, *, clock: Callable[[], float] = time.time
) -> Callable[[str], Identity | None]:
    """A check for `ApiKey` or `Bearer` over the keys of a file or a store; see `KeyRing`.

    The identity has the key's name and roles, and its id among the claims: `claims["key"]`.
    Raises SetupError for a file that is not there or may be written by anybody. Later, while the
    place cannot be read, what was known of it counts on.

        app.identities = [ApiKey(stored_keys("keys.json"))]
    """
    ring = KeyRing(place, clock=clock)
    known = _Known(ring, clock)
    if ring.is_file:
        known.load()

    def check(key: str) -> Identity | None:
        return known.find(key)

    # A file is looked at once a second, and read when it changed: no more than a template.
    check.is_quick = ring.is_file  # type: ignore[attr-defined]  # read by `Checked`
    return check


class _Known:
    """The keys of a place as they were a second ago, found without telling by the time taken."""

    def __init__(self, ring: KeyRing, clock: Callable[[], float]) -> None:
        self._ring = ring
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._by_digest: dict[bytes, tuple[StoredKey, Identity]] = {}
        self._stamp: Any = None
        self._looked_at = float("-inf")
        self._noted: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        self._is_loaded = False

    def find(self, key: str) -> Identity | None:
        if time.monotonic() - self._looked_at >= _FRESH_S:
            self._look()
        found = self._by_digest.get(self._blind(hashlib.sha256(key.encode()).digest()))
        if found is None:
            return None
        entry, identity = found
        now = self._clock()
        if entry.state(now) != "valid":
            raise Refused("The key was revoked" if entry.revoked else "The key has expired")
        day = int(now // DAY_S)
        if (entry.id, day) not in self._noted:
            self._noted = {each for each in self._noted if each[1] == day} | {(entry.id, day)}
            self._ring.note_used(entry.id, day)
        return identity

    def load(self) -> None:
        stamp = self._ring.stamp()
        if self._is_loaded and stamp is not None and stamp == self._stamp:
            return
        self._by_digest = {
            self._blind(bytes.fromhex(entry.hash.removeprefix("sha256:"))): (
                entry,
                Identity(entry.name, roles=entry.roles, claims={"key": entry.id}),  # type: ignore[arg-type]  # any iterable is made a frozenset
            )
            for entry in self._ring.entries()
        }
        self._stamp, self._is_loaded = stamp, True

    def _look(self) -> None:
        with self._lock:
            if time.monotonic() - self._looked_at < _FRESH_S:
                return
            try:
                self.load()
            except Exception as error:
                if not self._is_loaded:
                    raise
                _log.error("API keys cannot be read; those known until now count: %s", error)
            self._looked_at = time.monotonic()

    def _blind(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._secret, digest_size=32).digest()


def _retired(key: StoredKey, ends: int) -> StoredKey:
    return msgspec.structs.replace(key, expires=min(key.expires or ends, ends))
