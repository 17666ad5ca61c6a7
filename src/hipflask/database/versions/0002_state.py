"""Sessions, cached values and the answers kept under idempotency keys."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _text(name: str, *, is_optional: bool = False, is_key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Text(), nullable=is_optional, primary_key=is_key)


def _whole(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.Integer(), nullable=False, server_default="0")


def _time(name: str, *, is_optional: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.Double(), nullable=is_optional)


def _bytes(name: str) -> sa.Column[Any]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def upgrade() -> None:
    """Make the tables, each with an index by which what has expired is found."""
    op.create_table(
        "hipflask_session",
        _text("id", is_key=True),
        _text("owner", is_optional=True),
        _text("items"),
        _time("created_at"),
        _time("seen_at"),
        _time("expires_at"),
    )
    op.create_table(
        "hipflask_cache",
        _text("id", is_key=True),
        _bytes("value"),
        _time("fresh_until"),
        _time("expires_at"),
        _whole("size"),
    )
    op.create_table(
        "hipflask_idempotency",
        _text("id", is_key=True),
        _text("state"),
        _text("fingerprint"),
        _text("holder"),
        _time("lease_until", is_optional=True),
        _text("lease_boot", is_optional=True),
        sa.Column("status", sa.Integer(), nullable=True),
        _bytes("headers"),
        _bytes("body"),
        _time("created_at"),
        _time("expires_at"),
    )
    for table in ("hipflask_session", "hipflask_cache", "hipflask_idempotency"):
        op.create_index(f"{table}_expires", table, ["expires_at"])
    op.create_index(
        "hipflask_session_owner",
        "hipflask_session",
        ["owner"],
        sqlite_where=sa.text("owner IS NOT NULL"),
        postgresql_where=sa.text("owner IS NOT NULL"),
    )
