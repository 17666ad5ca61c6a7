"""Forged writes in a real browser, where one is installed: see browsers.py."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hipflask.guards.production import refusals

HERE = Path(__file__).parent
# An interpreter that has playwright, if this one has not.
PYTHON = os.environ.get("PLAYWRIGHT_PYTHON") or (
    sys.executable if importlib.util.find_spec("playwright") else ""
)


@pytest.mark.skipif(not (PYTHON and shutil.which("chromium")), reason="no browser to drive")
def test_no_page_of_another_site_writes_and_our_own_do():
    env = {**os.environ, "HIPFLASK_PYTHON": sys.executable}
    done = subprocess.run(
        [PYTHON, str(HERE / "browsers.py")], env=env, capture_output=True, text=True, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hostile writes that succeeded: 0 of" in done.stdout


def test_what_the_browser_is_shown_may_be_served():
    from .browsed import app

    assert refusals(app) == []
