"""Whether it can be run: O01 to O04."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

from .declaring import Check, Found, Look, Skipped, found
from .project import is_of_tests

_PROGRAM_S = 120.0
#: Routes that are asked for what they log.
_MOST_ASKED = 20


def readiness(look: Look) -> Iterator[Found]:
    """O01. The store is cut: no connection is made, those that are open are closed."""
    stores = [one for one in look.facts.stores if one.kind != "memory"]
    if not stores:
        return
    if not look.facts.ready_checks:
        told = "there is a store, and no readiness check: /readyz stays 200 without it"
        yield found("/readyz", told, "")
        return
    from ..ops.probes import Readiness  # for this check only

    hooks = look.app.extensions.get("hipflask.webhooks")
    if hooks is not None:
        from ..webhooks import metrics  # as its server does when it starts

        metrics.watch(hooks)
    confined = look.probe.confined
    confined.is_cut = True
    try:
        _close_connections()
        failing = asyncio.run(Readiness(look.app).failing())
    finally:
        confined.is_cut = False
    if not failing:
        names = ", ".join(look.facts.ready_checks)
        yield found("/readyz", f"stays 200 with the store cut; asked were {names}", "")


def _close_connections() -> None:
    sqlalchemy = sys.modules.get("sqlalchemy")
    if sqlalchemy is not None:
        for one in gc.get_objects():
            if isinstance(one, sqlalchemy.Engine):
                one.dispose()


def logs(look: Look) -> Iterator[Found]:
    """O02."""
    from .probing import CANARY, listening

    if look.facts.config.get("LOGS") == "off":
        yield found("LOGS", "is 'off': no line for a request, and no request id", "")
    elif not look.facts.as_flask and (loggers := _without_id(look)):
        told = "its own handler writes no request id: nobody can tell which request a line is of"
        yield from (found(f"logger {name}", told, "", "W") for name in loggers)
    routes = [one for one in look.facts.own_routes if one.method != "WEBSOCKET"]
    query = {"token": CANARY, "password": CANARY}
    with listening(look.app.logger) as heard:
        for route in routes[:_MOST_ASKED]:
            look.probe.ask(route, query=query)
            if route.method == "GET":
                look.probe.ask(route, query=query, as_somebody=True, enters=True)
    leaks = sorted({logger for logger, line in heard if CANARY in line})
    for name in leaks:
        yield found(f"logger {name}", "a token that a request carried is in the log", "")


def _without_id(look: Look) -> list[str]:
    """The loggers whose handlers write to the terminal, as `serve` lets them, and tell no id."""
    from ..logging import default_handler  # which `serve` replaces
    from ..ops.lines import Handler

    id, terminals = "id-5c1d9a7e40b2", (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    record = logging.LogRecord("check", logging.WARNING, "", 0, "checked", None, None)
    vars(record).update(request_id=id, trace_id="")
    return sorted({
        logger.name
        for logger in (logging.getLogger(), look.app.logger)
        for handler in logger.handlers
        if getattr(handler, "stream", None) in terminals
        and handler is not default_handler
        and not isinstance(handler, Handler)
        and id not in handler.format(record)
    })  # fmt: skip


def no_timeout(look: Look) -> Iterator[Found]:
    """O03."""
    files = [name for name in look.project.files if name.endswith(".py") and not is_of_tests(name)]
    if not files:
        return
    done = _ran(["ruff", "check", "--isolated", "--select", "S113", "--output-format", "json",
                 "--exit-zero", "--no-cache", *files], look.project.root)  # fmt: skip
    for one in json.loads(done):
        if one.get("code") == "S113":
            at = one["filename"].removeprefix(look.project.root + "/")
            yield found(at, one["message"], f"{at}:{one['location']['row']}")


def known_vulns(look: Look) -> Iterator[Found]:
    """O04. Asks another host, so it is made only with --online."""
    done = _ran(["pip_audit", "--format", "json", "--progress-spinner", "off"], look.project.root)
    packages = json.loads(done)["dependencies"]
    unknown = {one["name"]: one["skip_reason"] for one in packages if "skip_reason" in one}
    if unknown:
        told = f"{len(unknown)} of {len(packages)} packages could not be looked up"
        if len(unknown) == len(packages):
            raise Skipped(f"{told}: {next(iter(unknown.values()))}")
        yield found("packages", f"{told}: {', '.join(unknown)}", "", "I")
    for one in packages:
        for vulnerability in one.get("vulns", []):
            ways = ", ".join(vulnerability.get("fix_versions", [])) or "no release"
            told = f"{one['name']} {one['version']}: {vulnerability['id']}, fixed in {ways}"
            yield found(one["name"], told, "")


def _ran(words: list[str], root: str) -> str:
    """What a Python program printed. Raises Skipped where it is not installed or fails."""
    module, *arguments = words
    shown = module.replace("_", "-")
    try:
        done = subprocess.run(
            # -P: the project may have files of the names that the program imports.
            [sys.executable, "-P", "-m", module, *arguments],
            capture_output=True,
            text=True,
            timeout=_PROGRAM_S,
            cwd=root,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Skipped(f"{shown} did not run: {error}") from None
    if f"No module named {module}" in done.stderr:
        raise Skipped(f"needs {shown}: pip install {shown}")
    # Both print JSON when they did what they are for, and pip-audit ends with 1 otherwise, too.
    if done.returncode not in (0, 1) or not done.stdout.strip():
        raise Skipped(f"{shown} failed: {done.stderr.strip()[-200:]}")
    return done.stdout


CHECKS = [
    Check(
        id="O01",
        name="readiness",
        levels=("-", "W", "E"),
        needs="probe",
        inspects="with the store cut, a readiness check fails, so that /readyz is 503",
        why="a proxy keeps sending requests to a process that can answer none of them",
        fix="@probes.ready_check(app, 'database') with the smallest query",
        find=readiness,
    ),
    Check(
        id="O02",
        name="logs",
        levels=("-", "W", "E"),
        needs="probe",
        inspects="requests are logged, lines of the application's own have the request id, and a"
        " token that was sent with a request is in none",
        why="a log is read by more people than a database, is kept elsewhere, and is of use where"
        " lines of one request can be told",
        fix="leave LOGS and handlers to `hipflask serve`, or put %(request_id)s into the format;"
        " log no header, query or body by hand",
        fix_as_flask="log no header, query or body by hand",
        find=logs,
    ),
    Check(
        id="O03",
        name="no-timeout",
        levels=("I", "W", "W"),
        needs="program",
        inspects="calls of requests and httpx have a timeout (ruff's S113), those of tests apart",
        why="a host that does not answer keeps a thread for ever",
        fix="timeout=5, or a Destination of hipflask.forward",
        find=no_timeout,
    ),
    Check(
        id="O04",
        name="known-vulns",
        levels=("-", "W", "W"),
        needs="program",
        opt_in="online",
        inspects="installed packages have no known vulnerability (pip-audit)",
        why="what is published is tried by everybody",
        fix="raise the version, or silence it with why it cannot be reached",
        find=known_vulns,
    ),
]  # fmt: skip
