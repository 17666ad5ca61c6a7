"""Starts the process that loads the application, and ends it in time."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from .inside import Request, Result

#: How long an application may take to be loaded and looked at, in seconds.
LIMIT_S = 30.0
_MOST_SAID = 2000


class NotLoaded(Exception):
    """The application could not be loaded; the text says why, in a line."""


def look_inside(request: Request, limit_s: float = LIMIT_S, folder: str = ".") -> Result:
    """What the process found in `folder`. Raises NotLoaded, at the latest `limit_s` from now."""
    with tempfile.TemporaryDirectory(prefix="hipflask-check-") as own:
        scratch = Path(own, "scratch")
        scratch.mkdir()
        request.scratch = str(scratch)
        asked, answered = Path(own, "request.json"), Path(own, "result.json")
        asked.write_bytes(msgspec.json.encode(request))
        said = Path(own, "said.txt")
        with said.open("wb") as output:
            ended = _run([str(asked), str(answered)], output, limit_s, folder)
        if not answered.is_file():
            raise NotLoaded(_why(ended, said, limit_s))
        result = msgspec.json.decode(answered.read_bytes(), type=Result)
    if result.failure:
        raise NotLoaded(result.failure)
    return result


def _run(arguments: list[str], output: object, limit_s: float, folder: str) -> int | None:
    """The process's exit code; None for one that had to be ended."""
    environ = {k: v for k, v in os.environ.items() if k not in ("FLASK_DEBUG", "FLASK_APP")}
    # With the folder that holds us, as this may run from a checkout.
    paths = [str(Path(__file__).resolve().parents[2]), environ.get("PYTHONPATH", "")]
    environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    process = subprocess.Popen(
        [sys.executable, "-m", "hipflask.checks.inside", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=output,  # type: ignore[call-overload]
        stderr=subprocess.STDOUT,
        env=environ,
        cwd=folder,
    )
    try:
        return process.wait(limit_s)  # type: ignore[no-any-return]
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


def _why(ended: int | None, said: Path, limit_s: float) -> str:
    if ended is None:
        return f"it was not loaded within {limit_s:g} s"
    text = said.read_bytes()[-_MOST_SAID:].decode("utf-8", "replace").strip()
    last = f": {text.splitlines()[-1][:300]}" if text else ""
    return f"its process ended with {ended} while it was imported{last}"
