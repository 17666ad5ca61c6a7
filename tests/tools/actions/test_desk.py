"""The pages of actions: what they show, to whom, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from .desk_app import Shop

FORM = {"key": ["1", "2"], "v.amount": "5", "v.reason": "<b>late</b>\u202e"}


def planned(visit: Any, **more: Any) -> str:
    """The address of a plan."""
    answer = visit("sue", "/actions/payments.refund", {**FORM, **more})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["Location"].partition("/ops")[2])


def digest_on(page: str) -> str:
    return page.partition('name="digest" value="')[2].partition('"')[0]


def test_a_refund_from_the_form_to_the_undo(shop: Shop, visit: Any) -> None:
    form = visit("sue", "/actions/payments.refund?key=1&key=2")
    assert "2 rows" in form.text
    assert "Refund a payment" in form.text
    place = planned(visit)
    page = visit("sue", place)
    assert "nothing has been done" in page.text
    assert "&lt;b&gt;late&lt;/b&gt;\\u202e" in page.text
    visit("sue", f"{place}/submit", {"digest": digest_on(page.text)})
    page = visit("sue", place)
    assert "somebody else has to approve" in page.text and "Approve</button>" not in page.text
    page = visit("max", place)
    assert "Approve</button>" in page.text
    sent = {"digest": digest_on(page.text), "note": "go on"}
    assert visit("max", f"{place}/approve", sent).status_code == 303
    page = visit("sue", place)
    assert 'data-live="1000"' in page.text and "<noscript><meta" in page.text
    shop.tool.runs.work()
    page = visit("sue", place)
    assert "2 steps done" in page.text and "data-live" not in page.text
    assert "go on" in page.text and "Plan the undo" in page.text
    undo = visit("sue", f"{place}/undo", {}).headers["Location"].partition("/ops")[2]
    assert "undo: refund 5 on #2" in visit("sue", undo).text
    for address in ("/runs", "/runs?state=done", "/actions"):
        assert visit("sue", address).status_code == 200
    assert "undo_of: 1" in visit("lea", "/audit").text
    assert visit("lea", "/audit.json").get_json()[0]["event"] == "export"


def test_what_was_typed_comes_back_with_what_is_wrong(visit: Any) -> None:
    answer = visit("sue", "/actions/payments.refund", {**FORM, "v.amount": "much"})
    assert answer.status_code == 422
    assert 'value="much"' in answer.text and 'aria-invalid="true"' in answer.text
    answer = visit("sue", "/actions/payments.refund", {**FORM, "key": ["1", "2", "3", "4"]})
    assert answer.status_code == 422 and "4 rows were chosen" in answer.text
    answer = visit("sue", "/actions/payments.refund", {"v.amount": "5"})
    assert answer.status_code == 422 and "No rows were chosen" in answer.text


def test_who_has_no_part_sees_nothing(shop: Shop, visit: Any) -> None:
    place = planned(visit)
    for address in ("/", "/actions", "/runs", place, "/actions/payments.refund", "/audit"):
        assert visit("tom", address).status_code in (403, 404), address
        assert shop.app.test_client().get(f"/ops{address}").status_code == 401, address
    assert visit("sue", "/audit").status_code == 404
    assert visit("sue", "/audit.csv").status_code == 404
    assert "Audit" in visit("lea", "/").text and "Audit" not in visit("sue", "/").text
    assert visit("sue", "/runs/999").status_code == 404
    assert visit("max", "/actions/payments.refund").status_code == 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}])
def test_another_sites_page_asks_for_nothing(shop: Shop, visit: Any, headers: Any) -> None:
    place = planned(visit)
    digest = digest_on(visit("sue", place).text)
    client = shop.app.test_client()
    for address in ("/actions/payments.refund", f"{place}/submit", f"/api{place}/submit"):
        answer = client.post(
            f"/ops{address}", data={"digest": digest}, headers={"X-Who": "sue", **headers}
        )
        assert answer.status_code == 403, address
    assert shop.gate.find(_sue())[0].state == "planned"


def test_a_plan_is_compared_with_what_it_would_be_now(shop: Shop, visit: Any) -> None:
    place = planned(visit)
    assert "nothing has moved" in visit("sue", f"{place}?check=1").text
    shop.edit(1, amount=3)
    assert "row 1 has been edited" in visit("sue", f"{place}?check=1").text


def test_every_answer_keeps_strict_headers(visit: Any) -> None:
    place = planned(visit)
    for address in (place, "/runs", "/api/runs", "/audit.csv"):
        headers = visit("lea", address).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], address
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"


def test_json_says_what_is_wrong(ask: Any, shop: Shop) -> None:
    path = "/actions/payments.refund"
    for body, code in (
        ({"parameters": {"amount": "0"}, "rows": ["1"]}, 422),
        ({"parameters": {"amount": "5", "other": 1}, "rows": ["1"]}, 422),
        ({"parameters": [], "rows": ["1"]}, 422),
        ({"parameters": {"amount": "5"}, "rows": "1"}, 422),
        ({"parameters": {"amount": "5"}, "row": ["1"]}, 422),
        ({"parameters": {"amount": "5"}, "filter": 3}, 422),
    ):
        answered, problem = ask("sue", "POST", path, body)
        assert (answered, problem["status"]) == (code, code), body
    assert ask("max", "POST", path, {})[0] == 403
    assert ask("tom", "POST", path, {})[0] == 403
    assert ask("sue", "GET", "/runs?state=nonsense")[0] == 422
    client = shop.app.test_client()
    for data, kind, code in ((b"{", "application/json", 400), (b"{}", "text/plain", 415)):
        answer = client.post(
            f"/ops/api{path}", data=data, content_type=kind, headers={"X-Who": "sue"}
        )
        assert answer.status_code == code
    names = [each["name"] for each in ask("sue", "GET", "/actions")[1]]
    assert names == ["payments.refund", "payments.attach", "remind", "connect", "slow"]


def _sue() -> Any:
    from hipflask.security import Identity

    return Identity("sue", roles={"support"})
