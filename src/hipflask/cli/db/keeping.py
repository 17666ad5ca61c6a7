"""The commands `migrate` and `check`."""

from __future__ import annotations

import click

from hipflask.database import Database
from hipflask.database.checking import check, migrate

from .choosing import db_command_of, json_option, print_json

# What `check` ends with where something is bad.
_BAD = 1


@db_command_of("migrate", short_help="Bring the store's schema up to date.")
@json_option
def migrate_command(database: Database, /, as_json: bool) -> None:
    """Bring the schema of the store to the version of this hipflask, in one transaction.

    A service does so itself when it starts; this does it before, where a large store takes its
    time. Make a backup first: there is no way back to an older version.
    """
    before, now = migrate(database)
    if as_json:
        print_json({"store": database.name, "before": before, "now": now})
    elif before == now:
        click.echo(f"{database.name} is up to date: version {now}.")
    else:
        click.echo(f"{database.name}: version {before or 'none'} before, {now} now.")


@db_command_of("check", short_help="Look whether the store is well.")
@click.option("--quick", is_flag=True, help="Without what reads the whole file.")
@json_option
def check_command(database: Database, /, quick: bool, as_json: bool) -> None:
    """Look at integrity, schema, disk, log, leases and clock; changes nothing.

    Exit code 1 means that something is bad, 0 that nothing is; warnings are no more than that.
    """
    found = check(database, is_quick=quick)
    if as_json:
        print_json([each._asdict() for each in found])
    else:
        for each in found:
            click.echo(f"{each.level:<8} {each.name:<10} {each.text}")
    if any(each.level == "bad" for each in found):
        raise SystemExit(_BAD)
