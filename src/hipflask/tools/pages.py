"""How a tool's pages are made: the look of all pages, and what tables need of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..look import Look
from ..security import Identity
from ..security.sessionlogin import session_login_of
from .cells import LONG, cell_of

_HERE = Path(__file__).parent


def account_of(tool: Any, user: Identity | None) -> str:
    """Where somebody who has logged in here logs out again; "" for who came another way."""
    login = session_login_of(tool.app)
    is_here = login is not None and user is not None and user.via == login.name
    return str(login.login_url or "") if login is not None and is_here else ""


def look_of(tool: Any) -> Look:
    """The look of a tool's pages."""
    return Look(
        tool.endpoint,
        _HERE / "templates",
        filters={"cell": cell_of, "whole": lambda value: cell_of(value, LONG)},
        names={"tool": tool, "account": lambda user: account_of(tool, user)},
    )
