"""ProxyFix, Sentry, OpenTelemetry and Flask-DebugToolbar work on every door.

They import flask: their checks run in a process of their own, under the alias.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hipflask.doors import DOORS

CHECKS = Path(__file__).parent / "chain"
NEEDS = {
    "proxy_fix": "werkzeug",
    "middleware": "werkzeug",
    "sentry": "sentry_sdk",
    "opentelemetry": "opentelemetry.instrumentation.flask",
    "debug_toolbar": "flask_debugtoolbar",
}
LIMIT_S = 120


def is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("check", NEEDS)
def test_middleware_does_its_job(check: str, door: str) -> None:
    if not is_installed(NEEDS[check]):
        pytest.skip(f"needs {NEEDS[check]}")
    environment = {**os.environ, "CHAIN_DOOR": door, "NO_COLOR": "1"}
    for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTHONWARNINGS"):
        environment.pop(name, None)
    options = ["-q", "-p", "no:cacheprovider", "--rootdir", ".", "-c", os.devnull]
    inner = ["-m", "pytest", *options, "--tb=short", "-k", check, "check_chain.py"]
    done = subprocess.run(
        [sys.executable, "-m", "hipflask", "as-flask", sys.executable, *inner],
        cwd=CHECKS,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout, done.stdout
