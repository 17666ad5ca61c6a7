"""The command `move`: from SQLite to PostgreSQL, when one machine is not enough."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import click

from ..openapi import Failed
from .setting import json_option, one_line, print_json


@click.command("move", short_help="Move the store from SQLite to PostgreSQL.")
@click.argument("old", metavar="FROM")
@click.argument("new", metavar="TO")
@click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
@json_option
def move_command(old: str, new: str, yes: bool, as_json: bool) -> None:
    """Copy everything from the store FROM, an SQLite file, to the store TO, PostgreSQL.

    \b
      hipflask hooks move sqlite:///inbox.db postgresql://shop@db.internal/shop

    From its first step on FROM refuses arrivals, so that senders try again until they reach an
    app on TO. Stopped anywhere, it goes on where it was when it is called again.
    """
    from hipflask.database import open_database  # loads the database's libraries
    from hipflask.database.location import read_url
    from hipflask.webhooks.inbox.moving import move

    with one_line():
        place = read_url(old)
    if place.get_backend_name() == "sqlite" and not Path(str(place.database)).is_file():
        raise Failed(f"There is no file {place.database}: nothing to move.")
    if not yes:
        name = _without_password(old)
        click.echo(f"{name} will refuse arrivals from now on, for good.", err=True)
        click.confirm(f"Move it to {_without_password(new)}?", abort=True, err=True)
    with one_line():
        source, target = open_database(old), open_database(new)
        try:
            copied = _move(move, source, target)
        except (ValueError, OSError, RuntimeError) as error:
            raise Failed(str(error)) from error
        finally:
            source.close()
            target.close()
    if as_json:
        print_json(copied)
    else:
        for table, count in copied.items():
            click.echo(f"{count:>9}  {table}")


def _move(move: t.Any, source: t.Any, target: t.Any) -> dict[str, int]:
    with click.progressbar(length=1, label="Moving", file=sys.stderr) as bar:

        def tell(table: str, copied: int, of: int) -> None:
            bar.label = f"Moving {table}"
            bar.length = max(of, 1)
            bar.pos = copied
            bar.update(0)

        return t.cast("dict[str, int]", move(source, target, progress=tell))


def _without_password(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
