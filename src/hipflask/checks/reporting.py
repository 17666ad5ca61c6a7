"""A report as text, JSON, SARIF and GitHub's annotations; and the catalogue for people."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from .catalogue import catalogue
from .declaring import Check, Finding
from .running import Report

_WORDS = {"E": "error", "W": "warning", "I": "note", "-": "-"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def as_text(report: Report) -> str:
    """For a terminal: each finding with its place, why it matters and the way out."""
    lines = []
    for one in report.counted:
        at = f" ({place_of(one)})" if one.file else ""
        lines += [f"{one.level} {one.id} {one.where}: {one.fact}{at}"]
        lines += [f"      why: {one.why}", f"      fix: {one.fix}"]
    silenced = [one for one in report.findings if one.silenced]
    for one in silenced:
        lines.append(f"- {one.id} {one.where}: silenced: {one.silenced}")
    for id, why in report.skipped.items():
        lines.append(f"- {id}: not made: {why}")
    counts = {level: sum(1 for one in report.counted if one.level == level) for level in "EWI"}
    lines.append(
        f"{report.app} as a {report.stage}: {_many(counts['E'], 'error')},"
        f" {_many(counts['W'], 'warning')}, {_many(counts['I'], 'note')},"
        f" {len(silenced)} silenced; {_many(len(report.made), 'check')} made,"
        f" {len(report.skipped)} not."
    )
    return "\n".join(lines) + "\n"


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def place_of(one: Finding) -> str:
    """ "file:line", or the file alone."""
    return f"{one.file}:{one.line}" if one.line else one.file


def as_json(report: Report) -> str:
    """One document: stage, findings, what was not made; sorted."""
    told = {
        "app": report.app,
        "stage": report.stage,
        "findings": msgspec.to_builtins(report.findings),
        "made": report.made,
        "skipped": report.skipped,
        "errors": len(report.errors),
    }
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def as_sarif(report: Report) -> str:
    """SARIF 2.1.0, as code hosts read it; silenced findings are suppressed, not left out."""
    checks = catalogue()
    rules = [
        {
            "id": check.id,
            "name": check.name,
            "shortDescription": {"text": check.inspects},
            "fullDescription": {"text": check.why},
            "help": {"text": check.fix},
        }
        for check in checks.values()
        if check.id in report.made
    ]
    run = {
        "tool": {"driver": {"name": "hipflask check", "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one) for one in report.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _result(one: Finding) -> dict[str, Any]:
    # A result without a file is of the project: code hosts want a file, and this one is there.
    region = {"startLine": one.line or 1}
    place = {"artifactLocation": {"uri": one.file or "pyproject.toml"}, "region": region}
    result: dict[str, Any] = {
        "ruleId": one.id,
        "level": _WORDS[one.level],
        "message": {"text": f"{one.where}: {one.fact}. {one.fix}."},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"hipflask/v1": _fingerprint(one)},
    }
    if one.silenced:
        result["suppressions"] = [{"kind": "external", "justification": one.silenced}]
    return result


def _fingerprint(one: Finding) -> str:
    return hashlib.sha256(f"{one.id}\0{one.where}".encode()).hexdigest()[:32]


def as_github(report: Report) -> str:
    """Workflow commands, which GitHub shows beside the lines of a change."""
    words = {"E": "error", "W": "warning", "I": "notice"}
    lines = []
    for one in report.counted:
        place = f"file={_escaped(one.file, ',:')},line={one.line or 1}," if one.file else ""
        title = _escaped(f"{one.id} {one.where}", ",:")
        text = _escaped(f"{one.fact}. {one.fix}", "")
        lines.append(f"::{words[one.level]} {place}title={title}::{text}")
    return "".join(f"{line}\n" for line in lines)


def _escaped(text: str, more: str) -> str:
    for each in "%\r\n" + more:
        text = text.replace(each, f"%{ord(each):02X}")
    return text


FORMATS: dict[str, Callable[[Report], str]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}


def explained(check: Check) -> str:
    """One check for people."""
    levels = ", ".join(
        f"{stage} {_WORDS[level]}" if level != "-" else f"{stage} not made"
        for stage, level in zip(("prototype", "pilot", "service"), check.levels, strict=True)
    )
    lines = [
        f"{check.id} {check.name}",
        f"looks at   {check.inspects}",
        f"because    {check.why}",
        f"way out    {check.fix}",
        f"levels     {levels}",
    ]
    if check.needs == "probe":
        lines.append("needs      --probe")
    elif check.needs == "record":
        lines.append("needs      a record of the tests: pytest -p hipflask.checks.recorder")
    if check.opt_in:
        lines.append(f"needs      --{check.opt_in}")
    silence = (
        f'{{ id = "{check.id}", where = "...", reason = "...", owner = "...", until = "..." }}'
    )
    lines.append(f"silence    in [tool.hipflask.check] silence = [{silence}]")
    return "\n".join(lines) + "\n"


def as_markdown() -> str:
    """The page docs/lookup/checks.md: our own checks, none of plug-ins."""
    rows = [
        "# Checks",
        "",
        "Made by `python -m hipflask.checks` from the declarations; a test holds it. How to use"
        " them: [check](../do/check.md).",
        "",
        "Levels are those of a prototype, a pilot and a service: E error, W warning, I note, -"
        " not made. A check that is not sure of a finding says W where its level is E.",
        "",
        "| id | name | levels | looks at | because | way out | needs |",
        "|---|---|---|---|---|---|---|",
    ]
    needs = {"probe": "`--probe`", "record": "record of tests", "program": "ruff"}
    for check in catalogue().values():
        if re.fullmatch(r"[A-Z]\d\d", check.id):
            needed = (
                f"`--{check.opt_in}`, pip-audit" if check.opt_in else needs.get(check.needs, "")
            )
            cells = [check.id, check.name, "/".join(check.levels), check.inspects, check.why,
                     check.fix, needed]  # fmt: skip
            rows.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def listed() -> str:
    """All checks, a line each."""
    return "\n".join(_listed()) + "\n"


def _listed() -> Iterator[str]:
    checks = catalogue().values()
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.id}  {check.name.ljust(width)}  {'/'.join(check.levels)}  {check.inspects}"
