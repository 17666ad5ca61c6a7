"""The command `conventions`: how the project is written, told from the checks it is held to."""

from __future__ import annotations

from pathlib import Path

import click

from .openapi import Failed


@click.command("conventions", short_help="Write CONVENTIONS.md from the enabled checks.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if it is not up to date.")
@click.pass_context
def conventions_command(ctx: click.Context, check: bool) -> None:
    """Write CONVENTIONS.md: routes, services, store, configuration, errors, extensions, stages.

    It is made from the checks of the project's stage and the policy in pyproject.toml. What you
    write outside of its marks stays.
    """
    from hipflask.checks.project import Unusable, look_around  # who runs another loads none
    from hipflask.stages.conventions import FILE, drift, write

    try:
        root = Path(look_around(Path.cwd()).root)
        if check:
            told = drift(root) if (root / FILE).exists() else f"there is no {FILE}"
            if told:
                click.echo(f"{FILE}: {told}. Write it: hipflask conventions", err=True)
                ctx.exit(1)
            click.echo(f"{FILE} is up to date.")
        elif write(root):
            click.echo(f"Wrote {root / FILE}")
        else:
            click.echo(f"{FILE} is up to date.")
    except (Unusable, OSError, UnicodeDecodeError) as error:
        raise Failed(str(error)) from error
