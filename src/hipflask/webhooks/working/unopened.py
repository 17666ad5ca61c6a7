"""The `tx` of a handler: a connection whose transaction begins when it is first used.

A write transaction on SQLite keeps all other writers waiting, those that acknowledge deliveries
among them. A handler that calls a slow service before it writes must not begin one before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from sqlalchemy import Connection


class UnopenedConnection(Connection):
    """A `Connection` that becomes the one that `open` returns, at the first use of anything.

    From then on both share one state. The transaction ends with the event, so that its end and
    the effect are one: `commit`, `rollback` and `close` are refused.
    """

    def __init__(self, open: Callable[[], Connection]) -> None:
        # Nothing of Connection's: whatever is missing is what was asked for first.
        self.__dict__["_open"] = open

    def __getattr__(self, name: str) -> Any:
        open = self.__dict__.get("_open")
        if open is None:
            raise AttributeError(name)
        self.__dict__ = open().__dict__
        return getattr(self, name)

    def commit(self) -> NoReturn:
        """Refused."""
        _refuse("commit")

    def rollback(self) -> NoReturn:
        """Refused."""
        _refuse("rollback")

    def close(self) -> NoReturn:
        """Refused."""
        _refuse("close")


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(
        f"tx.{what}() in a handler: the transaction is ended for you, together with the event, so"
        " that the effect happens once. Return to commit, raise to roll back; for a part that may"
        " fail use 'with tx.begin_nested():'."
    )
