"""The tables, as queries see them. How they are made, with their indexes, is in `versions`."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()
# The newest file in `versions`.
VERSION = "0003"


def _queue(name: str, *own: Column[object]) -> Table:
    return Table(
        name,
        METADATA,
        Column("seq", BigInteger, primary_key=True),
        Column("lane", Text),
        Column("key", Text),
        # A State, or `held`: PARKED by a person.
        Column("state", Text),
        Column("attempt", Integer),
        Column("kills", Integer),
        # 0 unless WAITING, so that a wall clock set back delays nothing that was not delayed.
        Column("run_at", Float),
        # By the clock of leases (`Database.lease_now`), and which start of the machine that was.
        Column("lease_until", Float),
        Column("lease_boot", Text),
        Column("fence", Integer),
        Column("error", Text),
        Column("created_at", Float),
        Column("finished_at", Float),
        Column("size", Integer),
        Column("is_purged", Integer),
        *own,
    )


def _bodies(name: str) -> Table:
    """Apart from the rows: moving a row to another state must not rewrite a body of 20 MB."""
    return Table(
        name,
        METADATA,
        Column("seq", BigInteger, primary_key=True),
        Column("headers", LargeBinary),
        Column("body", LargeBinary),
    )


INBOX = _queue(
    "hipflask_inbox",
    Column("event_id", Text),
    Column("event_type", Text),
    Column("scheme", Text),
    Column("secret_no", Integer),
    Column("is_id_signed", Integer),
    Column("method", Text),
    Column("query", Text),
    Column("digest", LargeBinary),
    # A conflict because these bytes are known under another id, which nobody has signed.
    Column("is_twin", Integer),
    Column("dup_count", Integer),
    Column("done_by", Text),
)
INBOX_BODY = _bodies("hipflask_inbox_body")
OUTBOX = _queue(
    "hipflask_outbox",
    Column("method", Text),
    Column("path", Text),
    Column("idempotency_key", Text),
    Column("inbox_seq", BigInteger),
    Column("handler", Text),
)
OUTBOX_BODY = _bodies("hipflask_outbox_body")
AUDIT = Table(
    "hipflask_audit",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("queue", Text),
    Column("seq", BigInteger),
    Column("at", Float),
    Column("actor", Text),
    Column("old", Text),
    Column("new", Text),
    Column("attempt", Integer),
    Column("note", Text),
)
ATTEMPT = Table(
    "hipflask_attempt",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("outbox_seq", BigInteger),
    Column("at", Float),
    Column("duration_s", Float),
    Column("status", Integer),
    Column("answer", LargeBinary),
    Column("error", Text),
)
LANE = Table(
    "hipflask_lane",
    METADATA,
    Column("name", Text, primary_key=True),
    # Infinity is written as a very late time.
    Column("paused_until", Float),
    # When the lane's rate allows the next row, in wall time.
    Column("next_at", Float),
    Column("settings", Text),
    Column("version", Integer),
)
SESSION = Table(
    "hipflask_session",
    METADATA,
    # SHA-256 of the id that the cookie holds, in hexadecimal.
    Column("id", Text, primary_key=True),
    # Whose it is, to revoke all of one person.
    Column("owner", Text),
    Column("items", Text),
    Column("created_at", Float),
    Column("seen_at", Float),
    Column("expires_at", Float),
)
CACHE = Table(
    "hipflask_cache",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("value", LargeBinary),
    Column("fresh_until", Float),
    Column("expires_at", Float),
    Column("size", Integer),
)
IDEMPOTENCY = Table(
    "hipflask_idempotency",
    METADATA,
    # SHA-256 of caller, route and key, in hexadecimal.
    Column("id", Text, primary_key=True),
    # `running`, `done`, or `unkept`: done, and its answer was too large to keep.
    Column("state", Text),
    Column("fingerprint", Text),
    # Which attempt it is, at random; another one may have taken over.
    Column("holder", Text),
    Column("lease_until", Float),
    Column("lease_boot", Text),
    Column("status", Integer),
    Column("headers", LargeBinary),
    Column("body", LargeBinary),
    Column("created_at", Float),
    Column("expires_at", Float),
)
JOB = _queue("hipflask_job", Column("run_id", BigInteger))
JOB_BODY = _bodies("hipflask_job_body")
RUN = Table(
    "hipflask_run",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("tool", Text),
    Column("action", Text),
    # The run that this one undoes.
    Column("undo_of", BigInteger),
    # A `tools.runs.states.RunState`.
    Column("state", Text),
    Column("digest", Text),
    # The moment of a schedule that this run is for.
    Column("slot", Text),
    Column("occasion", Text),
    # SHA-256 of the action's module.
    Column("code", Text),
    Column("parameters", Text),
    Column("chosen", Text),
    Column("lines", Text),
    Column("files", LargeBinary),
    Column("needs_approval", Integer),
    # A subject's id, which does not change with the name.
    Column("requester", Text),
    Column("requester_name", Text),
    Column("via", Text),
    Column("approver", Text),
    Column("approver_name", Text),
    Column("note", Text),
    Column("created_at", Float),
    Column("submitted_at", Float),
    Column("decided_at", Float),
    Column("expires_at", Float),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("undo_until", Float),
    Column("done", Integer),
    Column("total", Integer),
    Column("message", Text),
    Column("error", Text),
    Column("difference", Text),
    Column("cancelled_by", Text),
)
RUN_STEP = Table(
    "hipflask_run_step",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("run_id", BigInteger),
    Column("number", Integer),
    Column("sentence", Text),
    Column("state", Text),
    Column("at", Float),
    Column("took_s", Float),
    Column("error", Text),
    Column("undo", Text),
)
# What people keep for themselves of tools' tables.
TOOL_VIEW = Table(
    "hipflask_tool_view",
    METADATA,
    Column("tool", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("query", Text),
)
# Its triggers refuse UPDATE and DELETE.
TOOL_AUDIT = Table(
    "hipflask_tool_audit",
    METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("at", Float),
    Column("tool", Text),
    Column("subject", Text),
    Column("subject_name", Text),
    Column("via", Text),
    Column("event", Text),
    Column("target", Text),
    Column("run_id", BigInteger),
    Column("detail", Text),
)
