"""`make stages`: what `hipflask new` writes, on a fresh environment, and decisions carried through.

For each kind: made, installed by the first command of its README, tests, lint, format, types,
check. Then a prototype is hardened and another discarded, with their answers over time. Prints a
figure for each, and ends with 1 if one is missed. QUICK=1 takes the environment that it runs in;
ONLY=api,tool takes some; FAULT=1 plants a fault in each project, so that it must fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("api", "tool", "prototype", "webhook")
MOST_FILES = 12
#: Without empty ones, and without the tests.
MOST_LINES = 200
LIMIT_S = 600.0


class Missed(Exception):
    """A figure is not what it has to be; the text says which."""


class Bench:
    """A folder, an environment, and what is run in them."""

    def __init__(self, folder: Path, python: str) -> None:
        self.folder = folder
        self.python = python
        self.rows: list[tuple[str, str, float]] = []
        self.missed: list[str] = []

    def run(self, where: Path, *words: str, code: int = 0) -> str:
        """What a command printed; Missed if it ends with another code."""
        environ = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        if self.python == sys.executable:
            environ["PYTHONPATH"] = str(ROOT / "src")
        done = subprocess.run(
            [self.python, *words], cwd=where, env=environ, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=LIMIT_S, check=False,
        )  # fmt: skip
        said = (done.stdout + done.stderr).strip()
        if done.returncode != code:
            raise Missed(f"{' '.join(words[:4])} ended with {done.returncode}:\n{said[-1500:]}")
        return said

    def hold(self, name: str, call: Callable[[], str]) -> None:
        """One figure: what `call` says, or that it was missed."""
        started = time.monotonic()
        try:
            said = call()
        except (Missed, subprocess.TimeoutExpired) as error:
            said = f"MISSED: {error}"
            self.missed.append(name)
        self.rows.append((name, said, time.monotonic() - started))
        print(f"{name:<24} {said}  ({self.rows[-1][2]:.1f} s)", flush=True)


def last_line(text: str) -> str:
    """The last line of what was printed."""
    return text.splitlines()[-1] if text else ""


def try_kind(bench: Bench, kind: str, is_fresh: bool, has_fault: bool) -> None:
    """One kind of project, from `new` to `check`."""
    folder = bench.folder / f"my-{kind}"

    def made() -> str:
        bench.run(bench.folder, "-m", "hipflask", "new", kind, folder.name, "--owner", "ada")
        files = [path for path in folder.rglob("*") if path.is_file()]
        code = [path for path in files if path.suffix == ".py" and path.parent.name != "tests"]
        texts = [path.read_text(encoding="utf-8") for path in code]
        lines = sum(bool(line.strip()) for text in texts for line in text.splitlines())
        if len(files) > MOST_FILES or lines > MOST_LINES:
            raise Missed(f"{len(files)} files, {lines} lines of code")
        if has_fault:
            errors = folder / "errors.py"
            errors.write_text(errors.read_text(encoding="utf-8") + "import nothing_there\n")
        return f"{len(files)} files, {lines} lines of code"

    bench.hold(f"{kind} made", made)
    if is_fresh:
        install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", ".[dev]")
        bench.hold(f"{kind} installed", lambda: bench.run(folder, *install) or "by its README")
    steps = {
        "tests": ("-m", "pytest", "-q", "-p", "no:cacheprovider"),
        "lint": ("-m", "ruff", "check", "--no-cache", "."),
        "format": ("-m", "ruff", "format", "--no-cache", "--check", "."),
        "types": ("-m", "mypy"),
        "check": ("-m", "hipflask", "check", "--probe"),
    }
    for name, words in steps.items():
        bench.hold(f"{kind} {name}", lambda words=words: last_line(bench.run(folder, *words)))


def journeys(bench: Bench) -> None:
    """A prototype hardened, and one discarded."""
    ask = (
        "import app, datetime; from hipflask.stages import declaring;"
        "real = declaring.declare;"
        "moved = datetime.datetime(2099, 3, 1, tzinfo=datetime.timezone.utc).timestamp;"
        "app.declare = lambda one: real(one, clock=moved);"
        "print(app.create_app().test_client().get('/evidence').status_code)"
    )
    words = ("--answer", "yes", "--evidence", "README.md", "--by", "ada")

    def begin(name: str) -> Path:
        bench.run(bench.folder, "-m", "hipflask", "new", "prototype", name, "--owner", "ada")
        return bench.folder / name

    def harden() -> str:
        folder = begin("to-harden")
        bench.run(folder, "-m", "hipflask", "promote", "harden", *words)
        if 'stage = "pilot"' not in (folder / "pyproject.toml").read_text(encoding="utf-8"):
            raise Missed("the stage is not pilot")
        again = bench.run(folder, "-m", "hipflask", "promote", "harden", *words)
        if "Decided before" not in again:
            raise Missed(f"a second time it said {last_line(again)}")
        bench.run(folder, "-m", "hipflask", "promote", "promote", *words[:4], "--by", "ada",
                  "--to", "service", code=2)  # fmt: skip
        return "pilot; the same again wrote nothing; the author alone was refused"

    def blocked() -> str:
        folder = begin("to-block")
        app = folder / "app.py"
        text = app.read_text(encoding="utf-8").replace("    app.access = public\n", "")
        app.write_text(text, encoding="utf-8")
        said = bench.run(folder, "-m", "hipflask", "promote", "harden", *words, code=1)
        if (folder / "decisions").exists():
            raise Missed("a decision was written")
        return f"stopped by {sum(line.startswith('E ') for line in said.splitlines())} errors"

    def discard() -> str:
        folder = begin("to-discard")
        bench.run(folder, "-m", "hipflask", "promote", "discard", *words, "--until", "2099-02-01")
        get = "import app; a = app.create_app().test_client().get('/evidence');"
        told = bench.run(folder, "-c", get + "print(a.status_code, a.headers['Sunset'])")
        after = last_line(bench.run(folder, "-c", ask))
        if not told.endswith("200 Sun, 01 Feb 2099 00:00:00 GMT") or after != "410":
            raise Missed(f"before {told}, after {after}")
        return "told with each answer; 410 after the day"

    bench.hold("harden", harden)
    bench.hold("blocked by an error", blocked)
    bench.hold("discard", discard)


def make_environment(folder: Path) -> str:
    """A fresh environment with hipflask from this checkout; returns its Python."""
    place = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True, timeout=LIMIT_S)
    python = str(place / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
    subprocess.run([python, *install], check=True, timeout=LIMIT_S)
    return python


def main() -> int:
    """Run all; 1 if a figure was missed."""
    is_fresh = os.environ.get("QUICK") != "1"
    chosen = [kind for kind in KINDS if kind in os.environ.get("ONLY", ",".join(KINDS)).split(",")]
    folder = Path(tempfile.mkdtemp(prefix="hipflask-stages-"))
    try:
        bench = Bench(folder, make_environment(folder) if is_fresh else sys.executable)
        for kind in chosen:
            try_kind(bench, kind, is_fresh, os.environ.get("FAULT") == "1")
        journeys(bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(
        f"{len(bench.rows)} figures, {len(bench.missed)} missed: {', '.join(bench.missed) or '-'}"
    )
    return 1 if bench.missed else 0


if __name__ == "__main__":
    sys.exit(main())
