"""One cookie, read and written without Werkzeug's parts for all cookies: the session's.

Werkzeug parses the whole Cookie field into a multi-dictionary, 15 us with one small session in
it, and puts each Set-Cookie together from its settings, 10 us. Both are the same from request
to request but for the value. Where a field is out of the ordinary Werkzeug is asked; property
tests hold both together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from werkzeug.http import dump_cookie

# What a cookie's name may be made of, here: ASCII without what ends it.
_NAME = re.compile(r"[!-~]+").fullmatch

Find = Callable[[str], "str | None"]
Compose = Callable[[str, "str | None"], str]


def make_finder(name: str) -> Find:
    """Return a function: Cookie field -> value of the first cookie of that name.

    It returns "" where there is none, and None where Werkzeug is to be asked: for a field with
    quotes or beyond ASCII. Raises ValueError for a name that it cannot look for.
    """
    if not _NAME(name) or set(name) & set('=";'):
        raise ValueError(f"{name!r} is out of the ordinary for a cookie's name")
    # No quotes, so each semicolon ends a cookie. Nothing is tried twice (`*+`): however long the
    # field is, it costs no more than its length.
    search = re.compile(
        rf"(?:^|;)[ \t]*+{re.escape(name)}[ \t]*+(?:=[ \t]*+([^ \t;]*+)[ \t]*+)?(?:;|\Z)"
    ).search

    def find(field: str) -> str | None:
        if '"' in field or not field.isascii():
            return None
        found = search(field)
        return "" if found is None else found[1] or ""

    return find


def make_composer(name: str, **scope: Any) -> Compose:
    """Return a function: value, date of expiry or None -> what `dump_cookie` returns for them.

    `scope` are further arguments of `dump_cookie`, without `max_age`. The value may hold
    letters, digits and `-_.`. Raises ValueError for settings that it cannot do it for, and what
    `dump_cookie` raises.
    """
    sample = dump_cookie(name, "v", expires="e", max_size=0, **scope)
    before, *after = sample.split("; Expires=e")
    start = f"{name}="
    if len(after) != 1 or not before.startswith(f"{start}v"):
        raise ValueError(f"{sample!r} is out of the ordinary for a cookie")
    domain = before[len(start) + 1 :]
    end = after[0]
    unlimited = domain + end

    def compose(value: str, expires: str | None) -> str:
        if expires is None:
            return start + value + unlimited
        return f"{start}{value}{domain}; Expires={expires}{end}"

    return compose
