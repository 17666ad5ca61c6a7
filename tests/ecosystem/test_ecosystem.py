"""Run each app of `apps/` with its extension under `as-flask`, in a process of its own.

The apps are what a user would write: they import flask and the extension, nothing of ours.
`ECOSYSTEM_ON=flask` runs the same checks on the real Flask, to tell their faults from ours.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

APPS = Path(__file__).parent / "apps"
# The check, the module of the extension, and what to install for it.
EXTENSIONS = {
    "login": ("flask_login", "Flask-Login"),
    "wtf": ("flask_wtf", "Flask-WTF"),
    "sqlalchemy": ("flask_sqlalchemy", "Flask-SQLAlchemy"),
    "migrate": ("flask_migrate", "Flask-Migrate"),
    "cors": ("flask_cors", "Flask-Cors"),
    "caching": ("flask_caching", "Flask-Caching"),
    "limiter": ("flask_limiter", "Flask-Limiter"),
    "session": ("flask_session", "Flask-Session and cachelib"),
    "smorest": ("flask_smorest", "flask-smorest"),
    "jwt": ("flask_jwt_extended", "Flask-JWT-Extended"),
}
FRAMEWORK = os.environ.get("ECOSYSTEM_ON", "hipflask")
LIMIT_S = 180


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command among the apps, its output kept; fails the test when it takes too long."""
    environment = {**os.environ, "ECOSYSTEM_ON": FRAMEWORK, "NO_COLOR": "1", **variables}
    # The outer run's settings are not the inner one's.
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONWARNINGS", "COVERAGE_PROCESS_START"):
        environment.pop(name, None)
    return subprocess.run(
        command,
        cwd=APPS,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )


def pytest_on(name: str) -> list[str]:
    return ["-m", "pytest", "-q", "-c", "pytest.ini", "--tb=short", f"check_{name}.py"]


def need(name: str) -> None:
    module, package = EXTENSIONS[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"the app {name!r} needs {package}")


@pytest.mark.parametrize("name", sorted(EXTENSIONS))
def test_the_app_does_its_job_under_as_flask(name: str) -> None:
    need(name)
    python = [sys.executable]
    prefix = [*python, "-m", "hipflask", "as-flask"] if FRAMEWORK == "hipflask" else []
    done = run([*prefix, *python, *pytest_on(name)])
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout, done.stdout


def test_the_alias_set_from_code_serves_an_extension() -> None:
    need("login")
    start = "import hipflask.as_flask, sys, pytest; sys.exit(pytest.main(sys.argv[1:]))"
    if FRAMEWORK != "hipflask":
        pytest.skip("the alias exists on hipflask only")
    done = run([sys.executable, "-c", start, *pytest_on("login")[2:]])
    assert done.returncode == 0, done.stdout
