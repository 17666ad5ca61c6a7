"""The command `worker`: works on stored webhooks and runs of tools, beside the server."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import typing as t

import click

from .configured import ConfiguredCommand
from .options import app_option
from .script import ScriptInfo, pass_script_info
from .serving import check_one_bind

# Exit codes beside 0: what was at work did not end in the grace time; the app has nothing to
# work on; the store is away (EX_UNAVAILABLE); a setting is missing or wrong (EX_CONFIG).
UNFINISHED, NO_WORK, NO_STORE, REFUSED = 1, 2, 69, 78
# How often the line that tells of progress is written anew.
TELL_EVERY_S = 1.0


@click.command(
    "worker",
    cls=ConfiguredCommand,
    short_help="Work on stored webhooks, send what waits, and run what tools ask for.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=4,
    show_default=True,
    help="Events and requests that are worked on at a time; and as many runs of each tool.",
)
@click.option(
    "--once",
    is_flag=True,
    help="End when nothing is due any more, instead of waiting for more.",
)
@click.option(
    "--graceful-timeout",
    "grace_s",
    type=click.FloatRange(min=0),
    default=25.0,
    show_default=True,
    metavar="SECONDS",
    help="After SIGTERM, how long what is at work may take to finish.",
)
@click.option(
    "--progress/--no-progress",
    default=None,
    help="Show what is done and what waits, on one line. On at a terminal.",
)
@click.option(
    "--ops-bind",
    default=None,
    metavar="ADDRESS",
    callback=check_one_bind,
    help="Show figures, /livez and /readyz of this process on a port, such as 127.0.0.1:9091.",
)
@click.option(
    "--metrics-token",
    default="",
    metavar="TOKEN",
    help="Show figures to who sends 'Authorization: Bearer TOKEN'; best set in the environment.",
)
@pass_script_info
def worker_command(
    info: ScriptInfo,
    /,
    threads: int,
    once: bool,
    grace_s: float,
    progress: bool | None,
    ops_bind: str | None,
    metrics_token: str,
) -> None:
    """Work on the webhooks that the app has stored, and send the requests that wait.

    Work on the runs of its internal tools as well, and ask for those that are scheduled.

    Run as many as are needed, on the machine of the SQLite file, or on any machine with
    PostgreSQL. On SIGTERM or Ctrl-C it takes nothing new, gives back what it has not begun,
    and lets what is at work finish; a second signal ends it at once.

    Each option can also be set by an environment variable such as HIPFLASK_WORKER_THREADS,
    and in the table [tool.hipflask.worker] of pyproject.toml.
    """
    app = info.load_app()
    hooks = app.extensions.get("hipflask.webhooks")
    tools = [tool for tool in app.extensions.get("hipflask.tools", {}).values() if tool.actions]
    if hooks is None and not tools:
        _refuse(
            f"The app {info.app_import_path or app.import_name!r} receives no webhooks: there is"
            " nothing to work on, as it has no tool with actions either. Make hooks = Hooks(app),"
            " or name another app with --app.",
            NO_WORK,
        )
    stopped = threading.Event()
    _take_signals(stopped)
    crew = _start(hooks, tools, threads, once)
    _say_what_runs(info, app, hooks, tools, threads)
    if ops_bind:
        from hipflask.server.alone import open_port  # heavy, and for who wants figures

        if hooks is not None:
            from hipflask.webhooks import metrics

            metrics.watch(hooks)
        open_port(app, info.app_import_path or app.import_name, ops_bind, metrics_token)
    shows = sys.stderr.isatty() if progress is None else progress
    is_clean = _work(hooks, crew, stopped, once=once, grace_s=grace_s, shows=shows)
    click.echo(f" * Ended: {crew.done} done here.", err=True)
    if not is_clean:
        click.echo(
            f" * Some work did not end within {grace_s:g} s; it is begun anew elsewhere.", err=True
        )
        sys.stderr.flush()
        # The threads that are still at it would keep the process alive.
        os._exit(UNFINISHED)


worker_command.params.insert(0, app_option)


class _Crews:
    """Those of the webhooks and of each tool, as one."""

    def __init__(self, crews: list[t.Any]) -> None:
        self._crews = crews

    @property
    def done(self) -> int:
        return sum(crew.done for crew in self._crews)

    def start(self, *, once: bool) -> None:
        for crew in self._crews:
            crew.start(once=once)

    def join(self) -> None:
        for crew in self._crews:
            crew.join()

    def stop(self, grace_s: float) -> bool:
        """Stop all within `grace_s`, all of them told at the beginning."""
        clean: list[bool] = []
        threads = [
            threading.Thread(target=lambda crew=crew: clean.append(crew.stop(grace_s)))
            for crew in self._crews
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return len(clean) == len(self._crews) and all(clean)


def _start(hooks: t.Any, tools: list[t.Any], threads: int, once: bool) -> t.Any:
    """Crews at work; ends the process, with a line that says why, if they cannot be."""
    from hipflask.database import StoreUnavailable  # who runs another command pays nothing

    try:
        crews: list[t.Any] = []
        if hooks is not None:
            from hipflask.webhooks.working.crews import make_crew

            crews.append(make_crew(hooks, threads=threads))
        for tool in tools:
            from hipflask.tools.runs import working

            crews.append(working.make_crew(tool.runs, threads=threads))
        crew = _Crews(crews)
        crew.start(once=once)
    except StoreUnavailable as error:
        _refuse(str(error), NO_STORE)
    except AssertionError as error:  # SetupError
        _refuse(str(error), REFUSED)
    return crew


def _take_signals(stopped: threading.Event) -> None:
    def stop(number: int, frame: t.Any) -> None:
        if stopped.is_set():
            os._exit(128 + number)
        stopped.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _say_what_runs(
    info: ScriptInfo, app: t.Any, hooks: t.Any, tools: list[t.Any], threads: int
) -> None:
    click.echo(f" * Working for {info.app_import_path or app.import_name!r}", err=True)
    if hooks is not None:
        sources = ", ".join(hooks.sources) or "none"
        destinations = ", ".join(hooks.destinations) or "none"
        click.echo(f" * Store: {hooks.database.name}", err=True)
        click.echo(f" * Sources: {sources}. Destinations: {destinations}.", err=True)
    for tool in tools:
        click.echo(f" * Tool {tool.name}: {len(tool.actions)} actions, {tool.store.name}", err=True)
    click.echo(f" * {threads} threads, process {os.getpid()}. Stop with SIGTERM.", err=True)


def _work(
    hooks: t.Any, crew: t.Any, stopped: threading.Event, *, once: bool, grace_s: float, shows: bool
) -> bool:
    """Wait for the end; returns whether all that was at work has finished."""
    if once:

        def wait() -> None:
            crew.join()
            stopped.set()

        threading.Thread(target=wait, daemon=True).start()
    tell_at = 0.0
    # In pieces, as a signal is seen between them.
    while not stopped.wait(0.2):
        if shows and time.monotonic() >= tell_at:
            _tell(hooks, crew)
            tell_at = time.monotonic() + TELL_EVERY_S
    is_clean: bool = crew.stop(grace_s)
    if shows:
        _tell(hooks, crew)
        click.echo(err=True)
    return is_clean


def _tell(hooks: t.Any, crew: t.Any) -> None:
    from hipflask.database import StoreUnavailable

    if hooks is None:
        click.echo(f"\r\033[K   {crew.done} done here", nl=False, err=True)
        return
    try:
        figures = [*hooks.inbox.figures(), *hooks.outbox.figures()]
    except StoreUnavailable:
        text = "the store is away"
    else:
        waits = sum(lane.backlog for lane in figures)
        dead = sum(lane.dead for lane in figures)
        text = f"{crew.done} done here, {waits} to do, {dead} dead"
    click.echo(f"\r\033[K   {text}", nl=False, err=True)


def _refuse(reason: str, code: int) -> t.NoReturn:
    click.echo(f"hipflask: {' '.join(reason.split())}", err=True)
    raise SystemExit(code)
