"""SVG pictures of bars and of lines, made of text: no plotting library.

A picture is 420 units wide, so that a phone shows it at four fifths of its size and its text
stays readable. It carries its own colours for light and dark, a title and a description for
those who hear it. Shapes and dashes tell lines apart as well as colours do.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH = 420
MARGIN = 16
BAR_LEFT = 130
BAR_RIGHT = 350
BAR_STEP = 25
PLOT_LEFT = 54
PLOT_RIGHT = 304
PLOT_HEIGHT = 170
LABEL_STEP = 16
#: Letters of the text's usual size that fit between the margins.
LINE_LETTERS = 60

STYLE = """
text{font:14px system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif;fill:#1f2328}
.title{font-size:18px;font-weight:600}.panel{font-weight:600}.small{font-size:12.5px;fill:#57606a}
.strong{font-weight:600}.card{fill:#fff;stroke:#d0d7de}.rule{stroke:#d8dee4}
.bar{fill:#a3adb8}.bar.ours{fill:#0969da}.bar.noted{fill:#6e7781}
.line{fill:none;stroke-width:2}.ours.line{stroke-width:3.5}
.c0{stroke:#0969da}.c1{stroke:#bc4c00}.c2{stroke:#1a7f37}.c3{stroke:#8250df}.c4{stroke:#0a7ea4}.c5{stroke:#57606a}
.d0{fill:#0969da}.d1{fill:#bc4c00}.d2{fill:#1a7f37}.d3{fill:#8250df}.d4{fill:#0a7ea4}.d5{fill:#57606a}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.small{fill:#9ba5b0}.card{fill:#0d1117;stroke:#30363d}.rule{stroke:#2b323a}
.bar{fill:#545d68}.bar.ours{fill:#4c9dff}.bar.noted{fill:#8b949e}
.c0{stroke:#4c9dff}.c1{stroke:#f0883e}.c2{stroke:#3fb950}.c3{stroke:#bc8cff}.c4{stroke:#56c8e0}.c5{stroke:#9ba5b0}
.d0{fill:#4c9dff}.d1{fill:#f0883e}.d2{fill:#3fb950}.d3{fill:#bc8cff}.d4{fill:#56c8e0}.d5{fill:#9ba5b0}
}
"""
#: Of the lines by number; ours has none.
DASHES = ("", "6 3", "2 3", "9 3 2 3", "12 4", "1 4")


@dataclass
class Bar:
    """A bar; `ours` stands out, `noted` a little."""

    label: str
    value: float
    text: str
    ours: bool = False
    noted: bool = False


@dataclass
class Panel:
    """Bars under a heading of their own; those without one share the heading above."""

    title: str
    bars: list[Bar]


@dataclass
class Line:
    """A line through points; the first of a plot is ours."""

    label: str
    points: list[tuple[float, float]]


@dataclass
class Plot:
    """Lines over one axis, both axes logarithmic."""

    title: str
    lines: list[Line] = field(default_factory=list)


class Sheet:
    """The parts of a picture, from the top down."""

    def __init__(self, title: str, text: str, summary: str) -> None:
        self.y = MARGIN
        self._parts: list[str] = []
        self._title, self._summary = title, summary
        for line in wrap(title, 40):
            self.y += 20
            self.text(MARGIN, self.y, line, "title")
        for line in wrap(text, LINE_LETTERS):
            self.y += 18
            self.text(MARGIN, self.y, line, "small")
        self.y += 8

    def add(self, part: str) -> None:
        self._parts.append(part)

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> None:
        name = f' class="{kind}"' if kind else ""
        where = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.add(f'<text x="{x:.5g}" y="{y:.5g}"{name}{where}>{escape(words)}</text>')

    def rule(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.add(f'<path class="rule" d="M{x1:.5g} {y1:.5g}L{x2:.5g} {y2:.5g}"/>')

    def dump(self) -> str:
        """Return the whole picture."""
        height = self.y + MARGIN
        parts = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.5g}"'
            f' width="{WIDTH}" height="{height:.5g}" role="img" aria-labelledby="title summary">\n'
            f'<title id="title">{escape(self._title)}</title>\n'
            f'<desc id="summary">{escape(self._summary)}</desc>\n'
            f"<style>{STYLE}</style>\n"
            f'<rect class="card" x=".5" y=".5" width="{WIDTH - 1}" height="{height - 1:.5g}"'
            f' rx="8"/>\n{parts}\n</svg>\n'
        )


def draw_bars(title: str, text: str, panels: Sequence[Panel], *, log: bool = True) -> str:
    """Return a picture of bars; with `log` each tenfold has the same length, and 1 none."""
    summary = " ".join(
        f"{panel.title}: {', '.join(f'{bar.label} {bar.text}' for bar in panel.bars)}."
        for panel in panels
    )
    sheet = Sheet(title, text, summary)
    most = max((bar.value for panel in panels for bar in panel.bars), default=1.0)
    scale = Scale(1.0 if log else 0.0, most, BAR_LEFT, BAR_RIGHT, log=log)
    for panel in panels:
        _draw_panel(sheet, panel, scale)
    return sheet.dump()


def _draw_panel(sheet: Sheet, panel: Panel, scale: Scale) -> None:
    sheet.y += 22
    sheet.text(MARGIN, sheet.y, panel.title, "panel")
    sheet.y += 8
    top = sheet.y
    bottom = top + len(panel.bars) * BAR_STEP + 4
    for tick in scale.ticks():
        sheet.rule(scale(tick), top, scale(tick), bottom)
        words = f"{tick:g}x" if scale.log else f"{tick:g} µs"
        sheet.text(scale(tick), bottom + 14, words, "small", "middle")
    for bar in panel.bars:
        sheet.y += BAR_STEP
        end = max(scale(bar.value), BAR_LEFT + 2)
        kind = " ours" if bar.ours else " noted" if bar.noted else ""
        strong = "strong" if bar.ours else ""
        sheet.text(BAR_LEFT - 8, sheet.y - 6, bar.label, strong, "end")
        sheet.add(
            f'<rect class="bar{kind}" x="{BAR_LEFT}" y="{sheet.y - 18:.5g}"'
            f' width="{end - BAR_LEFT:.5g}" height="15" rx="2"/>'
        )
        sheet.text(end + 6, sheet.y - 6, bar.text, strong)
    sheet.y = bottom + 18


def draw_lines(title: str, text: str, plots: Sequence[Plot]) -> str:
    """Return a picture of plots, one under the other."""
    summary = " ".join(
        f"{plot.title}: "
        + "; ".join(
            f"{line.label} from {_short(line.points[0][1])} to {_short(line.points[-1][1])}"
            for line in plot.lines
        )
        + "."
        for plot in plots
    )
    sheet = Sheet(title, text, summary)
    names = list(dict.fromkeys(line.label for plot in plots for line in plot.lines))
    for plot in plots:
        _draw_plot(sheet, plot, names)
    return sheet.dump()


def _draw_plot(sheet: Sheet, plot: Plot, names: Sequence[str]) -> None:
    sheet.y += 24
    sheet.text(MARGIN, sheet.y, plot.title, "panel")
    top = sheet.y + 14
    bottom = top + PLOT_HEIGHT
    places = [x for line in plot.lines for x, _ in line.points]
    costs = [y for line in plot.lines for _, y in line.points]
    across = Scale(min(places), max(places), PLOT_LEFT + 8, PLOT_RIGHT)
    # Room above and below: a flat line should look flat, and not lie on the frame.
    down = Scale(min(costs) / 1.5, max(costs) * 1.5, bottom, top)
    for tick in down.ticks():
        sheet.rule(PLOT_LEFT, down(tick), PLOT_RIGHT, down(tick))
        sheet.text(PLOT_LEFT - 6, down(tick) + 4, _short(tick), "small", "end")
    for place in sorted(set(places)):
        sheet.text(across(place), bottom + 16, f"{place:,.0f}", "small", "middle")
    for line in reversed(plot.lines):
        _draw_line(sheet, line, names.index(line.label), across, down)
    ends = {line.label: down(line.points[-1][1]) for line in plot.lines}
    last = [line.label for line in plot.lines if line.points[-1][0] == max(places)]
    ends |= zip(last, spread([ends[label] for label in last], LABEL_STEP), strict=True)
    for line in plot.lines:
        number = names.index(line.label) % len(DASHES)
        strong = "strong " if number == 0 else ""
        x = across(line.points[-1][0]) + 10
        sheet.text(x, ends[line.label] + 5, line.label, f"{strong}d{number}")
    sheet.y = bottom + 24


def _draw_line(sheet: Sheet, line: Line, number: int, across: Scale, down: Scale) -> None:
    number %= len(DASHES)
    points = [(across(x), down(y)) for x, y in line.points]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dash = f' stroke-dasharray="{DASHES[number]}"' if DASHES[number] else ""
    ours = " ours" if number == 0 else ""
    sheet.add(f'<path class="line c{number}{ours}"{dash} d="M{path}"/>')
    for x, y in points:
        sheet.add(f'<circle class="d{number}" cx="{x:.1f}" cy="{y:.1f}" r="{4 if ours else 3}"/>')


class Scale:
    """Maps `low` to `high` onto `start` to `end`."""

    def __init__(
        self, low: float, high: float, start: float, end: float, *, log: bool = True
    ) -> None:
        self.log = log
        self._low, self._high = low, max(high, low * 1.0001 if log else low + 1e-9)
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        if self.log:
            value = max(value, self._low)
            share = math.log(value / self._low) / math.log(self._high / self._low)
        else:
            share = (value - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)

    def ticks(self) -> list[float]:
        """Return round values within: three to seven of them where that can be."""
        if not self.log:
            tenth = 10.0 ** (math.floor(math.log10(self._high)) - 1)
            steps = (tenth * part for part in (1.0, 2.0, 2.5, 5.0, 10.0, 20.0))
            step = next(one for one in steps if self._high / one <= 6)
            return [step * number for number in range(int(self._high / step) + 1)]
        for parts in ((1,), (1, 3), (1, 2, 5)):
            found = [
                part * 10.0**power
                for power in range(math.floor(math.log10(self._low)), 12)
                for part in parts
                if self._low <= part * 10.0**power <= self._high * 1.0001
            ]
            if len(found) >= 3:
                return found
        return found


def spread(places: Sequence[float], step: float) -> list[float]:
    """Return the places moved apart so that neighbours are at least `step` from one another."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = [places[number] for number in order]
    for _ in range(200):
        still = True
        for lower, upper in zip(range(len(moved)), range(1, len(moved)), strict=False):
            lack = step - (moved[upper] - moved[lower])
            if lack > 0.01:
                moved[lower] -= lack / 2
                moved[upper] += lack / 2
                still = False
        if still:
            break
    found = [0.0] * len(places)
    for number, place in zip(order, moved, strict=True):
        found[number] = place
    return found


def wrap(text: str, letters: int) -> Iterable[str]:
    """Return the lines of a text, none longer than so many letters if its words allow."""
    line = ""
    for word in text.split():
        if line and len(line) + len(word) >= letters:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    if line:
        yield line


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
