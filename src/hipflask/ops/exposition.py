"""Figures as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0.0.

    from hipflask.ops import exposition

    @app.get("/metrics")
    def figures():
        return exposition.answer(request.headers.get("Accept", ""))

Under `hipflask serve` the options `--metrics` and `--ops-bind` do that for all workers at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from .metrics import Family, Registry, Sample, registry

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def answer(accept: str = "", of: Registry = registry) -> tuple[bytes, dict[str, str]]:
    """A view's answer with the figures of this process, in the format that `accept` prefers."""
    kind = choose(accept)
    return dump(of.families(), kind), {"Content-Type": kind, "Cache-Control": "no-store"}


def choose(accept: str) -> str:
    """The content type for an Accept header: `OPENMETRICS` where it is asked for, else `TEXT`."""
    asked = parse_accept_header(accept[:1000], MIMEAccept)
    quality = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for value, weight in asked:
        kind = value.partition(";")[0].strip().lower()
        if kind in quality:
            quality[kind] = max(quality[kind], weight)
    wants_open, wants_text = quality.values()
    return OPENMETRICS if wants_open > 0 and wants_open >= wants_text else TEXT


def dump(families: Iterable[Family], kind: str = TEXT) -> bytes:
    """Families in one of the two formats."""
    is_open = kind == OPENMETRICS
    lines: list[str] = []
    for family in families:
        if not family.series:
            continue
        # OpenMetrics: a counter's samples end in _total, and its family's name does not.
        is_total = is_open and family.kind == "counter"
        name = family.name.removesuffix("_total") if is_total else family.name
        lines.append(f"# HELP {name} {_escape(family.text, is_open)}")
        lines.append(f"# TYPE {name} {family.kind}")
        for sample in family.samples():
            lines.append(_line(sample, f"{name}_total" if is_total else sample.name))
    if is_open:
        lines.append("# EOF")
    return ("\n".join(lines) + "\n" if lines else "").encode()


def _line(sample: Sample, name: str) -> str:
    labels = ",".join(f'{label}="{_escape(value, True)}"' for label, value in sample.labels)
    braced = f"{{{labels}}}" if labels else ""
    return f"{name}{braced} {number(sample.value)}"


def _escape(text: str, quotes: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n")
    return text.replace('"', '\\"') if quotes else text


def number(value: float) -> str:
    """A float as both formats have it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
