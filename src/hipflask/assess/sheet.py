"""An assessment as a page: one file, no script, nothing from elsewhere, one printed sheet."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from . import showing
from .effort import said
from .model import Assessment

_FOLDER = Path(__file__).with_name("templates")
#: Gaps of one dimension that the sheet names; the rest is a number, and stands in the text.
MOST_NAMED = 4


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
        said=said,
    )
    return environment.get_template("sheet.html").render(
        made=made, style=style, digest=digest, most=MOST_NAMED
    )
