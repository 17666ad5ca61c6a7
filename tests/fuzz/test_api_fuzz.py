"""A fifth of `make api-fuzz`: requests made out of a document, of which no check fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("schemathesis")


def fuzz(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(ROOT / "scripts" / "api_fuzz.py"), *arguments]
    return subprocess.run(
        words, env=os.environ | environment, capture_output=True, text=True, timeout=1_500
    )


def test_no_request_made_of_the_document_fails():
    done = fuzz("--examples", "84", "--requests", "2000")
    assert done.returncode == 0, done.stdout[-8_000:] + done.stderr[-2_000:]


def test_a_fault_in_the_service_is_found():
    done = fuzz("--examples", "1", "--requests", "1", FAULT="1")
    assert done.returncode == 1
    assert "FAIL" in done.stdout and "5xx 0" in done.stdout


def test_too_few_requests_are_a_failure():
    done = fuzz("--examples", "1", "--requests", "1000000")
    assert done.returncode == 1
    assert "schemathesis none" in done.stdout
