"""The commands that only look: `list`, `runs`, `show`, `audit`."""

from __future__ import annotations

import sys

import click

from hipflask.tools import audit
from hipflask.tools.desk.asking import dump_run, may_audit
from hipflask.tools.runs.states import OPEN, RunState

from ..openapi import Failed
from .setting import ID, Seat, json_option, moment, print_json, state_of, tool_command_of

_STATES = ["open", *map(str, RunState)]


@tool_command_of("list", short_help="List the actions that you have a part in.")
@json_option
def list_command(seat: Seat, as_json: bool) -> None:
    """List the actions that you have a part in, with what they take."""
    actions = seat.gate.actions(seat.by)
    if as_json:
        print_json(
            [
                {
                    "name": action.name,
                    "label": action.label,
                    "takes": action.takes or None,
                    "limit": action.limit,
                    "parameters": [field.name for field in action.form.fields],
                    "roles": sorted(action.roles),
                    "approve": sorted(action.approve),
                }
                for action in actions
            ]
        )
        return
    if not actions:
        click.echo("There is no action for you.", err=True)
    for action in actions:
        taken = [field.name for field in action.form.fields]
        given = " ".join(f"{name}=..." for name in taken)
        rows = " --row KEY" if action.takes else ""
        approved = f", approved by {' or '.join(sorted(action.approve))}" if action.approve else ""
        click.echo(f"{action.name} {given}{rows}".rstrip() + approved)


@tool_command_of("runs", short_help="List runs, the newest first.")
@click.option("--state", type=click.Choice(_STATES), help="In this state; open: not ended.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
def runs_command(seat: Seat, state: str | None, limit: int, as_json: bool) -> None:
    """List the runs of the actions that you have a part in, the newest first."""
    states = OPEN if state == "open" else [each for each in RunState if each == state]
    found = seat.gate.find(seat.by, states=states, limit=limit)
    if as_json:
        print_json([dump_run(run) for run in found])
        return
    for run in found:
        click.echo(
            f"{run.id:>6}  {state_of(run):<18} {run.action:<30} {run.requester_name:<20}"
            f" {run.done} of {run.total}  {moment(run.created_at)}"
        )


@tool_command_of("show", short_help="Show one run: its plan, its steps, who decided.")
@click.argument("number", type=ID, metavar="RUN")
@json_option
def show_command(seat: Seat, number: int, as_json: bool) -> None:
    """Show RUN."""
    run, _ = seat.gate.read(number, seat.by)
    steps = seat.gate.steps(run)
    if as_json:
        print_json(dump_run(run, steps))
        return
    click.echo(f"Run {run.id} of {run.action}: {state_of(run)}")
    click.echo(f"Asked for by {run.requester_name} ({run.requester}), {run.via}")
    if run.approver:
        click.echo(f"Decided by {run.approver_name} ({run.approver}) {run.note}".rstrip())
    done = {step.number: step for step in steps}
    for number, line in enumerate(run.lines):
        state = str(done[number].state) if number in done else "planned"
        click.echo(f"  {state:<8} {line.sentence}")
    for text in (run.error, run.difference):
        if text:
            click.echo(text)


@tool_command_of("audit", short_help="Print the audit, the newest line first.")
@click.option("--format", "kind", type=click.Choice(["text", "csv", "json"]), default="text")
@click.option("--subject", default="", help="Of this person, by id.")
@click.option("--event", default="", help="Of this event.")
@click.option("--target", default="", help="Of this table or action.")
def audit_command(seat: Seat, kind: str, subject: str, event: str, target: str) -> None:
    """Print the tool's audit, for those whom Tool(audit=...) names."""
    if not may_audit(seat.tool, seat.by):
        raise Failed("There is no audit for you: Tool(audit=...) does not name your roles.")
    database, name = seat.gate.database, seat.tool.name
    wanted = {"subject": subject, "event": event, "target": target}
    if kind != "text":
        audit.write(database, name, "export", "audit", by=seat.by, via="cli", detail={"kind": kind})
    lines = audit.every(database, name, **wanted)
    if kind == "text":
        for line in lines:
            run = "" if line.run_id is None else f" run {line.run_id}"
            click.echo(
                f"{moment(line.at)}  {line.event:<12} {line.target:<30} {line.subject}"
                f" ({line.via}){run}"
            )
        return
    for text in (audit.dump_csv if kind == "csv" else audit.dump_json)(lines):
        sys.stdout.write(text)
