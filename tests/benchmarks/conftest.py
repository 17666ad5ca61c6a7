"""`benchmarks` is found whichever way pytest is called, and leaves the environment as it was."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = str(Path(__file__).resolve().parents[2])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)


@pytest.fixture(autouse=True)
def own_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the programs set in the environment is gone after the test."""
    monkeypatch.setenv("HIPFLASK_DEFAULTS", "")  # so that it is put back
    monkeypatch.delenv("HIPFLASK_DEFAULTS")
