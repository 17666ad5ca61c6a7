"""Click groups that know the app: `AppGroup` for its commands, `FlaskGroup` to start from."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import typing as t

import click

from hipflask.app import Flask
from hipflask.globals import _cv_app

from .assessing import assess_command
from .checking import check_command
from .commands import routes_command, shell_command
from .conventions import conventions_command
from .db import db_command
from .discovery import NoAppException, explain_failure
from .fit import fit_command
from .forward import forward_command
from .hooks import hooks_command
from .keys import keys_command
from .new import new_command
from .openapi import openapi_command
from .options import app_option, debug_option, env_file_option, report, version_option
from .promote import promote_command
from .script import ScriptInfo, with_appcontext
from .serving import run_command, serve_command
from .settings import settings_command
from .tool import tool_command
from .top import top_command
from .worker import worker_command

PLUGIN_GROUPS = ("flask.commands", "hipflask.commands")
FLASK_COMMANDS = (run_command, shell_command, routes_command)
# Not Flask's. As Flask (HIPFLASK_DEFAULTS), an app's own command of the same name goes first, so
# that an app that moves here loses no command. Otherwise `serve` would have to load the app
# in the process that only looks after the workers.
ADDED_COMMANDS = (
    serve_command,
    openapi_command,
    settings_command,
    worker_command,
    top_command,
    hooks_command,
    tool_command,
    forward_command,
    keys_command,
    db_command,
    fit_command,
    new_command,
    check_command,
    assess_command,
    conventions_command,
    promote_command,
)
_FLASK_OR_EXTENSION = re.compile(r"flask(?![a-z0-9])", re.IGNORECASE)
_FAILED = "hipflask.cli.app_failed_to_load"


class AppGroup(click.Group):
    """A group whose commands run inside the app's context; its groups are `AppGroup`s too."""

    def command(self, *args: t.Any, **kwargs: t.Any) -> t.Any:
        """Decorate a function as a command of this group, run inside the app's context.

        Takes what `click.Group.command` takes, and `with_appcontext=False` to do without
        the context.
        """
        in_context = kwargs.pop("with_appcontext", True)
        bare = len(args) == 1 and callable(args[0]) and not kwargs
        register = super().command(*(() if bare else args), **kwargs)

        def decorate(f: t.Callable[..., t.Any]) -> click.Command:
            made: click.Command = register(with_appcontext(f) if in_context else f)
            return made

        return decorate(args[0]) if bare else decorate


# What `group` makes inside such a group, unless told otherwise by `cls`.
AppGroup.group_class = AppGroup


class FlaskGroup(AppGroup):
    """The group behind a command-line program: built-in, plug-in and the app's own commands.

    `add_default_commands` adds `run`, `serve`, `shell`, `routes`, `openapi` and the others that
    come with hipflask. `create_app` makes the app; without it, `--app` and the current directory
    say where it is. `load_dotenv` reads `.env` and `.flaskenv` first. `set_debug_flag` sets the
    app's `debug` from FLASK_DEBUG. Further arguments go to `click.Group`. Plug-ins are entry
    points of the groups `flask.commands` and `hipflask.commands`; one of a built-in command's
    name replaces it.

    Differs from Flask: a plug-in that cannot be imported is reported and left out, and one
    whose package requires Flask is for programs in which `import flask` means hipflask.
    """

    def __init__(
        self,
        add_default_commands: bool = True,
        create_app: t.Callable[..., Flask] | None = None,
        add_version_option: bool = True,
        load_dotenv: bool = True,
        set_debug_flag: bool = True,
        **extra: t.Any,
    ) -> None:
        extra["params"] = [
            *(extra.get("params") or ()),
            env_file_option,
            app_option,
            debug_option,
            *([version_option] if add_version_option else ()),
        ]
        extra["context_settings"] = {
            "auto_envvar_prefix": "FLASK",
            **(extra.get("context_settings") or {}),
        }
        super().__init__(**extra)
        self.create_app = create_app
        self.load_dotenv = load_dotenv
        self.set_debug_flag = set_debug_flag
        self._plugins: dict[str, importlib.metadata.EntryPoint] | None = None
        if add_default_commands:
            for command in FLASK_COMMANDS + ADDED_COMMANDS:
                self.add_command(command)

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: t.Any,
    ) -> click.Context:
        """Make the context of one run, with a new `ScriptInfo` unless one is given."""
        # An `app.run()` at the end of the user's module must not start a second server.
        os.environ["FLASK_RUN_FROM_CLI"] = "true"
        if "obj" not in {**self.context_settings, **extra}:
            extra["obj"] = ScriptInfo(
                create_app=self.create_app,
                set_debug_flag=self.set_debug_flag,
                load_dotenv_defaults=self.load_dotenv,
            )
        return super().make_context(info_name, args, parent, **extra)

    def get_help(self, ctx: click.Context) -> str:
        """Return the help text, which names the app's own commands as well."""
        # `--help` is handled before the options that say where the app is, and without
        # any argument these are not handled at all: FLASK_APP would go unnoticed.
        for option in (env_file_option, app_option):
            if ctx.get_parameter_source(option.name) is None:
                option.handle_parse_result(ctx, {}, [])
        return super().get_help(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted; an app that fails to load is reported."""
        self._load_plugin_commands()
        names = {*super().list_commands(ctx)}
        if app := self._try_app(ctx):
            names.update(app.cli.list_commands(ctx))
        return sorted(names)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return a command: a plug-in's, a built-in one, or the app's, in this order.

        The app is loaded only for the last.
        """
        self._load_plugin_commands(only=name)
        command = super().get_command(ctx, name)
        if command is None:
            app = self._find_app(ctx)
            command = app.cli.get_command(ctx, name) if app else None
            if command is None and self._plugins and name in self._plugins:
                raise _is_for_flask(ctx, self._plugins[name])
            return command
        if command in ADDED_COMMANDS and _stands_for_flask():
            app = self._try_app(ctx, silent=True)
            return (app and app.cli.get_command(ctx, name)) or command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to run. If it is the app's, the app is current from here on.

        That is early enough for the callbacks of its parameters to use `current_app`.
        """
        name, command, rest = super().resolve_command(ctx, args)
        info = ctx.find_object(ScriptInfo)
        app = info._loaded_app if info else None
        if app and command and command not in self.commands.values():
            active = _cv_app.get(None)
            if active is None or active.app is not app:
                ctx.with_resource(app.app_context())
        return name, command, rest

    @staticmethod
    def _find_app(ctx: click.Context) -> Flask | None:
        """The app, for a command that only it can have. No app: reported, and None."""
        try:
            return ctx.ensure_object(ScriptInfo).load_app()
        except NoAppException as error:
            if not ctx.resilient_parsing:
                report(f"Error: {error.format_message()}")
            return None

    @staticmethod
    def _try_app(ctx: click.Context, silent: bool = False) -> Flask | None:
        """The app, for what can do without. Any failure: reported once, and None."""
        if _FAILED in ctx.meta:
            return None
        try:
            return ctx.ensure_object(ScriptInfo).load_app()
        except Exception as error:
            ctx.meta[_FAILED] = True
            if not silent and not ctx.resilient_parsing:
                text = (
                    error.format_message()
                    if isinstance(error, NoAppException)
                    else f"The app failed to load.\n{explain_failure(error, whole=False)}"
                )
                report(f"Error: {text.rstrip()}")
            return None

    def _load_plugin_commands(self, only: str | None = None) -> None:
        """Add the commands that installed packages offer: all of them, or one by its name."""
        if self._plugins is None:
            self._plugins = {
                entry.name: entry
                for group in PLUGIN_GROUPS
                for entry in importlib.metadata.entry_points(group=group)
            }
        for name in [*self._plugins] if only is None else [only]:
            entry = self._plugins.get(name)
            if entry is None or _requires_flask(entry):
                continue
            del self._plugins[name]
            try:
                self.add_command(entry.load(), entry.name)
            except Exception as error:
                report(f"Warning: the command {name!r} of {entry.value} cannot be used: {error}")


def _requires_flask(entry: importlib.metadata.EntryPoint) -> bool:
    """True for a plug-in that would import Flask itself: it would not know our apps."""
    if any(getattr(finder, "answers_for_flask", False) for finder in sys.meta_path):
        return False
    requirements = entry.dist.requires if entry.dist else None
    return any(_FLASK_OR_EXTENSION.match(text) for text in requirements or ())


def _is_for_flask(ctx: click.Context, entry: importlib.metadata.EntryPoint) -> click.UsageError:
    package = entry.dist.name if entry.dist else entry.value
    return click.UsageError(
        f"The command {entry.name!r} of {package} is written for Flask. Run it where 'import"
        f" flask' means hipflask: 'hipflask as-flask flask {entry.name}'.",
        ctx,
    )


def _stands_for_flask() -> bool:
    return os.environ.get("HIPFLASK_DEFAULTS") == "flask"
