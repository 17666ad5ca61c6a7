"""How a rollout goes, stage by stage: as values, as JSON, as text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..globals import current_app, request
from ..scaffold import SetupError
from .figures import Side, Stage
from .rollout import Change, Rollout
from .strangler import stranglers_of


class SideReport(msgspec.Struct, frozen=True):
    """One side's answers: how many, how many failed, and how long they took."""

    requests: int
    errors: int
    error_ratio: float
    p50_ms: float | None
    p95_ms: float | None


class Difference(msgspec.Struct, frozen=True):
    """A place at which old and new differ beyond noise, and in what share of comparisons."""

    place: str
    share: float
    samples: list[dict[str, str]]


class StageReport(msgspec.Struct, frozen=True):
    """The time between two changes. `shadow` is the new side's answers that nobody saw.

    `noise` are places that differ by themselves, with the share of comparisons in which they did.
    """

    canary: float
    shadow_percent: float
    since: float | None
    old: SideReport
    new: SideReport
    shadow: SideReport
    compared: int
    skipped: dict[str, int]
    differences: list[Difference]
    noise: dict[str, float]


class Report(msgspec.Struct, frozen=True):
    """A rollout: where it stands, each stage, and all of them together."""

    name: str
    canary: float
    shadow: float
    halted: str | None
    changes: list[Change]
    stages: list[StageReport]
    total: StageReport

    def to_json(self) -> bytes:
        """As JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1)


def report_of(rollout: Rollout) -> Report:
    """The report of a rollout as the shared record has it. Blocks for the record."""
    settings = rollout.refresh()
    stages = rollout.stages()
    total = Stage(settings.epoch, settings.canary, settings.shadow)
    for stage in stages:
        total.merge(stage)
    total.since = next((stage.since for stage in stages), None)
    return Report(
        rollout.name,
        settings.canary,
        settings.shadow,
        settings.halted,
        rollout.changes(),
        [_stage(stage) for stage in stages],
        _stage(total),
    )


def _stage(stage: Stage) -> StageReport:
    sides = {name: _side(stage.sides.get(name, Side())) for name in ("old", "new", "shadow")}
    found = [
        Difference(place, round(share, 6), counts.samples)
        for place, counts, share in stage.beyond_noise()
    ]
    beyond = {difference.place for difference in found}
    noise = {
        name: round((place.noise_only + place.both) / stage.compared, 6)
        for name, place in sorted(stage.places.items())
        if name not in beyond and place.noise_only + place.both
    }
    return StageReport(
        stage.canary,
        stage.shadow,
        stage.since,
        sides["old"],
        sides["new"],
        sides["shadow"],
        stage.compared,
        stage.skipped,
        found,
        noise,
    )


def _side(side: Side) -> SideReport:
    p50_s, p95_s = side.latency.quantile_s(0.5), side.latency.quantile_s(0.95)
    return SideReport(
        side.requests,
        side.errors,
        round(side.error_ratio, 6),
        None if p50_s is None else round(p50_s * 1000, 2),
        None if p95_s is None else round(p95_s * 1000, 2),
    )


_HEAD = ("stage", "side", "requests", "errors", "ratio", "p50 ms", "p95 ms")


def dump_report(report: Report) -> str:
    """The report as text, for a terminal or a plain page."""
    lines = [f"{report.name}: canary {report.canary:g} %, shadow {report.shadow:g} %"]
    if report.halted:
        lines.append(f"HALTED: {report.halted}")
    rows: list[tuple[str, ...]] = [_HEAD]
    for stage in report.stages:
        label = f"{stage.canary:g} %"
        for name, side in (("old", stage.old), ("new", stage.new), ("shadow", stage.shadow)):
            if side.requests:
                rows.append((label, name, *_cells(side)))
                label = ""
    total = report.total
    label = "total"
    for name, side in (("old", total.old), ("new", total.new), ("shadow", total.shadow)):
        rows.append((label, name, *_cells(side)))
        label = ""
    lines += ["", *_table(rows)]
    lines += ["", f"compared: {total.compared} answers"]
    for reason, count in sorted(total.skipped.items()):
        lines.append(f"  not compared, {reason}: {count}")
    if total.noise:
        places = ", ".join(f"{place} ({share:.0%})" for place, share in total.noise.items())
        lines.append(f"  differ by themselves: {places}")
    lines.append(f"beyond noise: {len(total.differences) or 'nothing'}")
    for found in total.differences:
        lines.append(f"  {found.place}: {found.share:.2%}")
        for sample in found.samples:
            lines.append(f"    {sample['request']}: {sample['old']} -> {sample['new']}")
    if report.changes:
        lines += ["", "changes:"]
    for change in report.changes:
        at = datetime.fromtimestamp(change.at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        note = f": {change.note}" if change.note else ""
        where = f"canary {change.canary:g} %, shadow {change.shadow:g} %"
        lines.append(f"  {at} UTC {change.actor}: {where}{note}")
    return "\n".join(lines) + "\n"


def _cells(side: SideReport) -> tuple[str, ...]:
    times = ("-" if each is None else f"{each:.1f}" for each in (side.p50_ms, side.p95_ms))
    return (str(side.requests), str(side.errors), f"{side.error_ratio:.2%}", *times)


def _table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    made = list(rows)
    widths = [max(len(row[column]) for row in made) for column in range(len(_HEAD))]
    return [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in made
    ]


def add_reports(app: Any, rule: str = "/_forward", *, access: Any = None, **options: Any) -> None:
    """Add a page with the reports of an app's rollouts: text, or JSON where that is preferred.

    Reports show values out of answers, so `access` must say who may see them: a stance of
    `hipflask.security`. SetupError without one. `options` are those of `add_url_rule`.

        add_reports(app, access=roles("operator"))
    """
    if access is None:
        raise SetupError(
            f"add_reports(app, {rule!r}): say who may see values out of answers:"
            " access=roles('operator'), with roles from hipflask.security."
        )

    def forward_reports() -> Any:
        found = [report_of(each.rollout) for each in stranglers_of(current_app).values()]
        accepts = request.accept_mimetypes
        if accepts["application/json"] > accepts["text/plain"]:
            body: Any = msgspec.json.encode(found)
            kind = "application/json"
        else:
            body = "\n".join(map(dump_report, found)) or "No rollouts.\n"
            kind = "text/plain; charset=utf-8"
        return current_app.response_class(
            body, content_type=kind, headers={"Cache-Control": "no-store"}
        )

    app.add_url_rule(rule, "forward_reports", forward_reports, access=access, **options)
