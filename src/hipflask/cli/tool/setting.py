"""What every command of the group stands on: the app's tool, who sits here, errors as a line."""

from __future__ import annotations

import functools
import getpass
import json
import tempfile
import time
import typing as t
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from hipflask.database import StoreUnavailable
from hipflask.scaffold import SetupError
from hipflask.security import Identity
from hipflask.tools.runs.gate import Gate
from hipflask.tools.runs.refusing import GateError
from hipflask.tools.runs.rows import RunRow

from ..discovery import NoAppException
from ..openapi import Failed
from ..options import app_option
from ..script import ScriptInfo, pass_script_info

C = t.TypeVar("C", bound=t.Callable[..., t.Any])
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
ID = click.IntRange(1, 2**63 - 1)
POLL_S = 0.25


class Seat:
    """The tool that was named, its gate, and who sits at this terminal."""

    def __init__(self, tool: t.Any, by: Identity) -> None:
        self.tool = tool
        self.by = by

    @property
    def gate(self) -> Gate:
        """The gate, as for pages."""
        gate: Gate = self.tool.runs.gate
        return gate


def tool_command_of(name: str, **options: t.Any) -> t.Callable[[C], click.Command]:
    """Decorate a function (seat, ...) as a command of the group.

    What goes wrong with the app, its store, or is refused becomes one line and exit code 2.
    """

    def decorate(function: C) -> click.Command:
        @functools.wraps(function)
        def run(info: ScriptInfo, /, tool_name: str | None, **arguments: t.Any) -> t.Any:
            with one_line():
                seat = _seat(info, tool_name)
                with seat.tool.app.app_context():
                    return function(seat, **arguments)

        make: t.Any = click.command(name, **options)
        command: click.Command = make(pass_script_info(run))
        command.params.insert(
            0,
            click.Option(
                ["--tool", "tool_name"], metavar="NAME", help="Where the app has several."
            ),
        )
        command.params.insert(0, app_option)
        return command

    return decorate


@contextmanager
def one_line() -> t.Iterator[None]:
    """Turns what people can mend into `Failed`."""
    try:
        yield
    except GateError as error:
        more = "".join(f" {name}: {text}" for name, text in error.errors.items())
        raise Failed(f"{error}{more}") from error
    except StoreUnavailable as error:
        raise Failed(f"The store does not answer: {error}") from error
    except SetupError as error:
        raise Failed(str(error)) from error


def _seat(info: ScriptInfo, name: str | None) -> Seat:
    try:
        app = info.load_app()
    except NoAppException as error:
        raise Failed(error.format_message()) from None
    except Exception as error:
        raise Failed(f"The app failed to load: {type(error).__name__}: {error}") from error
    tools: dict[str, t.Any] = app.extensions.get("hipflask.tools", {})
    if not tools:
        raise Failed(f"The app {info.app_import_path or app.import_name!r} has no Tool(app, ...).")
    if name is None and len(tools) > 1:
        raise Failed(f"The app has several tools: say --tool {' or --tool '.join(tools)}.")
    tool = tools.get(name) if name is not None else next(iter(tools.values()))
    if tool is None:
        raise Failed(f"The app has no tool {name!r}, but {', '.join(tools)}.")
    user = user_name()
    by = tool.terminal.get(user)
    if by is None:
        raise Failed(
            f"The tool {tool.name!r} does not know the user {user!r} of this machine. Name who that"
            f" is: Tool(..., terminal={{{user!r}: Identity('...', roles={{'...'}})}})."
        )
    return Seat(tool, by)


def user_name() -> str:
    """The user that this process belongs to: not what LOGNAME says, which can say anything."""
    with tempfile.NamedTemporaryFile(prefix="hipflask-") as made:
        try:
            return Path(made.name).owner()
        except (NotImplementedError, KeyError, OSError):  # Windows, or a user without a name
            pass
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def print_json(value: t.Any) -> None:
    """Print a value as JSON, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_run(run: RunRow) -> None:
    """A run in a line."""
    error = f": {run.error}" if run.error else ""
    click.echo(f"Run {run.id} of {run.action}: {state_of(run)}{error}")


def print_plan(run: RunRow) -> None:
    """What a run would do, a line each, on standard error: the answer is the run."""
    for line in run.lines:
        click.echo(f"  {line.sentence}{'' if line.undo is None else '  (can be undone)'}", err=True)


def state_of(run: RunRow) -> str:
    """The state in words."""
    return str(run.state).replace("_", " ")


def moment(at: float | None) -> str:
    """A time, to the second."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def wait_for(seat: Seat, run: RunRow) -> RunRow:
    """The run once it has ended, or waits for somebody; its progress is told meanwhile."""
    told = ""
    while not run.is_over and str(run.state) in ("queued", "running", "approved"):
        text = f"  {state_of(run)}, {run.done} of {run.total} {run.message}".rstrip()
        if text != told:
            click.echo(text, err=True)
            told = text
        time.sleep(POLL_S)
        run = seat.gate.read(run.id, seat.by)[0]
    return run
