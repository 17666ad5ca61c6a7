"""What people and programs see of actions: forms, plans, approvals, runs and the audit."""

from __future__ import annotations

from typing import Any

from .answers import Answers
from .pages import Desk


def add_desk(tool: Any, blueprint: Any) -> None:
    """Give a tool's blueprint the pages and the JSON of its actions, runs and audit.

    Nobody comes in by them who has no part in an action, or in the audit.
    """
    desk = Desk(tool)
    desk.register(blueprint)
    Answers(tool).register(blueprint)
    tool.doors.append(desk.lets_in)
    tool.entries.append(desk.entries)
