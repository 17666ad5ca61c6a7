"""Clients made by npm's tools out of the document of examples/orders call the live service."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
PATIENCE_S = 300


def test_typescript_clients_are_made_and_call_the_service(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import api_clients

    if not api_clients.is_installed():
        pytest.skip("Node and its packages are not in .cache/clients: make api-clients")
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "api_clients.py")],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 wrong" in done.stdout
