"""What people do: by keyboard alone, without scripts, and watching a run come along."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .serving import PATIENCE_S, Served

#: Presses of Tab within which everything on a page is reached.
MOST_TABS = 400


def reach(page: Any, wanted: str) -> None:
    """Press Tab until the element has the focus; it must be seen to have it."""
    for press in range(MOST_TABS):
        # What has the focus already needs no press.
        if press:
            page.keyboard.press("Tab")
        if page.evaluate("wanted => document.activeElement.matches(wanted)", wanted):
            outline = page.evaluate(
                "() => { const s = getComputedStyle(document.activeElement);"
                " return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 }"
            )
            assert outline, f"{wanted}: the focus is not seen"
            return
    raise AssertionError(f"{wanted} is not reached by {MOST_TABS} presses of Tab on {page.url}")


def by_keyboard(page: Any, served: Served) -> None:
    """Filter, sort, pick two rows, plan, get an error, correct it, plan, ask for approval."""
    page.goto(f"{served.origin}/ops/tables/orders")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.matches('.skip')"), "first comes the way past"
    reach(page, "input[type=search]")
    page.keyboard.type("grace")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "q=grace" in url)
    reach(page, "input[name='status.is'][value=paid]")
    page.keyboard.press("Space")
    reach(page, "form.filters .buttons button")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "status.is=paid" in url)
    reach(page, "thead a[href*='sort=amount']")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "sort=amount" in url)
    reach(page, "thead [data-all]")
    reach(page, "tbody tr:nth-child(2) input[name=key]")
    page.keyboard.press("Space")
    reach(page, "tbody tr:nth-child(3) input[name=key]")
    page.keyboard.press("Space")
    reach(page, "button[formaction*='orders.refund']")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "orders.refund" in url)
    reach(page, "[name='v.amount']")
    page.keyboard.type("0")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    told = page.get_attribute("[name='v.amount']", "aria-describedby")
    error = page.locator(f"#{told.split()[-1]}").inner_text()
    assert page.get_attribute("[name='v.amount']", "aria-invalid") == "true" and error
    assert page.evaluate("document.activeElement.matches('[role=alert]')"), "it is read out"
    reach(page, "[role=alert] a")
    page.keyboard.press("Enter")
    reach(page, "[name='v.amount']")
    page.keyboard.press("Control+A")
    page.keyboard.type("1.50")
    reach(page, "[name='v.reason']")
    page.keyboard.type("arrived broken")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/runs/" in url)
    assert page.locator(".steps li").count() == 2
    reach(page, "form[action$='/submit'] button")
    page.keyboard.press("Enter")
    page.wait_for_selector(".badge.awaiting_approval")


def without_scripts(page: Any, served: Served) -> None:
    """The same by mouse, in a browser whose scripts are off; then somebody else approves."""
    page.goto(f"{served.origin}/ops/tables/orders?status.is=paid&q=alan")
    assert not page.locator("[data-all]").is_visible(), "it waits for a script"
    page.locator("tbody input[name=key]").nth(0).check()
    page.click("button[formaction*='orders.refund']")
    page.fill("[name='v.amount']", "2")
    page.fill("[name='v.reason']", "arrived broken")
    page.click("main form button:not(.quiet)")
    page.wait_for_url(lambda url: "/runs/" in url)
    run = page.url.removeprefix(served.origin)
    page.click("form[action$='/submit'] button")
    page.wait_for_selector(".badge.awaiting_approval")
    served.post("lea", f"{run}/approve", digest=served.digest("lea", run))
    page.goto(f"{served.origin}{run}")
    # The page asks for itself again, by <noscript>.
    page.wait_for_selector(".badge.done", timeout=PATIENCE_S * 1000)


def watching(open_page: Callable[[str], Any], served: Served) -> None:
    """A long run is the same for two people, comes along by itself, and outlives a reload."""
    # The same plan is the same run: this one has not been asked for yet.
    run = served.post("sue", "/ops/actions/count", v__name="two who watch")
    served.submit("sue", run)
    first, second = open_page("sue"), open_page("lea")
    for page in (first, second):
        page.goto(f"{served.origin}{run}")
    first.wait_for_selector(".badge.running", timeout=PATIENCE_S * 1000)
    first.reload()
    for page in (first, second):
        page.wait_for_selector("#state .badge.done", timeout=PATIENCE_S * 1000)
        assert page.locator(".steps .badge.done").count() == page.locator(".steps li").count()


def same_address(open_page: Callable[[str], Any], served: Served) -> None:
    """An address gives another person the same rows in the same order; Back gives them again."""
    address = f"{served.origin}/ops/tables/orders?status.is=shipped&sort=amount.desc&page=2&size=25"

    def rows(page: Any) -> list[str]:
        return [
            each.inner_text() for each in page.locator("table[aria-label=Orders] tbody th").all()
        ]

    first, second = open_page("sue"), open_page("lea")
    first.goto(address)
    second.goto(address)
    here = rows(first)
    assert len(here) == 25 and here == rows(second)
    first.click("nav[aria-label=Pages] a[rel=next]")
    first.wait_for_url(lambda url: "page=3" in url)
    assert rows(first) != here
    first.go_back()
    first.wait_for_url(lambda url: "page=2" in url)
    assert rows(first) == here
