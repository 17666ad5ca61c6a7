"""The group `hooks`: what came, what became of it, and what to do about it, at a terminal."""

from __future__ import annotations

import click

from ..late import LateGroup
from ..options import app_option

# Name -> module and object. What a command needs, a database for one, is loaded when it is run.
_COMMANDS = {
    "list": ("looking", "list_command"),
    "show": ("looking", "show_command"),
    "replay": ("moving", "replay_command"),
    "dead": ("moving", "dead_command"),
    "park": ("moving", "park_command"),
    "resolve": ("moving", "resolve_command"),
    "diff": ("comparing", "diff_command"),
    "reconcile": ("reconciling", "reconcile_command"),
    "send": ("sending", "send_command"),
    "move": ("storing", "move_command"),
}


@click.group(
    "hooks",
    cls=LateGroup,
    package=__name__,
    late=_COMMANDS,
    short_help="Look at stored webhooks, replay and send them.",
)
def hooks_command() -> None:
    """Look at the webhooks that an app has stored, work on them again, send some to it.

    \b
      hipflask hooks send github --app shop --file push.json
      hipflask hooks list --app shop --state dead
      hipflask hooks show 12 --app shop
      hipflask hooks replay --app shop --state dead --since 2h

    Commands that change something show what they would do and ask first; --yes answers for you.
    Exit code 2, with a line on standard error, means that it could not be done.
    """


hooks_command.params.insert(0, app_option)
