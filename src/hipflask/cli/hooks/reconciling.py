"""The command `reconcile`: asks a provider what it sent, and stores what never came."""

from __future__ import annotations

import sys
import time
import typing as t
from dataclasses import asdict

import click

from hipflask.look.moments import dump_moment, parse_moment

from ..openapi import Failed
from .setting import hooks_command_of, json_option, now, print_json

#: Where the end of the last run is kept, in the store's shared records.
RECORD = "reconcile:{}"
#: How far before that a run without --since begins: lists lag behind a little.
OVERLAP_S = 600.0
#: How far back it begins the first time.
FIRST = "3d"


@hooks_command_of("reconcile", short_help="Fetch events that never came.")
@click.argument("source")
@click.option(
    "--since",
    metavar="TIME",
    help=(
        "How far back: 2h, 3d, 2026-11-23. Otherwise to where the last run began, with ten"
        f" minutes to spare; the first time {FIRST}."
    ),
)
@click.option(
    "--event", "kinds", multiple=True, metavar="TYPE", help="Of this type only; * is any text."
)
@click.option("--dry-run", is_flag=True, help="Say what is missing, and store nothing.")
@json_option
def reconcile_command(
    hooks: t.Any,
    source: str,
    since: str | None,
    kinds: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Ask the provider of SOURCE for its list of events, and store those that never came.

    GitHub (deliveries of a hook), Stripe and Square (events) have such lists. What is missing is
    stored oldest first, marked as reconciled, and handled like any other event. Stopped
    anywhere, call it again: what it stored is known then. Fit for a nightly job: exit code 2
    also means that the provider lists an event and does not give it.

    \b
      hipflask hooks reconcile github --app shop --since 2d
      hipflask hooks reconcile stripe --app shop --event 'invoice.*' --dry-run

    The URL of the list and a token stand in the settings HOOKS_<SOURCE>_LIST_URL (GitHub:
    https://api.github.com/repos/OWNER/REPO/hooks/ID/deliveries) and HOOKS_<SOURCE>_LIST_TOKEN.
    """
    from hipflask.webhooks import reconcile  # loads the client and the database

    declared = hooks.sources.get(source)
    if declared is None:
        raise Failed(f"There is no source {source!r}; sources are {', '.join(hooks.sources)}.")
    provider = reconcile.provider_of(declared.scheme)
    if provider is None:
        raise Failed(
            f"Source {source!r} has the scheme {declared.scheme.name!r}, and no list of its events"
            " is known. There are lists for github, stripe and square."
        )
    url, token = reconcile.settings_of(hooks, declared, provider)
    began, start = now(), _since(hooks, source, since)
    shelf = reconcile.shelf_of(hooks, declared)
    asker = reconcile.Asker(reconcile.sender(), time.sleep, declared.scheme.title)
    run = reconcile.reconcile(
        provider, shelf, asker, url=url, token=token, since=start, kinds=kinds, is_dry=dry_run
    )
    try:
        progress = _watch(run, began, start)
    except (reconcile.Unreachable, reconcile.NotUnderstood) as error:
        raise Failed(f"{error} What was stored stays; call it again.") from error
    if not dry_run and not kinds and not progress.withheld:
        hooks.database.shared.update(RECORD.format(source), lambda record: {"began": began})
    if as_json:
        print_json({"source": source, "since": start, **asdict(progress)})
    else:
        _tell(progress, start, dry_run, kinds)
    if progress.withheld:
        raise Failed(
            f"{progress.withheld} are in the list and were not given; the last: {progress.trouble}"
        )


def _tell(progress: t.Any, start: float, dry_run: bool, kinds: tuple[str, ...]) -> None:
    verb = "would be stored" if dry_run else "stored"
    count = progress.missing if dry_run else progress.stored
    click.echo(
        f"{progress.listed} listed since {dump_moment(start)}: {progress.known} had come,"
        f" {count} {verb}{f', {progress.unwanted} of other types' if kinds else ''}."
    )


def _since(hooks: t.Any, source: str, since: str | None) -> float:
    if since is not None:
        try:
            return parse_moment(since, now())
        except ValueError as error:
            raise Failed(f"{error}.") from None
    last = hooks.database.shared.get(RECORD.format(source)).get("began")
    return float(last) - OVERLAP_S if last is not None else parse_moment(FIRST, now())


def _watch(run: t.Any, began: float, since: float) -> t.Any:
    """Show how far it is: in time while the list is read, then in events."""
    progress = None
    length = max(1, int(began - since))
    with click.progressbar(length=length, label="Reading the list", file=sys.stderr) as bar:
        for progress in run:
            if progress.is_listed:
                bar.update(length - bar.pos)
                break
            if progress.reached is not None:
                bar.update(max(0, min(length, int(began - progress.reached)) - bar.pos))
    missing = progress.missing if progress is not None else 0
    if missing:
        with click.progressbar(length=missing, label="Fetching", file=sys.stderr) as bar:
            for progress in run:
                bar.update(max(0, progress.fetched + progress.withheld - bar.pos))
    return progress
