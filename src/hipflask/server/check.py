"""`serve --check`: loads the app and prints what would run, and why."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

from ..bridge import is_async
from .gate import taken_paths
from .listen import split_bind
from .settings import Settings
from .supervise import Target, describe, refusals_of
from .terminal import REFUSED, USAGE, code_of, refuse


def print_check(target: Target, bind: Sequence[str], workers: int, settings: Settings) -> None:
    """Print it to standard output; ends the process where `serve` would refuse to start."""
    for one in bind:
        if not one.startswith("unix:"):
            split_bind(one)
    try:
        app = target.load()
    except BaseException as error:
        refuse(f"cannot load the app {target.name}: {describe(error)}", code_of(error))
    try:
        getattr(app, "sealed", None)
    except Exception as error:
        refuse(f"the app {target.name} cannot be served: {describe(error)}", USAGE)
    if getattr(app, "debug", False):
        refuse(f"the app {target.name} is in debug mode: unset FLASK_DEBUG", REFUSED)
    if found := refusals_of(app, settings.interface):
        refuse(f"the app {target.name} is not safe to serve: {found}", REFUSED)
    for name, text in _lines(app, target, bind, workers, settings):
        print(f"{name:<11} {text}")


def _lines(
    app: Any, target: Target, bind: Sequence[str], workers: int, settings: Settings
) -> Iterator[tuple[str, str]]:
    yield "app", f"{target.name}: {app!r}"
    scheme = "HTTPS" if settings.tls else "HTTP"
    version = {"auto": "1.1 and 2", "1": "1.1", "2": "2"}[settings.http]
    yield "listens on", f"{', '.join(bind)}, {scheme}, HTTP/{version}"
    yield "interface", _interface(app, settings)
    chain = replaced_chain(app)
    if chain:
        how = "in a pool thread, over the body already read" if settings.interface != "wsgi" else ""
        yield "middleware", f"{chain}; every request runs through it {how}".rstrip()
    views = getattr(app, "view_functions", {}).values()
    number = sum(map(is_async, views))
    yield "views", f"{len(views) - number} plain, {number} async"
    plain = f"{settings.threads} plain views at a time"
    if settings.interface == "wsgi":
        yield "workers", f"{workers}, each {plain}"
    else:
        yield "workers", f"{workers}, each {plain}, {settings.queue} more wait, then 503"
        late = f"after {settings.request_timeout_s:g} s" if settings.request_timeout_s else "never"
        yield "limits", f"{settings.max_in_work} requests in work per worker, then 503; 504 {late}"
    yield (
        "database",
        f"up to {workers * settings.threads} connections where each thread has one:"
        f" a pool of {settings.threads} per worker",
    )
    ends = [f"{settings.max_requests} requests"] if settings.max_requests else []
    ends += [f"{settings.max_lifetime_s:g} s"] if settings.max_lifetime_s else []
    yield "replaced", f"on SIGHUP{''.join(f', after {end}' for end in ends)}, without losing any"
    yield (
        "stop",
        f"on SIGTERM: {settings.drain_s:g} s for newcomers, then {settings.grace_s:g} s for"
        " what is in work",
    )
    taken = taken_paths(app)
    for path in (settings.livez, settings.readyz):
        if path:
            yield "probe", f"{path}" + (" (the app's own route)" if path in taken else "")
    if settings.metrics:
        path = settings.metrics
        whose = "who has the token" if settings.metrics_token else "this machine"
        own = path in taken
        yield "figures", f"{path} " + ("(the app's own route)" if own else f"for {whose}")
    if settings.ops_bind:
        yield "figures", f"and probes on {settings.ops_bind}"
    from ..guards.production import advice  # for this command only

    for text in advice(app):
        yield "advice", text


def _interface(app: Any, settings: Settings) -> str:
    if settings.interface == "wsgi":
        return "wsgi: threads of Granian's; put a proxy that buffers in front of it"
    door = {"rsgi": "__rsgi__", "asgi": "asgi"}[settings.interface]
    if hasattr(app, door):
        return f"{settings.interface}: bodies are read before a thread is taken"
    return f"{settings.interface}: a plain WSGI callable, called in the pool"


def replaced_chain(app: Any) -> str | None:
    """Return what took the place of the app's own WSGI callable, by name; None for nothing."""
    if not getattr(getattr(app, "sealed", None), "has_chain", False):
        return None
    for name in ("wsgi_app", "__call__"):
        found = getattr(app if name in vars(app) else type(app), name)
        module = getattr(found, "__module__", None) or type(found).__module__
        if not module.startswith("hipflask."):
            what = found if inspect.isroutine(found) else type(found)
            return f"{name} is {what.__module__}.{what.__qualname__}"
    return "the WSGI callable was replaced"
