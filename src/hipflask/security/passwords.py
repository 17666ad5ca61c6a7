"""Passwords: hashed with argon2id (RFC 9106), checked without telling which part was wrong.

Needs argon2-cffi: `pip install hipflask[auth]`.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Any

from werkzeug.exceptions import ServiceUnavailable

from ..bridge import in_pool, is_async
from ..scaffold import SetupError
from .identity import Identity

#: Longer ones cost the server more to refuse than the sender to send.
LONGEST_PASSWORD = 1024
# Each takes 64 MiB while it runs.
_AT_ONCE = 2
# More would take the threads that other requests run in.
_MOST_WAITING = 8
_LONGEST_WAIT_S = 10.0

#: name -> its hash and whom it stands for; None for a name that nobody has.
Found = tuple[str, Identity] | None
Find = Callable[[str], Found] | Callable[[str], Awaitable[Found]]
Save = Callable[[str, str], Any]


class PasswordsBusy(ServiceUnavailable):
    """503: as many passwords are being hashed, and wait to be, as memory and threads allow."""

    description = "Too many people are logging in at the moment."

    def __init__(self) -> None:
        super().__init__(retry_after=1)


class _Turns:
    """Lets so many in at a time and so many wait; PasswordsBusy for the rest."""

    def __init__(self, at_once: int, most_waiting: int, longest_wait_s: float) -> None:
        self._free = threading.BoundedSemaphore(at_once)
        self._most_waiting = most_waiting
        self._longest_wait_s = longest_wait_s
        self._waiting = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        if self._free.acquire(blocking=False):
            return
        with self._lock:
            if self._waiting >= self._most_waiting:
                raise PasswordsBusy
            self._waiting += 1
        try:
            if not self._free.acquire(timeout=self._longest_wait_s):
                raise PasswordsBusy
        finally:
            with self._lock:
                self._waiting -= 1

    def __exit__(self, *failure: object) -> None:
        self._free.release()


_turn = _Turns(_AT_ONCE, _MOST_WAITING, _LONGEST_WAIT_S)


def hash_password(password: str) -> str:
    """What to store of a password: an argon2id hash that carries its own salt and parameters.

    Takes some 50 ms and 64 MiB; at most two run at a time in a process, eight wait for 10 s,
    and more raise PasswordsBusy, a 503. Raises ValueError for a password that is empty or longer
    than 1,024 characters.
    """
    if not 0 < len(password) <= LONGEST_PASSWORD:
        raise ValueError(f"A password has 1 to {LONGEST_PASSWORD} characters.")
    with _turn:
        hashed: str = _hasher().hash(_bytes(password))
        return hashed


def verify_password(hashed: str | None, password: str) -> bool:
    """Whether the password is the one that was hashed; takes as long if it is not.

    With None for the hash, for a user who is not known, the same work is done in vain, so that
    the time does not tell who exists. A text that is no hash counts as wrong. Raises
    PasswordsBusy as `hash_password` does.
    """
    from argon2.exceptions import Argon2Error, InvalidHashError

    if len(password) > LONGEST_PASSWORD:
        return False
    with _turn:
        try:
            right: bool = _hasher().verify(hashed or _nobodys(), _bytes(password))
        except (Argon2Error, InvalidHashError):
            return False
    return right and hashed is not None


def needs_rehash(hashed: str) -> bool:
    """Whether a hash was made with other parameters than today's: store a new one at login."""
    needed: bool = _hasher().check_needs_rehash(hashed)
    return needed


def hashed_passwords(
    users: Mapping[str, tuple[str, Identity]], *, remember_s: float = 300.0
) -> Callable[[str, str], Identity | None]:
    """A check for `Basic` over users known by their hashes: name -> (hash, identity).

    A password that was right is known again for `remember_s` seconds (0 for never) without
    argon2's 50 ms, by a digest under a key that only this process has. Raises SetupError for
    what is no argon2 hash, never showing it.

        Basic(hashed_passwords({"ada": ("$argon2id$v=19$...", Identity("ada"))}))
    """
    for number, (hashed, identity) in enumerate(users.values(), start=1):
        if not hashed.startswith("$argon2"):
            raise SetupError(
                f"Entry {number} of hashed_passwords() holds no argon2 hash. If it is the password"
                " itself, it does not belong there: store what hash_password(password) returns."
            )
        if not isinstance(identity, Identity):
            raise SetupError(
                f"Entry {number} of hashed_passwords() leads to a {type(identity).__name__}, not"
                " to an Identity."
            )
    known = dict(users)
    remembered = Remembered(remember_s)

    def check(name: str, password: str) -> Identity | None:
        hashed, identity = known.get(name, (None, None))
        if hashed is not None and remembered.has(name, password, hashed):
            return identity
        if not verify_password(hashed, password) or hashed is None:
            return None
        remembered.add(name, password, hashed)
        return identity

    return check


def stored_passwords(
    find: Find, save: Save | None = None, *, remember_s: float = 300.0
) -> Callable[[str, str], Any]:
    """A check for `Basic` or `add_login` over users of a database: `find(name)` -> hash, identity.

    `find` returns None for a name that nobody has; it is plain or async, and the check is of its
    kind. `save(name, hash)` is called at a right password whose hash was made with weaker
    parameters than today's, and stores the new one. `remember_s` is as of `hashed_passwords`;
    a hash that was changed is never remembered.

        def find(name):
            row = users.get(name)
            return None if row is None else (row.hash, Identity(row.id, roles=row.roles))

        add_login(app, check=stored_passwords(find, save_hash))
    """
    remembered = Remembered(remember_s)

    def judge(name: str, password: str, found: Found) -> tuple[Identity | None, str]:
        """Who it is, and a new hash to be stored if there is one."""
        hashed, identity = found or (None, None)
        if hashed is not None and remembered.has(name, password, hashed):
            return identity, ""
        if not verify_password(hashed, password) or hashed is None:
            return None, ""
        newer = hash_password(password) if save is not None and needs_rehash(hashed) else ""
        remembered.add(name, password, newer or hashed)
        return identity, newer

    if is_async(find):

        async def check_async(name: str, password: str) -> Identity | None:
            found: Any = find(name)
            identity, newer = await in_pool(judge, name, password, await found)
            if newer and save is not None:
                stored = save(name, newer) if is_async(save) else in_pool(save, name, newer)
                await stored
            return identity  # type: ignore[no-any-return]

        return check_async

    def check(name: str, password: str) -> Identity | None:
        found: Any = find(name)
        identity, newer = judge(name, password, found)
        if newer and save is not None:
            save(name, newer)
        return identity

    if save is not None and is_async(save):
        raise SetupError("stored_passwords(): save is async, so find has to be async as well.")
    return check


class Remembered:
    """Which pairs of name and password were right a short time ago; for any thread."""

    _MOST = 1000

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._until: OrderedDict[bytes, tuple[float, str]] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, name: str, password: str, hashed: str | None = None) -> bool:
        """Whether they were right, by this hash if one is given."""
        digest = self._digest(name, password)
        with self._lock:
            until, by = self._until.get(digest, (0.0, ""))
        return until > self._clock() and hashed in (None, by)

    def add(self, name: str, password: str, hashed: str = "") -> None:
        """They were right just now."""
        if self._seconds <= 0:
            return
        digest = self._digest(name, password)
        with self._lock:
            self._until[digest] = self._clock() + self._seconds, hashed
            self._until.move_to_end(digest)
            if len(self._until) > self._MOST:
                self._until.popitem(last=False)

    def _digest(self, name: str, password: str) -> bytes:
        text = len(name).to_bytes(4, "big") + _bytes(name) + _bytes(password)
        return hashlib.blake2b(text, key=self._key, digest_size=32).digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@cache
def _hasher() -> Any:
    try:
        import argon2  # optional
    except ImportError:
        raise SetupError(
            "Passwords need argon2-cffi, which is not installed: pip install 'hipflask[auth]'."
        ) from None
    return argon2.PasswordHasher()


@cache
def _nobodys() -> str:
    """A hash that no password gives in time: for users who do not exist."""
    hashed: str = _hasher().hash(secrets.token_bytes(32))
    return hashed
