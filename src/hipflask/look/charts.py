"""Charts as SVG, drawn on the server: bars, a line, a spark. Sans-IO, text in and text out.

Nothing in them is a style or a script; colours come from `look.css`, so that one drawing serves
both schemes. A chart says in words what it shows (`title`, `desc`) and carries its figures, which
stand beside it as a table: `look.chart(drawn, "Orders a day")` in `look/macros.html` makes both.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from markupsafe import Markup, escape

from .words import dump_number, visible

Value = int | float | Decimal

#: Units of the drawing, which a page scales to its width.
WIDTH, HEIGHT = 480, 180
LEFT, RIGHT, TOP, BOTTOM = 48, 8, 10, 24
SPARK_WIDTH, SPARK_HEIGHT = 120, 30
#: Points that are drawn; a screen shows no more.
MOST = 400
_LONGEST_LABEL = 14
#: The width of a letter as large as it is on a phone, where the drawing is small.
_LETTER = 8.2
_ids = count(1)


@dataclass(frozen=True)
class Chart:
    """A drawing, the figures it was made of as texts, and what it says in a sentence."""

    svg: Markup
    said: str
    rows: Sequence[tuple[str, str]] = field(default=())
    name: str = "Label"
    unit: str = ""


def bars(
    points: Iterable[tuple[object, Value | None]], *, title: str, name: str = "", unit: str = ""
) -> Chart:
    """A bar for each label, from zero up or down.

    `title` is what the chart is called, `name` the heading of the labels, `unit` that of the
    values. None is a gap. Raises ValueError for more than `MOST` points, and for a value that is
    no number.

        bars([("Mon", 3), ("Tue", 5)], title="Orders a day", name="Day", unit="Orders")
    """
    rows = _read(points)
    scale = _Scale.over([value for _, value in rows if value is not None], has_zero=True)
    step = (WIDTH - LEFT - RIGHT) / max(len(rows), 1)
    gap = min(step * 0.25, 8.0)
    zero = scale.y(0.0)
    marks = []
    for place, (label, value) in enumerate(rows):
        if value is None:
            continue
        y = scale.y(value)
        x = LEFT + place * step + gap / 2
        # What is there at all is seen: one unit at least.
        height = max(abs(y - zero), 1.0 if value else 0.0)
        top = min(y, zero) if value >= 0 else zero
        marks.append(
            f'<rect class="mark" x="{_n(x)}" y="{_n(top)}" width="{_n(step - gap)}"'
            f' height="{_n(height)}" rx="1.5" fill="currentColor">'
            f"<title>{_text(label)}: {_text(_figure(value))}</title></rect>"
        )
    centres = [LEFT + (place + 0.5) * step for place in range(len(rows))]
    return _framed(rows, scale, "".join(marks), centres, title, name, unit)


def line(
    points: Iterable[tuple[object, Value | None]], *, title: str, name: str = "", unit: str = ""
) -> Chart:
    """A line through the values, in the order given; None interrupts it. As `bars` else."""
    rows = _read(points)
    scale = _Scale.over([value for _, value in rows if value is not None], has_zero=False)
    step = (WIDTH - LEFT - RIGHT) / max(len(rows) - 1, 1)
    places = [LEFT + place * step for place in range(len(rows))]
    runs = _runs([(x, value) for x, (_, value) in zip(places, rows, strict=True)])
    # Without zero in sight a filled area would tell of sizes that are not there.
    floor = scale.y(0.0) if scale.low <= 0 <= scale.high else None
    drawn = "".join(_trace([(x, scale.y(value)) for x, value in run], floor) for run in runs)
    return _framed(rows, scale, drawn, places, title, name, unit)


def spark(values: Iterable[Value | None], *, title: str, said: str = "", unit: str = "") -> Chart:
    """A small chart of bars without letters, for a cell of a table whose figures stand beside it.

    It says `said`, or else its title, the sum and the highest.
    """
    rows = _read((place, value) for place, value in enumerate(values, 1))
    known = [value for _, value in rows if value is not None]
    most = max((abs(value) for value in known), default=0.0)
    step = SPARK_WIDTH / max(len(rows), 1)
    floor = SPARK_HEIGHT - 1
    marks = []
    for place, (_, value) in enumerate(rows):
        if not value:
            continue
        height = max(1.0, abs(value) / most * (SPARK_HEIGHT - 2))
        marks.append(
            f'<rect class="mark" x="{_n(place * step)}" y="{_n(floor - height)}"'
            f' width="{_n(max(step - 1, 0.5))}" height="{_n(height)}" fill="currentColor"/>'
        )
    said = visible(said) or _sentence(title, rows, unit, is_short=True)
    svg = (
        f'<svg class="chart" role="img" viewBox="0 0 {SPARK_WIDTH} {SPARK_HEIGHT}"'
        f' width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" aria-label="{_text(said)}">'
        f'<line class="axis" x1="0" y1="{floor + 0.5}" x2="{SPARK_WIDTH}" y2="{floor + 0.5}"'
        f' stroke="currentColor"/>{"".join(marks)}</svg>'
    )
    return Chart(Markup(svg), said, _shown(rows), "Place", unit)  # escaped above


@dataclass(frozen=True)
class _Scale:
    """From values to heights; `low` and `high` are round, and so are the marks between them."""

    low: float
    high: float
    step: float

    @classmethod
    def over(cls, values: Sequence[float], *, has_zero: bool) -> _Scale:
        low = min(values, default=0.0)
        high = max(values, default=0.0)
        if has_zero or low == high or (low > 0 and low < high / 2):
            low, high = min(low, 0.0), max(high, 0.0)
        if low == high:
            high = low + 1.0
        step = _round_step((high - low) / 4)
        return cls(math.floor(low / step) * step, math.ceil(high / step) * step, step)

    def y(self, value: float) -> float:
        part = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - BOTTOM - TOP)

    def marks(self) -> list[float]:
        many = round((self.high - self.low) / self.step)
        return [self.low + place * self.step for place in range(many + 1)]


def _round_step(rough: float) -> float:
    """The next of 1, 2, 2.5 and 5 with zeros, so that people can read the marks."""
    size = 10.0 ** math.floor(math.log10(rough))
    return next(each * size for each in (1.0, 2.0, 2.5, 5.0, 10.0) if each * size >= rough * 0.999)


def _read(points: Iterable[tuple[object, Value | None]]) -> list[tuple[str, float | None]]:
    rows: list[tuple[str, float | None]] = []
    for label, value in points:
        number = None if value is None else float(value)
        if number is not None and not abs(number) <= 1e300:
            raise ValueError(f"A chart has no place for {value!r} at {str(label)[:40]!r}.")
        rows.append((visible(str(label)), number))
        if len(rows) > MOST:
            raise ValueError(f"A chart of more than {MOST} points cannot be read: sum them up.")
    return rows


def _runs(points: Sequence[tuple[float, float | None]]) -> list[list[tuple[float, float]]]:
    """The points between gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, value in points:
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x, value))
    return [run for run in runs if run]


def _trace(points: Sequence[tuple[float, float]], floor: float | None) -> str:
    """A line, and what is under it down to `floor`."""
    if len(points) == 1:
        (x, y) = points[0]
        return f'<circle class="mark" cx="{_n(x)}" cy="{_n(y)}" r="2.5" fill="currentColor"/>'
    path = " ".join(f"{_n(x)},{_n(y)}" for x, y in points)
    drawn = f'<polyline class="trace" points="{path}" fill="none" stroke="currentColor"/>'
    if floor is None:
        return drawn
    ends = f"{_n(points[0][0])},{_n(floor)}", f"{_n(points[-1][0])},{_n(floor)}"
    return f'<polygon class="under" points="{ends[0]} {path} {ends[1]}" fill="none"/>{drawn}'


def _framed(
    rows: Sequence[tuple[str, float | None]],
    scale: _Scale,
    drawn: str,
    centres: Sequence[float],
    title: str,
    name: str,
    unit: str,
) -> Chart:
    said = _sentence(title, rows, unit)
    number = next(_ids)
    parts = [
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}"'
        f' height="{HEIGHT}" aria-labelledby="chart-{number}-t chart-{number}-d">'
        f'<title id="chart-{number}-t">{_text(title)}</title>'
        f'<desc id="chart-{number}-d">{_text(said)}</desc>'
    ]
    most = max(abs(scale.low), abs(scale.high))
    for mark in scale.marks():
        y = _n(scale.y(mark))
        kind = "axis" if mark == 0 else "grid"
        parts.append(
            f'<line class="{kind}" x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}"'
            f' stroke="currentColor"/><text x="{LEFT - 6}" y="{y}" dy="0.32em"'
            f' text-anchor="end" fill="currentColor">{_text(_short(mark, most))}</text>'
        )
    parts.append(drawn)
    # As many labels as have room, the first among them.
    widest = max((min(len(label), _LONGEST_LABEL) for label, _ in rows), default=1)
    room = max(1, int((WIDTH - LEFT) // (widest * _LETTER + 10)))
    every = max(1, math.ceil(len(rows) / room))
    for place in range(0, len(rows), every):
        label = rows[place][0]
        short = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
        half = len(short) * _LETTER / 2
        x = min(max(centres[place], half), WIDTH - half)
        parts.append(
            f'<text x="{_n(x)}" y="{HEIGHT - 8}" text-anchor="middle" fill="currentColor">'
            f"{_text(short)}</text>"
        )
    parts.append("</svg>")
    svg = Markup("".join(parts))  # each text in it was escaped
    return Chart(svg, said, _shown(rows), name or "Label", unit)


def _shown(rows: Sequence[tuple[str, float | None]]) -> list[tuple[str, str]]:
    return [(label, "-" if value is None else _figure(value)) for label, value in rows]


def _sentence(
    title: str, rows: Sequence[tuple[str, float | None]], unit: str, *, is_short: bool = False
) -> str:
    known = [(label, value) for label, value in rows if value is not None]
    if not known:
        return f"{title}: no figures."
    high_label, high = max(known, key=lambda row: row[1])
    if is_short:
        total = sum(value for _, value in known)
        return f"{title}: {_figure(total)} in all, at most {_figure(high)}."
    low_label, low = min(known, key=lambda row: row[1])
    of = f" {unit.lower()}" if unit else ""
    return (
        f"{len(known)} figures, from {_figure(low)}{of} ({low_label}) to"
        f" {_figure(high)}{of} ({high_label})."
    )


def _figure(value: float) -> str:
    """A value as people write it: 1 234, 0.5, -12.25."""
    if value == int(value) and abs(value) < 1e15:
        return dump_number(int(value))
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.3g}"
    whole, _, rest = f"{abs(value):.4f}".rstrip("0").partition(".")
    return f"{'-' if value < 0 else ''}{dump_number(int(whole))}{'.' if rest else ''}{rest}"


def _short(value: float, most: float) -> str:
    """A mark of the axis, `most` being the highest: 15k instead of 15000, on all marks alike."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value and 10 * size <= most < 1e15:
            return f"{value / size:.6f}".rstrip("0").rstrip(".") + letter
    if most >= 1e15 or most < 1e-3:
        return f"{value:.3g}"
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def _n(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _text(value: str) -> Markup:
    return escape(value)
