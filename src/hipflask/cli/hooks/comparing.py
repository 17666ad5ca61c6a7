"""The command `diff`: what would the handlers of today make of the events of yesterday?"""

from __future__ import annotations

import dataclasses
import sys
import typing as t

import click

from hipflask.webhooks.display import pretty, visible

from ..openapi import Failed
from .setting import SEQ, hooks_command_of, json_option, print_json

#: Differing events that are shown one by one.
SHOWN = 20


@hooks_command_of("diff", short_help="Try today's handlers on stored events, keeping nothing.")
@click.argument("seqs", metavar="[SEQ]...", nargs=-1, type=SEQ)
@click.option("--source", metavar="NAME", help="Events of this source only.")
@click.option(
    "--last",
    type=click.IntRange(1),
    default=1000,
    show_default=True,
    help="How many finished events, the newest first.",
)
@json_option
def diff_command(
    hooks: t.Any, seqs: tuple[int, ...], source: str | None, last: int, as_json: bool
) -> int:
    """Try the handlers as they are now on stored events, and tell what would be otherwise.

    Nothing is kept and nothing leaves: what they write through `tx` is rolled back, what they
    post is noted, and no connection is let through. Run it before a new version is rolled out.
    Exit code 1 means that something differs.

    \b
      hipflask hooks diff --app shop --source stripe --last 200
      hipflask hooks diff 12 --app shop --json
    """
    from hipflask.webhooks.working.replaying import replay_diff  # loads what works on events

    if source is not None and source not in hooks.sources:
        raise Failed(f"There is no source {source!r}; sources are {', '.join(hooks.sources)}.")
    with click.progressbar(length=len(seqs) or last, label="Trying", file=sys.stderr) as bar:

        def tell(tried: int, of: int) -> None:
            bar.length = of
            bar.update(tried - bar.pos)

        found = replay_diff(hooks, last=last, source=source, seqs=seqs or None, progress=tell)
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found)
    if found.different:
        click.get_current_context().exit(1)
    return 0


def _print(found: t.Any) -> None:
    for trial in found.different[:SHOWN]:
        ending = str(trial.old_state)
        if trial.new_state != trial.old_state:
            ending = f"{trial.old_state} -> {trial.new_state}"
        click.secho(f"#{trial.seq} {trial.source} {visible(trial.event_id)}: {ending}", bold=True)
        if trial.new_error and trial.new_error != trial.old_error:
            click.secho(f"  {visible(trial.new_error)}", fg="red")
        for change in trial.changes:
            for mark, sent, colour in (("-", change.old, "red"), ("+", change.new, "green")):
                if sent is not None:
                    text = f"  {mark} {sent.destination} {sent.method} {visible(sent.path)}"
                    click.secho(text, fg=colour)
                    for line in pretty(sent.body).text.split("\n"):
                        click.secho(f"  {mark}   {line}", fg=colour)
    if len(found.different) > SHOWN:
        click.echo(f"... and {len(found.different) - SHOWN} more that differ")
    skipped = f", {found.skipped} skipped: no body or no source any more" if found.skipped else ""
    click.echo(f"{found.tried} tried: {len(found.different)} differ, {found.same} do not{skipped}.")


def _as_json(found: t.Any) -> dict[str, t.Any]:
    def plain(value: t.Any) -> t.Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {
                field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)
            }
        if isinstance(value, bytes):
            return pretty(value, limit=2**40).text
        if isinstance(value, list | tuple):
            return [plain(each) for each in value]
        return value if value is None or isinstance(value, int | float) else str(value)

    return t.cast("dict[str, t.Any]", plain(found))
