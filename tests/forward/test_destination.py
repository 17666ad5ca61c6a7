from __future__ import annotations

import pytest

from hipflask.forward import Deadlines, Destination, UnsafePath
from hipflask.scaffold import SetupError


def test_an_address_may_stand_in_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Destination("ledger", env="LEDGER_URL")
    with pytest.raises(SetupError, match="LEDGER_URL, which is set neither"):
        ledger.resolve({})
    monkeypatch.setenv("LEDGER_URL", "https://one.example")
    assert ledger.base == "https://one.example"
    resolved = ledger.resolve({"LEDGER_URL": "https://two.example/v2"})
    assert resolved.base == "https://two.example/v2"
    assert resolved.resolve({}) is resolved
    assert resolved.post("/a").url == "https://two.example/v2/a"


@pytest.mark.parametrize(
    "url",
    [
        "ledger.example",
        "ftp://ledger.example",
        "https://",
        "https:///path",
        "https://ledger.example:99999",
        "https://ledger.example:0",
        "https://me:secret@ledger.example",
        "https://ledger.example/?a=1",
        "https://ledger.example/#a",
        "https://ledger.example/a/../b",
        "https://ledger.example/\r\nX: 1",
        "https://ledger.example\\evil",
        "https://lédger.example",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SetupError) as caught:
        Destination("ledger", url=url)
    assert "secret" not in str(caught.value)


def test_a_message_names_file_line_and_destination() -> None:
    with pytest.raises(SetupError) as caught:
        Destination("ledger")
    assert str(caught.value) == (
        f"{__file__}:{caught.traceback[0].lineno + 1}: destination 'ledger': its address is to"
        " be said once: give url=, or env= with the name of the environment variable or config"
        " key that has it."
    )


@pytest.mark.parametrize(
    "options",
    [
        {"timeout_s": 0},
        {"connect_s": -1},
        {"read_s": 1e9},
        {"retries": "whenever"},
        {"breaker": 2},
        {"headers": {"X-A": "a\r\nX-B: b"}},
        {"headers": {"X A": "a"}},
        {"env": "LEDGER_URL"},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(SetupError, match="destination 'ledger'"):
        Destination("ledger", url="https://ledger.example", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", "a" * 65, "a\nb"])
def test_a_name_is_short_and_printable(name: str) -> None:
    with pytest.raises(SetupError):
        Destination(name, url="https://ledger.example")


def test_a_request_has_the_destinations_fields_and_its_own() -> None:
    ledger = Destination(
        "ledger", url="https://ledger.example", headers={"Authorization": "Bearer t", "X-A": "1"}
    )
    made = ledger.post("/entries", json={"a": 1}, headers={"x-a": "2"}, key="evt_1")
    assert made.method == "POST"
    assert made.body == b'{"a":1}'
    assert made.headers == (
        ("Authorization", "Bearer t"),
        ("x-a", "2"),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "evt_1"),
    )
    assert made.is_repeatable
    assert not ledger.post("/entries").is_repeatable
    assert ledger.get("/entries", query={"a": [1, 2]}).url.endswith("/entries?a=1&a=2")


def test_an_event_cannot_name_the_host() -> None:
    ledger = Destination("ledger", url="https://ledger.example/v2")
    for path in ("https://evil.example", "//evil.example", "/../up"):
        with pytest.raises(UnsafePath):
            ledger.post(path)
    with pytest.raises(ValueError):
        ledger.post("/a", headers={"X": "1\r\nHost: evil.example"})
    with pytest.raises(ValueError):
        ledger.request("GET / HTTP/1.1\r\nX:", "/a")


def test_a_signature_is_made_anew_and_its_id_is_not() -> None:
    def sign(id: str, now: float, body: bytes) -> list[tuple[str, str]]:
        return [("webhook-id", id), ("webhook-timestamp", str(int(now))), ("x-body", body.decode())]

    ledger = Destination("ledger", url="https://l.example", sign=sign, budget_header="X-Left-Ms")
    made = ledger.post("/a", b"hello", key="evt_1")
    first = ledger.dress(made, now=1, deadlines=Deadlines(2))
    again = ledger.dress(first, now=2, deadlines=Deadlines(0.5))
    assert first.header("webhook-id") == again.header("webhook-id") == "evt_1"
    assert (first.header("webhook-timestamp"), again.header("webhook-timestamp")) == ("1", "2")
    assert (first.header("x-left-ms"), again.header("x-left-ms")) == ("2000", "500")
    assert len(again.headers) == len(first.headers)


def test_deadlines_stay_inside_the_callers_time() -> None:
    given = Deadlines(15, 5, 10)
    assert given.within(60) == given
    assert given.within(2) == Deadlines(2, 2, 2)
    assert given.within(-1).total_s == 0.001
    assert Deadlines(None, 5, 10).within(7) == Deadlines(7, 5, 7)
    assert Destination("l", url="https://l.example", timeout_s=3).deadlines == Deadlines(3, 5, 3)
