"""`serve` with figures: a supervisor, the overview it keeps, and the port where that is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import get_context

from . import listen, rundir
from .opsport import OpsPort
from .overview import Overview
from .settings import Settings
from .supervise import Supervisor, Target
from .terminal import say


def run_overseen(
    target: Target,
    places: Sequence[tuple[listen.Listener, ...]],
    settings: Settings,
    run_dir: str | None,
) -> None:
    """Serve as `Supervisor.run` does, with the service's figures to be seen meanwhile."""
    listener = listen.open_listener(settings.ops_bind) if settings.ops_bind else None
    folder = rundir.make(run_dir)
    try:
        overview = Overview(folder, target.name, get_context("spawn"))
        port = OpsPort(overview, listener, folder, settings.metrics_token)
        settings = replace(settings, ops_socket=str(folder / rundir.SOCKET))
        if listener is not None:
            announce(listener, settings.metrics_token)
        Supervisor(target, places, settings, overview).run()
        port.close()
    finally:
        if listener is not None:
            listener.close()
        rundir.remove(folder)


def announce(listener: listen.Listener, token: str) -> None:
    """Say where figures are, and who can read them if that is not only this machine."""
    say(f"hipflask: figures and probes on {listener.url()} (see `hipflask top`)")
    is_here = listener.path or listen.is_loopback(listener.address.rpartition(":")[0])
    if not (is_here or token):
        say(
            "hipflask: other machines can read them: name a token (--metrics-token), or see that"
            " only your network reaches the port"
        )
