"""Where a client may be sent that says itself where it wants to go: `?next=/orders/7`.

A browser reads such a text by the URL Standard (url.spec.whatwg.org), not as `urllib.parse`
does: it drops tabs and line breaks, takes a backslash for a slash, and `//host` for another
host. So only what is read in one way by everybody passes; anything else is the fallback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from werkzeug.wrappers import Response as ResponseBase

from ..helpers import redirect

# Longer ones do not fit into what most servers take of a URL.
LONGEST = 2048

# One slash, then nothing that would make a host of what follows, and no character that a
# browser, a proxy or a log might drop: controls, space, backslash, quotation marks, brackets.
_is_path = re.compile(
    r"""/(?![/\\])[^\x00-\x20\\"<>^`{|}\x7f-\xa0\u2028\u2029\ud800-\udfff]*\Z"""
).match
# Dot segments that a proxy may take away, so that two slashes come to stand first.
_has_dots = re.compile(r"/(?:\.|%2e){1,2}/", re.IGNORECASE).search
_end = re.compile(r"[?#]").search
_split = re.compile(r"(https?://[a-z0-9.-]+(?::[0-9]{1,5})?)(/.*)?\Z", re.IGNORECASE).match


def is_local(target: str | None) -> bool:
    """Whether it is a path on this very site, for every browser: "/orders/7?page=2#top"."""
    if target is None or len(target) > LONGEST or _is_path(target) is None:
        return False
    end = _end(target)
    path = target if end is None else target[: end.start()]
    return "//" not in path or _has_dots(path) is None


def safe_next(target: str | None, fallback: str = "/", *, origins: Iterable[str] = ()) -> str:
    """`target` if it is a path on this site, else `fallback`, which is not judged.

    `origins` are sites that may be gone to as well, exactly as ("https://shop.example",).

        return redirect(safe_next(request.args.get("next"), url_for("index")))
    """
    if target is None or is_local(target):
        return fallback if target is None else target
    found = _split(target) if len(target) <= LONGEST else None
    if found is not None and found[1].lower() in {origin.lower() for origin in origins}:
        path = found[2]
        if path is None or is_local(path):
            return target
    return fallback


def redirect_local(
    target: str | None, code: int = 302, *, fallback: str = "/", origins: Iterable[str] = ()
) -> ResponseBase:
    """`redirect` to where the client asked to go, or to `fallback`: see `safe_next`."""
    return redirect(safe_next(target, fallback, origins=origins), code)
