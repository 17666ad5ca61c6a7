"""The process, or two, behind `run`: reload, debugger, and an app that may not import."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..lifespan import StartupError
from . import listen, reload
from .loading import load_ready
from .settings import Settings
from .terminal import USAGE, refuse, say
from .worker import work

# Sync views that wait (a long poll, a stream) hold a thread each; idle ones are given back.
THREADS = 32


def develop(
    load: Callable[[], Any],
    path: str | None,
    *,
    host: str,
    port: int,
    reloads: bool,
    debugger: bool,
    threads: bool,
    ssl_context: Any,
    extra_files: Iterable[str] | None,
    exclude_patterns: Iterable[str] | None,
    interface: str = "rsgi",
) -> bool:
    """Serve what `load` returns until Ctrl-C; with `reloads`, from a child that is restarted.

    Returns whether all requests finished; if not, the process has to be left.
    """
    check_debugger(host, debugger)
    child = reloads and reload.is_child()
    bind = listen.bind_of(host, port)
    listener = reload.take_over(listen.open_listener) if child else listen.open_listener(bind)
    tls = _development_tls(ssl_context, host)
    if not child:
        _greet(listener, host=host, reloads=reloads, debugger=debugger, tls=tls is not None)
    if reloads and not child:
        watched = reload.Watched(reload.code_roots(path), extra_files or (), exclude_patterns or ())
        raise SystemExit(reload.watch_and_restart(listener, watched, _dotenv_values()))
    inner = _load_or_explain(load, debugger) if child else load_ready(load)
    app = inner
    if debugger:
        # WSGI middleware: on the other interfaces everything but WebSockets runs through it.
        app = _debugged(inner, host)
    settings = Settings(
        interface=interface,
        threads=THREADS if threads else 1,
        backpressure=listen.connection_limit(),
        tls=tls,
        access_log=True,
        log_text=True,
        log_to="stderr",
        log_query=True,
        grace_s=reload.PATIENCE_S - 1,
        watches_loop=interface != "wsgi",
    )
    try:
        return work(app, (listener,), settings, inner=inner)
    except StartupError as error:
        refuse(f"the app cannot start: {error}")


def check_debugger(host: str, debugger: bool) -> None:
    """End the process with exit code 2 if the debugger is wanted where others can reach it."""
    if debugger and not listen.is_loopback(host):
        refuse(
            f"no debugger on {host}: it runs any code for whoever reaches that address; "
            "use --host 127.0.0.1, or --no-debugger",
            USAGE,
        )


def _greet(
    listener: listen.Listener, *, host: str, reloads: bool, debugger: bool, tls: bool
) -> None:
    url = listener.url("https" if tls else "http")
    everywhere = " (all addresses of this machine)" if host in ("0.0.0.0", "::") else ""
    mode = " and ".join(word for word, on in (("reload", reloads), ("debugger", debugger)) if on)
    say(f" * Running on {url}{everywhere}" + (f" with {mode}" if mode else ""))
    say(" * For development only; to deploy, use `hipflask serve`. Ctrl-C stops")
    if debugger:
        # One PIN for all restarts, and not one that the files of this machine give away.
        digits = f"{secrets.randbelow(10**9):09d}"
        pin = os.environ.setdefault(
            "WERKZEUG_DEBUG_PIN", f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"
        )
        say(" * Debugger without a PIN!" if pin == "off" else f" * Debugger PIN: {pin}")


def _debugged(app: Any, host: str) -> Any:
    from werkzeug.debug import DebuggedApplication  # heavy, and for development only

    wrapped = DebuggedApplication(app, evalex=True, pin_logging=False)
    # From here on: the PIN is shown again when the page asks for it.
    wrapped.pin_logging = True
    if ":" in host and not host.startswith("unix:"):
        wrapped.trusted_hosts.append(f"[{host}]")
    elif not host.startswith("unix:"):
        wrapped.trusted_hosts.append(host)
    return wrapped


def _load_or_explain(load: Callable[[], Any], debugger: bool) -> Any:
    """Return the app, or if it cannot be imported one that answers with the reason."""
    try:
        return load_ready(load)
    except (Exception, SystemExit) as error:
        failure = error
    from ..cli.discovery import explain_failure  # brings click, and only when something failed

    trace = failure.__traceback__
    origin = trace and trace.tb_next
    shown = getattr(failure, "format_message", None)
    reason = shown() if callable(shown) else explain_failure(failure.with_traceback(origin))
    say(f"{reason.rstrip()}\n * The app cannot be imported: waiting for a change of its files")

    def explain(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if debugger and isinstance(failure, Exception):
            raise failure.with_traceback(origin)
        start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
        return [b"The app cannot be imported; the terminal shows why.\n"]

    return explain


def _development_tls(ssl_context: Any, host: str) -> tuple[str, str] | None:
    if ssl_context is None:
        return None
    if ssl_context != "adhoc":
        certfile, keyfile = (os.fspath(path) for path in ssl_context)
        return listen.check_tls(certfile, keyfile)
    import atexit
    import shutil
    import tempfile

    from werkzeug.serving import make_ssl_devcert

    folder = tempfile.mkdtemp(prefix="hipflask-tls-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    try:
        return make_ssl_devcert(os.path.join(folder, "adhoc"), host=host)
    except TypeError:
        refuse("an adhoc TLS certificate needs the package cryptography: pip install cryptography")


def _dotenv_values() -> Mapping[str, str]:
    """Return the variables of this process that its `.env` and `.flaskenv` files have set."""
    try:
        import dotenv  # optional
    except ImportError:
        return {}
    values: dict[str, str] = {}
    for name in (".flaskenv", ".env"):
        found = dotenv.find_dotenv(name, usecwd=True)
        for key, value in dotenv.dotenv_values(found).items() if found else ():
            if value is not None and os.environ.get(key) == value:
                values[key] = value
    return values
