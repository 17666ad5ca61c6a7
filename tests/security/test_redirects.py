"""Where a client may be sent that names the place itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask, request
from hipflask.security import is_local, redirect_local, safe_next

STAYS = ["/", "/orders/7", "/orders?page=2#top", "/caf\xe9", "/a//b", "/a:b", "/@x"]
STAYS += ["/?next=//h/../", "/%2f%2fevil.example", "/.well-known/x", "/a/./b", "/%5cevil.example"]

LEAVES = """
//evil.example ///evil.example ////evil.example /\\evil.example \\\\evil.example \\/evil.example
https://evil.example http:evil.example https:evil.example https:/evil.example http:///evil.example
javascript:alert(1) data:text/html,x vbscript:x blob:x file:///etc/passwd evil.example ?page=2 #top
/.//evil.example /..//evil.example /%2e//evil.example /%2E%2e//evil.example /a/../..//evil.example
/\\/evil.example /a\\b https://shop.example@evil.example https://evil.example#@shop.example
https://shop.example.evil.example https://shop.example:443@evil.example //shop.example
""".split()
LEAVES += ["", " /x", "\t/x", "/\t/evil.example", "/\n/evil.example", "/\r\n/evil.example"]
LEAVES += ["\x00/x", "/x\x00", "\x01//evil.example", "/x\r\nSet-Cookie: a=b", "/a b", "/\x7f"]
LEAVES += ["\u2028/x", "/x\u2028", "/\x85x", "\xa0//evil.example", "/\ud800", "/" + "a" * 3000]
LEAVES += ["java\nscript:alert(1)", " javascript:alert(1)", "ht\ntps://evil.example", "/<script>"]


@pytest.mark.parametrize("target", STAYS)
def test_a_path_of_this_site_is_gone_to(target: str) -> None:
    assert is_local(target)
    assert safe_next(target, "/home") == target


@pytest.mark.parametrize("target", LEAVES)
def test_whatever_may_lead_elsewhere_is_the_fallback(target: str) -> None:
    assert not is_local(target)
    assert safe_next(target, "/home") == "/home"
    assert safe_next(target, "/home", origins=["https://shop.example"]) == "/home"


def test_no_target_is_the_fallback() -> None:
    assert not is_local(None)
    assert safe_next(None) == "/"


def test_an_origin_that_is_named_may_be_gone_to() -> None:
    origins = ["https://shop.example", "http://localhost:8000"]
    for target in ("https://shop.example", "https://SHOP.example/a?b#c", "http://localhost:8000/"):
        assert safe_next(target, "/home", origins=origins) == target
    for target in ("http://shop.example/", "https://shop.example:8443/", "https://shop.example\\x"):
        assert safe_next(target, "/home", origins=origins) == "/home"
    assert safe_next("https://shop.example//x", "/home", origins=origins) == "/home"


def as_a_browser_reads(target: str) -> tuple[str, str]:
    """Scheme and host of a reference on https://here.example/, by the URL Standard, roughly."""
    text = target.strip("".join(map(chr, range(0x21))))
    text = "".join(character for character in text if character not in "\t\n\r")
    scheme, colon, rest = text.partition(":")
    if colon and scheme.isascii() and scheme.replace("+", "a").replace("-", "a").isalnum():
        return scheme.lower(), rest.replace("\\", "/").lstrip("/").partition("/")[0]
    text = text.replace("\\", "/")
    if text.startswith("//"):
        return "https", text.lstrip("/").partition("/")[0]
    return "https", "here.example"


@given(st.text(alphabet="/\\.:@?#%2ef5c \t\n\r\x00\x7fhtpsajvr\u2028", max_size=24))
def test_what_passes_stays_here_for_a_browser(target: str) -> None:
    if is_local(target):
        assert as_a_browser_reads(target) == ("https", "here.example")


def test_redirect_local_answers() -> None:
    app = Flask(__name__)

    @app.get("/login")
    def login():
        return redirect_local(request.args.get("next"), 303, fallback="/home")

    client = app.test_client()
    assert client.get("/login?next=/orders/7").headers["Location"] == "/orders/7"
    answer = client.get("/login?next=//evil.example")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/home")
