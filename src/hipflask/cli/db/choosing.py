"""Which store a command of the group is about, and errors as a line."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import typing as t

import click

from hipflask.database import Database, StoreUnavailable
from hipflask.database.location import SETTING
from hipflask.scaffold import SetupError

from ..discovery import NoAppException
from ..openapi import Failed
from ..options import app_option
from ..script import ScriptInfo, pass_script_info

C = t.TypeVar("C", bound=t.Callable[..., t.Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_database_option = click.Option(
    ["--database", "url"],
    metavar="URL",
    help="The store; by default the app's, else that of HIPFLASK_DATABASE_URL.",
)


def db_command_of(name: str, **options: t.Any) -> t.Callable[[C], click.Command]:
    """Decorate a function (database, ...) as a command of the group.

    What goes wrong with the app, its settings or its store becomes one line and exit code 2.
    """

    def decorate(function: C) -> click.Command:
        @functools.wraps(function)
        def run(info: ScriptInfo, /, url: str | None, **arguments: t.Any) -> t.Any:
            try:
                database = _choose(info, url)
                try:
                    return function(database, **arguments)
                finally:
                    database.close()
            except StoreUnavailable as error:
                raise Failed(f"The store: {error}") from error
            except SetupError as error:
                raise Failed(str(error)) from error

        make: t.Any = click.command(name, **options)
        command: click.Command = make(pass_script_info(run))
        command.params[:0] = [app_option, _database_option]
        return command

    return decorate


def _choose(info: ScriptInfo, url: str | None) -> Database:
    if url is not None:
        return Database(url)
    try:
        app = info.load_app()
    except NoAppException as error:
        if os.environ.get(SETTING):
            return Database()
        raise Failed(
            f"{error.format_message()} Or name the store itself: --database sqlite:///NAME.db."
        ) from None
    except Exception as error:
        raise Failed(
            f"The app failed to load: {type(error).__name__}: {error}. The store can be named"
            " without it: --database sqlite:///NAME.db."
        ) from error
    hooks = app.extensions.get("hipflask.webhooks")
    given = getattr(hooks, "url", None) or app.config.get(SETTING)
    return Database(given, instance_path=app.instance_path)


def bar() -> t.Any:
    """A progress bar on standard error, for `telling`; None where that is no terminal."""
    if not sys.stderr.isatty():
        return contextlib.nullcontext()
    return click.progressbar(length=1, label="Beginning", file=sys.stderr, width=30)


def telling(shown: t.Any) -> t.Callable[[str, int, int], None]:
    """What moves the bar."""

    def tell(what: str, done: int, of: int) -> None:
        if shown is None:
            return
        shown.label = what
        shown.length = max(of, 1)
        shown.pos = done
        shown.update(0)

    return tell


def print_json(value: t.Any) -> None:
    """Print a value as JSON, indented."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
