"""A pytest plugin: writes each test's outcome, and which package answered for Flask, as JSON.

Loaded with `-p outcomes` by scripts/conformance.py into the suites it runs. `OUTCOMES_FILE` says
where to; `OUTCOMES_FAULT` plants a fault into whatever answers for Flask.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

SEVERITY = ["passed", "xpassed", "skipped", "xfailed", "failed", "error"]
outcomes: dict[str, str] = {}
reasons: dict[str, str] = {}


def pytest_sessionstart(session: Any) -> None:
    if os.environ.get("OUTCOMES_FAULT"):
        import flask

        def forget_to_abort(code: Any, *args: Any, **kwargs: Any) -> None:
            return None

        flask.abort = forget_to_abort


def pytest_collectreport(report: Any) -> None:
    if report.failed:
        record(report.nodeid, "error", report.longreprtext)


def pytest_runtest_logreport(report: Any) -> None:
    expected = hasattr(report, "wasxfail")
    if report.failed:
        outcome = "failed" if report.when == "call" else "error"
        record(report.nodeid, outcome, report.longreprtext)
    elif report.skipped:
        outcome = "xfailed" if expected else "skipped"
        text = report.wasxfail if expected else str(report.longrepr[-1])
        record(report.nodeid, outcome, text)
    elif report.when == "call":
        record(report.nodeid, "xpassed" if expected else "passed", "")


def record(nodeid: str, outcome: str, reason: str) -> None:
    known = outcomes.get(nodeid, "passed")
    if SEVERITY.index(outcome) >= SEVERITY.index(known):
        outcomes[nodeid] = outcome
        reasons[nodeid] = reason


def pytest_sessionfinish(session: Any) -> None:
    import flask

    module = sys.modules["flask"]
    result = {
        "answered_by": flask.Flask.__module__,
        "package": module.__name__,
        "outcomes": outcomes,
        "reasons": {name: text for name, text in reasons.items() if text},
    }
    with open(os.environ["OUTCOMES_FILE"], "w") as file:
        json.dump(result, file, indent=1)
