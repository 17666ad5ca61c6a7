"""The login page in Chromium: by keyboard, on a phone, in the dark, without scripts, with axe."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from hipflask import Flask
from hipflask.security import (
    Identity,
    OIDCLogin,
    add_login,
    authenticated,
    current_identity,
    hash_password,
    hashed_passwords,
)

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="apt-get install chromium")

PHONE, DESK = {"width": 320, "height": 640}, {"width": 1280, "height": 800}
#: Pictures to look at are put there.
PICTURES = os.environ.get("HIPFLASK_TEST_PICTURES")


@contextmanager
def serving(app):
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def url():
    app = Flask(__name__)
    app.secret_key = "a key of the tests, of some length"
    app.access = authenticated
    check = hashed_passwords({"ada": (hash_password("right"), Identity("ada"))})
    # Never asked: only its button is looked at.
    oidc = OIDCLogin("https://id.example.org", "shop", title="Log in with Example")
    add_login(app, check, oidc=oidc)

    @app.get("/orders")
    def orders():
        return f"<title>Orders</title><p>orders of {current_identity().name}"

    with serving(app) as found:
        yield found


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield found
        found.close()


@contextmanager
def tab(browser, size=DESK, scheme="light", **options):
    context = browser.new_context(viewport=size, color_scheme=scheme, **options)
    page = context.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    try:
        yield page
        # The only thing the console may say: the status of a page that refuses somebody.
        assert [text for text in refused if "status of 4" not in text] == []
    finally:
        context.close()


def test_by_keyboard_and_without_scripts(browser, url):
    with tab(browser, java_script_enabled=False) as page:
        page.goto(f"{url}/orders")
        assert page.url == f"{url}/login?next=/orders"
        page.keyboard.type("ada")  # the field has the focus
        page.keyboard.press("Tab")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        page.wait_for_selector("[role=alert]")
        assert page.input_value("#name") == "ada" and page.input_value("#password") == ""
        page.keyboard.type("right")  # now the password has it
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/orders")
        assert "orders of ada" in page.content()
        page.goto(f"{url}/login")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{url}/login?out=")
        assert "You are logged out." in page.content()
        page.goto(f"{url}/orders")
        assert page.url == f"{url}/login?next=/orders"


def states(page, url):
    """The page as it may be met: fresh, after a wrong password, logged in, logged out."""
    page.goto(f"{url}/login?next=/orders")
    yield "form"
    page.fill("#name", "ada")
    page.fill("#password", "wrong")
    page.click("button")
    yield "wrong"
    page.fill("#password", "right")
    page.click("button")
    page.goto(f"{url}/login")
    yield "known"
    page.click("text=Log out on all devices")
    yield "out"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_it_fits_and_can_be_read(browser, url, size, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with tab(browser, size, scheme) as page:
        for name in states(page, url):
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= size["width"], name
            small = page.evaluate(
                "[...document.querySelectorAll('button, a, input:not([type=hidden])')]"
                ".filter(e => e.getBoundingClientRect().height < 44).length"
            )
            assert small == 0, name
            found = axe.run(page)
            assert found.violations_count == 0, found.generate_report()
            if PICTURES:
                page.screenshot(
                    path=str(Path(PICTURES) / f"login-{name}-{size['width']}-{scheme}.png")
                )
