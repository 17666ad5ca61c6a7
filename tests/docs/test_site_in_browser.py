"""The site in Chromium, opened from the disk: phone and desk, light and dark, axe, no scripts."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytest.importorskip("markdown_it", reason="pip install 'hipflask[site]'")
axe_package = pytest.importorskip(
    "axe_playwright_python", reason="pip install axe-playwright-python"
)

from scripts.docsite.building import build  # noqa: E402  # needs what is skipped without

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")

AXE = next(Path(axe_package.__file__).parent.rglob("axe.min.js"))
PAGES = (
    "index.html",
    "docs/learn/first-service.html",
    "docs/why/dependencies.html",
    "docs/lookup/api/hipflask.state.html",
    "docs/why/what-we-refuse.html",
)
PHONE, DESK = {"width": 375, "height": 800}, {"width": 1280, "height": 900}
#: Pictures to look at are put there.
PICTURES = os.environ.get("HIPFLASK_TEST_PICTURES")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build(folder)
    return folder


@pytest.fixture(scope="module")
def browser():
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield found
        found.close()


@contextmanager
def tab(browser, size, scheme="light", **options):
    context = browser.new_context(viewport=size, color_scheme=scheme, **options)
    context.set_default_timeout(60_000)
    page = context.new_page()
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def picture(page, name):
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_pages_fit(size, scheme, browser, site):
    with tab(browser, size, scheme) as page:
        for name in PAGES:
            page.goto((site / name).as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], name
            picture(page, f"{name.replace('/', '-')}-{size['width']}-{scheme}")


# A page of tables takes axe seconds; colours differ by scheme and places by size, so two of the
# four have both.
@pytest.mark.parametrize(
    ("size", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["phone", "desk"]
)
def test_axe_finds_nothing(size, scheme, browser, site):
    with tab(browser, size, scheme) as page:
        for name in PAGES:
            page.goto((site / name).as_uri())
            page.add_script_tag(path=AXE)
            # Its preload fetches, which a page opened from the disk may not.
            violations = page.evaluate("axe.run({preload: false})")["violations"]
            found = [(name, each["id"], each["nodes"][0]["html"][:200]) for each in violations]
            assert found == []


def test_search_finds_without_a_server(browser, site):
    with tab(browser, DESK) as page:
        page.goto((site / "docs/learn/first-service.html").as_uri())
        page.get_by_label("Search").fill("traceparent")
        page.locator("#site-found li a").first.wait_for()
        picture(page, "search")
        page.get_by_label("Search").fill("add_login")
        link = page.locator("#site-found li a", has_text="hipflask.security.add_login")
        link.first.click()
        page.wait_for_url("**/docs/lookup/api/hipflask.security.html#add_login")
        page.get_by_label("Search").fill("zzzz")
        page.get_by_text("Nothing was found.").wait_for()


def test_keyboard_goes_to_the_text_and_to_what_was_found(browser, site):
    with tab(browser, DESK) as page:
        page.goto((site / "index.html").as_uri())
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "site-content"
        page.get_by_label("Search").fill("websocket")
        page.locator("#site-found li a").first.wait_for()
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.closest('#site-found') !== null")


def test_site_works_without_scripts(browser, site):
    with tab(browser, PHONE, java_script_enabled=False) as page:
        page.goto((site / "index.html").as_uri())
        assert page.locator("#site-search").is_hidden()
        page.get_by_role("link", name="Pages", exact=True).click()
        page.get_by_role("navigation", name="Pages").get_by_role(
            "link", name="Sync or async"
        ).click()
        page.wait_for_url("**/docs/do/sync-or-async.html")
        page.get_by_role("link", name="All headings").click()
        page.get_by_role("link", name="Which to write").click()
        page.wait_for_url("**/docs/do/sync-or-async.html#which-to-write")
