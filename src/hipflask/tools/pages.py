"""Makes a tool's pages: our templates in an environment of their own, and strict headers."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from ..helpers import url_for
from ..wrappers import Response
from .cells import cell_of, visible

_HERE = Path(__file__).parent
# Nothing inline, nothing of another host, no frames; forms go back to where they came from.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class Look:
    """How the pages of one blueprint are made."""

    def __init__(self, name: str, templates: Path, **options: Any) -> None:
        self.name = name
        self._templates = templates
        self._names: dict[str, Any] = options.get("names", {})
        self._filters: dict[str, Any] = options.get("filters", {})

    def add_to(self, blueprint: Any) -> None:
        """Have the blueprint serve the stylesheet and the script, to everybody."""

    def page(self, template: str, code: int = 200, *, forms: str = "", **names: Any) -> Response:
        """A page that no cache keeps."""
        text = self.environment.get_template(template).render(names)
        return Response(text, code, mimetype="text/html", headers=self.headers())

    def headers(self, forms: str = "") -> list[tuple[str, str]]:
        """What every answer says to browsers."""
        return [
            ("Content-Security-Policy", _POLICY),
            # Not `no-referrer`: with it a browser sends `Origin: null` with our own forms.
            ("Referrer-Policy", "same-origin"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ]

    def link(self, endpoint: str, **values: Any) -> str:
        """The address of a page."""
        return url_for(f"{self.name}.{endpoint}", **values)

    def asset(self, name: str) -> str:
        """The address of a stylesheet or script, which changes with its bytes."""
        digest = hashlib.sha256((_HERE / "static" / name).read_bytes()).hexdigest()[:12]
        return url_for(f"{self.name}.static", filename=name, v=digest)

    @functools.cached_property
    def environment(self) -> Any:
        """Jinja's, made when the first page is asked for."""
        from jinja2 import Environment, FileSystemLoader  # only who looks at a page pays for it

        environment = Environment(
            loader=FileSystemLoader(self._templates),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(visible=visible, number=lambda value: f"{value:,}")
        environment.filters.update(self._filters)
        environment.globals.update(link=self.link, **self._names)
        return environment


def look_of(tool: Any) -> Look:
    """The look of a tool's pages."""
    return Look(
        tool.endpoint,
        _HERE / "templates",
        filters={"cell": cell_of},
        names={"tool": tool, "here": ""},
    )
