from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask.forward import UnsafePath, join_path

BASE = "https://ledger.example:8443/v2"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/entries", "/v2/entries"),
        ("entries", "/v2/entries"),
        ("", "/v2"),
        ("/", "/v2/"),
        ("/a/b:run", "/v2/a/b:run"),
        ("/a b".replace(" ", "%20"), "/v2/a%20b"),
        ("/Zoë", "/v2/Zo%C3%AB"),
        ("/100%", "/v2/100%25"),
        ("/entries?x=1&y=/../z", "/v2/entries?x=1&y=/../z"),
        ("/a..b/...", "/v2/a..b/..."),
        ("@evil.example", "/v2/@evil.example"),
    ],
)
def test_a_path_goes_below_the_address(path: str, expected: str) -> None:
    assert join_path(BASE, path) == f"https://ledger.example:8443{expected}"


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/a//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "mailto:a@b",
        "/../admin",
        "/a/../../admin",
        "..",
        "/.",
        "/%2e%2e/admin",
        "/%252e%252e/admin",
        "/%2e./admin",
        "/..%2fadmin",
        "/a/..;/admin",
        "/..%5cadmin",
        "/a\r\nHost: evil.example",
        "/a%0d%0aHost:%20evil.example",
        "/a b",
        "/a\tb",
        "/a\0",
        "/a#b",
        "/a?b#c",
        "/a?b c",
        "/a?b\r\nX: 1",
    ],
)
def test_what_may_lead_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(UnsafePath):
        join_path(BASE, path)


def test_a_query_goes_behind_the_paths_own() -> None:
    assert join_path(BASE, "/a?b=1", "c=2").endswith("/v2/a?b=1&c=2")
    assert join_path(BASE, "/a", "c=ü").endswith("/v2/a?c=%C3%BC")
    assert join_path(BASE + "/", "/a") == f"{BASE}/a"


def test_a_path_is_text() -> None:
    with pytest.raises(UnsafePath):
        join_path(BASE, b"/a")  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_whatever_the_path_the_host_stays(path: str) -> None:
    try:
        made = join_path(BASE, path)
    except UnsafePath:
        return
    parts = urlsplit(made)
    assert (parts.scheme, parts.netloc) == ("https", "ledger.example:8443")
    assert parts.path.startswith("/v2") and ".." not in parts.path.split("/")
    assert made.isascii() and made.isprintable()
