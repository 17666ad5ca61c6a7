"""Hypothesis strategies for requests: an app's own words, bent, mixed with noise."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import strategies as st

from .catalog import Subject
from .harness import Call

METHODS = st.sampled_from(
    (
        "GET",
        "GET",
        "GET",
        "POST",
        "POST",
        "HEAD",
        "OPTIONS",
        "PUT",
        "DELETE",
        "PATCH",
        "TRACE",
        "get",
        "MKCOL",
    )
)
LATIN = st.text(st.characters(max_codepoint=255, exclude_categories=("Cc",)), max_size=12)
NOISE_HEADERS = st.sampled_from(
    (
        "Accept",
        "Cookie",
        "X-Thing",
        "Range",
        "If-None-Match",
        "Authorization",
        "Content-Type",
        "Origin",
        "X_Y",
    )
)
TAILS = ("", "", "/", "//", "x", "/x", "%2F", "%FF", ".", "/..", "?", "%00", ";a=b", " ")
NOISE_TYPES = (
    "",
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b0",
    "x/y",
)


def paths(topic: Subject) -> st.SearchStrategy[str]:
    """Mostly the app's own paths; some with a bent tail, some invented."""
    own = st.sampled_from(topic.paths)
    bent = st.builds(lambda p, t: p + t, own, st.sampled_from(TAILS))
    doubled = st.builds(lambda p, n: p.replace("/", "//", n), own, st.integers(1, 2))
    invented = st.text(max_size=10).map(lambda t: "/" + quote(t, errors="replace"))
    return st.one_of(own, own, own, bent, doubled, invented)


def queries(topic: Subject) -> st.SearchStrategy[str]:
    own = st.sampled_from(topic.queries or ("",))
    return st.one_of(own, own, LATIN)


def headers(topic: Subject) -> st.SearchStrategy[tuple[tuple[str, str], ...]]:
    noise = st.tuples(NOISE_HEADERS, LATIN)
    one = st.one_of(st.sampled_from(topic.headers), noise) if topic.headers else noise
    return st.lists(one, max_size=3, unique_by=lambda h: h[0]).map(tuple)


def bodies(topic: Subject) -> st.SearchStrategy[tuple[str, bytes]]:
    noise = st.tuples(st.sampled_from(NOISE_TYPES), st.binary(max_size=30))
    nothing = st.just(("", b""))
    return st.one_of(nothing, st.sampled_from(topic.bodies) if topic.bodies else nothing, noise)


@st.composite
def calls(draw: st.DrawFn, topic: Subject) -> Call:
    kind, body = draw(bodies(topic))
    chosen = draw(headers(topic))
    if kind:
        chosen = (("Content-Type", kind), *(h for h in chosen if h[0] != "Content-Type"))
    return Call(
        method=draw(METHODS),
        path=draw(paths(topic)),
        query=draw(queries(topic)),
        headers=chosen,
        body=body,
        host=draw(st.sampled_from(topic.hosts)),
        scheme=draw(st.sampled_from(("http", "http", "https"))),
        root=draw(st.sampled_from(("", "", "/mount"))),
    )


def conversations(topic: Subject) -> st.SearchStrategy[list[Call]]:
    """One to four requests from one client."""
    return st.lists(calls(topic), min_size=1, max_size=4)
