"""A view of a service as lines of text that fit a terminal."""

from __future__ import annotations

import math
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hipflask.server.terminal import printable

from .counting import Lane, Route, View, Worker

BOLD, DIM, RED, YELLOW, END = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
#: How late an event loop may be, and how large a share may fail, before it is shown in red.
LATE_S, FAILING = 0.1, 0.01


@dataclass(frozen=True)
class Column:
    """A column of a table: those of high `rank` go first where there is no room."""

    title: str
    rank: int
    is_text: bool = False
    #: Takes what room is left, and is cut short.
    stretches: bool = False


Cell = tuple[str, str]
Row = list[Cell]

ROUTES = [
    Column("method", 3, is_text=True),
    Column("route", 0, is_text=True, stretches=True),
    Column("req/s", 0),
    Column("errors", 1),
    Column("p50", 4),
    Column("p95", 2),
    Column("work", 5),
    Column("requests", 6),
]
WORKERS = [
    Column("worker", 0),
    Column("pid", 3),
    Column("state", 2, is_text=True, stretches=True),
    Column("age", 6),
    Column("rss", 1),
    Column("cpu", 1),
    Column("work", 4),
    Column("lag", 4),
    Column("pool", 5),
]
LANES = [
    Column("", 3, is_text=True),
    Column("source", 0, is_text=True, stretches=True),
    Column("events/s", 2),
    Column("backlog", 0),
    Column("oldest", 1),
    Column("dead", 0),
]
_SORTS: dict[str, Callable[[Route], tuple[object, ...]]] = {
    "rate": lambda each: (-each.rate, -each.requests, each.route),
    "errors": lambda each: (-each.error_share * each.rate, -each.rate, each.route),
    "p95": lambda each: (-(each.p95_s or 0), each.route),
    "work": lambda each: (-each.in_work, -each.rate, each.route),
    "route": lambda each: (each.route, each.method),
}


def draw(
    view: View,
    width: int | None,
    height: int | None,
    sort: str = "rate",
    *,
    colours: bool = True,
    trouble: str = "",
) -> list[str]:
    """The view in lines of at most `width` columns, of which there are at most `height`.

    None is the terminal's width, and no limit of lines. `trouble` is what is wrong now.
    """
    width = width or shutil.get_terminal_size((80, 24)).columns
    head = [*_head(view, width, colours)]
    if trouble:
        head.append(_coloured(cut(printable(trouble), width), RED, colours))
    rest = []
    if view.workers:
        rest.append(list(_table(WORKERS, [_worker(each) for each in view.workers], width, colours)))
    if view.databases:
        rest.append([cut(_pools(view), width)])
    if view.lanes:
        rest.append(list(_table(LANES, [_lane(each) for each in view.lanes], width, colours)))
    ordered = sorted(view.routes, key=_SORTS[sort])
    left = len(ordered)
    if height is not None:
        used = len(head) + sum(len(part) + 1 for part in rest) + 3
        left = max(1, height - used)
    rows = [_route(each) for each in ordered[:left]]
    routes = list(_table(ROUTES, rows, width, colours))
    if len(ordered) > left:
        more = f"{len(ordered) - left} more routes; s sorts by another column"
        routes.append(_coloured(cut(more, width), DIM, colours))
    if not ordered:
        routes.append(_coloured(cut("no request has ended yet", width), DIM, colours))
    lines = head
    for part in (routes, *rest):
        lines = [*lines, "", *part]
    return lines[:height] if height is not None else lines


def _head(view: View, width: int, colours: bool) -> Iterator[str]:
    state = "stopping, " if view.draining else ""
    name = cut(printable(view.app), max(8, width - 24))
    title = f"{_coloured(name, BOLD, colours)}  {state}up {age(view.age_s)}"
    yield title
    facts = [
        f"{rate(view.rate)} req/s",
        f"{share(view.error_share)} errors",
        f"p50 {duration(view.p50_s)}",
        f"p95 {duration(view.p95_s)}",
        f"{view.in_work} in work",
    ]
    facts += [f"{rate(view.shed)}/s refused (503)"] if view.shed else []
    facts += [f"{rate(view.late)}/s late (504)"] if view.late else []
    facts += [f"{view.restarts} restart{'s' * (view.restarts > 1)}"] if view.restarts else []
    line = ""
    for fact in facts:
        if line and len(line) + 2 + len(fact) > width:
            yield cut(line, width)
            line = fact
        else:
            line = f"{line}  {fact}" if line else fact
    yield cut(line, width)


def _route(each: Route) -> Row:
    failing = RED if each.error_share >= FAILING else ""
    return [
        (each.method, ""),
        ("(no route)" if each.route == "_UNMATCHED" else each.route, ""),
        (rate(each.rate), ""),
        (share(each.error_share), failing),
        (duration(each.p50_s), ""),
        (duration(each.p95_s), ""),
        (str(each.in_work) if each.in_work else "", ""),
        (count(each.requests), DIM),
    ]


def _worker(each: Worker) -> Row:
    state = each.state if each.answers else "does not answer"
    waiting = each.pool_waiting or 0
    pool = "" if each.pool_size is None else f"{count(each.pool_busy or 0)}/{count(each.pool_size)}"
    return [
        (str(each.worker), ""),
        (str(each.pid), ""),
        (state, "" if each.answers and each.state == "serving" else YELLOW),
        (age(each.age_s), ""),
        ("" if each.rss_bytes is None else f"{each.rss_bytes / 2**20:.0f} MiB", ""),
        ("" if each.cpu is None else f"{each.cpu:.0%}", ""),
        ("" if each.in_work is None else count(each.in_work), ""),
        (duration(each.lag_s), RED if (each.lag_s or 0) > LATE_S else ""),
        (f"{pool} +{count(waiting)}" if waiting else pool, RED if waiting else ""),
    ]


def _lane(each: Lane) -> Row:
    return [
        (each.queue, DIM),
        (each.lane, ""),
        (rate(each.rate) if each.queue == "inbox" else "", ""),
        (count(each.backlog), ""),
        ("-" if each.oldest_s is None else age(each.oldest_s), ""),
        (count(each.dead), RED if each.dead else ""),
    ]


def _pools(view: View) -> str:
    return "  ".join(
        f"{printable(str(each.get('database', 'database')))}"
        f"{' of worker ' + str(each['worker']) if 'worker' in each else ''}:"
        f" {count(each['busy'])}/{count(each['size'])} connections"
        for each in view.databases
    )


# Tables


def _table(columns: Sequence[Column], rows: list[Row], width: int, colours: bool) -> Iterator[str]:
    rows = [[(printable(text), colour) for text, colour in row] for row in rows]
    kept, widths = _fit(columns, rows, width)
    titles: Row = [(column.title, BOLD) for column in columns]
    for row in (titles, *rows):
        cells = []
        for place in kept:
            text, colour = row[place]
            text = cut(text, widths[place])
            padding = " " * (widths[place] - width_of(text))
            text = _coloured(text, colour, colours)
            cells.append(text + padding if columns[place].is_text else padding + text)
        yield "  ".join(cells).rstrip()


def _fit(
    columns: Sequence[Column], rows: list[Row], width: int
) -> tuple[list[int], dict[int, int]]:
    """Which columns there is room for, and how wide each is."""
    widths = {
        place: max(len(column.title), *(width_of(row[place][0]) for row in rows), 1)
        for place, column in enumerate(columns)
    }
    # One column gives way: to 12 columns, so that it still tells something.
    least = {
        place: min(widths[place], 12) if columns[place].stretches else widths[place]
        for place in widths
    }
    kept = list(range(len(columns)))
    while len(kept) > 1 and sum(least[place] for place in kept) + 2 * (len(kept) - 1) > width:
        kept.remove(max(kept, key=lambda place: (columns[place].rank, place)))
    room = width - 2 * (len(kept) - 1) - sum(least[place] for place in kept)
    for place in kept:
        if columns[place].stretches:
            widths[place] = min(widths[place], max(1, least[place] + room))
        elif len(kept) == 1:
            widths[place] = min(widths[place], width)
    return kept, widths


def width_of(text: str) -> int:
    """Columns of a terminal that a text takes."""
    return len(text) if text.isascii() else sum(map(_width, text))


def _width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 1 + (unicodedata.east_asian_width(char) in "WF")


def cut(text: str, width: int) -> str:
    """The text, or its beginning and an ellipsis, in so many columns."""
    if width_of(text) <= width:
        return text
    kept, used = 0, 1  # the ellipsis has its place
    for char in text:
        used += _width(char)
        if used > width:
            break
        kept += 1
    return text[:kept] + "…" if width > 0 else ""


def _coloured(text: str, colour: str, colours: bool) -> str:
    return f"{colour}{text}{END}" if colours and colour and text else text


# Figures


def rate(value: float) -> str:
    """A number a second, in few characters."""
    if value >= 100:
        return count(value)
    return "0" if value < 0.005 else f"{value:.2f}" if value < 1 else f"{value:.1f}"


def count(value: float | None) -> str:
    """A whole number with spaces between thousands; "-" where it is not known."""
    return "-" if value is None else f"{value:,.0f}".replace(",", " ")


def share(value: float) -> str:
    """A share in percent."""
    return (
        "0 %"
        if value == 0
        else f"{value:.1%}".replace("%", " %")
        if value < 0.1
        else (f"{value:.0%}".replace("%", " %"))
    )


def duration(seconds: float | None) -> str:
    """A short time."""
    if seconds is None:
        return "-"
    if math.isinf(seconds):
        return ">10 s"
    if seconds < 0.0995:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else f"{seconds * 1000:.0f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.1f} s"


def age(seconds: float) -> str:
    """A long time, in its two largest units."""
    whole = int(seconds)
    for size, unit, smaller, smaller_unit in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {smaller_unit}"
    return f"{whole} s"
