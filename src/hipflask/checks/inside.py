"""The process that loads the application: `python -m hipflask.checks.inside REQUEST RESULT`.

It is confined before anything of the user's is imported, enters no view, and ends at once when
it has written its result, whatever threads were started. What kept the application from being
loaded is a result, too.
"""

from __future__ import annotations

import os
import sys
import traceback
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from .confining import Confined
from .declaring import Finding
from .facts import Facts, Project, Recorded


class Request(msgspec.Struct, kw_only=True):
    """What the process is asked."""

    app: str | None = None
    as_flask: bool = False
    probe: bool = False
    stage: str = "prototype"
    today: date
    project: Project
    record: Recorded | None = None
    #: Ids of the checks to make here.
    checks: list[str] = []
    scratch: str


class Result(msgspec.Struct, kw_only=True):
    """What it found; `failure` says why the application could not be loaded."""

    failure: str = ""
    facts: Facts | None = None
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    attempts: list[str] = []


def main(request_file: str, result_file: str) -> None:
    """Load, look, write the result, end the process."""
    request = msgspec.json.decode(Path(request_file).read_bytes(), type=Request)
    # Loaded before there is no network and no other program, as they look for either.
    from .gathering import gather, watch_reads

    if request.as_flask:
        os.environ["HIPFLASK_AS_FLASK"] = "1"
        os.environ["HIPFLASK_DEFAULTS"] = "flask"
        from ..as_flask import install

        install()
    confined = Confined(Path(request.scratch))
    confined.begin()
    reads = watch_reads(request.project.root)
    result = Result()
    try:
        app = _load(request.app)
        result.facts = gather(app, request.project, request.as_flask, reads, confined.attempts)
        _look(app, request, confined, result)
    except BaseException as error:
        result.failure = _told(error, confined.attempts, request.project.root)
    result.attempts = confined.attempts
    confined.written(result_file, msgspec.json.encode(result, enc_hook=str))
    # Threads that the import started would keep an ordinary exit waiting.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _load(name: str | None) -> Any:
    from hipflask.cli.script import ScriptInfo  # who lists checks needs no command line

    os.environ["FLASK_RUN_FROM_CLI"] = "true"
    info = ScriptInfo(app_import_path=name, set_debug_flag=False)
    app = info.load_app()
    # Sealed by looking at it: a view that cannot work is told now.
    getattr(app, "sealed", None)
    return app


def _look(app: Any, request: Request, confined: Confined, result: Result) -> None:
    from .catalogue import catalogue
    from .declaring import Look
    from .running import make

    probe = None
    if request.probe:
        from .probing import Probe

        probe = Probe(app, confined)
    assert result.facts is not None
    look = Look(
        facts=result.facts, project=request.project, stage=request.stage, today=request.today,
        record=request.record, app=app, probe=probe,
    )  # fmt: skip
    checks = catalogue()
    for id in request.checks:
        result.findings += make(checks[id], look, result.skipped)


def _told(error: BaseException, attempts: list[str], root: str) -> str:
    """One line: what happened, and where in the project; what was kept from it before."""
    if isinstance(error, SystemExit):
        text = f"it ended the process with {error.code!r} while it was imported"
    elif isinstance(error, KeyError) and _reads_environment(error):
        text = f"it needs the variable {error.args[0]}, which is not set"
    else:
        said = getattr(error, "format_message", lambda: str(error))()
        text = f"{type(error).__name__}: {' '.join(str(said).split())[:500]}"
    from .gathering import is_own

    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename, root)
    ]
    if frames:
        place = os.path.relpath(frames[-1].filename, root)
        text = f"{place}:{frames[-1].lineno}: {text}"
    if attempts:
        text = f"{text} (before that it was kept from this: {attempts[-1]})"
    return text


def _reads_environment(error: BaseException) -> bool:
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and frames[-1].filename.endswith(("os.py", "gathering.py", "<frozen os>"))


if __name__ == "__main__":
    main(*sys.argv[1:3])
