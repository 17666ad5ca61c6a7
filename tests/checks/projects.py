"""Projects for tests: copied or written where they may be changed, and looked at."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from hipflask.checks.declaring import Finding
from hipflask.checks.facts import Hit, Recorded
from hipflask.checks.project import RECORD_FILE
from hipflask.checks.running import Options, Report, run

APPS = Path(__file__).with_name("apps")
TODAY = date(2026, 11, 23)


def copy_app(name: str, folder: Path) -> Path:
    """A copy of one of `apps`."""
    target = folder / name
    shutil.copytree(APPS / name, target, ignore=shutil.ignore_patterns("__pycache__"))
    return target


def write_record(folder: Path, *hits: tuple[str, str, str, int]) -> None:
    """A record of tests: (rule, method, stance, status) each."""
    made = [
        Hit(rule=rule, method=method, stance=stance, statuses={str(status): 1})
        for rule, method, stance, status in hits
    ]
    recorded = Recorded(tests=len(made), hits=made)
    (folder / RECORD_FILE).write_bytes(msgspec.json.encode(recorded))


def look_at(folder: Path, **options: Any) -> Report:
    """What `check` says of the project in a folder."""
    return run(Options(start=folder, today=TODAY, limit_s=options.pop("limit_s", 120), **options))


def named(findings: list[Finding], level: str) -> set[tuple[str, str]]:
    """The findings of a level, by id and place."""
    return {(one.id, one.where) for one in findings if one.level == level and not one.silenced}
