"""The kinds of pages, and how each comes to be on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .serving import Served


class Kind(NamedTuple):
    """A page: what it is called, who looks at it, where it is, what is done on it before."""

    name: str
    who: str
    path: str
    before: Callable[[Any], None] | None = None


def kinds(served: Served) -> Iterator[Kind]:
    """All of them; what they show is made first, without a browser."""
    yield Kind("login", "", "/login?next=/ops/")
    yield Kind("login-wrong", "", "/login", _log_in_wrongly)
    yield Kind("home", "sue", "/ops/")
    yield Kind("list", "sue", "/ops/tables/orders")
    yield Kind("list-picked", "sue", "/ops/tables/orders?size=25", _pick_two)
    yield Kind("filtered", "sue", "/ops/tables/orders?q=ada&status.is=paid&sort=amount.desc")
    yield Kind("list-empty", "sue", "/ops/tables/orders?q=nobody-has-this-name")
    yield Kind("list-refused", "sue", "/ops/tables/orders?created_at.from=soon", _open_all)
    yield Kind("detail", "sue", "/ops/tables/orders/rows/7")
    yield Kind("edit", "lea", "/ops/tables/orders/rows/7/edit")
    yield Kind("edit-stale", "lea", "/ops/tables/orders/rows/9/edit", _edit_twice(served))
    yield Kind("form-errors", "sue", "/ops/actions/orders.refund?key=1&key=2", _send_empty)
    yield Kind("upload", "sue", "/books/actions/upload")
    plan = _refund(served, _paid(served, 3))
    yield Kind("plan", "sue", plan)
    waits = _refund(served, _paid(served, 2))
    served.submit("sue", waits)
    yield Kind("approval", "lea", waits)
    yield Kind("approval-own", "sue", waits)
    running = served.post("sue", "/ops/actions/count")
    served.submit("sue", running)
    yield Kind("run", "sue", running)
    yield Kind("runs", "lea", "/ops/runs")
    yield Kind("actions", "lea", "/ops/actions")
    yield Kind("audit", "lea", "/ops/audit")
    yield Kind("documents", "sue", "/books/tables/documents?state.is=held")
    yield Kind("new-row", "lea", "/books/tables/suppliers/new")
    yield Kind("missing", "sue", "/ops/tables/nothing")
    yield Kind("console", "lea", "/_hooks/")
    yield Kind("console-rows", "lea", "/_hooks/events")
    yield Kind("console-row", "lea", "/_hooks/events/1")
    yield Kind("console-preview", "lea", "/_hooks/events/bulk?action=replay")


def _paid(served: Served, count: int) -> list[str]:
    """Keys of paid orders, each given once."""
    import re

    text = served.ask(
        "GET", "/ops/tables/orders?status.is=paid&size=250", Cookie=served.cookies["sue"]
    )[2]
    found = list(dict.fromkeys(re.findall(r"/ops/tables/orders/rows/(\d+)", text)))
    given = _GIVEN.setdefault(served.origin, set())
    keys = [key for key in found if key not in given][:count]
    given.update(keys)
    return keys


_GIVEN: dict[str, set[str]] = {}


def _refund(served: Served, keys: list[str]) -> str:
    """A planned run."""
    from urllib.parse import urlencode

    pairs = [("key", key) for key in keys]
    pairs += [("v.amount", "1.25"), ("v.reason", "arrived broken")]
    status, headers, text = served.ask(
        "POST",
        "/ops/actions/orders.refund",
        urlencode(pairs),
        Content_Type="application/x-www-form-urlencoded",
        Cookie=served.cookies["sue"],
        Sec_Fetch_Site="same-origin",
    )
    if status != 303:
        raise AssertionError(f"the refund is not planned: {status} {text[:2000]}")
    return str(headers["Location"])


def _log_in_wrongly(page: Any) -> None:
    page.fill("[name=name]", "sue")
    page.fill("[name=password]", "wrong")
    page.click("button")
    page.wait_for_selector("[role=alert]")


def _pick_two(page: Any) -> None:
    boxes = page.locator("input[name=key]")
    boxes.nth(0).check()
    boxes.nth(1).check()


def _open_all(page: Any) -> None:
    for place in page.locator("details").all():
        place.evaluate("place => { place.open = true }")


def _send_empty(page: Any) -> None:
    page.fill("[name='v.amount']", "9999")
    page.click("main form button:not(.quiet)")
    page.wait_for_selector("[role=alert]")


def _edit_twice(served: Served) -> Callable[[Any], None]:
    """Somebody else saves between the form's coming and its going."""

    def before(page: Any) -> None:
        import uuid

        other = page.context.new_page()
        other.goto(page.url)
        other.fill("[name='v.note']", f"changed {uuid.uuid4()}")
        other.click("main form button:not(.quiet)")
        other.wait_for_url(lambda url: not url.endswith("/edit"))
        other.close()
        page.fill("[name='v.note']", "mine")
        page.click("main form button:not(.quiet)")
        page.wait_for_selector("[role=alert]")

    return before
