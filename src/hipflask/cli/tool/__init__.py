"""The group `tool`: actions asked for, approved and looked after at a terminal."""

from __future__ import annotations

import click

from ..late import LateGroup
from ..options import app_option

# Name -> module and object. What a command needs, a database for one, is loaded when it is run.
_COMMANDS = {
    "list": ("looking", "list_command"),
    "run": ("asking", "run_command"),
    "runs": ("looking", "runs_command"),
    "show": ("looking", "show_command"),
    "approve": ("deciding", "approve_command"),
    "reject": ("deciding", "reject_command"),
    "cancel": ("deciding", "cancel_command"),
    "undo": ("deciding", "undo_command"),
    "audit": ("looking", "audit_command"),
}


@click.group(
    "tool",
    cls=LateGroup,
    package=__name__,
    late=_COMMANDS,
    short_help="Run, approve and undo the actions of internal tools.",
)
def tool_command() -> None:
    """Ask for the actions of an app's internal tools, approve and undo them, read the audit.

    \b
      hipflask tool list --app shop
      hipflask tool run orders.refund amount=5 --row 17 --app shop
      hipflask tool approve 12 --app shop

    The same rules hold as on the tool's pages. Who you are is what Tool(terminal=...) says of the
    user that this process belongs to; whom it does not name sees nothing.

    Exit code 2, with a line on standard error, means that it could not be done.
    """


tool_command.params.insert(0, app_option)
