"""Writes that other sites' pages make in somebody's name, at every address that writes: none.

Scheme and name x Sec-Fetch-Site x Origin x kind of body. Browsers send no Sec-Fetch-Site to a
plain-HTTP name, and `Origin: null` where a page hides where it comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import create_engine, text

from hipflask import Flask
from hipflask.database import Database
from hipflask.security import Identity, add_login
from hipflask.tools import Run, Tool

NAMES = ("https://desk.example", "http://localhost:8000", "http://desk.test")
SITES = ("same-origin", "same-site", "cross-site", None)
ORIGINS = ("same", "sibling", "other", "null", None)
MEDIA = {
    "form": "application/x-www-form-urlencoded",
    "text": "text/plain",
    "json": "application/json",
}


class Desk:
    """A tool behind a login, with a row, a plan, and all that may be sent to it."""

    def __init__(self, folder: Path) -> None:
        self.engine = create_engine(f"sqlite:///{folder}/shop.db")
        with self.engine.begin() as shop:
            shop.execute(text("CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT)"))
            shop.execute(text("INSERT INTO orders (note) VALUES ('new')"))
        self.store = Database(f"sqlite:///{folder}/store.db")
        app = self.app = Flask("desk")
        app.secret_key = "of this test alone"
        app.testing = True
        known = Identity("sue", roles={"support"})
        add_login(app, lambda name, password: known, after="/ops/")
        self.ops = Tool(app, "ops", data=self.engine, store=self.store, workers=0)
        orders = self.ops.table("orders", read="support", create="support", edit="support")

        @orders.action(roles="support")
        def mark(run: Run, row: Any) -> None:
            run.do(f"mark {row.id}", print)

    def close(self) -> None:
        self.ops.close()
        self.store.close()
        self.engine.dispose()

    def held(self) -> list[Any]:
        """All that a write would change."""
        found: list[Any] = []
        with self.engine.connect() as shop:
            found += shop.execute(text("SELECT * FROM orders")).all()
        with self.store.read() as store:
            for each in ("run", "tool_audit", "tool_view", "job", "run_step"):
                found += store.execute(text(f"SELECT * FROM hipflask_{each}")).all()
        return found


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


class Browser:
    """Somebody's, at one of the service's names."""

    def __init__(self, app: Flask, base: str) -> None:
        self._client = app.test_client(use_cookies=False)
        self.base = base
        sent = {"name": "sue", "password": "any"}
        answer = self._client.post(
            "/login", base_url=base, data=sent, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert answer.status_code == 303, answer.text
        self._cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def get(self, path: str) -> str:
        answer = self._client.get(path, base_url=self.base, headers={"Cookie": self._cookie})
        assert answer.status_code == 200, answer.text
        found: str = answer.text
        return found

    def post(self, path: str, kind: str, body: Any, headers: dict[str, str]) -> Any:
        data = json.dumps(body) if kind == "json" else urlencode(body)
        return self._client.post(
            path,
            base_url=self.base,
            data=data,
            content_type=MEDIA[kind],
            headers={"Cookie": self._cookie, **headers},
        )


def ways(base: str) -> Iterator[tuple[dict[str, str], bool]]:
    """Header fields, and whether a page of ours may have sent them."""
    scheme, _, name = base.partition("://")
    of = {
        "same": base,
        "sibling": f"{scheme}://evil.{name}",
        "other": "https://evil.example",
        "null": "null",
    }
    for site, origin in product(SITES, ORIGINS):
        if site == "same-origin" and origin in ("sibling", "other"):
            continue  # no browser says both
        headers = {} if site is None else {"Sec-Fetch-Site": site}
        if origin is not None:
            headers["Origin"] = of[origin]
        yield headers, site == "same-origin" or (site is None and origin == "same")


def writes(browser: Browser) -> list[tuple[str, str, dict[str, Any]]]:
    """Each address that writes, the kind of body it takes, and one that it would act on."""
    own = {"Sec-Fetch-Site": "same-origin"}
    planned = browser.post("/ops/actions/orders.mark", "form", {"key": "1"}, own)
    run = planned.headers["Location"]
    digest = _hidden(browser.get(run), "digest")
    version = _hidden(browser.get("/ops/tables/orders/rows/1/edit"), "version")
    number = run.rpartition("/")[2]
    found: list[tuple[str, str, dict[str, Any]]] = [
        ("/ops/tables/orders/new", "form", {"v.note": "made"}),
        ("/ops/tables/orders/rows/1/edit", "form", {"v.note": "new", "version": version}),
        ("/ops/tables/orders/views", "form", {"name": "mine", "query": "q=new"}),
        ("/ops/actions/orders.mark", "form", {"key": "1"}),
        ("/ops/api/actions/orders.mark", "json", {"rows": ["1"]}),
    ]
    for what in ("submit", "cancel"):
        found.append((f"{run}/{what}", "form", {"digest": digest}))
        found.append((f"/ops/api/runs/{number}/{what}", "json", {"digest": digest}))
    return found


def _hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([0-9a-f]+)"', page)
    assert found is not None, page
    return found[1]


def test_every_address_that_writes_is_tried(desk: Desk) -> None:
    tried = {path for path, _, _ in writes(Browser(desk.app, NAMES[0]))}
    known = desk.app.url_map.bind("desk.example")
    endpoints = {known.match(path, method="POST")[0] for path in tried}
    rules = desk.app.url_map.iter_rules()
    assert endpoints == {
        rule.endpoint
        for rule in rules
        if "POST" in (rule.methods or ()) and rule.endpoint.startswith("hipflask_tool_")
    }


@pytest.mark.parametrize("base", NAMES)
def test_no_forged_write_and_no_refusal_of_our_own(desk: Desk, base: str) -> None:
    browser = Browser(desk.app, base)
    all_writes = writes(browser)
    before = desk.held()
    forged = [
        (path, kind, headers, answer.status_code)
        for (headers, is_ours), (path, _, body), kind in product(ways(base), all_writes, MEDIA)
        if not is_ours
        if (answer := browser.post(path, kind, body, headers)).status_code != 403
    ]
    assert forged == []
    assert desk.held() == before
    refused = []
    for headers, is_ours in ways(base):
        if not is_ours:
            continue
        for path, own, body in all_writes:
            if path.endswith("/cancel"):
                continue  # what has been asked for cannot be planned anew below
            status = browser.post(path, own, body, headers).status_code
            if status not in (200, 303):
                refused.append((path, headers, status))
    assert refused == []
    assert desk.held() != before
