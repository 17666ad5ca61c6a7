"""Which errors of the drivers mean that the store is away, and what to say then."""

from __future__ import annotations

import sqlite3

from .errors import StoreUnavailable

# Primary result codes (https://sqlite.org/rescode.html) that another try may not meet again.
_SQLITE = {
    5: "another program has locked it for too long",
    6: "another program has locked it for too long",
    7: "out of memory",
    8: "it is read-only",
    10: "the disk cannot be read or written",
    11: "the file is damaged: stop, and restore or repair it",
    13: "the disk is full",
    14: "it cannot be opened",
    15: "another program has locked it for too long",
    22: "the file is larger than this system allows",
    26: "the file is no database, or is damaged: stop, and restore it",
}
# Classes and codes of https://www.postgresql.org/docs/current/errcodes-appendix.html.
_POSTGRES_CLASSES = {
    "08": "the connection failed",
    "40": "two transactions wanted the same rows in another order",
    "53": "the server lacks disk, memory or connections",
    "55": "a row was locked for too long",
    "57": "the server is stopping, or cut the query",
    "58": "the server's disk failed",
}
_POSTGRES_CODES = {"25006": "the server is read-only", "25P03": "idle for too long"}


def why_unavailable(error: BaseException) -> str | None:
    """What keeps the store from answering, if that is what this driver's error says."""
    if isinstance(error, sqlite3.Error):
        # Python's own errors have no code.
        return _SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    if type(error).__module__.partition(".")[0] != "psycopg":
        return None
    state: str | None = getattr(error, "sqlstate", None)
    if state is None:
        # Errors without a state come from the client's side: refused, cut, closed.
        names = {base.__name__ for base in type(error).__mro__}
        is_cut = bool(names & {"OperationalError", "InterfaceError"})
        return "the server cannot be reached" if is_cut else None
    return _POSTGRES_CODES.get(state) or _POSTGRES_CLASSES.get(state[:2])


def is_deadlock(error: BaseException | None) -> bool:
    """Whether PostgreSQL ended the transaction for another's sake: it may be tried at once."""
    state: str | None = getattr(error, "sqlstate", None)
    return state is not None and state.startswith("40")


def unavailable(store: str, error: BaseException) -> StoreUnavailable | None:
    """The error to raise in place of a driver's, or None where that is not one of these."""
    why = why_unavailable(error)
    if why is None:
        return None
    detail = str(error).strip().splitlines()
    return StoreUnavailable(f"{store}: {why} ({detail[0] if detail else type(error).__name__})")
