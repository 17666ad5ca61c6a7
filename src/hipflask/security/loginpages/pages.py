"""Makes the pages: our templates in an environment of their own, and strict headers."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any

from ...helpers import url_for
from ...wrappers import Response

NAME = "hipflask_login"
_HERE = Path(__file__).parent
# Nothing inline, nothing of another host, no frames, no script at all.
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'{forms};"
    " base-uri 'none'; frame-ancestors 'none'"
)


def page(template: str, code: int = 200, *, forms: str = "", **names: Any) -> Response:
    """A page that no cache keeps. `forms` is an origin that logging out may lead to."""
    text = _environment().get_template(template).render(names)
    response = Response(text, code, mimetype="text/html")
    response.headers.extend(
        {
            "Content-Security-Policy": _POLICY.format(forms=forms and f" {forms}"),
            # Not `no-referrer`: with it a browser sends `Origin: null` with our own forms.
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
    )
    return response


def link(endpoint: str, **values: Any) -> str:
    """The address of one of the login's pages."""
    return url_for(f"{NAME}.{endpoint}", **values)


def _asset(name: str) -> str:
    """The address of a stylesheet, which changes with its bytes."""
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
    environment.globals.update(link=link, asset=_asset)
    return environment
