"""The sheet in Chromium: on a desk and a phone, light and dark, axe, and on one printed page."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hipflask.assess import sheet
from hipflask.assess.assessing import Asked, assess
from hipflask.assess.model import Assessment, Gap, Line

from ..checks.projects import TODAY, copy_app

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
axe_package = pytest.importorskip(
    "axe_playwright_python", reason="pip install axe-playwright-python"
)

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")

AXE = next(Path(axe_package.__file__).parent.rglob("axe.min.js")).read_text(encoding="utf-8")
SIZES = {"phone": (375, 800), "desk": (1280, 900)}
#: Pictures to look at are put there.
PICTURES = os.environ.get("HIPFLASK_TEST_PICTURES")


@pytest.fixture(scope="module")
def assessments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Assessment]:
    folder = copy_app("notes", tmp_path_factory.mktemp("sheet"))
    small = assess(Asked(app="app", start=folder, today=TODAY, limit_s=120, effort=True))
    return {"small": small, "large": enlarged(small)}


def enlarged(made: Assessment) -> Assessment:
    """The same with more of everything than a sheet can name."""
    gap = Gap(where="PATCH /regions/<region>/warehouses/<int:number>/shelves", unit="model",
              what="is not declared, and answers a wrong type with text/html")  # fmt: skip
    line = Line(label="routes that answer at all", value=120, of=148, source="url_map")
    change = msgspec.structs.replace
    return change(
        made,
        app="acme_logistics.warehouses.application",
        question="Can the night shift book incoming goods without the host, and by how much is it"
        " faster than the list on paper?",
        success="nine of ten deliveries are booked within two minutes, over four weeks",
        owner="team-warehouse",
        decide_by="2027-01-15",
        dimensions=[
            change(one, gaps=[gap] * 40, lines=[*one.lines, *[line] * 9])
            for one in made.dimensions
        ],
        signals=[
            change(one, value=999, prompt="stay, split by blueprint into two services, or move?")
            for one in made.signals
        ],
    )  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


@pytest.fixture(params=["small", "large"])
def page(
    request: pytest.FixtureRequest, browser: Any, assessments: dict[str, Assessment], tmp_path: Path
) -> Iterator[Any]:
    file = tmp_path / f"{request.param}.html"
    file.write_text(sheet.as_page(assessments[request.param]), encoding="utf-8")
    # axe is put in by the test; the page's own policy would keep it out.
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(60_000)
    opened = context.new_page()
    opened.goto(file.as_uri())
    yield opened
    context.close()


def test_it_fits_and_axe_finds_nothing(page: Any) -> None:
    page.evaluate(AXE)
    for name, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            if PICTURES:
                file = f"{PICTURES}/{Path(page.url).stem}-{name}-{scheme}.png"
                page.screenshot(path=file, full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            found = page.evaluate("axe.run()")["violations"]
            assert [one["id"] for one in found] == []


OVERLAPS = """() => [...document.querySelectorAll("th, td, dt, dd")].filter(one => {
  const text = document.createRange(), cell = one.getBoundingClientRect();
  text.selectNodeContents(one);
  return text.getBoundingClientRect().right > cell.right + 1;
}).map(one => one.textContent)"""


@pytest.mark.parametrize("medium", ["screen", "print"])
def test_no_cell_runs_into_the_next(page: Any, medium: str) -> None:
    page.emulate_media(media=medium)
    for width, height in SIZES.values():
        page.set_viewport_size({"width": width, "height": height})
        assert page.evaluate(OVERLAPS) == []


def test_headings_of_the_table_are_of_one_line(page: Any) -> None:
    page.set_viewport_size({"width": 800, "height": 800})
    row = page.locator("thead tr").evaluate("row => row.getBoundingClientRect().height")
    assert 0 < row < 40


def test_a_phone_shows_the_whole_table_as_a_table(page: Any) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    rows = page.get_by_role("row").filter(has=page.get_by_role("rowheader"))
    assert rows.count() == page.get_by_role("rowheader").count() == 10
    assert page.get_by_role("columnheader").count() == 4
    assert page.locator("tbody td").first.bounding_box()["width"] > 300


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_it_is_printed_on_one_sheet(page: Any, paper: str, tmp_path: Path) -> None:
    made = page.pdf(format=paper)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", made)) == 1
    if PICTURES:
        Path(PICTURES, f"{Path(page.url).stem}-{paper}.pdf").write_bytes(made)


def test_the_page_asks_for_nothing_and_its_style_is_let_in(
    browser: Any, assessments: dict[str, Assessment], tmp_path: Path
) -> None:
    file = tmp_path / "sheet.html"
    file.write_text(sheet.as_page(assessments["small"]), encoding="utf-8")
    context = browser.new_context()
    opened, asked, wrong = context.new_page(), [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("console", lambda message: wrong.append(message.text))
    opened.goto(file.as_uri())
    columns = opened.locator(".ways").evaluate("one => getComputedStyle(one).display")
    context.close()
    assert (asked, wrong, columns) == ([file.as_uri()], [], "grid")
