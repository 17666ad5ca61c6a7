"""`run` to develop, `serve` to deploy, and what `app.run()` does: Granian behind all three.

`run` serves from one process, restarted on change by a parent that watches (reload.py);
`serve` keeps worker processes alive (supervise.py). Both let worker.py do the serving.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from ..helpers import get_debug_flag, get_load_dotenv
from . import listen
from .develop import check_debugger, develop
from .engine import INTERFACES
from .reload import CHILD
from .settings import Settings
from .supervise import Supervisor, Target
from .terminal import refuse, say
from .worker import leave

__all__ = ["run", "run_app", "serve"]


def run(
    script_info: Any,
    *,
    host: str,
    port: int,
    reload: bool,
    debugger: bool,
    threads: bool,
    ssl_context: Any = None,
    extra_files: Iterable[str] | None = None,
    exclude_patterns: Iterable[str] | None = None,
    interface: str = "rsgi",
) -> None:
    """Serve the app that `script_info` finds, for development, until Ctrl-C or SIGTERM.

    `port` 0 picks a free port, and the first lines on standard error name it. With `reload`
    a change of a Python file, a `.env` file or one of `extra_files` restarts the app, and an
    app that cannot be imported is shown and tried again after the next change. `ssl_context`
    is a pair of files or `"adhoc"`; an `ssl.SSLContext` brings Werkzeug's server instead.
    Ends the process with exit code 2 if a setting cannot work, `debugger` on an address that
    others can reach among them. Without `reload`, what importing the app raises is passed on.
    """
    _check_interface(interface)
    # So that an `app.run()` at the bottom of the app's module does nothing.
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    if ssl_context is not None and not isinstance(ssl_context, (str, tuple)):
        check_debugger(host, debugger)
        _run_werkzeug(
            host,
            port,
            script_info.load_app(),
            use_reloader=reload,
            use_debugger=debugger,
            threaded=threads,
            ssl_context=ssl_context,
            extra_files=extra_files,
            exclude_patterns=exclude_patterns,
        )
        return
    path = getattr(script_info, "app_import_path", None)
    develop(
        script_info.load_app,
        path,
        host=host,
        port=port,
        reloads=reload,
        debugger=debugger,
        threads=threads,
        ssl_context=ssl_context,
        extra_files=extra_files,
        exclude_patterns=exclude_patterns,
        interface=interface,
    )
    leave()


def _check_interface(interface: str) -> None:
    if interface not in INTERFACES:
        refuse(f"no interface {interface!r}: choose from {', '.join(INTERFACES)}")


def serve(
    script_info: Any,
    *,
    bind: tuple[str, ...],
    workers: int,
    threads: int = 32,
    queue: int | None = None,
    max_requests_in_work: int = 1000,
    request_timeout_s: float = 0.0,
    certfile: str | None = None,
    keyfile: str | None = None,
    http: str = "auto",
    drain_wait_s: float = 5.0,
    graceful_timeout_s: float = 25.0,
    max_requests: int = 0,
    max_lifetime_s: float = 0.0,
    livez: str = "/livez",
    readyz: str = "/readyz",
    access_log: bool = True,
    metrics: str = "",
    metrics_token: str = "",
    ops_bind: str | None = None,
    run_dir: str | None = None,
    interface: str = "rsgi",
    check: bool = False,
) -> None:
    """Serve the app that `script_info` finds, for production, until SIGTERM or Ctrl-C.

    Each of `bind` is `HOST:PORT` or `unix:/path`. Each of the `workers` processes runs
    `threads` plain views at a time; `queue` more wait (four times as many by default), and
    past that, or past `max_requests_in_work`, a request is answered with 503. After
    `request_timeout_s` seconds without an answer a request gets 504; 0 for never.

    At SIGTERM `readyz` answers 503 and newcomers are served for `drain_wait_s` seconds, then
    no connection is accepted any more, requests in work have `graceful_timeout_s` seconds,
    and this returns. A worker that dies is replaced, however often; after SIGHUP, `max_requests`
    requests or `max_lifetime_s` seconds (0 for never) it is replaced without losing one.
    `livez` and `readyz` are the paths of the probes, "" for none. `access_log` writes a line a
    request to standard output.

    `metrics` is the path of the service's figures, "" for none: for whoever sends the token
    `metrics_token`, without one for this machine alone. `ops_bind`, an address like those of
    `bind`, has figures and probes on a port of their own. Either makes the workers count;
    `run_dir` is where, see rundir.py. With `check`, prints what would run and returns.

    Ends the process with one line and exit code 2 if a setting cannot work or the app cannot
    be imported, 78 if the app is in debug mode.
    """
    if not bind:
        refuse("nothing to listen on: give at least one --bind HOST:PORT or unix:/path")
    queue = 4 * threads if queue is None else queue
    at_least = {"workers": (workers, 1), "threads": (threads, 1), "queue": (queue, 0)}
    at_least["max requests in work"] = (max_requests_in_work, 1)
    at_least["max requests"] = (max_requests, 0)
    for name, (number, least) in at_least.items():
        if number < least:
            refuse(f"{name} must be at least {least}, not {number}")
    seconds = {"request timeout": request_timeout_s, "drain wait": drain_wait_s}
    seconds |= {"graceful timeout": graceful_timeout_s, "max lifetime": max_lifetime_s}
    for name, time_s in seconds.items():
        if not 0 <= time_s < float("inf"):
            refuse(f"the {name} must be 0 seconds or more, not {time_s}")
    for path in (livez, readyz, metrics):
        if path and not path.startswith("/"):
            refuse(
                f"the path of a probe or of the figures begins with a slash, and {path!r} does not"
            )
    _check_interface(interface)
    if interface == "wsgi" and request_timeout_s:
        refuse("a request timeout needs the interface rsgi or asgi: a thread cannot be cancelled")
    if http not in ("auto", "1", "2"):
        refuse(f"no version {http!r} of HTTP: choose from auto, 1, 2")
    if sys.platform == "win32" and workers > 1:
        say("hipflask: one worker only, as Granian cannot share a socket on Windows")
        workers = 1
    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    settings = Settings(
        interface=interface,
        threads=threads,
        queue=queue,
        max_in_work=max_requests_in_work,
        request_timeout_s=request_timeout_s,
        backpressure=listen.connection_limit(),
        http=http,
        tls=listen.check_tls(certfile, keyfile),
        access_log=access_log,
        logs=True,
        drain_s=drain_wait_s,
        grace_s=graceful_timeout_s,
        lingers=True,
        max_requests=max_requests,
        max_lifetime_s=max_lifetime_s,
        many=workers > 1,
        livez=livez,
        readyz=readyz,
        counts=bool(metrics or ops_bind),
        metrics=metrics,
        metrics_token=metrics_token,
        ops_bind=ops_bind or "",
    )
    target = Target.of(script_info)
    if metrics and sys.platform == "win32":
        refuse("figures on the port of the app need unix sockets: use --ops-bind here")
    if check:
        from .check import print_check  # not for serving

        print_check(target, bind, workers, settings)
        return
    places = list(zip(*(listen.open_for_workers(one, workers) for one in bind), strict=True))
    if metrics or ops_bind:
        from .oversee import run_overseen  # for those who want figures

        run_overseen(target, places, settings, run_dir)
    else:
        Supervisor(target, places, settings).run()


# app.run()

# Options of Werkzeug's server that Granian has no counterpart for, with the value that asks
# for nothing special.
_WERKZEUG_ONLY = {
    "threaded": True,
    "processes": 1,
    "request_handler": None,
    "static_files": None,
    "passthrough_errors": False,
    "use_evalex": True,
    "reloader_type": "auto",
}


def run_app(
    app: Any,
    host: str | None = None,
    port: int | None = None,
    debug: bool | None = None,
    *,
    load_dotenv: bool = True,
    **options: Any,
) -> None:
    """Serve a live app for development: what `app.run()` does. Host, port and options as there.

    Does nothing under the command line, which serves the app itself. With
    `HIPFLASK_DEFAULTS=flask`, outside the main thread, or with options that only Werkzeug's
    server knows, that server is used.
    Differs from Flask: served by Granian, and `debug=True` on an address that others can
    reach runs without the debugger; `use_debugger=True` there ends the process.
    """
    if os.environ.get("FLASK_RUN_FROM_CLI") == "true":
        if os.environ.get(CHILD) != "true":
            say(" * app.run() does nothing here: the command line serves the app")
        return
    from .. import cli  # brings click; looked up at the call, as people replace its banner

    if get_load_dotenv(load_dotenv):
        cli.load_dotenv()
    if "FLASK_DEBUG" in os.environ:
        app.debug = get_debug_flag()
    if debug is not None:
        app.debug = bool(debug)
    host, port = _address(app.config.get("SERVER_NAME"), host, port)
    options.setdefault("use_reloader", app.debug)
    options.setdefault("use_debugger", app.debug and _may_debug(host))
    options.setdefault("threaded", True)
    cli.show_server_banner(app.debug, app.name)
    if _needs_werkzeug(options):
        _run_werkzeug(host, port, app, **options)
        return
    clean = develop(
        lambda: app,
        None,
        host=host,
        port=port,
        reloads=bool(options["use_reloader"]),
        debugger=bool(options["use_debugger"]),
        threads=True,
        ssl_context=options.get("ssl_context"),
        extra_files=options.get("extra_files"),
        exclude_patterns=options.get("exclude_patterns"),
    )
    if not clean:
        leave()
    # The caller may have more to do; by then Granian's last thread should be gone.
    time.sleep(0.05)


def _address(server_name: str | None, host: str | None, port: int | None) -> tuple[str, int]:
    """Return where to listen: as asked, else as `SERVER_NAME` says, else 127.0.0.1:5000."""
    named_host, _, named_port = (server_name or "").partition(":")
    if port is None:
        port = int(named_port) if named_port else 5000
    return host or named_host or "127.0.0.1", int(port)


def _may_debug(host: str) -> bool:
    if _as_flask() or listen.is_loopback(host):
        return True
    if os.environ.get(CHILD) != "true":
        say(f" * No debugger, as others can reach {host}; use the host 127.0.0.1 to have it")
    return False


def _as_flask() -> bool:
    return os.environ.get("HIPFLASK_DEFAULTS") == "flask"


def _needs_werkzeug(options: Mapping[str, Any]) -> bool:
    tls = options.get("ssl_context")
    known = {"use_reloader", "use_debugger", "extra_files", "exclude_patterns", "ssl_context"}
    known |= {"reloader_interval", *_WERKZEUG_ONLY}
    return (
        _as_flask()
        or threading.current_thread() is not threading.main_thread()
        or any(options.get(name, plain) != plain for name, plain in _WERKZEUG_ONLY.items())
        or not (tls is None or isinstance(tls, (str, tuple)))
        or not known.issuperset(options)
    )


def _run_werkzeug(host: str, port: int, app: Any, **options: Any) -> None:
    import werkzeug.serving  # development only; looked up at the call, as tests replace it

    werkzeug.serving.run_simple(host, port, app, **options)
