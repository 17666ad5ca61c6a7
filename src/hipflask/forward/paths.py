"""A path put behind a destination's address, so that it cannot lead anywhere else. Sans-IO."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

#: What of a path stays as it is; all else is written with percent signs. RFC 3986, 3.3
_KEPT = "/:@!$&'()*+,;=-._~%"
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class UnsafePath(ValueError):
    """A path that may lead to another place than the destination it was given for."""


def join_path(base: str, path: str, query: str = "") -> str:
    """The address of `path` below `base`, with `query` behind it.

    `path` is a path and nothing else: raises UnsafePath where it has a scheme, a host, "//", a
    dot segment (written with percent signs or not), a backslash or a control character. It may
    have a query of its own. A path that is not ASCII is written as UTF-8.

        join_path("https://ledger.example/v2", "/entries")   # https://ledger.example/v2/entries
    """
    if not isinstance(path, str):
        raise UnsafePath(f"A path is text, and this one is {path!r}.")
    own, mark, rest = path.partition("?")
    if mark:
        query = f"{rest}&{query}" if query else rest
    _check(own, path)
    found = _BAD_PERCENT.sub("%25", own)
    if own and not own.startswith("/"):
        found = f"/{found}"
    where = base.rstrip("/") + quote(found, safe=_KEPT)
    return f"{where}?{_check_query(query, path)}" if query else where


def _check(own: str, path: str) -> None:
    why = None
    if _CONTROL.search(path):
        why = "a control character or space in it"
    elif "\\" in own:
        why = "a backslash in it, which some servers take for a slash"
    elif "#" in path:
        why = "a fragment"
    elif "//" in own:
        why = "two slashes in a row, behind which a host may stand"
    elif not own.startswith("/") and ":" in own.partition("/")[0]:
        why = "a scheme"
    else:
        why = _find_dots(own)
    if why is not None:
        raise UnsafePath(
            f"The path {path!r} has {why}. Give a path below the destination, such as"
            " '/entries'; which host is called is said in the configuration alone."
        )


def _find_dots(own: str) -> str | None:
    """What is wrong once percent signs are read, as often as a server behind may read them."""
    seen = own.encode("utf-8", "surrogatepass")
    for _ in range(3):
        segments = seen.replace(b"\\", b"/").split(b"/")
        if any(segment.partition(b";")[0] in (b".", b"..") for segment in segments):
            return "a dot segment, which leads out of it"
        if any(byte < 0x20 or byte == 0x7F for byte in seen):
            return "a control character, written with percent signs"
        read = unquote_to_bytes(seen)
        if read == seen:
            break
        seen = read
    return None


def _check_query(query: str, path: str) -> str:
    if _CONTROL.search(query) or "#" in query:
        raise UnsafePath(f"The query of {path!r} has a space, control character or '#' in it.")
    return quote(query, safe=_KEPT + '?[]|"{}^`<>\\')
