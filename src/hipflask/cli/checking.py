"""The command `check`: the project's facts held against its stage."""

from __future__ import annotations

from typing import Any

import click

from .openapi import Failed
from .options import app_option
from .script import ScriptInfo, pass_script_info

STAGES = ("prototype", "pilot", "service")


class NotLoaded(click.ClickException):
    """The app could not be loaded: a line on stderr, exit code 3."""

    exit_code = 3


@click.command("check", short_help="Hold the app and its project against its stage.")
@click.option("--stage", type=click.Choice(STAGES), help="Instead of the stage in pyproject.toml.")
@click.option("--probe", is_flag=True, help="Ask the app, too: as nobody, and with wrong input.")
@click.option("--scheduled", is_flag=True, help="Dates that have passed are errors.")
@click.option("--only", multiple=True, metavar="ID", help="This check; may be given again.")
@click.option("--explain", metavar="ID", help="Tell about one check, and make none.")
@click.option("--list", "lists", is_flag=True, help="Name all checks, and make none.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="How the findings are written.",
)
@click.option("--as-flask", "as_flask", is_flag=True, help="The app is a plain Flask one.")
@click.option("--online", is_flag=True, help="Make the checks that ask another host, too.")
@click.option("--record", metavar="FILE", help="What the tests' recorder wrote.")
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds that the app may take to load.",
)
@pass_script_info
@click.pass_context
def check_command(ctx: click.Context, info: ScriptInfo, /, **given: Any) -> None:
    """Look for what is not as it should be at the app's stage, and say the way out of each.

    The app is loaded in a process that has no network and writes nothing; no view is entered
    without --probe. Exit code 0 means no errors, 1 errors, 2 a wrong option or setting, 3 an
    app that could not be loaded.
    """
    from hipflask.checks import reporting, running  # who runs another command loads none
    from hipflask.checks.catalogue import WrongPlugin, catalogue
    from hipflask.checks.loading import NotLoaded as Kept
    from hipflask.checks.project import Unusable

    form = reporting.FORMATS[given.pop("form")]
    explain, lists = given.pop("explain"), given.pop("lists")
    try:
        if lists:
            click.echo(reporting.listed(), nl=False)
            return
        if explain is not None:
            if explain not in catalogue():
                raise LookupError(f"There is no check {explain!r}. See 'hipflask check --list'.")
            click.echo(reporting.explained(catalogue()[explain]), nl=False)
            return
        options = running.Options(app=info.app_import_path, **given)
        report = running.run(options)
    except (Unusable, WrongPlugin) as error:
        raise Failed(str(error)) from None
    except LookupError as error:
        raise Failed(str(error.args[0])) from None
    except Kept as error:
        raise NotLoaded(f"The app could not be loaded: {error}") from None
    click.echo(form(report), nl=False)
    if report.errors:
        ctx.exit(1)


check_command.params.insert(0, app_option)
