"""Runs the trials and writes what came of them, for the decision."""

from __future__ import annotations

from pathlib import Path

from .trials import dump, run_trials

if __name__ == "__main__":
    evidence = run_trials()
    path = Path(__file__).with_name("evidence.json")
    path.write_text(dump(evidence), encoding="utf-8")
    print(
        f"{evidence['among_three']} of {evidence['trials']} among three ({evidence['share']:.0%}),"
    )
    print(f"{evidence['first']} first, of {evidence['modules']} modules: {path}")
