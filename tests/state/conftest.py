"""Both stores, and applications on them."""

from tests.database.fixtures import clock, database, postgres, prepared_file, stores

__all__ = ["clock", "database", "postgres", "prepared_file", "stores"]
