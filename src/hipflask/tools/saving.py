"""Views of a table that somebody keeps for themselves: a name and a query of its address."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, insert, select

from ..database import Database
from ..database.schema import TOOL_VIEW
from ..database.table import refuse_if_moved

LONGEST_NAME = 60
LONGEST_QUERY = 4000
#: Views of one person and table.
MOST = 50


class View(NamedTuple):
    """A view that somebody keeps; `query` without its question mark."""

    name: str
    query: str


def read_views(database: Database, tool: str, table: str, subject: str) -> list[View]:
    """What somebody keeps of a table, by name. Raises StoreUnavailable."""
    found = select(TOOL_VIEW.c.name, TOOL_VIEW.c.query).where(*_of(tool, table, subject))
    with database.read() as connection:
        return [View(*row) for row in connection.execute(found.order_by(TOOL_VIEW.c.name))]


def save_view(
    database: Database, tool: str, table: str, subject: str, name: str, query: str
) -> None:
    """Keep a view; one of the same name is replaced.

    ValueError, with words for people, for a name or a query that cannot be kept. Raises
    StoreUnavailable, also where the store has been moved.
    """
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or "\0" in name:
        raise ValueError(f"A view needs a name of at most {LONGEST_NAME} characters.")
    if len(query) > LONGEST_QUERY or "\0" in query:
        raise ValueError("The address is too long to be kept.")
    mine = _of(tool, table, subject)
    with database.begin() as connection:
        refuse_if_moved(database, connection)
        connection.execute(delete(TOOL_VIEW).where(*mine, TOOL_VIEW.c.name == name))
        if (connection.scalar(select(func.count()).where(*mine)) or 0) >= MOST:
            raise ValueError(f"You keep {MOST} views of this table: forget one first.")
        values = {"tool": tool, "target": table, "subject": subject, "name": name, "query": query}
        connection.execute(insert(TOOL_VIEW).values(values))


def forget_view(database: Database, tool: str, table: str, subject: str, name: str) -> None:
    """Keep a view no longer, if it was."""
    with database.begin() as connection:
        mine = _of(tool, table, subject)
        connection.execute(delete(TOOL_VIEW).where(*mine, TOOL_VIEW.c.name == name))


def _of(tool: str, table: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    view = TOOL_VIEW.c
    return view.tool == tool, view.target == table, view.subject == subject
