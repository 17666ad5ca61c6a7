"""The group `db`: the store's backups, its schema, and how it is."""

from __future__ import annotations

import click

from ..late import LateGroup
from ..options import app_option

# Name -> module and object; loaded when run, as the database is.
_COMMANDS = {
    "backup": ("copying", "backup_command"),
    "restore": ("copying", "restore_command"),
    "migrate": ("keeping", "migrate_command"),
    "check": ("keeping", "check_command"),
}


@click.group(
    "db",
    cls=LateGroup,
    package=__name__,
    late=_COMMANDS,
    short_help="Back up the store, restore, migrate and check it.",
)
def db_command() -> None:
    """Back up the store while it is in use, restore a copy, bring its schema up to date, check it.

    \b
      hipflask db backup /backups/2026-11-23.db --app shop
      hipflask db check --app shop
      hipflask db restore /backups/2026-11-23.db --replace --app shop

    The store is the one of '--database', of the app, or of HIPFLASK_DATABASE_URL, in this order.
    Exit code 2, with a line on standard error, means that it could not be done.
    """


db_command.params.insert(0, app_option)
