"""The command `settings`: what is in effect, and where each value came from."""

from __future__ import annotations

import json

import click

from .discovery import NoAppException
from .openapi import Failed
from .options import app_option
from .script import ScriptInfo, pass_script_info


@click.command("settings", short_help="Show the settings in effect and where they came from.")
@click.option("--all", "show_all", is_flag=True, help="Keys of app.config at their default, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document, secrets hidden too.")
@pass_script_info
def settings_command(info: ScriptInfo, /, show_all: bool, as_json: bool) -> None:
    """Show each setting, its value and its origin; secrets and passwords are hidden.

    Settings are read in this order, the later winning: the default, pyproject.toml or another
    TOML file, '.env', the environment, secret files ('/run/secrets'). Keys of 'app.config'
    that differ from their default are marked 'app.config'.

    Exit code 78 means that settings are missing or wrong, all of them named at once; 2, that the
    app could not be loaded.
    """
    from hipflask.settings import SettingsError, shown  # who runs another command needs none

    try:
        app = info.load_app()
    except NoAppException:
        raise
    except SettingsError as error:
        click.echo(f"hipflask: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        raise Failed(f"The app failed to load: {type(error).__name__}: {error}") from error
    rows = [row for row in shown(app) if show_all or as_json or _counts(row)]
    if as_json:
        names = ("group", "name", "value", "origin")
        click.echo(json.dumps([{name: getattr(row, name) for name in names} for row in rows]))
        return
    width = max((len(row.name) for row in rows), default=0)
    group = ""
    for row in rows:
        if row.group != group:
            click.echo(f"{chr(10) if group else ''}{row.group}")
            group = row.group
        click.echo(f"  {row.name.ljust(width)}  {row.value}  ({row.origin})")
    if not rows:
        click.echo("Every setting has its default. 'hipflask settings --all' shows them.")


def _counts(row: object) -> bool:
    return getattr(row, "group", "") != "app.config" or getattr(row, "origin", "") != "default"


settings_command.params.insert(0, app_option)
