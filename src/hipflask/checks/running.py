"""Checks made and put together: what was found, silenced, left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from .catalogue import catalogue
from .declaring import Check, Finding, Look, Skipped, lesser
from .facts import Facts, Project, Silence
from .inside import Request
from .loading import LIMIT_S, look_inside
from .project import look_around, read_recorded


class Report(msgspec.Struct, kw_only=True):
    """One run: findings in the order of id and place, the silenced ones among them."""

    app: str
    stage: str
    findings: list[Finding]
    #: Checks that were not made, with the reason.
    skipped: dict[str, str]
    #: Ids of those that were made.
    made: list[str]
    facts: Facts
    project: Project

    @property
    def counted(self) -> list[Finding]:
        """The findings that nobody accepted."""
        return [one for one in self.findings if not one.silenced]

    @property
    def errors(self) -> list[Finding]:
        return [one for one in self.counted if one.level == "E"]


class Options(msgspec.Struct, kw_only=True):
    """What `hipflask check` was asked."""

    app: str | None = None
    stage: str | None = None
    probe: bool = False
    scheduled: bool = False
    only: tuple[str, ...] = ()
    as_flask: bool = False
    online: bool = False
    record: str | None = None
    today: date | None = None
    limit_s: float = LIMIT_S
    start: Path | None = None


def run(options: Options) -> Report:
    """Load the application elsewhere and make the checks.

    Raises `project.Unusable`, `catalogue.WrongPlugin` and LookupError for what cannot be meant,
    `loading.NotLoaded` where the application cannot be loaded.
    """
    project = look_around(options.start or Path.cwd())
    stage = options.stage or project.stage or "prototype"
    today = options.today or date.today()
    recorded = read_recorded(project, options.record)
    chosen, skipped = _chosen(options, stage)
    inner = [one.id for one in chosen if one.needs in ("app", "probe", "record")]
    result = look_inside(
        Request(
            app=options.app,
            as_flask=options.as_flask,
            probe=options.probe,
            stage=stage,
            today=today,
            project=project,
            record=recorded,
            checks=inner,
            scratch="",
        ),
        options.limit_s,
        str(options.start or Path.cwd()),
    )
    assert result.facts is not None
    skipped |= result.skipped
    look = Look(facts=result.facts, project=project, stage=stage, today=today, record=recorded)
    findings = list(result.findings)
    for check in chosen:
        if check.needs in ("project", "program"):
            findings += make(check, look, skipped)
    if options.scheduled:
        findings = [
            msgspec.structs.replace(one, level="E") if one.id == "S02" else one for one in findings
        ]
    findings = [_silenced(one, project.policy.silence) for one in findings]
    findings.sort(key=lambda one: (one.id, one.where, one.fact))
    return Report(
        app=result.facts.app,
        stage=stage,
        findings=findings,
        skipped=dict(sorted(skipped.items())),
        made=[one.id for one in chosen if one.id not in skipped],
        facts=result.facts,
        project=project,
    )


def make(check: Check, look: Look, skipped: dict[str, str]) -> list[Finding]:
    """The findings of one check. One that fails by itself is left out, and said to be."""
    level, fix = check.level_at(look.stage), check.fix
    if look.facts.as_flask:
        level, fix = lesser(level, check.as_flask), check.fix_as_flask or fix
    if level == "-":
        return []
    try:
        given = list(check.find(look))
    except Skipped as reason:
        skipped[check.id] = str(reason)
        return []
    except Exception as error:
        skipped[check.id] = f"the check failed: {type(error).__name__}: {error}"
        return []
    if look.probe is not None and (names := look.probe.unanswered()):
        skipped[check.id] = f"not made of what did not answer in time: {', '.join(names)}"
    made = []
    for one in given:
        file, line = split_place(one.at)
        made.append(
            Finding(
                id=check.id,
                level=lesser(level, one.most),
                where=one.where,
                fact=one.fact,
                file=file,
                line=line,
                why=check.why,
                fix=fix,
            )
        )
    return made


def split_place(place: str) -> tuple[str, int]:
    """ "shop/app.py:12" taken apart; ("", 0) for what is none."""
    found = re.fullmatch(r"(.+):(\d+)", place)
    return (found[1], int(found[2])) if found else (place, 0)


def _chosen(options: Options, stage: str) -> tuple[list[Check], dict[str, str]]:
    known = catalogue()
    unknown = [id for id in options.only if id not in known]
    if unknown:
        raise LookupError(
            f"There is no check {unknown[0]!r}. 'hipflask check --list' names them all."
        )
    chosen: list[Check] = []
    skipped: dict[str, str] = {}
    for check in known.values():
        if options.only and check.id not in options.only:
            continue
        if check.level_at(stage) == "-":
            if options.only:
                skipped[check.id] = f"is not made for a {stage}"
        elif check.needs == "probe" and not options.probe:
            skipped[check.id] = "needs --probe"
        elif check.opt_in == "online" and not options.online:
            skipped[check.id] = "needs --online, as it asks another host"
        else:
            chosen.append(check)
    return chosen, skipped


def _silenced(finding: Finding, silences: Iterable[Silence]) -> Finding:
    for one in silences:
        if one.id == finding.id and fnmatchcase(finding.where, one.where):
            said = f"{one.reason} ({one.owner}, until {one.until})"
            return msgspec.structs.replace(finding, silenced=said)
    return finding
