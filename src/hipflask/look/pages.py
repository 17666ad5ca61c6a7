"""Makes the pages of a battery: its templates beside ours, and headers that are strict."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..globals import request
from ..helpers import url_for
from ..scaffold import leave_open
from ..wrappers import Response
from . import moments, words
from .assets import TYPES, answer, read_asset

_HERE = Path(__file__).parent


class Look:
    """How the pages of one blueprint are made.

    `name` is the blueprint's, `templates` the folder of its templates: they extend
    `look/layout.html` and import `look/macros.html`. `filters` and `names` are further filters
    and globals of theirs. Pages without a script say so in their policy, too. `frames` are the
    origins that may show a page in a frame: nobody unless they are named.

        look = Look("shop_tools", Path(__file__).parent / "templates")
        look.add_to(blueprint)
        return look.page("orders.html", rows=rows)
    """

    def __init__(
        self,
        name: str,
        templates: Path,
        *,
        has_script: bool = True,
        frames: str = "'none'",
        filters: Mapping[str, Any] | None = None,
        names: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.has_script = has_script
        self.frames = frames
        self._templates = templates
        self._filters = dict(filters or {})
        self._names = dict(names or {})

    def add_to(self, blueprint: Any) -> None:
        """Have the blueprint serve the stylesheet and the script, to everybody."""
        files = ", ".join(f"'{name}'" for name in TYPES)
        blueprint.add_url_rule(f"/static/<any({files}):filename>", "static", _serve)
        blueprint.record(
            lambda state: leave_open(
                state.app.url_map, f"{state.name_prefix}.{state.name}.static".lstrip(".")
            )
        )

    def page(self, template: str, code: int = 200, *, forms: str = "", **names: Any) -> Response:
        """A page that no cache keeps. `forms` is an origin that a form of it may lead to."""
        text = self.environment.get_template(template).render(names)
        return Response(text, code, mimetype="text/html", headers=self.headers(forms))

    def render(self, template: str, **names: Any) -> str:
        """The text of a page, or of a piece of one, as a string."""
        text: str = self.environment.get_template(template).render(names)
        return text

    def headers(self, forms: str = "") -> list[tuple[str, str]]:
        """What every answer of these pages says to browsers, redirects and downloads too."""
        return list(_headers(self.has_script, self.frames, forms))

    def link(self, endpoint: str, **values: Any) -> str:
        """The address of one of the blueprint's pages."""
        return url_for(f"{self.name}.{endpoint}", **values)

    def asset(self, name: str) -> str:
        """The address of `look.css` or `look.js`, which changes with its bytes."""
        return url_for(f"{self.name}.static", filename=name, v=read_asset(name).digest)

    @functools.cached_property
    def environment(self) -> Any:
        """Jinja's, made when the first page is asked for."""
        # Only who looks at a page pays for it.
        from jinja2 import ChoiceLoader, Environment, FileSystemLoader

        ours = FileSystemLoader(_HERE / "templates")
        environment = Environment(
            loader=ChoiceLoader([FileSystemLoader(self._templates), ours]),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            anchor=words.anchor,
            moment=moments.dump_moment,
            iso=moments.dump_iso,
            span=moments.dump_span,
            number=words.dump_number,
            tone=words.tone_of,
            visible=words.visible,
        )
        environment.filters.update(self._filters)
        environment.globals.update(link=self.link, asset=self.asset, has_script=self.has_script)
        environment.globals.update(self._names)
        return environment


def _serve(filename: str) -> Any:
    return answer(request, Response, filename)


@functools.cache
def _headers(has_script: bool, frames: str, forms: str) -> tuple[tuple[str, str], ...]:
    # Nothing inline, nothing of another host; forms go back to where they came from.
    policy = [
        "default-src 'none'",
        "script-src 'self'" if has_script else "",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'" if has_script else "",
        f"form-action 'self' {forms}".rstrip(),
        "base-uri 'none'",
        f"frame-ancestors {frames}",
    ]
    found = [
        ("Content-Security-Policy", "; ".join(part for part in policy if part)),
        # Not `no-referrer`: with it a browser sends `Origin: null` with our own forms.
        ("Referrer-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]
    if frames == "'none'":
        found.append(("X-Frame-Options", "DENY"))
    return tuple(found)
