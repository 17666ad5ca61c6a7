"""The command `assess`: facts and gaps, each with its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .checking import STAGES, NotLoaded
from .openapi import Failed
from .options import app_option
from .script import ScriptInfo, pass_script_info


@click.command("assess", short_help="Count what is there and what is missing.")
@click.option("--towards", type=click.Choice(STAGES), help="The stage gaps are counted towards.")
@click.option("--traffic", metavar="FILE", help="An access log in JSON, or what /metrics says.")
@click.option("--records", metavar="DIR", help="Decision records.  [default: decisions]")
@click.option("--record", metavar="FILE", help="What the tests' recorder wrote.")
@click.option("--effort", is_flag=True, help="A band of days for the gaps, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@click.option("--page", metavar="FILE", help="Write a page of one printed sheet; '-' for stdout.")
@click.option("--as-flask", "as_flask", is_flag=True, help="The app is a plain Flask one.")
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    help="Seconds that the app may take to load.",
)
@pass_script_info
def assess_command(
    info: ScriptInfo, /, as_json: bool, page: str | None, **given: Any
) -> None:  # fmt: skip
    """Count what is there and what is missing, and name where each figure comes from.

    The app is loaded as 'hipflask check' loads it, and no view is entered. What was not given
    (traffic, a record of tests) is unknown, and never 0. Two runs over the same project say the
    same, line by line.

    Exit code 2 means a wrong option, setting or file, 3 an app that could not be loaded.
    """
    from hipflask.assess import sheet, showing  # who runs another command loads none
    from hipflask.assess.assessing import Asked, assess
    from hipflask.assess.fit import WrongLimit
    from hipflask.assess.traffic import UnreadableTraffic
    from hipflask.checks.catalogue import WrongPlugin
    from hipflask.checks.loading import NotLoaded as Kept
    from hipflask.checks.project import Unusable

    if as_json and page is not None:
        raise click.UsageError("--json and --page are two forms; ask for one at a time.")
    try:
        made = assess(Asked(app=info.app_import_path, **given))
    except (Unusable, WrongPlugin, WrongLimit, UnreadableTraffic) as error:
        raise Failed(str(error)) from None
    except Kept as error:
        raise NotLoaded(f"The app could not be loaded: {error}") from None
    if page is None:
        click.echo(showing.as_json(made) if as_json else showing.as_text(made), nl=False)
    elif page == "-":
        click.echo(sheet.as_page(made), nl=False)
    else:
        try:
            Path(page).write_text(sheet.as_page(made), encoding="utf-8")
        except OSError as error:
            raise Failed(f"{page} cannot be written: {error.strerror}") from None
        click.echo(f"{page} is written: open it, or print it on one sheet.", err=True)


assess_command.params.insert(0, app_option)
