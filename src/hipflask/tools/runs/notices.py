"""Tells the tool's hook what happened to a run: to post it to a chat, or to write a mail."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from .rows import RunRow

log = logging.getLogger("hipflask.tools")


class Notice(msgspec.Struct, frozen=True):
    """What happened, and the run as it stands.

    `event` is "awaiting", "approve", "reject", "done", "failed", "cancelled", "interrupted" or
    "undone".
    """

    event: str
    run: RunRow

    @property
    def text(self) -> str:
        """One line for a chat. No parameters, as those may be private."""
        who = self.run.requester_name
        return f"{self.run.tool}: run {self.run.id} of {self.run.action}, by {who}: {self.event}"


def notify(tool: Any, notice: Notice) -> None:
    """Call the tool's `notify`, if it has one; what that raises is logged.

    After the commit, in the thread in which it happened; a hook that waits holds that up.
    """
    hook = getattr(tool, "notify", None)
    if hook is None:
        return
    try:
        hook(notice)
    except Exception:
        log.exception("the notification hook of the tool %s failed", notice.run.tool)
