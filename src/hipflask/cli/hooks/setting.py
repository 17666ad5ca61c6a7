"""What every command of the group stands on: the app's hooks, its options, errors as a line."""

from __future__ import annotations

import functools
import getpass
import json
import time
import typing as t
from contextlib import contextmanager

import click

from hipflask.database import StoreUnavailable
from hipflask.scaffold import SetupError
from hipflask.webhooks.selection import LAST_SEQ, Selection

from ..discovery import NoAppException
from ..openapi import Failed
from ..options import app_option
from ..script import ScriptInfo, pass_script_info

C = t.TypeVar("C", bound=t.Callable[..., t.Any])

outbox_option = click.option(
    "--outbox",
    "queue_name",
    flag_value="outbox",
    default="inbox",
    help="Of the requests to destinations, instead of the events that came.",
)
#: The number of a row.
SEQ = click.IntRange(1, LAST_SEQ)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def hooks_of(info: ScriptInfo) -> t.Any:
    """The hooks of the app that was named; `Failed` where it has none or does not load."""
    try:
        app = info.load_app()
    except NoAppException as error:
        raise Failed(error.format_message()) from None
    except Exception as error:
        raise Failed(f"The app failed to load: {type(error).__name__}: {error}") from error
    hooks = app.extensions.get("hipflask.webhooks")
    if hooks is None:
        raise Failed(
            f"The app {info.app_import_path or app.import_name!r} receives no webhooks: it has no"
            " Hooks(app). Name another with --app."
        )
    return hooks


def hooks_command_of(name: str, **options: t.Any) -> t.Callable[[C], click.Command]:
    """Decorate a function (hooks, ...) as a command of the group.

    What goes wrong with the app, its settings or its store becomes one line and exit code 2.
    """

    def decorate(function: C) -> click.Command:
        @functools.wraps(function)
        def run(info: ScriptInfo, /, **arguments: t.Any) -> t.Any:
            with one_line():
                return function(hooks_of(info), **arguments)

        make: t.Any = click.command(name, **options)
        command: click.Command = make(pass_script_info(run))
        command.params.insert(0, app_option)
        return command

    return decorate


@contextmanager
def one_line() -> t.Iterator[None]:
    """Turns what people can mend into `Failed`."""
    try:
        yield
    except StoreUnavailable as error:
        raise Failed(f"The store does not answer: {error}") from error
    except SetupError as error:
        raise Failed(str(error)) from error


def selecting(function: C) -> C:
    """Add the filters of a selection as options; the function takes `selection`."""

    @functools.wraps(function)
    def run(*args: t.Any, **given: t.Any) -> t.Any:
        values = _Values({name: given.pop(name) for name in _FILTERS})
        try:
            selection = Selection.parse(values)
        except ValueError as error:
            raise Failed(f"{error}.") from None
        return function(*args, selection=selection, **given)

    for decorate in reversed(_OPTIONS):
        run = decorate(run)
    return t.cast(C, run)


_FILTERS = ("lane", "state", "text", "key", "since", "until")
_OPTIONS: tuple[t.Callable[[t.Any], t.Any], ...] = (
    click.option(
        "--source", "--destination", "lane", metavar="NAME", help="Of this source or destination."
    ),
    click.option(
        "--state",
        multiple=True,
        metavar="STATE",
        help=(
            "In this state; may be given several times: received, queued, running, waiting, done,"
            " filtered, dead, parked, conflict."
        ),
    ),
    click.option("--text", help="With this text in id, type, path or error."),
    click.option("--key", help="With this ordering key."),
    click.option(
        "--since", metavar="TIME", help="Not older: 30m, 2h, 7d, 2026-11-23, 2026-11-23T08:00."
    ),
    click.option("--until", metavar="TIME", help="Older than that."),
)


class _Values:
    """Options in the form in which a selection is read."""

    def __init__(self, given: dict[str, t.Any]) -> None:
        self._given = given

    def get(self, name: str, /) -> str | None:
        """The value of an option."""
        return t.cast("str | None", self._given[name])

    def getlist(self, name: str, /) -> list[str]:
        """The values of one that may be given several times."""
        return list(self._given[name])


def queue_of(hooks: t.Any, queue_name: str) -> t.Any:
    """The inbox or the outbox."""
    return getattr(hooks, queue_name)


def now() -> float:
    """The time, in seconds since 1970."""
    return time.time()


def actor() -> str:
    """Who sits at the terminal, for the audit."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):  # no such user, in a container for one
        return "cli"


def print_json(value: t.Any) -> None:
    """Print a value as JSON, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
