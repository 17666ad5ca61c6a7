"""Facts -> ten dimensions: counted, each with its source; a gap for each thing that is missing.

A line that needs what was not given (traffic, a record of tests) has the value None, and no gap
is made up for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

import msgspec

from ..checks.declaring import Finding
from ..checks.facts import Facts, Project, Recorded, Route
from ..checks.project import migrations_of
from ..checks.tested import missing_states
from .model import Dimension, Gap, Line
from .traffic import Traffic

#: A route that was not asked in a window shorter than this may still be the yearly call.
YEAR_DAYS = 400
_NO_TRAFFIC = "give --traffic FILE"
_NO_RECORD = "run pytest -p hipflask.checks.recorder"
_is_container = re.compile(
    r"(.*/)?(Dockerfile|Containerfile)(\.(?!jinja|j2|md|dockerignore)\w+)?\Z"
).match
_is_manifest = re.compile(
    r"(.*/)?(k8s|kubernetes|deploy|helm|chart)s?/.*\.ya?ml\Z"
    r"|(.*/)?(kubernetes|docker-compose|compose|fly|render)\.(ya?ml|toml)\Z"
).match
_is_ci = re.compile(r"\.github/workflows/.*\.ya?ml\Z|\.gitlab-ci\.yml\Z|\.ci/.*").match
_is_alert = re.compile(r"(.*/)?[\w.-]*alerts?[\w.-]*\.(ya?ml|md)\Z").match
_is_runbook = re.compile(r"(.*/)?[\w.-]*(rollback|runbook)[\w.-]*\.md\Z", re.I).match
_is_drill = re.compile(r"(.*/)?[\w.-]*(restore|backup)[\w.-]*\.(md|py|sh)\Z", re.I).match


class Known(msgspec.Struct, kw_only=True):
    """All that is known."""

    facts: Facts
    project: Project
    findings: list[Finding]
    #: Checks that were not made, with the reason.
    skipped: dict[str, str] = {}
    record: Recorded | None = None
    traffic: Traffic | None = None


def dimensions(known: Known) -> list[Dimension]:
    """All ten, in the order of the sheet."""
    return [make(known) for make in _MAKERS]


def _count(label: str, items: Iterable[object], source: str, of: int | None = None) -> Line:
    return Line(label=label, value=sum(1 for _ in items), of=of, source=source)


def _unknown(label: str, why: str) -> Line:
    return Line(label=label, value=None, source="", why=why)


def tables_of(facts: Facts, label: str) -> Line:
    """How many tables; unknown where no metadata is, as SQL by hand makes tables unseen."""
    if not facts.has_metadata:
        return _unknown(label, "no SQLAlchemy metadata: tables made by hand are not seen")
    return _count(label, facts.tables, "SQLAlchemy metadata")


def _constraints_of(facts: Facts) -> Line:
    label, tables = "constraints beside keys", tables_of(facts, "tables")
    if tables.value is None:
        return _unknown(label, tables.why)
    number = sum(one.constraints for one in facts.tables)
    return Line(label=label, value=number, source=tables.source)


def _route_gaps(
    routes: Iterable[Route], lacks: Callable[[Route], bool], what: str, unit: str
) -> list[Gap]:
    return [
        Gap(where=one.name, what=what, unit=unit, source=one.place) for one in routes if lacks(one)
    ]


def endpoints(known: Known) -> Dimension:
    """Routes by method, to whom they are open, and which were asked lately."""
    routes = known.facts.own_routes
    public = [one for one in routes if one.is_public]
    protected = [one for one in routes if one.access is not None and not one.is_public]
    lines = [
        _count("routes, by method", routes, "url_map"),
        _count("open to everybody", public, "stances", len(routes)),
        _count("for known callers", protected, "stances", len(routes)),
        _count("with a contract (typed, and in the document)",
               (one for one in routes if _has_contract(one)), "annotations", len(routes)),
        _count("WebSockets", (one for one in routes if one.method == "WEBSOCKET"), "url_map"),
        _count("webhook sources", known.facts.webhooks, "hooks"),
    ]  # fmt: skip
    lines += _used(known, routes)
    gaps = _route_gaps(
        (one for one in routes if one.method != "WEBSOCKET"),
        lambda one: not _has_contract(one), "no contract", "route contract",
    )  # fmt: skip
    return Dimension(name="endpoints", unit="contract per route", lines=lines, gaps=gaps)


def _has_contract(route: Route) -> bool:
    return route.documented and (route.has_typed_answer or route.is_unsafe)


def _used(known: Known, routes: list[Route]) -> list[Line]:
    traffic = known.traffic
    if traffic is None:
        return [_unknown("asked lately", _NO_TRAFFIC)]
    window = f"{traffic.name}, {'no times' if traffic.days is None else f'{traffic.days:g} days'}"
    used = [one for one in routes if one.name in traffic.routes]
    lines = [_count("asked lately", used, window, len(routes))]
    is_short = traffic.days is None or traffic.days < YEAR_DAYS
    for route in routes:
        if route.name not in traffic.routes and route.method != "WEBSOCKET":
            told = "not seen: window too short to say unused" if is_short else "not seen in a year"
            lines.append(Line(label=route.name, value=told, source=window))
    return lines


def validation(known: Known) -> Dimension:
    """What bodies and queries are checked against."""
    writing = [one for one in known.facts.own_routes if one.is_unsafe]
    by = {how: [one for one in writing if one.body == how] for how in ("model", "raw", "none")}
    lines = [
        _count("bodies with a model", by["model"], "annotations", len(writing)),
        _count("bodies read raw, as declared", by["raw"], "annotations, reads_body", len(writing)),
        _count("without a body, as declared", by["none"], "annotations, reads_body", len(writing)),
        _count("queries and fields with a type",
               (one for one in known.facts.own_routes if one.has_typed_query), "annotations"),
    ]  # fmt: skip
    if known.traffic is None:
        lines.append(_unknown("requests refused as invalid", _NO_TRAFFIC))
    else:
        refused = known.traffic.count("400", "422")
        source = known.traffic.name
        lines.append(Line(label="requests refused as invalid", value=refused, source=source))
    gaps = _route_gaps(writing, lambda one: one.body is None, "body is not declared", "model")
    return Dimension(name="validation", unit="model per route", lines=lines, gaps=gaps)


def authentication(known: Known) -> Dimension:
    """Who is known, by what, and whether it was tried without."""
    facts = known.facts
    routes = facts.own_routes
    protected = [one for one in routes if one.access is not None and not one.is_public]
    roles = {role for one in routes for role in one.roles}
    kinds = ", ".join(sorted({one.kind for one in facts.providers})) or "none"
    lines = [
        Line(label="providers", value=kinds, source="app.identities"),
        Line(label="roles", value=len(roles), source="stances"),
        _count("routes that say who may call", (one for one in routes if one.access is not None),
               "stances", len(routes)),
    ]  # fmt: skip
    if known.record is None:
        lines.append(_unknown("protected routes tried without credentials", _NO_RECORD))
    else:
        tried = [
            one
            for one in protected
            if "asked it without credentials" not in missing_states(one, known.record)
            and "asked it" not in missing_states(one, known.record)
        ]
        source = "record of tests"
        label = "protected routes tried without credentials"
        lines.append(_count(label, tried, source, len(protected)))
    gaps = _route_gaps(routes, lambda one: one.access is None, "no stance", "stance")
    if not facts.providers and routes and not all(one.is_public for one in routes):
        what = "nothing tells who calls"
        gaps.insert(0, Gap(where="application", what=what, unit="identity",
                           source="app.identities"))  # fmt: skip
    unit = "identity per app, stance per route"
    return Dimension(name="authentication", unit=unit, lines=lines, gaps=gaps)


def persistence(known: Known) -> Dimension:
    """What is kept, how its tables come about, and whether a copy was ever brought back."""
    facts, files = known.facts, known.project.files
    migrations = migrations_of(known.project)
    drills = [name for name in files if _is_drill(name)]
    kinds = ", ".join(sorted({one.kind for one in facts.stores})) or "none declared"
    lines = [
        Line(label="stores", value=kinds, source="configuration"),
        tables_of(facts, "tables"),
        _constraints_of(facts),
        _count("migrations", migrations, "files in versions/"),
        _unknown("size", "ask the database: it differs from machine to machine"),
        _count("notes or tests of backup and restore", drills, "file names"),
    ]  # fmt: skip
    gaps = []
    if not migrations:
        gaps += [
            Gap(where=one.name, what="no migration makes it", unit="migration",
                source="SQLAlchemy metadata")
            for one in facts.tables
        ]  # fmt: skip
    keeps = [one for one in facts.stores if one.kind != "memory"]
    if keeps and not drills:
        what = "no proof that a copy was brought back"
        gaps.append(Gap(where="application", what=what, unit="restore drill", source="file names"))
    unit = "migration per table, restore drill per app"
    return Dimension(name="persistence", unit=unit, lines=lines, gaps=gaps)


def tests(known: Known) -> Dimension:
    """Which routes the tests asked, as whom."""
    routes = [one for one in known.facts.routes if one.kind in ("view", "webhook")]
    files = [name for name in known.project.files if re.search(r"(^|/)test_\w+\.py\Z", name)]
    lines = [_count("files of tests", files, "file names")]
    gaps: list[Gap] = []
    actions = known.facts.actions
    if known.record is None:
        lines += [_unknown("tests", _NO_RECORD), _unknown("routes asked", _NO_RECORD)]
    else:
        states = {one.name: missing_states(one, known.record) for one in routes}
        asked = [one for one in routes if "asked it" not in states[one.name]]
        whole = [one for one in routes if not states[one.name]]
        source = "record of tests"
        lines += [
            Line(label="tests", value=known.record.tests, source=source),
            Line(label="tests that failed", value=known.record.failed, source=source),
            _count("routes asked", asked, source, len(routes)),
            _count("routes asked as everybody they tell apart", whole, source, len(routes)),
        ]
        gaps = [
            Gap(where=one.name, what=f"never {missing}", unit="test case", source=one.place)
            for one in routes
            for missing in states[one.name]
        ]
    with_example = [one for one in actions if one.has_example]
    lines.append(_count("actions with an example", with_example, "tools", len(actions)))
    gaps += [
        Gap(where=f"action {one.name}", what="no example", unit="test case", source=one.place)
        for one in actions
        if not one.has_example
    ]
    return Dimension(name="tests", unit="case per gap", lines=lines, gaps=gaps)


def deployment(known: Known) -> Dimension:
    """How it gets there, and back."""
    facts, project = known.facts, known.project
    parts = {
        "container file": [name for name in project.files if _is_container(name)],
        "manifest": [name for name in project.files if _is_manifest(name)],
        "continuous integration": [name for name in project.files if _is_ci(name)],
        "rollback step, written down": [name for name in project.files if _is_runbook(name)],
    }
    lines = [
        Line(label=label, value=found[0] if found else "none", source="file names")
        for label, found in parts.items()
    ]
    settings = sum(len(names) for names in facts.settings.values())
    lines += [
        Line(label="typed settings", value=settings, source="Settings classes"),
        Line(label="pinned dependencies", value=len(project.pinned), source="lock, requirements"),
        Line(label="readiness checks", value=", ".join(facts.ready_checks) or "none",
             source="ops.probes"),
        Line(label="proxies declared", value="yes" if "proxies" in facts.guards else "no",
             source="trust_proxies"),
    ]  # fmt: skip
    missing = [label for label, found in parts.items() if not found]
    if not project.pinned:
        missing.append("pinned dependencies")
    if not settings and facts.reads:
        missing.append("typed settings")
    gaps = [Gap(where="application", what=f"no {one}", unit="deployment part", source="file names")
            for one in missing]  # fmt: skip
    return Dimension(name="deployment", unit="part per app", lines=lines, gaps=gaps)


def monitoring(known: Known) -> Dimension:
    """Whether somebody would notice."""
    facts, traffic = known.facts, known.traffic
    alerts = [name for name in known.project.files if _is_alert(name)]
    owner = str(known.project.record.get("owner", ""))
    is_off = facts.config.get("LOGS") == "off"
    lines = [
        Line(label="log of requests", value="off" if is_off else "under serve", source="LOGS"),
        Line(label="metrics by route", value="under serve", source="ops.traffic"),
        Line(label="owner", value=owner or "none", source="pyproject.toml"),
        Line(label="alert rules", value=alerts[0] if alerts else "none", source="file names"),
        _unknown("objective (SLO)", "write it into the alert rules"),
    ]
    if traffic is None:
        lines.append(_unknown("errors, 5xx", _NO_TRAFFIC))
    else:
        lines.append(Line(label="errors, 5xx", value=traffic.count("5xx"), of=traffic.requests,
                          source=traffic.name))  # fmt: skip
    gaps = []
    for is_missing, what in (
        (is_off, "requests are not logged"),
        (not owner, "nobody is called"),
        (not alerts, "no alert rules"),
    ):
        if is_missing:
            gaps.append(Gap(where="application", what=what, unit="monitoring part",
                            source="pyproject.toml, file names"))  # fmt: skip
    return Dimension(name="monitoring", unit="part per app", lines=lines, gaps=gaps)


def integrations(known: Known) -> Dimension:
    """Who is called, who calls, and what happens when one of them does not answer."""
    facts = known.facts
    late = [one for one in known.findings if one.id == "O03"]
    lines = [
        Line(label=f"calls {one.name}", value=f"{one.address}, {one.timeout_s:g} s, {one.retries}",
             source=one.place or "forward")
        for one in facts.hosts
    ]  # fmt: skip
    lines += [
        Line(label=f"webhook {one.name}",
             value=f"{one.scheme}, {'any age' if one.window_s is None else f'{one.window_s:g} s'}",
             source=one.place or "hooks")
        for one in facts.webhooks
    ]  # fmt: skip
    label = "calls without a timeout"
    why = known.skipped.get("O03")
    lines.append(_unknown(label, why) if why else _count(label, late, "ruff S113"))
    gaps = [Gap(where=one.where, what="no timeout", unit="host", source=one.where) for one in late]
    gaps += [
        Gap(where=f"webhook {one.name}", what="no secret", unit="host", source=one.place)
        for one in facts.webhooks
        if not one.has_secrets
    ]
    return Dimension(name="integrations", unit="per host", lines=lines, gaps=gaps)


def data_and_security(known: Known) -> Dimension:
    """What kind of data it is, and which errors `check` found."""
    errors = [one for one in known.findings if one.level == "E" and not one.silenced]
    accepted = [one for one in known.findings if one.silenced]
    data = str(known.project.record.get("data", "")) if known.project.stage else ""
    lines = [
        Line(label="data", value=data or None, source="pyproject.toml" if data else "",
             why="" if data else "write data = ... into [tool.hipflask]"),
        _count("errors of check at the next stage", errors, "hipflask check"),
        _count("accepted findings", accepted, "pyproject.toml"),
        _unknown("retention, export and deletion", "people's to say: write it into the decision"),
    ]  # fmt: skip
    # Those that another dimension counts by itself are no gaps twice.
    elsewhere = {"A01", "R01", "T01", "O03", "D01", "A06"}
    gaps = [
        Gap(where=one.where, what=f"{one.id}: {one.fact}", unit="finding",
            source=f"{one.file}:{one.line}" if one.line else one.file)
        for one in errors
        if one.id not in elsewhere
    ]  # fmt: skip
    if data == "personal":
        what = "no rule for retention, export and deletion is declared"
        gaps.append(Gap(where="application", what=what, unit="data rule", source="pyproject.toml"))
    unit = "rule per class of data, finding by finding"
    return Dimension(name="data and security", unit=unit, lines=lines, gaps=gaps)


def operator_interface(known: Known) -> Dimension:
    """What operators see and may do."""
    facts = known.facts
    actions = facts.actions
    lines = [
        Line(label="tools", value=facts.tools, source="tools"),
        Line(label="templates", value=facts.templates, source="template folders"),
        _count("actions", actions, "tools"),
        _count("with an approval", (one for one in actions if one.needs_approval), "tools",
               len(actions)),
        _count("with an undo", (one for one in actions if one.promises_undo), "tools",
               len(actions)),
        _unknown("findings of axe", "needs a browser: run axe over the pages"),
    ]  # fmt: skip
    gaps = [
        Gap(where=f"action {one.name}", what="cannot be undone", unit="operator step",
            source=one.place)
        for one in actions
        if not one.promises_undo
    ]  # fmt: skip
    return Dimension(name="operator interface", unit="per action", lines=lines, gaps=gaps)


_MAKERS = (
    endpoints, validation, authentication, persistence, tests, deployment, monitoring,
    integrations, data_and_security, operator_interface,
)  # fmt: skip
