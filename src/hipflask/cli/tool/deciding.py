"""The commands that decide about a run: `approve`, `reject`, `cancel`, `undo`."""

from __future__ import annotations

import click

from hipflask.tools.desk.asking import dump_run
from hipflask.tools.runs.rows import RunRow

from .setting import (
    ID,
    Seat,
    json_option,
    print_json,
    print_plan,
    print_run,
    tool_command_of,
    wait_for,
)

_yes = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")
_note = click.option("--note", default="", help="Why; it stands in the audit.")
_digest = click.option(
    "--digest", default="", help="The plan that was read; refused if it is another."
)


def _say(run: RunRow, as_json: bool) -> None:
    print_json(dump_run(run)) if as_json else print_run(run)


@tool_command_of("approve", short_help="Let a run go that somebody else asked for.")
@click.argument("number", type=ID, metavar="RUN")
@_note
@_digest
@_yes
@json_option
def approve_command(
    seat: Seat, number: int, note: str, digest: str, yes: bool, as_json: bool
) -> None:
    """Approve RUN, whose plan is shown first."""
    run, _ = seat.gate.read(number, seat.by)
    if not yes:
        print_plan(run)
        click.confirm(f"{run.requester_name} asks for it. Approve?", abort=True, err=True)
    _say(seat.gate.approve(number, digest or run.digest, seat.by, "cli", note), as_json)


@tool_command_of("reject", short_help="Refuse a run that somebody else asked for.")
@click.argument("number", type=ID, metavar="RUN")
@_note
@_digest
@json_option
def reject_command(seat: Seat, number: int, note: str, digest: str, as_json: bool) -> None:
    """Reject RUN, for good."""
    run, _ = seat.gate.read(number, seat.by)
    _say(seat.gate.reject(number, digest or run.digest, seat.by, "cli", note), as_json)


@tool_command_of("cancel", short_help="End a run before it begins, or before its next step.")
@click.argument("number", type=ID, metavar="RUN")
@json_option
def cancel_command(seat: Seat, number: int, as_json: bool) -> None:
    """Cancel RUN. What it has done stays done."""
    _say(seat.gate.cancel(number, seat.by, "cli"), as_json)


@tool_command_of("undo", short_help="Take back the steps of a run.")
@click.argument("number", type=ID, metavar="RUN")
@_yes
@click.option("--wait", is_flag=True, help="Come back when it has ended; exit code 1 if not done.")
@json_option
def undo_command(seat: Seat, number: int, yes: bool, wait: bool, as_json: bool) -> None:
    """Plan the undo of RUN, show it, and ask for it as for any run."""
    undo = seat.gate.plan_undo(number, seat.by, "cli")
    if not yes:
        print_plan(undo)
        click.confirm("Do it?", abort=True, err=True)
    undo = seat.gate.submit(undo.id, undo.digest, seat.by, "cli")
    if wait:
        undo = wait_for(seat, undo)
    _say(undo, as_json)
    if wait and undo.state != "done":
        raise SystemExit(1)
