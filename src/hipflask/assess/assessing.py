"""All parts put together: one project, one assessment."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from ..checks.decisions import FOLDER, read_decisions
from ..checks.loading import LIMIT_S
from ..checks.project import read_recorded
from ..checks.running import Options, Report, run
from ..stages.record import read_tables
from .dimensions import Known, dimensions
from .effort import estimate
from .fit import read_limits, signals
from .model import Assessment, Line
from .paths import paths
from .traffic import Traffic, read_traffic

_NEXT = {"": "pilot", "prototype": "pilot", "pilot": "service"}


class Asked(msgspec.Struct, kw_only=True):
    """What `hipflask assess` was asked."""

    app: str | None = None
    towards: str | None = None
    traffic: str | None = None
    records: str | None = None
    record: str | None = None
    effort: bool = False
    as_flask: bool = False
    limit_s: float = LIMIT_S
    start: Path | None = None
    today: date | None = None


def assess(asked: Asked) -> Assessment:
    """The assessment. Raises what `checks.running.run` raises, and for files that were named
    `UnreadableTraffic` and `WrongLimit`."""
    traffic = None if asked.traffic is None else read_traffic(Path(asked.traffic))
    report = run(
        Options(
            app=asked.app,
            stage=asked.towards or _next(asked.start or Path.cwd()),
            record=asked.record,
            as_flask=asked.as_flask,
            limit_s=asked.limit_s,
            start=asked.start,
            today=asked.today,
        )
    )
    project = report.project
    limits = read_limits(_table(project.pyproject), project.pyproject)
    known = Known(
        facts=report.facts,
        project=project,
        findings=report.findings,
        skipped=report.skipped,
        record=read_recorded(project, asked.record),
        traffic=traffic,
    )
    made = dimensions(known)
    decisions = read_decisions(Path(project.root), asked.records or FOLDER)
    record: dict[str, Any] = project.record
    return Assessment(
        app=report.app,
        stage=project.stage or "none declared",
        towards=report.stage,
        owner=str(record.get("owner", "")),
        question=str(record.get("question", "")),
        success=str(record.get("success", "")),
        decide_by=str(record.get("decide_by") or ""),
        sources=_sources(report, known, traffic, len(decisions)),
        dimensions=made,
        signals=signals(report.facts, traffic, limits),
        paths=paths(known, made),
        effort=estimate(made, decisions) if asked.effort else None,
    )


def _next(start: Path) -> str:
    from ..checks.project import look_around

    return _NEXT.get(look_around(start).stage, "service")


def _table(pyproject: str) -> Any:
    return read_tables(Path(pyproject)).get("assess", {}) if pyproject else {}


def _sources(report: Report, known: Known, traffic: Traffic | None, decisions: int) -> list[Line]:
    git = {"git": "those tracked by git", "shallow": "those tracked by a shallow clone"}
    lines = [
        Line(label="files", value=git.get(report.project.git, "those that are there, without git"),
             source="git ls-files" if report.project.git else "folder"),
        Line(label="checks made", value=len(report.made), source="hipflask check"),
        Line(label="checks not made", value=len(report.skipped), source="hipflask check"),
        Line(label="decision records", value=decisions, source=FOLDER),
    ]  # fmt: skip
    if known.record is None:
        why = "run pytest -p hipflask.checks.recorder"
        lines.append(Line(label="record of tests", value=None, source="", why=why))
    else:
        told = f"{known.record.tests} tests"
        lines.append(Line(label="record of tests", value=told, source="hipflask.checks.recorder"))
    if traffic is None:
        lines.append(Line(label="traffic", value=None, source="", why="give --traffic FILE"))
    else:
        days = "no times" if traffic.days is None else f"{traffic.days:g} days"
        told = f"{traffic.requests} requests, {days}"
        lines.append(Line(label="traffic", value=told, source=traffic.name))
    return lines
