"""The commands that serve an app: `run` while developing, `serve` in production."""

from __future__ import annotations

import contextlib
import typing as t

import click

from hipflask import interrupts
from hipflask.helpers import get_debug_flag

from .configured import ConfiguredCommand
from .options import (
    CertParamType,
    SeparatedPathType,
    app_option,
    debug_option,
    is_child_of_reloader,
    join_cert_and_key,
)
from .script import ScriptInfo, check_app_exists, pass_script_info

DEFAULT_BIND = "127.0.0.1:8000"
# A decorator of Click's.
Decorator = t.Callable[[t.Callable[..., t.Any]], t.Callable[..., t.Any]]
_INTERFACES = click.Choice(["rsgi", "asgi", "wsgi"])


def show_server_banner(debug: bool, app_import_path: str | None) -> None:
    """Print which app is served and whether in debug mode; nothing in a reloader's child."""
    if is_child_of_reloader():
        return
    if app_import_path is not None:
        click.echo(f" * Serving app {app_import_path!r}")
    click.echo(f" * Debug mode: {'on' if debug else 'off'}")


@contextlib.contextmanager
def _stopped_by_ctrl_c() -> t.Iterator[None]:
    """Let Ctrl-C before the server runs end the command as it does afterwards: with code 0."""
    try:
        interrupts.note()
        yield
    except KeyboardInterrupt:
        raise SystemExit(0) from None


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
@click.option(
    "--interface",
    type=_INTERFACES,
    default="rsgi",
    show_default=True,
    help="The protocol between server and app.",
)
@pass_script_info
@_stopped_by_ctrl_c()
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
    interface: str,
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
        interface=interface,
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


def check_one_bind(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Check an option that takes one address, or none."""
    return _check_bind(ctx, param, (value,))[0] if value else None


def _metrics_path(ctx: click.Context, param: click.Parameter, value: str) -> str:
    # TOML's `metrics = true` comes as a word.
    word = {"False": "off", "True": "/metrics"}.get(value, value)
    return _probe_path(ctx, param, word)


def _seconds(default: float, *names: str, text: str) -> Decorator:
    return click.option(
        *names,
        type=click.FloatRange(min=0),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help=text,
    )


def _probe_path(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if value == "off":
        return ""
    if not value.startswith("/"):
        raise click.BadParameter(f"{value!r} is neither a path such as '/livez' nor 'off'.")
    return value


def _probe(name: str, text: str) -> Decorator:
    return click.option(
        f"--{name}",
        default=f"/{name}",
        show_default=True,
        metavar="PATH",
        callback=_probe_path,
        help=f"{text}; 'off' for none. A route of the app with that path goes before.",
    )


@click.command("serve", cls=ConfiguredCommand, short_help="Serve the app in production.")
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
    default=32,
    show_default=True,
    help=(
        "Plain views that each worker runs at a time; async views need no thread. More help"
        " when views wait (database, other services), not when they compute."
    ),
)
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    default=None,
    metavar="NUMBER",
    help=(
        "Requests per worker that wait for a thread; past that they get 503 with Retry-After."
        "  [default: 4 times the threads]"
    ),
)
@click.option(
    "--max-requests-in-work",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="Requests per worker that are answered at a time; past that they get 503.",
)
@_seconds(
    0.0,
    "--request-timeout",
    "request_timeout_s",
    text=(
        "Answer with 504 after so long without a response, and cancel the view; what a plain"
        " view returns later is dropped. 0 for never."
    ),
)
@click.option(
    "--interface",
    type=_INTERFACES,
    default="rsgi",
    show_default=True,
    help=(
        "The protocol between server and app. wsgi: least CPU, for apps without async views"
        " behind a proxy that buffers."
    ),
)
@click.option(
    "--http",
    type=click.Choice(["auto", "1", "2"]),
    default="auto",
    show_default=True,
    help="The versions of HTTP.",
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
@_seconds(
    5.0,
    "--drain-wait",
    "drain_wait_s",
    text="After SIGTERM, how long newcomers are served while /readyz says 503.",
)
@_seconds(
    25.0,
    "--graceful-timeout",
    "graceful_timeout_s",
    text="After that, how long requests in work may take to finish.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Replace a worker after about so many requests; 0 for never.",
)
@_seconds(
    0.0,
    "--max-lifetime",
    "max_lifetime_s",
    text="Replace a worker after about so long; 0 for never.",
)
@_probe("livez", "Answer here, without asking the app, that the process lives")
@_probe("readyz", "Answer here whether requests may be sent: checks pass, no stop has begun")
@click.option(
    "--access-log/--no-access-log",
    default=True,
    show_default=True,
    help="Write a line per request.",
)
@click.option(
    "--metrics",
    is_flag=False,
    flag_value="/metrics",
    default="off",
    show_default=True,
    metavar="[PATH]",
    callback=_metrics_path,
    help=(
        "Count requests by route, and show the figures of all workers to Prometheus at this"
        " path (/metrics unless named): to this machine, or to who has --metrics-token."
    ),
)
@click.option(
    "--metrics-token",
    default="",
    metavar="TOKEN",
    help="Show figures to who sends 'Authorization: Bearer TOKEN'; best set in the environment.",
)
@click.option(
    "--ops-bind",
    default=None,
    metavar="ADDRESS",
    callback=check_one_bind,
    help=(
        "Count requests by route, and show figures, /livez and /readyz of the whole service on"
        " a port of their own, such as 127.0.0.1:9090. See 'hipflask top'."
    ),
)
@click.option(
    "--run-dir",
    default=None,
    type=click.Path(file_okay=False),
    help=(
        "Folder in which the service keeps its figures while it runs.  [default: what systemd"
        " gives, or one of the user's]"
    ),
)
@click.option(
    "--check",
    is_flag=True,
    help="Load the app, print what would run and why, and end.",
)
@pass_script_info
@_stopped_by_ctrl_c()
def serve_command(
    info: ScriptInfo,
    /,
    certfile: str | None,
    keyfile: str | None,
    **settings: t.Any,
) -> None:
    """Serve the app in production, until SIGTERM or Ctrl-C.

    No reloader and no debugger. On SIGTERM the server says at /readyz that it leaves, then
    takes no new connection, lets the requests in work finish, and ends. SIGHUP replaces the
    workers without losing a request.

    Each option can also be set by an environment variable such as HIPFLASK_SERVE_WORKERS,
    and in the table [tool.hipflask.serve] of pyproject.toml: 'workers = 2'. What is typed goes
    first, then the environment, then the file.
    """
    from hipflask.server import serve  # heavy

    if (certfile is None) != (keyfile is None):
        given, missing = ("--certfile", "--keyfile") if certfile else ("--keyfile", "--certfile")
        raise click.UsageError(f"{given} was given without {missing}; HTTPS needs both.")
    check_app_exists(info)  # before the server opens its addresses
    serve(info, certfile=certfile, keyfile=keyfile, **settings)


# Here too, as people write it where they name the command.
serve_command.params.insert(0, app_option)
