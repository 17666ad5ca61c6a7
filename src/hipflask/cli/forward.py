"""`hipflask forward`: rollouts looked at and moved, in all processes that serve."""

from __future__ import annotations

import functools
import getpass
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from hipflask.scaffold import SetupError

from .openapi import Failed
from .options import report as tell
from .script import with_appcontext


def _one_line(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turns what people can mend into a line and exit code 2."""

    @functools.wraps(function)
    def run(*args: Any, **given: Any) -> Any:
        try:
            return function(*args, **given)
        except SetupError as error:
            raise Failed(str(error)) from error
        except Exception as error:
            # Loaded if anything of it was raised; without a database it need not be installed.
            errors = sys.modules.get("hipflask.database.errors")
            if errors is None or not isinstance(error, errors.StoreUnavailable):
                raise
            raise Failed(f"The shared record cannot be reached: {error}") from error

    return run


_name = click.argument("name")
_note = click.option("--note", default="", help="Why; kept with the change.")


@click.group("forward", help="Rollouts beside an old service: show them, move them, take back.")
def forward_command() -> None:
    """The group; its commands load the app."""


@forward_command.command("show")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_appcontext
@_one_line
def show(name: str | None, as_json: bool) -> None:
    """Show how rollouts go: who answers, errors, latencies, differences beyond noise."""
    from hipflask.forward.report import dump_report, report_of

    rollouts = [each.rollout for each in _find(name)]
    found = [report_of(rollout) for rollout in rollouts]
    for rollout in filter(_is_in_memory, rollouts):
        click.echo(
            f"This is what the code says, and not what serves. {_in_memory(rollout)}", err=True
        )
    if as_json:
        import msgspec

        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    click.echo("\n".join(map(dump_report, found)), nl=False)


@forward_command.command("set")
@_name
@click.option("--canary", type=click.FloatRange(0, 100), help="Percent of clients.")
@click.option("--shadow", type=click.FloatRange(0, 100), help="Percent of requests.")
@_note
@with_appcontext
@_one_line
def set_percentages(name: str, canary: float | None, shadow: float | None, note: str) -> None:
    """Set percentages, in all processes within a second."""
    if canary is None and shadow is None:
        raise click.UsageError("Say what to set: --canary, --shadow or both.")
    rollout = _movable(name)
    made = rollout.set(canary=canary, shadow=shadow, actor=_actor(), note=note)
    click.echo(f"{name}: canary {made.canary:g} %, shadow {made.shadow:g} %")


@forward_command.command("halt")
@_name
@_note
@with_appcontext
@_one_line
def halt(name: str, note: str) -> None:
    """Send everybody to the old side, in all processes within a second."""
    _movable(name).halt(note or "halted by hand", actor=_actor())
    click.echo(f"{name}: canary 0 %")


@forward_command.command("forget")
@_name
@with_appcontext
@_one_line
def forget(name: str) -> None:
    """Forget what was counted so far; the percentages stay."""
    _movable(name).forget()
    click.echo(f"{name}: counts forgotten")


def _find(name: str | None) -> list[Any]:
    from hipflask import current_app
    from hipflask.forward import stranglers_of

    known = stranglers_of(current_app)
    if name is None:
        if not known:
            tell("This app has no rollouts: see hipflask.forward.strangle.")
        return list(known.values())
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise click.BadParameter(f"no rollout {name!r}; there are: {names}", param_hint="NAME")
    return [known[name]]


def _movable(name: str) -> Any:
    """The rollout, if what is set here is seen by the processes that serve."""
    rollout = _find(name)[0].rollout
    if _is_in_memory(rollout):
        raise click.ClickException(_in_memory(rollout))
    return rollout


def _is_in_memory(rollout: Any) -> bool:
    from hipflask.forward import MemoryShared

    return isinstance(rollout.shared, MemoryShared)


def _in_memory(rollout: Any) -> str:
    return (
        f"The rollout {rollout.name!r} is kept in the memory of each process that serves, where no"
        " command reaches it. Set HIPFLASK_DATABASE_URL, for the app and for this command, or"
        " give strangle(..., shared=database)."
    )


def _actor() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # no such user
        return "?"
