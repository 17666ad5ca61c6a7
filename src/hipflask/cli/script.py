"""What a command line knows about its app, and how a command asks for it."""

from __future__ import annotations

import functools
import re
import typing as t
from pathlib import Path

import click

from hipflask.app import Flask
from hipflask.globals import _cv_app
from hipflask.helpers import get_debug_flag, get_load_dotenv

from .discovery import (
    NoAppException,
    locate_app,
    module_exists,
    no_such_module,
    prepare_import,
)

F = t.TypeVar("F", bound=t.Callable[..., t.Any])

DEFAULT_FILES = ("wsgi.py", "app.py")
# The colon of a drive (`C:\app.py`) is part of the path.
_IMPORT_PATH = re.compile(r"(?P<path>(?:[A-Za-z]:[\\/])?[^:]*)(?::(?P<name>.*))?", re.DOTALL)


class ScriptInfo:
    """What the commands of one run share: where the app is, and the app once loaded.

    Click hands it on as `ctx.obj`; `pass_script_info` gives it to a command. `data` is a
    dict for the commands' own use. `create_app`, a function without arguments, takes
    precedence over `app_import_path`. With `set_debug_flag` the app's `debug` is set from
    FLASK_DEBUG when it is loaded. `load_dotenv_defaults` says whether `.env` and
    `.flaskenv` are read; FLASK_SKIP_DOTENV overrules it.
    """

    def __init__(
        self,
        app_import_path: str | None = None,
        create_app: t.Callable[..., Flask] | None = None,
        set_debug_flag: bool = True,
        load_dotenv_defaults: bool = True,
    ) -> None:
        self.app_import_path = app_import_path
        self.create_app = create_app
        self.set_debug_flag = set_debug_flag
        self.load_dotenv_defaults = get_load_dotenv(load_dotenv_defaults)
        self.data: dict[t.Any, t.Any] = {}
        self._loaded_app: Flask | None = None

    def load_app(self) -> Flask:
        """Return the app, loading it on the first call only.

        Raises `NoAppException` if there is none; what the app's own code raises passes
        through.
        """
        if self._loaded_app is None:
            app = self._find_app()
            if self.set_debug_flag:
                app.debug = get_debug_flag()
            self._loaded_app = app
        return self._loaded_app

    def _find_app(self) -> Flask:
        if self.create_app is not None:
            return self._make_app(self.create_app)
        if self.app_import_path:
            path, name = _split_import_path(self.app_import_path)
            return locate_app(prepare_import(path), name)
        for file in DEFAULT_FILES:
            if app := locate_app(prepare_import(file), None, raise_if_not_found=False):
                return app
        raise _nothing_named()

    @staticmethod
    def _make_app(create_app: t.Callable[..., Flask]) -> Flask:
        app: Flask | None = create_app()
        if app is None:
            raise NoAppException(
                f"The factory {getattr(create_app, '__qualname__', create_app)!r} returned None"
                " where an app was expected. Its last line is probably missing 'return app'."
            )
        return app


pass_script_info = click.make_pass_decorator(ScriptInfo, ensure=True)


def with_appcontext(f: F) -> F:
    """Return the callback `f` so wrapped that it runs inside the app's context.

    Not needed for commands registered on `app.cli`, `blueprint.cli` or a `FlaskGroup`:
    these have it already. A context that is active stays as it is.
    """

    @functools.wraps(f)
    def run_in_context(*args: t.Any, **kwargs: t.Any) -> t.Any:
        ctx = click.get_current_context()
        if _cv_app.get(None) is None:
            app = ctx.ensure_object(ScriptInfo).load_app()
            ctx.with_resource(app.app_context())
        return ctx.invoke(f, *args, **kwargs)

    return t.cast(F, run_in_context)


def check_app_exists(info: ScriptInfo) -> None:
    """Raise `NoAppException` if the module of the app does not exist; do not import it.

    For the reloader's parent, which only watches: an app that is imported there too opens its
    connections and starts its threads twice.
    """
    if info.create_app is not None:
        return
    path = info.app_import_path
    names = [prepare_import(_split_import_path(path)[0])] if path else None
    for name in names or map(prepare_import, DEFAULT_FILES):
        if module_exists(name):
            return
    raise no_such_module(names[0]) if names else _nothing_named()


def _nothing_named() -> NoAppException:
    return NoAppException(
        f"No app is named, and {Path.cwd()} has no {' or '.join(DEFAULT_FILES)}. Name it with"
        f" '{_program_name()} --app MODULE:NAME' or with the environment variable FLASK_APP."
    )


def _split_import_path(text: str) -> tuple[str, str | None]:
    found = _IMPORT_PATH.fullmatch(text)
    if found is None:  # pragma: no cover  # every text fits the pattern
        raise NoAppException(f"{text!r} is not of the form MODULE:NAME.")
    return found["path"], found["name"]


def _program_name() -> str:
    ctx = click.get_current_context(silent=True)
    return (ctx.find_root().info_name if ctx else None) or "hipflask"
