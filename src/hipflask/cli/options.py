"""The options that every group of ours has, and the parameter types of `run`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import typing as t

import click
from click.core import ParameterSource
from werkzeug.utils import import_string

from .dotenv import load_dotenv
from .script import ScriptInfo

if t.TYPE_CHECKING:
    AnyParamType = click.ParamType[t.Any]
    AnyPath = click.Path[t.Any]
else:  # before Click 8.4 these cannot be subscripted
    AnyParamType = click.ParamType
    AnyPath = click.Path

#: The release of Flask whose API this package offers.
FLASK_API_VERSION = "3.1.3"
#: What server and application speak to each other: Granian's RSGI and ASGI, and PEP 3333's WSGI.
INTERFACES = "RSGI 1.6, ASGI 3.0, WSGI 1.0"


def _remember_app(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        ctx.ensure_object(ScriptInfo).app_import_path = value
    return value


def _publish_debug(ctx: click.Context, param: click.Parameter, value: bool) -> bool | None:
    source = ctx.get_parameter_source(param.name)
    if source in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
        return None
    # Through the environment, so that a factory that asks for the flag sees it before the
    # app exists, and so do the child processes of the server.
    os.environ["FLASK_DEBUG"] = "1" if value else "0"
    return value


def _read_env_file(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    with_defaults = ctx.ensure_object(ScriptInfo).load_dotenv_defaults
    if value is not None:
        try:
            import dotenv  # noqa: F401  # optional
        except ImportError:
            raise click.BadParameter(
                "reading it needs a package that is not installed: pip install python-dotenv",
                ctx=ctx,
                param=param,
            ) from None
    if value is not None or with_defaults:
        load_dotenv(value, load_defaults=with_defaults)
    return value


def get_version(ctx: click.Context, param: click.Parameter, value: t.Any) -> None:
    """Print the versions of Python, hipflask, Werkzeug, the server and its interfaces, and end."""
    if not value or ctx.resilient_parsing:
        return
    lines = [
        f"Python {platform.python_version()}",
        f"hipflask {_installed('hipflask')} (the API of Flask {FLASK_API_VERSION})",
        f"Werkzeug {_installed('werkzeug')}",
        f"Granian {_installed('granian')} ({INTERFACES})",
    ]
    click.echo("\n".join(lines), color=ctx.color)
    ctx.exit()


def _installed(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "(not installed as a package)"


# Declared and therefore processed before --app, which may come from the file.
env_file_option = click.Option(
    ["-e", "--env-file"],
    type=click.Path(exists=True, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_read_env_file,
    help=(
        "Read environment variables from this file. Variables that are set already win over"
        " it; it wins over '.env' and '.flaskenv'. Needs python-dotenv."
    ),
)

app_option = click.Option(
    ["-A", "--app"],
    metavar="IMPORT",
    is_eager=True,
    expose_value=False,
    callback=_remember_app,
    help=(
        "The app, or the factory that makes it, as MODULE:NAME. MODULE is a dotted name or a"
        " file. ':NAME' may be left out for 'app', 'application', 'create_app' and"
        " 'make_app', and may carry arguments: 'site:create_app(\"dev\")'."
    ),
)

debug_option = click.Option(
    ["--debug/--no-debug"],
    expose_value=False,
    callback=_publish_debug,
    help="Switch debug mode on or off.",
)

version_option = click.Option(
    ["--version"],
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=get_version,
    help="Show the versions of Python, hipflask, Werkzeug, Granian and its interfaces.",
)


class CertParamType(AnyParamType):
    """What `--cert` takes: a certificate file, `adhoc`, or an import path.

    The value is a path, the string `"adhoc"`, or the `ssl.SSLContext` that was imported.
    """

    name = "path"

    def __init__(self) -> None:
        self.path_type = click.Path(exists=True, dir_okay=False, resolve_path=True)

    def convert(
        self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> t.Any:
        try:
            import ssl  # missing from some builds of Python
        except ImportError:
            self.fail("This Python is built without 'ssl', so it cannot serve TLS.", param, ctx)
        try:
            return self.path_type(value, param, ctx)
        except click.BadParameter as no_file:
            if str(value).lower() == "adhoc":
                return self._check_adhoc(param, ctx)
            found = import_string(str(value), silent=True)
            if isinstance(found, ssl.SSLContext):
                return found
            raise no_file

    def _check_adhoc(self, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            import cryptography  # noqa: F401  # optional
        except ImportError:
            self.fail(
                "An ad-hoc certificate needs a package that is not installed:"
                " pip install cryptography",
                param,
                ctx,
            )
        return "adhoc"


def join_cert_and_key(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Callback of `--key`: make `cert` a pair of files, or say what does not fit."""
    cert = ctx.params.get("cert")
    if isinstance(cert, str) and cert != "adhoc":
        if value is None:
            raise click.BadParameter(
                f"the certificate file {cert!r} needs its key file.", ctx, param
            )
        ctx.params["cert"] = (cert, value)
    elif value is not None:
        reason = (
            "needs '--cert' with the certificate file."
            if cert is None
            else "goes with a certificate file; an ad-hoc or imported '--cert' has its own key."
        )
        raise click.BadParameter(reason, ctx, param)
    return value


class SeparatedPathType(AnyPath):
    """Several paths in one value, separated as in PATH (`:`, on Windows `;`); gives a list."""

    def convert(
        self, value: t.Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> t.Any:
        if not isinstance(value, str):
            return value
        one = super().convert
        return [one(path, param, ctx) for path in value.split(os.pathsep)]


def is_child_of_reloader() -> bool:
    """True in a process that a reloader started and will start again."""
    return os.environ.get("WERKZEUG_RUN_MAIN") == "true"


def report(error: BaseException | str) -> None:
    """Print an error on stderr, in red where the terminal has colours."""
    click.secho(f"{error}\n", err=True, fg="red")
