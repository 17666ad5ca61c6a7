"""The documentation as a site: every link leads somewhere, every public name is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

pytest.importorskip("markdown_it", reason="pip install 'hipflask[site]'")

from scripts.docsite import reading, reference
from scripts.docsite.building import build
from scripts.docsite.checking import check
from scripts.docsite.reading import PageError
from scripts.docsite.rendering import render

from .reader import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    return folder, build(folder)


def test_site_has_no_fault(site):
    folder, built = site
    found = check(folder)
    assert found.faults == []
    assert found.pages > 60 and found.internal > 1000 and found.anchors > 200
    assert built.names > 300 and built.paths > 20


def test_every_markdown_page_is_on_the_site_and_in_its_navigation(site):
    folder, _ = site
    home = (folder / "index.html").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        address = reading.address_of(page.relative_to(ROOT).as_posix())
        assert (folder / address).is_file()
        if page.name != "README.md":
            assert f'href="{address}"' in home, f"docs/README.md has no link to {address}"
    linked = re.findall(r"\]\(([^)]+)\)", (ROOT / "docs" / "README.md").read_text("utf-8"))
    assert len(linked) == len(set(linked)), "docs/README.md has a link twice"


def test_planted_fault_ends_with_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scripts.docsite", str(tmp_path / "site")],
        cwd=ROOT,
        env={**os.environ, "FAULT": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "index.html: the link no-such-page.md leads to no-such-page.md" in done.stderr


def test_reference_tells_every_name_of_the_packages_that_pages_use(site):
    folder, _ = site
    sources, _ = reading.read_sources()
    modules = {module.name: module for module in reference.read_modules(sources)}
    for name in ("hipflask", "hipflask.api", "hipflask.security", "hipflask.webhooks"):
        page = (folder / reading.REFERENCE / f"{name}.html").read_text(encoding="utf-8")
        for entry in modules[name].entries:
            assert f'id="{entry.name}"' in page
    told = {entry.name for entry in modules["hipflask"].entries}
    assert {"Flask", "Blueprint", "request", "abort", "sse"} <= told
    flask = next(entry for entry in modules["hipflask"].entries if entry.name == "Flask")
    assert {"route", "run", "test_client"} <= {member.name for member in flask.members}


def test_anchors_are_those_of_github():
    shown = render("# One\n\n## `db` and *more*: it's\n\n## Same\n\n## Same\n").html
    assert re.findall(r'id="([^"]+)"', shown) == ["one", "db-and-more-its", "same", "same-1"]


def test_a_file_has_its_name_above_it_and_comments_are_not_shown():
    shown = render("<!-- file: shop.py -->\n```python\nx = 1\n```\n\n<!-- made -->\n").html
    assert "<figcaption>shop.py</figcaption>" in shown
    assert "<!--" not in shown


def test_a_table_without_headings_has_no_head():
    assert "<thead>" not in render("| | |\n|---|---|\n| a | b |\n").html
    assert "<th></th>" not in render("| | x |\n|---|---:|\n| a | b |\n").html


def test_raw_html_is_refused():
    with pytest.raises(PageError, match="a.md: raw HTML"):
        render("<div>x</div>\n", "a.md")


def test_links_between_pages_lead_to_pages():
    shown = render(
        "[a](../why/b.md#c) [d](https://e.f/)", "docs/do/a.md", frozenset({"docs/why/b.md"})
    )
    assert 'href="../why/b.html#c"' in shown.html
    assert 'href="https://e.f/" rel="noreferrer"' in shown.html


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<h1>x</h1><a href="gone.html">x</a>', "gone.html, which is not there"),
        ('<h1>x</h1><a href="#gone">x</a>', "a place that a.html has not"),
        ('<h1>x</h1><a href="../a.html">x</a>', "out of the site"),
        ('<h1>x</h1><a href="http://example.org/">x</a>', "not https"),
        ('<h1 style="color: red">x</h1>', "style or script"),
        ('<h1 onclick="x()">x</h1>', "style or script"),
        ("<h1>x</h1><script>x()</script>", "a script within"),
        ('<h1>x</h1><script src="https://cdn.example/x.js"></script>', "loaded from elsewhere"),
        ('<h1>x</h1><img src="a.html">', "no text"),
        ('<h1 id="a">x</h1><p id="a">', "there twice"),
        ("<p>x</p>", "0 headings"),
    ],
)
def test_check_finds_what_is_wrong(body, words, tmp_path):
    (tmp_path / "a.html").write_text(body, encoding="utf-8")
    faults = check(tmp_path).faults
    assert any(words in fault for fault in faults), faults
