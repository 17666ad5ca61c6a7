"""The command `run`: plans an action, shows what it would do, and asks for it."""

from __future__ import annotations

import io
import mimetypes
import typing as t
from pathlib import Path

import click
from werkzeug.datastructures import FileStorage

from hipflask.tools.desk.asking import dump_run
from hipflask.tools.runs.drafting import MOST_FILE_BYTES
from hipflask.tools.runs.refusing import GateError

from ..openapi import Failed
from .setting import Seat, json_option, print_json, print_plan, print_run, tool_command_of, wait_for


@tool_command_of("run", short_help="Plan an action, show it, and ask for it.")
@click.argument("name", metavar="ACTION")
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--row", "keys", multiple=True, metavar="KEY", help="A row; may be given again.")
@click.option("--filter", "filter", metavar="QUERY", help="All rows of a list: 'status.is=open'.")
@click.option("--plan", "only_plan", is_flag=True, help="Show the plan, ask for nothing.")
@click.option("--yes", "-y", is_flag=True, help="Ask for it without showing it first.")
@click.option("--wait", is_flag=True, help="Come back when it has ended; exit code 1 if not done.")
@json_option
def run_command(
    seat: Seat,
    name: str,
    parameters: tuple[str, ...],
    keys: tuple[str, ...],
    filter: str | None,
    only_plan: bool,
    yes: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Plan ACTION, show what it would do and ask for it.

    \b
      hipflask tool run orders.refund amount=5 reason="came broken" --row 17
      hipflask tool run orders.refund amount=5 --filter status.is=open --plan

    A parameter that is a list is given once for each value; of a file its path is given, as in
    receipt=scan.pdf. Secrets are asked for, unseen. The
    run itself is worked on by the server's workers, or by 'hipflask worker'; one that takes a
    secret here.
    """
    gate, by = seat.gate, seat.by
    action = gate.mine(name, by)
    secrets = action.form.secrets
    texts = _parse(parameters, secrets)
    form = type(action.form)(field for field in action.form.fields if not field.is_secret)
    files = {
        file: [_read_file(file, Path(path)) for path in texts.pop(file)]
        for file in form.files
        if file in texts
    }
    filled = form.read_texts(texts, files)
    if not filled.is_valid:
        raise GateError("Parameters are missing or wrong.", 422, filled.errors)
    values = {**dict.fromkeys(secrets), **filled.values}
    run = gate.plan(name, values, by, "cli", keys=keys, filter=filter)
    if only_plan or not yes:
        print_plan(run)
    if only_plan:
        print_json(dump_run(run)) if as_json else print_run(run)
        return
    if not yes:
        click.confirm("Do it?", abort=True, err=True)
    given = {
        secret: click.prompt(secret, hide_input=True, err=True, default="", show_default=False)
        for secret in secrets
    }
    run = gate.submit(run.id, run.digest, by, "cli", secrets=given)
    if wait:
        run = wait_for(seat, run)
    print_json(dump_run(run, gate.steps(run))) if as_json else print_run(run)
    if wait and run.state != "done":
        raise SystemExit(1)


def _read_file(name: str, path: Path) -> FileStorage:
    """A file of this machine as one that a page has sent."""
    try:
        with path.open("rb") as file:
            blob = file.read(MOST_FILE_BYTES + 1)
    except OSError as error:
        raise Failed(f"{name}: {path} cannot be read: {error.strerror}.") from error
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileStorage(io.BytesIO(blob), path.name, name, content_type=kind)


def _parse(parameters: tuple[str, ...], secrets: t.Collection[str]) -> dict[str, list[str]]:
    """Texts by name."""
    found: dict[str, list[str]] = {}
    for text in parameters:
        name, mark, value = text.partition("=")
        if not mark:
            raise Failed(f"{text!r} is no parameter: write NAME=VALUE.")
        if name in secrets:
            raise Failed(f"{name} is a secret: it is asked for, as a command line can be read.")
        found.setdefault(name, []).append(value)
    return found
