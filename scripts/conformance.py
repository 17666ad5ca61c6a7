"""Runs other people's test suites on the real Flask and on hipflask, and compares.

`conformance.py flask`: Flask 3.1.3's own tests and its tutorial's, exceptions listed in
tests/conformance/exceptions.toml. `conformance.py extensions`: the suites in ten extensions'
source releases. Both sides run in the same environment, in the same run; every test must end on
hipflask as it ends on Flask. Suites, environments and results are kept in .cache/conformance.

`FAULT=1` plants a fault into hipflask, which must make this exit with 1. A suite's name after the
group runs that suite alone; `--why` prints the reason of each difference.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "tests" / "conformance"
CACHE = ROOT / ".cache" / "conformance"
MOST_EXCEPTIONS = 4
SUITE_LIMIT_S = 900
COLUMNS = ("passed", "failed", "skipped", "xfailed")
COUNTED_AS = {"error": "failed", "xpassed": "passed"}


@dataclass
class Suite:
    """One suite: where it comes from and how it is started."""

    name: str
    sdist: str
    tests: list[str]
    folder: str = "."
    path: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)


@dataclass
class Result:
    """How a suite went on one side: outcome and reason by test id."""

    outcomes: dict[str, str]
    reasons: dict[str, str]


class ConformanceError(Exception):
    """The comparison itself could not be made."""


def say(text: str) -> None:
    print(text, flush=True)


# --- environment and sources --------------------------------------------------------------------


def make_environment(group: str, requirements: list[str]) -> Path:
    """Returns the Python of an environment that holds the requirements and hipflask."""
    folder = CACHE / f"venv-{group}"
    python = folder / "bin" / "python"
    wanted = sorted(requirements)
    text = json.dumps([wanted, (ROOT / "pyproject.toml").read_text(), sys.version])
    stamp = folder / ".stamp"
    digest = hashlib.sha256(text.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return python
    say(f"conformance: making {folder.relative_to(ROOT)}")
    shutil.rmtree(folder, ignore_errors=True)
    script = ROOT / "scripts" / "make_venv.sh"
    subprocess.run(["sh", script, folder, sys.executable], check=True, cwd=ROOT)
    pip(python, "install", "-e", str(ROOT), *wanted)
    stamp.write_text(digest)
    return python


def pip(python: Path | str, *words: str) -> None:
    command = [str(python), "-m", "pip", *words, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ConformanceError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def fetch(requirement: str) -> Path:
    """Returns the unpacked source release of `name==version`."""
    name, _, version = requirement.partition("==")
    folder = CACHE / "sdists" / f"{name.lower()}-{version}"
    if not folder.exists():
        say(f"conformance: fetching the source release of {requirement}")
        incoming = CACHE / "incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
        # Dependencies may come as wheels: they are only what pip needs to read the metadata.
        words = ("--no-deps", "--no-binary", name, "-d", str(incoming), requirement)
        pip(sys.executable, "download", *words)
        archive = next(incoming.glob("*.tar.gz"))
        with tarfile.open(archive) as tar:
            tar.extractall(incoming / "unpacked", filter="data")
        folder.parent.mkdir(parents=True, exist_ok=True)
        next((incoming / "unpacked").iterdir()).rename(folder)
        shutil.rmtree(incoming)
    return folder


def has_tests(suite: Suite) -> bool:
    folder = fetch(suite.sdist) / suite.folder
    return all((folder / name).exists() for name in suite.tests)


# --- running ------------------------------------------------------------------------------------


def run_suite(suite: Suite, python: Path, *, on_hipflask: bool) -> Result:
    """Runs a suite in a fresh copy of its source release.

    Raises ConformanceError when it gives no results or the wrong package answered for Flask.
    """
    side = "hipflask" if on_hipflask else "flask"
    work = CACHE / "work" / f"{suite.name}-{side}"
    shutil.rmtree(work, ignore_errors=True)
    # Without the release's own src/: what is installed gets tested.
    unwanted = shutil.ignore_patterns("src", ".git")
    shutil.copytree(fetch(suite.sdist), work, ignore=unwanted, symlinks=True)
    shield_from_our_settings(work / suite.folder)
    results = work / "outcomes.json"
    words = ["-m", "pytest", "-q", "-p", "outcomes", "--tb=short"]
    words += [*suite.arguments, *suite.tests]
    if on_hipflask:
        command = [str(python), "-m", "hipflask.as_flask", "python", *words]
    else:
        command = [str(python), *words]
    done = subprocess.run(
        command,
        cwd=work / suite.folder,
        env=make_environ(suite, work, results, python, on_hipflask),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SUITE_LIMIT_S,
    )
    log = CACHE / f"{suite.name}-{side}.log"
    log.write_text(done.stdout)
    if not results.exists():
        tail = "\n".join(done.stdout.splitlines()[-25:])
        raise ConformanceError(f"{suite.name} on {side} gave no results:\n{tail}")
    found = json.loads(results.read_text())
    expected = "hipflask" if on_hipflask else "flask"
    if found["package"] != expected:
        raise ConformanceError(f"{suite.name}: {found['package']} answered instead of {expected}")
    return Result(found["outcomes"], found["reasons"])


def shield_from_our_settings(folder: Path) -> None:
    """Keeps pytest from walking up to hipflask's own settings where a release brings none."""
    marks = {"pyproject.toml": "[tool.pytest", "setup.cfg": "[tool:pytest]", "tox.ini": "[pytest]"}
    has_own = (folder / "pytest.ini").exists() or any(
        mark in (folder / name).read_text()
        for name, mark in marks.items()
        if (folder / name).exists()
    )
    if not has_own:
        (folder / "pytest.ini").write_text("[pytest]\n")


def make_environ(
    suite: Suite, work: Path, results: Path, python: Path, on_hipflask: bool
) -> dict[str, str]:
    ours = ("HIPFLASK_", "FLASK_", "COVERAGE_", "PYTEST_", "OUTCOMES_")
    environ = {name: text for name, text in os.environ.items() if not name.startswith(ours)}
    folders = [str(HERE), *(str((work / suite.folder / name).resolve()) for name in suite.path)]
    environ["PYTHONPATH"] = os.pathsep.join(folders)
    environ["PYTHONDONTWRITEBYTECODE"] = "1"
    environ["PATH"] = os.pathsep.join([str(python.parent), environ.get("PATH", os.defpath)])
    environ["OUTCOMES_FILE"] = str(results)
    if on_hipflask and os.environ.get("FAULT"):
        environ["OUTCOMES_FAULT"] = "1"
    return environ


# --- comparing ----------------------------------------------------------------------------------


def load_exceptions() -> dict[str, str]:
    """Returns the excepted test ids of Flask's suite, with their reasons."""
    entries = tomllib.loads((HERE / "exceptions.toml").read_text()).get("exception", [])
    if len(entries) > MOST_EXCEPTIONS:
        raise ConformanceError(
            f"exceptions.toml lists {len(entries)} tests; at most {MOST_EXCEPTIONS} are allowed"
        )
    for entry in entries:
        if not entry.get("reason", "").strip():
            raise ConformanceError(f"exceptions.toml gives no reason for {entry['id']}")
    return {entry["id"]: entry["reason"] for entry in entries}


def differences(ours: Result, flask: Result, *, exact: bool) -> dict[str, str]:
    """Returns what differs, by test id. ``exact`` also wants equal failures of Flask's own.

    A test that fails on Flask proves nothing about hipflask, so elsewhere it may end as it likes.
    """
    found = {}
    for name in sorted(flask.outcomes.keys() | ours.outcomes.keys()):
        theirs = flask.outcomes.get(name, "absent")
        own = ours.outcomes.get(name, "absent")
        broken = theirs in ("failed", "error", "absent")
        if own != theirs and (exact or not broken):
            found[name] = f"{own}, on Flask {theirs}"
    return found


def print_table(suite: Suite, ours: Result, flask: Result) -> None:
    """Prints a line per file: hipflask's counts, then Flask's."""
    files = sorted({name.split("::")[0] for name in flask.outcomes.keys() | ours.outcomes.keys()})
    width = max([len(name) for name in files] + [len(suite.name) + 8, 24])
    heads = "".join(f"{head:>8}" for head in COLUMNS)
    say(f"\n{suite.name:{width}}  {'hipflask':>{8 * len(COLUMNS)}}  {'Flask':>{8 * len(COLUMNS)}}")
    say(f"{'':{width}}  {heads}  {heads}")
    for label in [*files, "all"]:
        cells = [count(side, label) for side in (ours, flask)]
        texts = ["".join(f"{counts[head]:8}" for head in COLUMNS) for counts in cells]
        mark = "" if cells[0] == cells[1] else "  <"
        say(f"{label:{width}}  {texts[0]}  {texts[1]}{mark}")


def count(result: Result, file: str) -> Counter[str]:
    return Counter(
        COUNTED_AS.get(outcome, outcome)
        for name, outcome in result.outcomes.items()
        if file == "all" or name.split("::")[0] == file
    )


def compare(suite: Suite, python: Path, exceptions: dict[str, str], *, why: bool) -> bool:
    """Runs one suite on both, prints what came out, returns whether all is as it must be."""
    exact = suite.name == "flask"
    flask = run_suite(suite, python, on_hipflask=False)
    ours = run_suite(suite, python, on_hipflask=True)
    print_table(suite, ours, flask)
    good = True
    broken = [name for name, how in flask.outcomes.items() if how in ("failed", "error")]
    if broken:
        say(f"{suite.name}: {len(broken)} tests fail on Flask itself in this environment")
        if exact:
            say("\n".join(f"  {name}" for name in broken))
            good = False
    found = differences(ours, flask, exact=exact)
    for name, how in found.items():
        excepted = name in exceptions
        good = good and excepted
        say(f"  {'excepted' if excepted else 'DIFFERS'} {name}: {how}")
        if excepted:
            say(f"    because {exceptions[name]}")
        elif why:
            say("    " + ours.reasons.get(name, "").strip().replace("\n", "\n    "))
    for name in exceptions.keys() - found.keys() if exact else ():
        say(f"  STALE {name}: excepted, yet it ends as on Flask; take it off the list")
        good = False
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("group", choices=["flask", "extensions"])
    parser.add_argument("names", nargs="*", help="run these suites only")
    parser.add_argument("--why", action="store_true", help="print the reason of each difference")
    options = parser.parse_args()
    group = tomllib.loads((HERE / "suites.toml").read_text())[options.group]
    suites = [Suite(**entry) for entry in group["suite"]]
    bad = []
    try:
        exceptions = load_exceptions() if options.group == "flask" else {}
        requirements = [*group["requirements"]]
        for suite in suites:
            wheel = [] if suite.sdist.startswith("flask==") else [suite.sdist]
            requirements += [*wheel, *suite.requirements]
        python = make_environment(options.group, requirements)
        suites = [s for s in suites if not options.names or s.name in options.names]
        for suite in suites:
            if not has_tests(suite):
                say(f"\n{suite.name}: the source release {suite.sdist} carries no tests")
            elif not compare(suite, python, exceptions, why=options.why):
                bad.append(suite.name)
    except ConformanceError as error:
        say(f"conformance: {error}")
        return 1
    except subprocess.TimeoutExpired as error:
        say(f"conformance: {error.cmd} took more than {SUITE_LIMIT_S} s")
        return 1
    say(f"\nconformance: {'FAILED: ' + ', '.join(bad) if bad else 'as on Flask'}")
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
