"""The command `promote`: a decision about a project, written down with the change of its stage."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from .checking import NotLoaded
from .openapi import Failed
from .options import app_option
from .script import ScriptInfo, pass_script_info

_OUTCOMES = ("promote", "extend", "harden", "replace", "discard")


@click.command("promote", short_help="Decide what becomes of a project, and write it down.")
@click.argument("outcome", type=click.Choice(_OUTCOMES), default="promote")
@click.option("--answer", type=click.Choice(["yes", "no"]), help="Of the question.", required=True)
@click.option("--evidence", metavar="FILE", default="", help="What the answer rests on.")
@click.option("--by", multiple=True, metavar="NAME", help="Who decided; may be given again.")
@click.option("--days", type=click.FloatRange(0), help="Days of work that were spent.")
@click.option("--to", "to", default="", metavar="STAGE", help="The stage that it leads to.")
@click.option("--until", metavar="DAY", help="The end, or the next day to decide by.")
@click.option("--link", default="", metavar="URL", help="With an end: the page that says why.")
@click.option("--traffic", default="", metavar="FILE", help="With replace: what was used.")
@pass_script_info
@click.pass_context
def promote_command(ctx: click.Context, info: ScriptInfo, /, until: Any, **given: Any) -> None:
    """Check the next stage, assess, write decisions/NNNN-OUTCOME.md and change the stage.

    \b
    promote   to the next stage
    harden    a prototype is kept, and becomes a pilot
    extend    the same stage for as long again; once
    replace   another service follows; exports what it is held against
    discard   ends on --until, with a list of what to dispose of

    Nothing is committed: review the diff. Repeated, it writes nothing. Exit code 1: the next
    stage has errors that nobody accepted; 2: it cannot be decided so; 3: the app does not load.
    """
    from hipflask.checks.loading import NotLoaded as Kept  # who runs another command loads none
    from hipflask.checks.project import Unusable
    from hipflask.stages.outcomes import Asked, Undecidable
    from hipflask.stages.promoting import Open, promote, silence_line
    from hipflask.stages.record import RecordError

    asked = Asked(**{**given, "by": list(given["by"])}, until=_day(until))
    try:
        done = promote(asked, info.app_import_path, Path.cwd(), datetime.now(UTC).date())
    except Open as error:
        for one in error.findings:
            click.echo(f"E {one.id} {one.where}: {one.fact}")
            click.echo(f"      fix: {one.fix}")
        click.echo("\nNothing was written. Or accept each, in [tool.hipflask.check] silence = [")
        for one in error.findings:
            click.echo(f"  {silence_line(one)},")
        click.echo("]")
        ctx.exit(1)
    except (Undecidable, RecordError, Unusable) as error:
        raise Failed(str(error)) from None
    except Kept as error:
        raise NotLoaded(f"The app could not be loaded: {error}") from None
    if not done.written:
        click.echo(f"Decided before, nothing written: {done.decision}")
        return
    for path in done.written:
        click.echo(f"  {path}")
    click.echo(f"The project is now: {done.to}. Review the diff, and commit it.")


promote_command.params.insert(0, app_option)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"--until {text!r} is no day. Write 2027-02-01.") from None
