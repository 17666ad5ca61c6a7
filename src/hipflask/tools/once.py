"""Forms that make something, once: each is given a key, and a key that was used makes no more.

The keys are those of `Idempotency-Key`, in the same table of the store. A key whose work ended
in a crash stays taken for a day: whether the row is there is for a person to see.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from ..database import Database
from ..database.expiring import Purger
from ..state.keys import Claim, Kept, Overtaken, Refusal, claim, give_back, keep

#: The hidden field of a form.
FIELD = "once"
#: How long a key is known.
KEEP_S = 86_400.0
#: How long the second press of a button waits for what the first one came to.
WAIT_S = 3.0
_LOOK_S = 0.05
_LONGEST = 100

_purger = Purger("hipflask_idempotency")


class Used(Exception):
    """The form was sent before; `address` is where that led, "" where nobody knows."""

    def __init__(self, address: str = "") -> None:
        super().__init__(address)
        self.address = address


class Different(Exception):
    """The form made something already, and was filled in otherwise since then."""


def new_key() -> str:
    """A key for a form."""
    return secrets.token_urlsafe(16)


class Once:
    """The right to do once what a form asks for. Without a key it is everybody's, each time."""

    def __init__(self, database: Database, taken: Claim | None) -> None:
        self._database = database
        self._taken = taken

    def done(self, address: str, connection: Connection | None = None) -> None:
        """Remember where it led, in `connection`'s transaction if that is the store's."""
        if self._taken is None:
            return
        kept = Kept(303, (("Location", address),), b"")
        if connection is not None:
            keep(connection, self._taken, kept)
            return
        try:
            with self._database.begin() as writing:
                keep(writing, self._taken, kept)
        except Overtaken:
            return  # a day has passed
        _purger.wrote(self._database)

    def failed(self) -> None:
        """Nothing was made: the form may be sent again."""
        if self._taken is not None:
            give_back(self._database, self._taken)


def take(database: Database, key: str, whose: Iterable[str], sent: Iterable[Any]) -> Once:
    """Take a form's key, for `whose` and what was sent; raises Used, Different.

    StoreUnavailable where it cannot be noted.
    """
    if not key or len(key) > _LONGEST:
        return Once(database, None)
    id = hashlib.sha256(json.dumps(["form", *whose, key]).encode()).hexdigest()
    fingerprint = hashlib.sha256(json.dumps(list(sent)).encode()).hexdigest()
    ends = time.monotonic() + WAIT_S
    while True:
        # Its lease is as long as it is known: after a crash nobody knows what was made.
        found = claim(database, id, fingerprint, lease_s=KEEP_S, keep_s=KEEP_S)
        if isinstance(found, Claim):
            return Once(database, found)
        if isinstance(found, Kept):
            raise Used(dict(found.headers).get("Location", ""))
        if found is Refusal.DIFFERENT:
            raise Different
        if time.monotonic() >= ends:
            raise Used
        time.sleep(_LOOK_S)
