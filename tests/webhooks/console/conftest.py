"""A server of PostgreSQL, for the console on it."""

from tests.database.fixtures import postgres

__all__ = ["postgres"]
