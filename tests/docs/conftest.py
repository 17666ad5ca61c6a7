"""Says at the end how many blocks of the pages were run, with or without pytest-xdist."""

from __future__ import annotations

from typing import Any


def pytest_terminal_summary(terminalreporter: Any) -> None:
    blocks = [
        number
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, number in getattr(report, "user_properties", ())
        if name == "blocks"
    ]
    if blocks:
        terminalreporter.write_line(f"code blocks run: {sum(blocks)}, of {len(blocks)} pages")
