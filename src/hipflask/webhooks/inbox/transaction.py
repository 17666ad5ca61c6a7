"""What a handler writes with: its effects, its outgoing requests and `done` in one transaction."""

from __future__ import annotations

import json
from contextlib import ExitStack

from sqlalchemy import Connection

from ...database import failpoints
from ...database.claiming import IS_OURS
from ...database.errors import Fenced
from ...database.rows import Claimed
from ...database.table import QueueTable
from .outbox import Outbox
from .rows import InboxRow, Outgoing


class Transaction:
    """Made by `Inbox.transaction`, for one handler on one thread.

    The write transaction begins when `connection` is first asked for, or something is posted or
    handled: until then a slow handler holds up nobody.
    """

    def __init__(
        self, inbox: QueueTable, outbox: Outbox, claimed: Claimed[InboxRow], stack: ExitStack
    ) -> None:
        self._inbox = inbox
        self._outbox = outbox
        self._claimed = claimed
        self._stack = stack
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """SQLAlchemy's connection, inside the transaction. Fenced if the lease was lost."""
        if self._connection is None:
            self._connection = self._stack.enter_context(self._inbox.writing(is_ending=True))
            self._check_lease(self._connection)
        return self._connection

    @property
    def has_begun(self) -> bool:
        """Whether the transaction has begun."""
        return self._connection is not None

    def post(self, outgoing: Outgoing) -> int:
        """Write a row of the outbox: sent if and only if this commits. Returns its number."""
        return self._outbox.post([outgoing], self.connection)[0]

    def handled(self, name: str) -> None:
        """Write that the handler `name` has finished; Fenced if the lease was lost."""
        # The event may end in this transaction, and a key is locked before a row.
        self._inbox.lock_keys(self.connection, [(self._claimed.lane, self._claimed.key)])
        statement = "SELECT done_by FROM {table} WHERE " + IS_OURS
        done_by = self.connection.scalar(self._inbox.sql(statement), self._ours())
        if done_by is None:
            raise Fenced(self._inbox.name, self._claimed.seq)
        names = json.loads(done_by)
        if name not in names:
            statement = "UPDATE {table} SET done_by = :done_by WHERE " + IS_OURS
            values = {**self._ours(), "done_by": json.dumps([*names, name])}
            if self.connection.execute(self._inbox.sql(statement), values).rowcount == 0:
                raise Fenced(self._inbox.name, self._claimed.seq)

    def _ours(self) -> dict[str, int]:
        return {"seq": self._claimed.seq, "fence": self._claimed.fence}

    def complete(self) -> None:
        """The last step before COMMIT: the lease must still be ours then."""
        if self._connection is not None:
            # A row lock only now: held through the handler, it would keep others' claims waiting.
            lock = "" if self._inbox.database.is_sqlite else " FOR UPDATE"
            # Not the state: the row may have been finished in this very transaction.
            self._check_lease(self._connection, lock)
            failpoints.hit("P10")

    def _check_lease(self, connection: Connection, lock: str = "") -> None:
        statement = "SELECT 1 FROM {table} WHERE seq = :seq AND fence = :fence" + lock
        if connection.scalar(self._inbox.sql(statement), self._ours()) is None:
            raise Fenced(self._inbox.name, self._claimed.seq)
