"""Both stores, for the tests of this folder."""

from .fixtures import clock, database, inbox, outbox, postgres, prepared_file, stores

__all__ = ["clock", "database", "inbox", "outbox", "postgres", "prepared_file", "stores"]
