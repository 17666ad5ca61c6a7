"""The outbox: what is to be sent, written in the transaction that wants it sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from ...database.queue import Queue
from ...database.rows import Claimed, ReadyRow
from ...database.states import State
from ..fields import dump_headers, parse_headers
from .rows import Attempt, OutboxRow, Outgoing

# What is kept of an answer.
ANSWER_BYTES = 2048


class Outbox(Queue[OutboxRow]):
    """Requests to destinations, each with its own attempts and ending."""

    name = "outbox"
    row_type = OutboxRow
    own_columns = ("method", "path", "idempotency_key", "inbox_seq", "handler")
    searched = ("path", "idempotency_key", "handler", "error")
    attached = (("hipflask_attempt", "outbox_seq"),)

    def post(
        self, outgoings: Iterable[Outgoing], connection: Connection | None = None
    ) -> list[int]:
        """Write rows, in `connection`'s transaction or one of its own; returns their numbers."""
        rows = list(outgoings)
        with self.writing(connection) as writing:
            self.lock_keys(writing, [(row.destination, row.key) for row in rows])
            ready = [self._post(writing, row) for row in rows]
            self.announce(writing, [row for row, state in ready if state is State.RECEIVED])
        return [row.seq for row, _ in ready]

    def _post(self, connection: Connection, row: Outgoing) -> tuple[ReadyRow, State]:
        state = self.newcomer(connection, row.destination, row.key)
        values = {
            "lane": row.destination,
            "key": row.key,
            "state": state,
            "created_at": self.database.clock.now(),
            "size": len(row.body),
            "method": row.method,
            "path": row.path,
            "idempotency_key": row.idempotency_key,
            "inbox_seq": row.inbox_seq,
            "handler": row.handler,
        }
        seq: int = connection.execute(self.sql(_INSERT), values).scalar_one()
        connection.execute(
            self.sql("INSERT INTO {bodies} (seq, headers, body) VALUES (:seq, :headers, :body)"),
            {"seq": seq, "headers": dump_headers(row.headers), "body": row.body},
        )
        return ReadyRow(self.name, seq, row.destination, row.key, 0.0), state

    def record(
        self, claimed: Claimed[OutboxRow], attempt: Attempt, connection: Connection | None = None
    ) -> None:
        """Keep what one try did and what was answered, beside the row."""
        with self.writing(connection, is_ending=True) as writing:
            writing.execute(
                self.sql(
                    "INSERT INTO hipflask_attempt (outbox_seq, at, duration_s, status, answer,"
                    " error) VALUES (:seq, :at, :duration_s, :status, :answer, :error)"
                ),
                {
                    "seq": claimed.seq,
                    "at": attempt.at,
                    "duration_s": attempt.duration_s,
                    "status": attempt.status,
                    "answer": attempt.answer[:ANSWER_BYTES],
                    "error": attempt.error,
                },
            )

    def attempts(self, seq: int) -> list[Attempt]:
        """The row's tries, the oldest first."""
        statement = (
            "SELECT at, duration_s, status, answer, error FROM hipflask_attempt"
            " WHERE outbox_seq = :seq ORDER BY id"
        )
        with self.database.read() as connection:
            found = connection.execute(self.sql(statement), {"seq": seq}).mappings()
            return [Attempt(**row) for row in found]

    def sent_for(self, inbox_seq: int) -> Sequence[OutboxRow]:
        """The rows that handlers of one delivery posted, the oldest first, without bodies."""
        statement = "SELECT {columns} FROM {table} WHERE inbox_seq = :seq ORDER BY seq"
        with self.database.read() as connection:
            found = connection.execute(self.sql(statement), {"seq": inbox_seq}).mappings()
            return [self.make_row(record, None, None) for record in found]

    def own_fields(
        self, fields: dict[str, Any], headers: bytes | None, body: bytes | None
    ) -> dict[str, Any]:
        """Headers as pairs, and the body."""
        return {"headers": None if headers is None else parse_headers(headers), "body": body}


_INSERT = (
    "INSERT INTO {table} (lane, key, state, run_at, created_at, size, method, path,"
    " idempotency_key, inbox_seq, handler) VALUES (:lane, :key, :state, 0, :created_at, :size,"
    " :method, :path, :idempotency_key, :inbox_seq, :handler) RETURNING seq"
)
