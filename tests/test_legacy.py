"""The example of a rollout beside an old service: its whole story, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytest.importorskip("sqlalchemy")
pytest.importorskip("httpx2")


def test_the_story_goes_as_it_is_told(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    path = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", "examples.legacy.rollout", "--requests", "120"]
        + ["--report", str(file)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert "beyond noise differ total, vat; all got the old answer" in told
    assert "release 3: halted by itself" in told
    assert "rollback by hand: all answers are old again" in told
    report = json.loads(file.read_text())
    assert (report["canary"], report["halted"]) == (100, None)
    actors = [change["actor"] for change in report["changes"]]
    assert actors.count("auto-halt") == 1
    total = report["total"]
    for side in ("old", "new"):
        assert total[side]["requests"] > 200
        assert 0 <= total[side]["error_ratio"] < 0.2
        assert 0 < total[side]["p50_ms"] <= total[side]["p95_ms"]
    last = report["stages"][-1]
    assert last["new"]["requests"] >= 120 and last["new"]["errors"] == 0
    # What differs by itself was seen, and not taken for a difference.
    assert "generated_at" in total["noise"]
    assert {found["place"] for found in total["differences"]} <= {"vat", "total"}
