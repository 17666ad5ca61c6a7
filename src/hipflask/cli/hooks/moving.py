"""The commands that move rows: `replay`, `dead`, `park`, `resolve`."""

from __future__ import annotations

import sys
import typing as t

import click

from hipflask.webhooks.actions import ACTIONS, perform
from hipflask.webhooks.selection import Selection, find_all

from ..openapi import Failed
from .looking import print_rows
from .setting import (
    SEQ,
    actor,
    hooks_command_of,
    json_option,
    now,
    outbox_option,
    print_json,
    queue_of,
    selecting,
)

#: Rows of the preview that are shown.
SHOWN = 10
#: Rows that one command moves.
MOST = 100_000


def _moving(name: str, short_help: str, example: str) -> click.Command:
    action = ACTIONS[name]

    def run(
        hooks: t.Any,
        seqs: tuple[int, ...],
        selection: Selection,
        note: str,
        yes: bool,
        queue_name: str,
        as_json: bool,
    ) -> None:
        queue = queue_of(hooks, queue_name)
        if seqs and not selection.is_empty:
            raise Failed("Give numbers or filters, not both: each says which rows by itself.")
        if not seqs and selection.is_empty:
            raise Failed(
                f"Say which: numbers (hipflask hooks {name} 12 13) or a filter"
                f" (hipflask hooks {name} {example})."
            )
        rows = _chosen(queue, seqs, selection, action.states)
        if not rows:
            click.echo("Nothing to move: no such row is in a state for that.", err=True)
        elif not yes:
            _preview(action, rows)
            click.confirm(f"{action.title} {len(rows)}?", abort=True, err=True)
        moved = _move(action, queue, [row.seq for row in rows], note)
        if as_json:
            print_json({"asked": len(rows), "moved": moved})
        elif rows:
            click.echo(f"{moved} {action.past}.")

    run.__doc__ = f"""{action.effect}

    SEQ are numbers, as `hipflask hooks list` shows them; instead of them, filters say which.
    What would be moved is shown first, and asked for; with --yes it is done at once.

    \b
      hipflask hooks {name} 12 13 --app shop
      hipflask hooks {name} {example} --app shop
    """
    run = json_option(run)
    run = outbox_option(run)
    run = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")(run)
    run = click.option("--note", default="", help="Why, for the audit.")(run)
    run = selecting(run)
    run = click.argument("seqs", metavar="[SEQ]...", nargs=-1, type=SEQ)(run)
    return hooks_command_of(name, short_help=short_help)(run)


def _chosen(
    queue: t.Any, seqs: tuple[int, ...], selection: Selection, states: frozenset[t.Any]
) -> list[t.Any]:
    if not seqs:
        narrowed = selection.narrowed(states)
        return [] if narrowed is None else list(find_all(queue, narrowed, now(), MOST))
    found = [(seq, queue.read(seq)) for seq in dict.fromkeys(seqs)]
    if missing := [str(seq) for seq, row in found if row is None]:
        raise Failed(f"There is no row {', '.join(missing)}, or it is gone. Nothing was moved.")
    return [row for _, row in found if row.state in states]


def _preview(action: t.Any, rows: t.Sequence[t.Any]) -> None:
    print_rows(rows[:SHOWN])
    if len(rows) > SHOWN:
        click.echo(f"... and {len(rows) - SHOWN} more")
    click.echo(f"\n{action.title}: {action.effect}", err=True)


def _move(action: t.Any, queue: t.Any, seqs: list[int], note: str) -> int:
    moved = 0
    label = f"{action.title} {len(seqs)}"
    with click.progressbar(
        length=len(seqs), label=label, file=sys.stderr, hidden=len(seqs) < 100
    ) as bar:
        done = 0
        for looked_at, count in perform(action, queue, seqs, actor=actor(), note=note):
            bar.update(looked_at - done)
            done, moved = looked_at, count
    return moved


replay_command = _moving(
    "replay", "Work on events once more.", "--source github --state dead --since 2h"
)
dead_command = _moving("dead", "Give events up until they are replayed.", "--state waiting")
park_command = _moving("park", "Set events aside.", "--source github --key 4711")
resolve_command = _moving(
    "resolve", "Call dead or parked events done by hand.", "--state dead --text no-such-customer"
)
