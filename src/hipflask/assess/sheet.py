"""An assessment as a page: one file, no script, nothing from elsewhere, one printed sheet."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

from markupsafe import Markup, escape

from . import showing
from .effort import said
from .model import Assessment, Dimension, Gap

_FOLDER = Path(__file__).with_name("templates")
#: How many gaps and facts of a dimension the sheet names: the first pair with which all of it fits
#: on one printed page. What it leaves out is a number there, and stands in the text.
NAMED = ((4, 7), (3, 7), (3, 6), (2, 6), (2, 5), (1, 5), (1, 4), (1, 3))
#: Characters; a longer name of a gap is cut.
LONGEST_NAME = 64
#: Lines of the table that a page has room for beside all else, and the characters of a line in its
#: two wide columns.
MOST_LINES = 30
_WIDTHS = (58, 42)


def as_page(made: Assessment) -> str:
    """The page's HTML. Its policy lets in its own style, by digest, and nothing else."""
    from jinja2 import Environment, FileSystemLoader  # the other forms need none

    style = (_FOLDER / "sheet.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=FileSystemLoader(_FOLDER), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(
        value_of=showing.value_of,
        source_of=showing.source_of,
        basis_of=showing.basis_of,
        past_of=showing.past_of,
        gap_of=gap_of,
        breaking=breaking,
        said=said,
    )
    gaps, facts = fitting(made)
    return environment.get_template("sheet.html").render(
        made=made, style=style, digest=digest, most=gaps, facts=facts
    )


def gap_of(gap: Gap) -> str:
    """A gap in a few words; what the whole application lacks is not said to be its own."""
    text = gap.what if gap.where == "application" else f"{gap.where}: {gap.what}"
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "\u2026"


def breaking(text: str) -> Markup:
    """Text that a line may end in where a path or a dotted name goes on."""
    return Markup(re.sub(r"(?<=\w)\.(?=\w)|/(?=.)", r"<wbr>\g<0>", str(escape(text))))


def fitting(made: Assessment) -> tuple[int, int]:
    """The pair of `NAMED`: the last where even that is too much."""
    prompts = sum(bool(one.prompt) for one in made.signals)
    above = 2 * bool(made.question) + 2 * bool(made.success or made.owner or made.decide_by)
    room = MOST_LINES - above - -(-2 * prompts // 3)
    for gaps, facts in NAMED:
        if sum(_lines(one, gaps, facts) for one in made.dimensions) <= room:
            return gaps, facts
    return NAMED[-1]


def _lines(one: Dimension, gaps: int, facts: int) -> int:
    told = [f"{line.label} {showing.value_of(line)}" for line in one.lines[:facts]]
    missing = [*map(gap_of, one.gaps[:gaps]), *["and 9 more"][: len(one.gaps) - gaps]]
    texts = (" . ".join(told), "; ".join(missing))
    # Rounded up.
    return max(1, *(-(-len(text) // width) for text, width in zip(texts, _WIDTHS, strict=True)))
