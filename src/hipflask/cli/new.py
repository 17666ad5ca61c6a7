"""The command `new`: a small project of each kind, and how far one has come from it."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path

import click

from .openapi import Failed

_KINDS = ("api", "tool", "prototype", "webhook")


@click.command("new", short_help="Write a small project: api, tool, prototype or webhook.")
@click.argument("kind", required=False, type=click.Choice(_KINDS))
@click.argument("name", required=False)
@click.option("--owner", help="Who answers for it.  [default: the name you are logged in with]")
@click.option("--into", metavar="FOLDER", help="Where to.  [default: a folder of that name]")
@click.option(
    "--compare",
    is_flag=True,
    help="Write nothing: show how the project around this folder differs from a new one.",
)
@click.pass_context
def new_command(
    ctx: click.Context,
    kind: str | None,
    name: str | None,
    owner: str | None,
    into: str | None,
    compare: bool,
) -> None:
    """Write a project of at most twelve files that passes its own tests, lint, types and check.

    \b
    api        a JSON API with keys, typed views and a database
    tool       pages for colleagues: tables, and actions with a preview
    prototype  one question, tried on data, with each trial written down
    webhook    webhooks that are stored before they are acknowledged

    'hipflask new --compare', in a project, shows what became different since; exit code 1 if
    anything did. Nothing is merged: what the library does arrives with its releases.
    """
    if compare:
        if kind is not None:
            raise click.UsageError("--compare takes no kind: it is written in pyproject.toml.")
        ctx.exit(_compare())
    if kind is None or name is None:
        raise click.UsageError(f"Say what, and its name: hipflask new {'|'.join(_KINDS)} NAME")
    from hipflask.stages.beginnings import Beginning, BeginningError, write  # needed here alone

    folder = Path(into or name)
    beginning = Beginning(kind=kind, name=name, made=datetime.now(UTC).date())
    try:
        files = write(beginning, folder, owner or _user())
    except BeginningError as error:
        raise Failed(str(error)) from error
    for path in files:
        click.echo(f"  {folder / path}")
    click.echo(f"{len(files)} files. Next, in {folder}: pip install -e '.[dev]', hipflask run")


def _compare() -> int:
    from hipflask.stages.beginnings import compare  # needed here alone
    from hipflask.stages.record import RecordError

    try:
        lines = list(compare(Path.cwd()))
    except (RecordError, AssertionError) as error:
        raise Failed(str(error)) from error
    for line in lines:
        click.echo(line)
    if not lines:
        click.echo("As a new one would be.")
    return bool(lines)


def _user() -> str:
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
    # It is put into a TOML text.
    return name if name.isprintable() and not set(name) & set('"\\') else ""
