"""A server of PostgreSQL, for `hipflask hooks move`."""

from tests.database.fixtures import postgres

__all__ = ["postgres"]
