"""Refuses forms that another site has sent in somebody's name.

Browsers send with each POST where it comes from: `Sec-Fetch-Site`, and `Origin`. Programs that
send neither hold their credentials in a header field of their own, which no site can add.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from werkzeug.exceptions import Forbidden


def check_origin(request: Any, also: str = "") -> None:
    """Raise 403 for a request that a page of another origin made.

    `also` is a further value of `Sec-Fetch-Site` that passes: `none` is a request that no page
    made, a bookmark or a reload of what was sent.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site != "same-origin" and (not also or site != also):
            raise Forbidden("This form was sent by another site.")
        return
    origin = request.headers.get("Origin")
    if origin is not None and _host_of(origin) != request.host.lower():
        raise Forbidden("This form was sent by another site.")


def _host_of(origin: str) -> str | None:
    """Host and port of an origin; None for `null`, and for what is none."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") else None
