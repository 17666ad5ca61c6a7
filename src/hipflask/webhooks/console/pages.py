"""Makes the console's pages: our templates in an environment of their own, and strict headers."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from ...database.states import State
from ...helpers import url_for
from ...wrappers import Response
from .. import moments
from ..display import visible

NAME = "hipflask_hooks"
_HERE = Path(__file__).parent
# Nothing inline, nothing of another host, no frames; forms go back to where they came from.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def page(template: str, code: int = 200, **names: Any) -> Response:
    """A page that no cache keeps: it shows what people sent."""
    text = _environment().get_template(template).render(names)
    return Response(text, code, mimetype="text/html", headers=list(guarding_headers()))


def guarding_headers() -> list[tuple[str, str]]:
    """What every answer of the console says to browsers."""
    return [
        ("Content-Security-Policy", _POLICY),
        # Not `no-referrer`: with it a browser sends `Origin: null` with our own forms.
        ("Referrer-Policy", "same-origin"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
    ]


def link(endpoint: str, **values: Any) -> str:
    """The address of a page of the console."""
    return url_for(f"{NAME}.{endpoint}", **values)


def asset(name: str) -> str:
    """The address of a stylesheet or script, which changes with its bytes."""
    return url_for(f"{NAME}.static", filename=name, v=_digest(name))


@functools.cache
def _digest(name: str) -> str:
    return hashlib.sha256((_HERE / "static" / name).read_bytes()).hexdigest()[:12]


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, FileSystemLoader  # only who looks at a page pays for it

    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        moment=moments.dump_moment,
        iso=moments.dump_iso,
        span=moments.dump_span,
        number=_number,
        visible=visible,
    )
    environment.globals.update(
        link=link, asset=asset, states=tuple(State), settled=(State.DONE, State.FILTERED)
    )
    return environment


def _number(value: int) -> str:
    """With narrow no-break spaces between thousands: 1 234 567."""
    return f"{value:,}".replace(",", "\u202f")
