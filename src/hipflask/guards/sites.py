"""Origins, as browsers send them: scheme, host and port (RFC 6454, 6.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..scaffold import SetupError

_form = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?\Z").match
_PORTS = {"http": "80", "https": "443"}


def is_own(origin: str, host: str | None) -> bool:
    """Whether an Origin is the site that a Host names; `null` is none.

    The scheme is not compared: behind a proxy that ends TLS it is not known.
    """
    found = _form(origin.lower())
    if found is None or host is None:
        return False
    scheme, name, port = found.groups()
    return _without_port(host.lower(), _PORTS[scheme]) == (
        name if port is None or port == _PORTS[scheme] else f"{name}:{port}"
    )


def _without_port(host: str, port: str) -> str:
    return host.removesuffix(f":{port}")


def checked_origins(origins: Iterable[Any], where: str) -> frozenset[str]:
    """The origins as browsers send them; SetupError for what is none."""
    given = [origins] if isinstance(origins, str) else list(origins)
    for origin in given:
        found = _form(origin) if isinstance(origin, str) else None
        if found is None or found[3] == _PORTS[found[1]]:
            raise SetupError(
                f"{where} has {origin!r}, which no browser sends as an origin: write scheme and"
                " host in lower case, a port only where it is not the usual one, and nothing"
                " behind, as in 'https://shop.example'."
            )
    return frozenset(given)
