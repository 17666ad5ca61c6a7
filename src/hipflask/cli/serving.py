"""The commands that serve an app: `run` while developing, `serve` in production."""

from __future__ import annotations

import typing as t

import click

from hipflask.helpers import get_debug_flag

from .options import (
    CertParamType,
    SeparatedPathType,
    debug_option,
    is_child_of_reloader,
    join_cert_and_key,
)
from .script import ScriptInfo, check_app_exists, pass_script_info

DEFAULT_BIND = "127.0.0.1:8000"


def show_server_banner(debug: bool, app_import_path: str | None) -> None:
    """Print which app is served and whether in debug mode; nothing in a reloader's child."""
    if is_child_of_reloader():
        return
    if app_import_path is not None:
        click.echo(f" * Serving app {app_import_path!r}")
    click.echo(f" * Debug mode: {'on' if debug else 'off'}")


@click.command("run", short_help="Serve the app while you develop it.")
@click.option("-h", "--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("-p", "--port", default=5000, show_default=True, help="Port to listen on.")
@click.option(
    "--cert",
    type=CertParamType(),
    is_eager=True,
    help=(
        "Serve HTTPS with this certificate: a file (with --key), 'adhoc' for one made on the"
        " spot, or the import path of an ssl.SSLContext."
    ),
)
@click.option(
    "--key",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    callback=join_cert_and_key,
    expose_value=False,
    help="The key file of the certificate file.",
)
@click.option(
    "--reload/--no-reload",
    default=None,
    help="Start again when a source file changes. On in debug mode unless told otherwise.",
)
@click.option(
    "--debugger/--no-debugger",
    default=None,
    help="Show errors in the interactive debugger. On in debug mode unless told otherwise.",
)
@click.option(
    "--with-threads/--without-threads",
    default=True,
    show_default=True,
    help="Answer several requests at a time, or one after the other.",
)
@click.option(
    "--extra-files",
    default=None,
    type=SeparatedPathType(),
    help="More files and folders whose changes cause a reload, separated as in PATH.",
)
@click.option(
    "--exclude-patterns",
    default=None,
    type=SeparatedPathType(),
    help="Shell patterns of files whose changes cause no reload, separated as in PATH.",
)
@pass_script_info
def run_command(
    info: ScriptInfo,
    host: str,
    port: int,
    reload: bool | None,
    debugger: bool | None,
    with_threads: bool,
    cert: t.Any,
    extra_files: list[str] | None,
    exclude_patterns: list[str] | None,
) -> None:
    """Serve the app on this machine while you develop it.

    With --debug, a change to a source file starts the server again, and an error in a view
    opens an interactive debugger in the browser. Both hand control of this machine to
    whoever reaches the port: in production, use the command 'serve'.
    """
    from hipflask import cli  # looked up at the call, as people replace its banner
    from hipflask.server import run  # heavy

    debug = get_debug_flag()
    reload = debug if reload is None else reload
    if not reload:
        info.load_app()  # before the server opens its port and says that it runs
    elif not is_child_of_reloader():
        check_app_exists(info)
    cli.show_server_banner(debug, info.app_import_path)
    run(
        info,
        host=host,
        port=port,
        reload=reload,
        debugger=debug if debugger is None else debugger,
        threads=with_threads,
        ssl_context=cert,
        extra_files=extra_files,
        exclude_patterns=exclude_patterns,
    )


run_command.params.insert(0, debug_option)


def parse_bind(text: str) -> str:
    """Return a `HOST:PORT` or `unix:PATH` unchanged; ValueError says what is wrong with it."""
    if text.startswith("unix:"):
        if text == "unix:":
            raise ValueError(f"{text!r} lacks the path of the socket: 'unix:/run/app.sock'.")
        return text
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text!r} is neither HOST:PORT nor unix:PATH, as in {DEFAULT_BIND!r}.")
    if ":" in host and not (host.startswith("[") and host.endswith("]")):
        raise ValueError(f"{text!r} has an IPv6 address without brackets: '[::1]:8000'.")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r} has no port from 0 to 65535 after its last colon.")
    return text


def _check_bind(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    try:
        return tuple(parse_bind(text) for text in value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command("serve", short_help="Serve the app in production.")
@click.option(
    "-b",
    "--bind",
    multiple=True,
    default=(DEFAULT_BIND,),
    show_default=True,
    metavar="ADDRESS",
    callback=_check_bind,
    help=(
        "Listen on HOST:PORT or unix:PATH; may be given several times. Use 0.0.0.0:PORT to be"
        " reachable from other machines."
    ),
)
@click.option(
    "-w",
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes that answer requests. One per processor core is a good start.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help=(
        "Threads per worker, which is how many requests it has in work at a time. More help"
        " when views wait (database, other services), not when they compute."
    ),
)
@click.option(
    "--certfile",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="Serve HTTPS with this certificate (PEM, the whole chain). Needs --keyfile.",
)
@click.option(
    "--keyfile",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="The private key of the certificate (PEM).",
)
@click.option(
    "--graceful-timeout",
    "graceful_timeout_s",
    type=click.FloatRange(min=0),
    default=25.0,
    show_default=True,
    metavar="SECONDS",
    help="After SIGTERM, how long requests in work may take to finish.",
)
@click.option(
    "--access-log/--no-access-log",
    default=False,
    show_default=True,
    help="Write a line per request.",
)
@pass_script_info
def serve_command(
    info: ScriptInfo,
    bind: tuple[str, ...],
    workers: int,
    threads: int,
    certfile: str | None,
    keyfile: str | None,
    graceful_timeout_s: float,
    access_log: bool,
) -> None:
    """Serve the app in production, until SIGTERM or Ctrl-C.

    No reloader and no debugger. On SIGTERM the server takes no new connection, lets the
    requests in work finish, and ends. Each option can also be set by an environment
    variable, such as FLASK_SERVE_WORKERS.
    """
    from hipflask.server import serve  # heavy

    if (certfile is None) != (keyfile is None):
        given, missing = ("--certfile", "--keyfile") if certfile else ("--keyfile", "--certfile")
        raise click.UsageError(f"{given} was given without {missing}; HTTPS needs both.")
    check_app_exists(info)  # before the server opens its addresses
    serve(
        info,
        bind=bind,
        workers=workers,
        threads=threads,
        certfile=certfile,
        keyfile=keyfile,
        graceful_timeout_s=graceful_timeout_s,
        access_log=access_log,
    )
