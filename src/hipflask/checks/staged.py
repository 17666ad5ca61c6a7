"""The stage record, dates and reach: S01 to S03."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from ..stages.record import line_of
from .decisions import Decision, read_decisions
from .declaring import Check, Found, Look, found
from .project import run_git

_OWNERS = ("CODEOWNERS", ".github/CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")


def stage_record(look: Look) -> Iterator[Found]:
    """S01."""
    project = look.project
    if not project.stage:
        yield found("pyproject.toml", "has no stage in [tool.hipflask]", _file(look))
        return
    at = _line(look, "stage")
    decisions = read_decisions(Path(project.root))
    if decisions and (last := decisions[-1]).to and last.to != project.stage:
        yield found("stage", f"is {project.stage!r}, and {last.file} decided {last.to!r}", at)
    for one in decisions:
        yield from _evidence(look, one)
    owner = str(project.record.get("owner", ""))
    if not owner:
        yield found("owner", "nobody answers for it", at)
    elif not _is_listed(owner, _code_owners(Path(project.root))):
        yield found("owner", f"{owner!r} is not in CODEOWNERS", _line(look, "owner"))


def _evidence(look: Look, one: Decision) -> Iterator[Found]:
    root = Path(look.project.root)
    if one.commit and look.project.git:
        known = run_git(root, "cat-file", "-t", one.commit)
        if known is None:
            most = "I" if look.project.git == "shallow" else "E"
            told = f"names the commit {one.commit}, which is not in this repository"
            yield found(one.file, told, one.file, most)  # type: ignore[arg-type]
    if one.evidence and not one.is_evidence_right(root):
        told = f"its evidence {one.evidence_file} is not what was decided on"
        yield found(one.file, told, one.file)


def _code_owners(root: Path) -> str | None:
    for name in _OWNERS:
        try:
            return (root / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return None


def _is_listed(owner: str, listed: str | None) -> bool:
    """Whether a word of the owner's (an address, an @name, a team) stands in the file, if any."""
    if listed is None:
        return True
    words = [word.strip("<>(),") for word in owner.split()]
    telling = [word for word in words if "@" in word] or [owner]
    lines = [line.partition("#")[0].split() for line in listed.splitlines()]
    named = {word.lower() for line in lines for word in line[1:]}
    return any(word.lower() in named or f"@{word.lower()}" in named for word in telling)


def overdue(look: Look) -> Iterator[Found]:
    """S02."""
    day = look.project.record.get("decide_by")
    if day and look.today > date.fromisoformat(str(day)):
        yield found("decide_by", f"was to be decided by {day}", _line(look, "decide_by"))
    for one in look.project.policy.silence:
        if look.today > _day(one.until):
            where = f"silence {one.id} {one.where}"
            yield found(where, f"{one.owner} accepted it until {one.until}", _file(look))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return date.min


def reach(look: Look) -> Iterator[Found]:
    """S03."""
    if look.facts.providers:
        return
    for name, address in _binds(look):
        if not _is_loopback(address):
            told = f"listens on {address} by {name}, and nothing tells who calls"
            yield found("bind", told, _file(look) if name.startswith("[") else "")


def _binds(look: Look) -> Iterator[tuple[str, str]]:
    given = look.project.serve.get("bind", [])
    for one in [given] if isinstance(given, str) else given:
        yield "[tool.hipflask.serve] bind", str(one)
    for name in ("HIPFLASK_SERVE_BIND", "FLASK_RUN_HOST"):
        for one in os.environ.get(name, "").split():
            yield name, one


def _is_loopback(address: str) -> bool:
    host = address if address.count(":") > 1 and "]" not in address else address.rpartition(":")[0]
    host = (host or address).strip("[]")
    if address.startswith("unix:") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _file(look: Look) -> str:
    return "pyproject.toml" if look.project.pyproject else ""


def _line(look: Look, key: str) -> str:
    if not look.project.pyproject:
        return ""
    return f"pyproject.toml:{line_of(Path(look.project.pyproject), key)}"


CHECKS = [
    Check(
        id="S01",
        name="stage-record",
        levels=("I", "W", "E"),
        needs="project",
        inspects="the stage is what was decided last, its commit and evidence are there, and its"
        " owner is among CODEOWNERS",
        why="a stage that nobody decided means nothing, and nobody is called when it breaks",
        fix="stage = and owner = in [tool.hipflask] of pyproject.toml; from then on hipflask"
        " promote",
        find=stage_record,
    ),
    Check(
        id="S02",
        name="overdue",
        levels=("W", "W", "W"),
        needs="project",
        inspects="decide_by and the last day of each silence have not passed (--scheduled: E)",
        why="what is not decided becomes a service by staying",
        fix="hipflask promote, or another day with a reason",
        find=overdue,
    ),
    Check(
        id="S03",
        name="reach",
        levels=("E", "-", "-"),
        needs="project",
        inspects="a prototype without identities listens on this machine alone",
        why="a prototype's data is open to the whole network",
        fix="bind 127.0.0.1, or set app.identities",
        find=reach,
    ),
]  # fmt: skip
