"""Header fields on their way through: what belongs to one connection ends here. Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

#: Fields about one connection, which go no further. RFC 9110, 7.6.1
HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-authentication-info",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
    )
)
#: Who the client is said to be: said by us, so what it said itself is dropped.
SAID_BY_US = frozenset(
    (
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-port",
        "x-forwarded-prefix",
        "x-real-ip",
    )
)
# Asked of the server in front of us, which has answered it; and what is set anew.
_ANSWERED_HERE = frozenset(("expect", "host", "content-length"))
_NEVER_DROPPED = frozenset(("host", "content-length", "content-type", "authorization", "cookie"))

Pairs = list[tuple[str, str]]


def named_in_connection(fields: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The names that the Connection fields say are for this connection only.

    Names that carry the request itself are not believed: a client could take away what the
    service behind decides by.
    """
    named = {
        word.strip().lower()
        for name, value in fields
        if name.lower() == "connection"
        for word in value.split(",")
    }
    return frozenset(named - _NEVER_DROPPED - {""})


def request_fields(
    fields: Iterable[tuple[str, str]],
    *,
    client: str | None,
    host: str,
    scheme: str,
    prefix: str = "",
    drop: Iterable[str] = (),
) -> Pairs:
    """The fields of a request as they are sent on: end to end ones, and who asked for what.

    `client`, `host` and `scheme` are what the application takes for true; `prefix` is the part
    of the path that was taken off. `drop` names further fields to leave out, in lower case.
    """
    pairs = list(fields)
    left_out = (
        HOP_BY_HOP | SAID_BY_US | _ANSWERED_HERE | named_in_connection(pairs) | frozenset(drop)
    )
    made = [(name, value) for name, value in pairs if name.lower() not in left_out]
    seen = next((value for name, value in pairs if name.lower() == "via"), None)
    made = [pair for pair in made if pair[0].lower() != "via"]
    made.append(("Via", "1.1 hipflask" if seen is None else f"{seen}, 1.1 hipflask"))
    told = [f"host={_quoted(host)}", f"proto={_quoted(scheme)}"]
    if client is not None:
        made.append(("X-Forwarded-For", client))
        node = f"[{client}]" if ":" in client else client
        told.insert(0, f"for={_quoted(node)}")
    made += [("X-Forwarded-Host", host), ("X-Forwarded-Proto", scheme)]
    if prefix:
        made.append(("X-Forwarded-Prefix", prefix))
    made.append(("Forwarded", ";".join(told)))
    return made


def answer_fields(fields: Iterable[tuple[str, str]], base: str, here: str) -> Pairs:
    """The fields of an answer as they are sent back.

    A Location at `base`, the address of the service behind, becomes one at `here`, which is
    how the client sees it.
    """
    pairs = list(fields)
    left_out = HOP_BY_HOP | named_in_connection(pairs)
    made = []
    for name, value in pairs:
        lower = name.lower()
        if lower in left_out:
            continue
        if lower in ("location", "content-location"):
            value = turn_back(value, base, here)
        made.append((name, value))
    return made


def turn_back(location: str, base: str, here: str) -> str:
    """`location` with the origin of `base` replaced by `here`; others are left alone."""
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(base))
    rest = location.removeprefix(origin)
    if rest == location or (rest and rest[0] not in "/?#"):
        return location
    return here.rstrip("/") + rest


def _quoted(text: str) -> str:
    if text and all(mark.isalnum() or mark in "!#$%&'*+-.^_`|~" for mark in text):
        return text
    kept = text.replace("\\", "").replace('"', "")
    return f'"{kept}"'
