"""A run as Markdown tables, JSON and SVG: `python -m benchmarks.report RUN.json`.

`python -m benchmarks.report RUN.json --picture docs/why/speed.svg` writes the picture alone.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from .document import OURS, RAW, Document, Figure, Row, read_document, write_document
from .pictures import Bar, Line, Panel, Plot, draw_bars, draw_lines

#: Peers with an HTTP core in C++ or Rust: they have no Python callable that others can serve.
OWN_CORE = ("django_bolt", "robyn", "socketify")
RESULTS = Path(".cache/benchmarks")
#: What the picture's means are made of: every peer with a callable finishes these.
MEAN_OF = ("W1", "W2", "W3", "W4")
INTERFACES = {
    "": "start-up",
    "wsgi": "WSGI",
    "asgi": "ASGI",
    "rsgi": "RSGI",
    "own": "its own server",
}


def format_table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table whose columns are also aligned as plain text."""
    rows = [list(head), *(list(line) for line in lines)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(head))]

    def join(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    return "\n".join([join(rows[0]), join(rule), *(join(row) for row in rows[1:])])


def format_us(value: float) -> str:
    """Return microseconds with two digits of meaning after the tens."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def format_in_process(row: Row) -> str:
    """Return `median / best (ratio to raw)`, or that the peer died."""
    if row.died or not row.rounds:
        return "died"
    ratio = "" if row.ratio_to_raw is None else f" ({row.ratio_to_raw:.1f}x)"
    return f"{format_us(row.median)} / {format_us(row.best)}{ratio}"


def format_plain(row: Row) -> str:
    """Return `median / best`, in the unit that the head of the column names."""
    return f"{row.median:.1f} / {row.best:.1f}"


def format_added(row: Row) -> str:
    """Return `best (what it adds to the row with nothing)`."""
    return f"{row.best:.1f} ({row.more['added_us']:+.1f})"


def format_growth(row: Row) -> str:
    """Return `best (over the best with the least of it)`."""
    ratio = row.best_ratio or 1.0
    return f"{format_us(row.best)} ({ratio:.2f}x)"


def format_over_http(row: Row) -> str:
    """Return `CPU us, requests/s, p50/p99 ms`, or that the peer died."""
    if row.died or not row.rounds:
        return "died"
    more = row.more
    ratio = "" if row.ratio_to_raw is None else f" ({row.ratio_to_raw:.2f}x)"
    return (
        f"{format_us(row.median)} us{ratio} {more['requests_s'] / 1000:.1f}k"
        f" {more['p50_ms']:.1f}/{more['p99_ms']:.0f}"
    )


def tables_by_workload(document: Document, cell: Callable[[Row], str]) -> list[str]:
    """Return a table for each interface: peers down, quickest first, workloads across."""
    tables = []
    for interface in INTERFACES:
        rows = [row for row in document.rows if row.interface == interface]
        if not rows:
            continue
        workloads = list(dict.fromkeys(row.workload for row in rows))
        peers: dict[str, dict[str, Row]] = {}
        for row in rows:
            name = f"{row.peer} @ {row.server}" if row.server else row.peer
            peers.setdefault(name, {})[row.workload] = row
        has_memory = any("rss_mb" in row.more for row in rows)
        lines = []
        for name in sorted(peers, key=lambda name: _order(peers[name].values())):
            found = peers[name]
            line = [name, *(cell(found[one]) if one in found else "-" for one in workloads)]
            lines.append([*line, _memory(found.values())] if has_memory else line)
        head = [INTERFACES[interface], *workloads]
        tables.append(format_table([*head, "MB, all/worker"] if has_memory else head, lines))
    return tables


def tables_of_growth(document: Document) -> list[str]:
    """Return a table for each thing that grows: peers down, how many of it across."""
    tables = []
    for what in dict.fromkeys(row.interface for row in document.rows):
        rows = [row for row in document.rows if row.interface == what]
        counts = list(dict.fromkeys(row.workload.rpartition(" ")[2] for row in rows))
        peers: dict[str, dict[str, Row]] = {}
        for row in rows:
            name = f"{row.peer} @ {row.server}" if row.server else row.peer
            peers.setdefault(name, {})[row.workload.rpartition(" ")[2]] = row
        lines = [
            [name, *(format_growth(found[count]) if count in found else "-" for count in counts)]
            for name, found in peers.items()
        ]
        tables.append(format_table([what, *counts], lines))
    return tables


def _order(rows: Iterable[Row]) -> tuple[float, float]:
    """What peers are sorted by: the first workload they have."""
    return next(((0.0, row.median) for row in rows if row.rounds), (1.0, 0.0))


def _memory(rows: Iterable[Row]) -> str:
    sizes = [(row.more["rss_mb"], row.more["worker_rss_mb"]) for row in rows if row.more]
    return "/".join(f"{size:.0f}" for size in max(sizes, default=()))


def format_figures(figures: Iterable[Figure]) -> str:
    """Return the figures as a table."""
    return format_table(
        ["figure", "ours", "limit", ""],
        (
            [
                figure.name,
                f"{figure.ours:.2f}{figure.unit}",
                f"{figure.sign} {figure.limit:g}{figure.unit}",
                "held" if figure.held else "MISSED",
            ]
            for figure in figures
        ),
    )


def dump_markdown(document: Document) -> str:
    """Return the run as a page of tables."""
    cell = CELLS.get(document.program, format_in_process)
    parts = [f"# {TITLES.get(document.program, document.program)}"]
    parts.append(f"{document.machine}; {document.python}.")
    is_growth = document.program == "growth"
    parts += tables_of_growth(document) if is_growth else tables_by_workload(document, cell)
    if document.figures:
        parts.append(format_figures(document.figures))
    dead: dict[tuple[str, str], list[str]] = {}
    for row in document.rows:
        if row.died:
            dead.setdefault((name_of(row), row.died), []).append(row.workload)
    if dead:
        lines = (f"- {name}, {', '.join(at)}: {words}" for (name, words), at in dead.items())
        parts.append("Did not finish:\n\n" + "\n".join(lines))
    if document.notes:
        parts.append("\n".join(f"- {note}" for note in document.notes))
    if document.versions:
        parts.append(", ".join(f"{name} {one}" for name, one in document.versions.items()) + ".")
    return "\n\n".join(parts) + "\n"


def name_of(row: Row) -> str:
    """Return the peer and where it ran."""
    server = f" @ {row.server}" if row.server else ""
    return f"{row.peer} {row.interface}{server}"


def draw_comparison(document: Document) -> str:
    """Return the picture of a run: for each peer the mean of W1 to W4, as multiples of raw."""
    panels = []
    for interface in dict.fromkeys(row.interface for row in document.rows):
        means = mean_ratios(document.rows, interface)
        bars = [
            Bar(
                label=LABELS.get(peer, peer),
                value=mean,
                text=f"{mean:.1f}x",
                ours=peer.startswith(OURS),
                noted=peer in ("flask", "quart"),
            )
            for peer, mean in sorted(means.items(), key=lambda one: one[1])
        ]
        if any(not bar.ours for bar in bars):
            panels.append(Panel(INTERFACES.get(interface, interface), bars))
    return draw_bars(
        "CPU per request, in-process",
        "Multiples of a bare callable's cost on the same interface: the mean of plaintext, JSON,"
        " path and query, typed JSON POST. Shorter is quicker; each tenfold has the same length.",
        panels,
    )


def draw_http(document: Document) -> str:
    """Return the picture of the loads: each peer on the server where it takes the least CPU."""
    costs: dict[str, dict[tuple[str, str], dict[str, float]]] = {}
    for row in document.rows:
        if row.rounds and not row.died:
            servers = costs.setdefault(row.peer, {})
            servers.setdefault((row.interface, row.server), {})[row.workload] = row.median
    panels = (Panel("Python callables", []), Panel("Servers with a core of their own", []))
    for peer, servers in costs.items():
        means = [
            statistics.geometric_mean(found[name] for name in MEAN_OF)
            for found in servers.values()
            if found.keys() >= set(MEAN_OF)
        ]
        if means:
            best = min(means)
            bar = Bar(LABELS.get(peer, peer), best, f"{best:.0f} µs")
            bar.ours, bar.noted = peer.startswith(OURS), peer in ("raw", "flask", "quart")
            panels[peer in OWN_CORE].bars.append(bar)
    for panel in panels:
        panel.bars.sort(key=lambda bar: bar.value)
    return draw_bars(
        "Server's CPU per request, over HTTP",
        "One worker, 64 connections; the mean of plaintext, JSON, path and query, typed JSON POST,"
        " each on the server where it takes least. Shorter is quicker; raw is a bare callable.",
        [panel for panel in panels if panel.bars],
        log=False,
    )


def mean_ratios(rows: Iterable[Row], interface: str) -> dict[str, float]:
    """Return each peer's geometric mean over W1 to W4; a peer that lacks one is left out."""
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.interface == interface and row.peer != RAW and row.ratio_to_raw is not None:
            best = found.setdefault(row.peer, {})
            best[row.workload] = min(row.ratio_to_raw, best.get(row.workload, float("inf")))
    return {
        peer: statistics.geometric_mean(ratios[name] for name in MEAN_OF)
        for peer, ratios in found.items()
        if ratios.keys() >= set(MEAN_OF)
    }


def draw_growth(document: Document) -> str:
    """Return the picture of what grows: rows are named as `routes 1000`, one plot for a word."""
    plots: dict[str, Plot] = {}
    lines: dict[tuple[str, str], Line] = {}
    # Ours first: the first line is drawn strongest and last.
    for row in sorted(document.rows, key=lambda row: row.peer != OURS):
        what, _, number = row.workload.rpartition(" ")
        plot = plots.setdefault(what, Plot(what[:1].upper() + what[1:]))
        if (what, row.peer) not in lines:
            lines[what, row.peer] = Line(LABELS.get(row.peer, row.peer), [])
            plot.lines.append(lines[what, row.peer])
        lines[what, row.peer].points.append((float(number), row.best))
    return draw_lines(
        "What makes a request dearer",
        "CPU per request in µs, best round, against how many there are. Both axes are logarithmic.",
        list(plots.values()),
    )


def write_all(document: Document, folder: Path) -> list[Path]:
    """Write the run as JSON, Markdown and, where there is one, a picture; return the files."""
    stem = folder / document.program
    write_document(document, stem.with_suffix(".json"))
    stem.with_suffix(".md").write_text(dump_markdown(document), encoding="utf-8")
    files = [stem.with_suffix(".json"), stem.with_suffix(".md")]
    if draw := PICTURES.get(document.program):
        stem.with_suffix(".svg").write_text(draw(document), encoding="utf-8")
        files.append(stem.with_suffix(".svg"))
    return files


TITLES = {
    "inprocess": "CPU per request, in-process",
    "over_http": "Over HTTP: one worker, 64 connections",
    "startup": "Start-up",
    "growth": "What makes a request dearer",
    "everything": "What watching and guarding add to a request, in microseconds of CPU",
}
CELLS = {"over_http": format_over_http, "startup": format_plain, "everything": format_added}
PICTURES = {"inprocess": draw_comparison, "over_http": draw_http, "growth": draw_growth}
LABELS = {
    "aiohttp": "aiohttp",
    "blacksheep": "BlackSheep",
    "bottle": "Bottle",
    "django": "Django",
    "django_bolt": "django-bolt",
    "django_ninja": "Django Ninja",
    "emmett55": "Emmett55",
    "falcon": "Falcon",
    "falcon_asgi": "Falcon ASGI",
    "fastapi": "FastAPI",
    "flask": "Flask",
    "hipflask_sync": "hipflask sync",
    "flask_pydantic": "Flask + pydantic",
    "litestar": "Litestar",
    "microdot": "Microdot",
    "quart": "Quart",
    "robyn": "Robyn",
    "sanic": "Sanic",
    "starlette": "Starlette",
}


def main() -> int:
    """Read a run's JSON; write its Markdown and picture beside it, or a picture somewhere else."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    document = read_document(options.run)
    if options.picture is None:
        for path in write_all(document, options.run.parent):
            print(path)
    elif draw := PICTURES.get(document.program):
        options.picture.write_text(draw(document), encoding="utf-8")
    else:
        parser.error(f"there is no picture of a run of {document.program}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
