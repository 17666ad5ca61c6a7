"""`hipflask promote`: a decision, with what it rests on, and the change of stage, in one diff.

Everything is looked at first; then files are written, pyproject.toml last. Decided again with the
same words, on the same commit and evidence, nothing is written; where a run was cut off, the rest
is. Nothing is committed, and no other host is asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from ..assess.dimensions import Known, dimensions
from ..checks.decisions import FOLDER, Decision, read_decisions
from ..checks.declaring import Finding
from ..checks.project import read_recorded, run_git
from ..checks.running import Options, Report, run
from .outcomes import CHECKED, Asked, Undecidable, changes, check_deciders, next_stage
from .record import StageRecord, find_pyproject, read_record
from .replacing import contract, disposal
from .toml import changed

MOST_EVIDENCE_BYTES = 1024 * 1024


class Open(Exception):
    """Errors of the stage that follows, which nobody accepted."""

    def __init__(self, stage: str, findings: list[Finding]) -> None:
        super().__init__(stage)
        self.stage = stage
        self.findings = findings


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, as paths within the project; nothing, where it was decided before."""

    decision: str
    to: str
    written: list[str]


def promote(asked: Asked, app: str | None, start: Path, today: date) -> Decided:
    """Make the decision. Raises Undecidable, Open, RecordError and what `checks.running.run` does.

    `app` is what `--app` names, None for the one in the folder.
    """
    path = find_pyproject(start)
    record = read_record(path) if path is not None else None
    if path is None or record is None:
        raise Undecidable(
            "No pyproject.toml here or above has a stage in [tool.hipflask], so there is nothing"
            ' to lead on from. Write stage = "prototype" and owner, question, success, decide_by.'
        )
    root = path.parent
    decisions = read_decisions(root)
    evidence = _read_evidence(asked, root)
    digest = hashlib.sha256(evidence).hexdigest()
    commit = (run_git(root, "rev-parse", "HEAD") or "").strip()
    known = _same(decisions, asked, commit, digest)
    if known is not None and known.to == record.stage:
        return Decided(decision=known.file, to=known.to, written=[])
    to = next_stage(record, asked)
    author = (run_git(root, "log", "-1", "--format=%an") or "").strip()
    check_deciders(record, asked, author)
    if asked.outcome == "extend" and known is None:
        _refuse_second(decisions, record)
    tables = changes(record, asked, to, today)
    # One that was cut off keeps its number.
    unfinished = known is not None and known.from_ == record.stage
    number = known.number if known and unfinished else _next_number(decisions)
    checked = to if asked.outcome in CHECKED else record.stage
    stage = checked if checked in ("prototype", "pilot") else "service"
    report = run(Options(app=app, stage=stage, probe=True, start=start, today=today))
    if unfinished:
        # Of this very decision: the stage that it decided is about to be written.
        report.findings = [f for f in report.findings if (f.id, f.where) != ("S01", "stage")]
    if asked.outcome in CHECKED and report.errors:
        raise Open(to, report.errors)
    name = f"{number:04}-{asked.outcome}"
    files = {f"{FOLDER}/{name}-evidence{Path(asked.evidence).suffix or '.txt'}": evidence}
    evidence_file = next(iter(files))
    after: list[str] = []
    if asked.outcome == "replace":
        exported = contract(report, asked, app, root)
        files |= {f"{FOLDER}/{name}/{file}": data for file, data in exported.items()}
        after = [f"- [{file}]({name}/{file})" for file in exported]
    elif asked.outcome == "discard":
        after = disposal(report, root)
    told: list[tuple[str, Any]] = [
        ("Outcome", asked.outcome), ("From", record.stage), ("To", to), ("Date", today),
        ("Question", record.question or "none was written down"),
        ("Success is", record.success or "none was written down"), ("Answer", asked.answer),
        ("Evidence", f"{evidence_file} {digest}"), ("Decided by", ", ".join(asked.by)),
        ("Author", author or record.owner or "unknown"), ("Commit", commit),
        ("Days spent", "unknown" if asked.days is None else f"{asked.days:g}"),
    ]  # fmt: skip
    before = _gaps_before(root, decisions, number)
    files[f"{FOLDER}/{name}.md"] = _decision(name, told, report, before, after).encode()
    text = path.read_text(encoding="utf-8")
    if tables:
        files[path.name] = changed(text, tables, path).encode()
    for file, data in files.items():
        _write(root / file, data)
    return Decided(decision=f"{FOLDER}/{name}.md", to=to, written=list(files))


def _read_evidence(asked: Asked, root: Path) -> bytes:
    if not asked.evidence:
        raise Undecidable(
            "Say what the answer rests on: --evidence FILE, such as results of trials or notes of"
            " a meeting. It is kept with the decision."
        )
    try:
        data = Path(asked.evidence).read_bytes()
    except OSError as error:
        raise Undecidable(f"{asked.evidence} cannot be read: {error.strerror or error}.") from error
    if not data or len(data) > MOST_EVIDENCE_BYTES:
        raise Undecidable(
            f"{asked.evidence} has {len(data)} bytes; 1 to {MOST_EVIDENCE_BYTES} can be kept with"
            " a decision. Give a summary that says where the rest is."
        )
    return data


def _same(decisions: list[Decision], asked: Asked, commit: str, digest: str) -> Decision | None:
    """The last decision, if it is this one."""
    last = decisions[-1] if decisions else None
    if last is None or (last.outcome, last.evidence) != (asked.outcome, digest):
        return None
    return last if last.commit == commit and asked.to in ("", last.to) else None


def _refuse_second(decisions: list[Decision], record: StageRecord) -> None:
    for one in decisions:
        if (one.outcome, one.from_) == ("extend", record.stage):
            raise Undecidable(
                f"This {record.stage} was extended by {one.file}, and once is all: harden, promote,"
                " replace or discard."
            )


def _next_number(decisions: list[Decision]) -> int:
    return max((one.number for one in decisions), default=0) + 1


def _open_gaps(report: Report) -> dict[str, int]:
    """What the assessment misses, by unit of work."""
    project = report.project
    known = Known(
        facts=report.facts, project=project, findings=report.findings,
        record=read_recorded(project, None),
    )  # fmt: skip
    return dict(Counter(gap.unit for each in dimensions(known) for gap in each.gaps))


def _gaps_before(root: Path, decisions: list[Decision], number: int) -> dict[str, int]:
    """The gaps that were open at the decision before this one."""
    earlier = [one for one in decisions if one.number < number]
    text = (root / earlier[-1].file).read_text(encoding="utf-8") if earlier else ""
    found = re.search(r"^- Gaps open: (.*)$", text, re.MULTILINE)
    listed = re.findall(r"([a-z][a-z ]*) (\d+)", found[1]) if found else []
    return {unit: int(count) for unit, count in listed}


def _counted(gaps: dict[str, int]) -> str:
    return ", ".join(f"{unit} {number}" for unit, number in sorted(gaps.items()) if number > 0)


def _decision(
    name: str, told: list[tuple[str, Any]], report: Report, before: dict[str, int],
    after: list[str],
) -> str:  # fmt: skip
    gaps = _open_gaps(report)
    lines = [f"# {name}", ""]
    lines += [f"- {key}: {value}" for key, value in told if value != ""]
    lines.append(f"- Gaps open: {_counted(gaps) or 'none'}")
    closed = {unit: number - gaps.get(unit, 0) for unit, number in before.items()}
    if any(number > 0 for number in closed.values()):
        lines.append(f"- Gaps: {_counted(closed)}")
    lines += ["", "## Accepted", ""]
    silences = report.project.policy.silence
    lines += [
        f"- {one.id} {one.where}: {one.reason} ({one.owner}, until {one.until})" for one in silences
    ] or ["Nothing."]
    lines += ["", f"## Check as a {report.stage}", ""]
    lines += [f"- {one.level} {one.id} {one.where}: {one.fact}" for one in report.counted] or [
        f"{len(report.made)} checks made, nothing found."
    ]
    if report.skipped:
        lines += ["", "Not made: " + "; ".join(f"{i} {why}" for i, why in report.skipped.items())]
    if after:
        lines += ["", "## What follows", "", *after]
    return "\n".join(lines) + "\n"


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(data)
    os.replace(new, path)


def silence_line(one: Finding) -> str:
    """What would accept a finding, in pyproject.toml."""
    values = {"id": one.id, "where": one.where, "reason": "...", "owner": "...", "until": "..."}
    inner = ", ".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
    return "{ " + inner + " }"
