"""Events that never came are found in the provider's list and stored oldest first.

The lists are served by a process of its own (`standin.py`), over TCP.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hipflask.scaffold import SetupError
from hipflask.webhooks import Delivery, Verifier
from hipflask.webhooks.reconcile import (
    PROVIDERS,
    Answered,
    Ask,
    Asker,
    Found,
    NotUnderstood,
    Shelf,
    Unreachable,
    provider_of,
    reconcile,
)

from .standin import NEWEST, SECRET, TOKEN, at, github_bytes

COUNT = 25
PLACES = {
    "github": "/repos/o/r/hooks/7/deliveries",
    "stripe": "/v1/events",
    "square": "/v2/events",
}
IDS = {"github": "guid-", "stripe": "evt_", "square": "sq-"}


def send(ask: Ask) -> Answered:
    parts = urlsplit(ask.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(ask.method, path, ask.body or None, dict(ask.headers))
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answered(answer.status, names, answer.read())
    finally:
        connection.close()


@pytest.fixture(scope="module", params=sorted(PLACES))
def provider(request):
    if request.param != "github":
        pytest.importorskip("square" if request.param == "square" else "stripe")
    return provider_of(request.param)


@pytest.fixture
def url(provider) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.webhooks.reconcile.standin", str(COUNT)],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        port = process.stdout.readline().strip()
        yield f"http://127.0.0.1:{port}{PLACES[provider.schemes[0]]}"
        process.stdin.close()


class Memory:
    """A shelf that remembers what it took, in order."""

    def __init__(self, known: set[str]) -> None:
        self.ids = set(known)
        self.taken: list[Found] = []
        self.shelf = Shelf(lambda ids: self.ids.intersection(ids), self.take)

    def take(self, found) -> int:
        self.taken += found
        self.ids.update(each.event_id for each in found)
        return len(found)


def run(provider, url, memory, since, **more):
    pauses: list[float] = []
    asker = Asker(send, pauses.append, "the stand-in")
    for progress in reconcile(
        provider, memory.shelf, asker, url=url, token=TOKEN, since=since, **more
    ):
        pass
    return progress, pauses


def test_what_never_came_is_stored_oldest_first(provider, url):
    prefix = IDS[provider.schemes[0]]
    memory = Memory({f"{prefix}{number}" for number in range(COUNT) if number % 5})
    progress, pauses = run(provider, url, memory, at(COUNT))
    assert [found.event_id for found in memory.taken] == [
        f"{prefix}{n}" for n in (20, 15, 10, 5, 0)
    ]
    assert (progress.listed, progress.known, progress.missing, progress.stored) == (25, 20, 5, 5)
    assert progress.reached == at(COUNT - 1)
    assert pauses == [7.0], "it is asked again after the time it named"


def test_a_second_run_finds_nothing(provider, url):
    memory = Memory(set())
    run(provider, url, memory, at(COUNT))
    before = list(memory.taken)
    progress, _ = run(provider, url, memory, at(COUNT))
    assert len(before) == COUNT and memory.taken == before
    assert (progress.missing, progress.known) == (0, COUNT)


def test_nothing_older_than_since_is_taken(provider, url):
    memory = Memory(set())
    run(provider, url, memory, at(11))
    assert [found.at for found in memory.taken] == [at(number) for number in range(11, -1, -1)]


def test_only_the_kinds_that_are_wanted(provider, url):
    memory = Memory(set())
    kinds = {"github": "pu*", "stripe": "invoice.*", "square": "payment.*"}
    progress, _ = run(provider, url, memory, at(COUNT), kinds=[kinds[provider.schemes[0]]])
    assert len(memory.taken) == progress.stored == 12 and progress.unwanted == 13


def test_a_wrong_token_is_a_mistake_in_the_settings(provider, url):
    asker = Asker(send, lambda s: None, "the stand-in")
    with pytest.raises(SetupError, match="refused the token"):
        list(reconcile(provider, Memory(set()).shelf, asker, url=url, token="x", since=0))
    with pytest.raises(SetupError, match="has nothing at"):
        place = url.replace("events", "nothing").replace("deliveries", "nothing")
        other = provider_of("stripe" if provider.schemes[0] == "square" else "github")
        list(reconcile(other, Memory(set()).shelf, asker, url=place, token=TOKEN, since=0))


def test_bytes_are_those_that_were_sent(provider, url):
    memory = Memory(set())
    run(provider, url, memory, at(2))
    newest = memory.taken[-1]
    if provider.schemes[0] == "github":
        assert newest.body == github_bytes(0)
        verifier = Verifier("github", SECRET)
        assert verifier.verify(Delivery(newest.headers, newest.body), is_replay=True)
    else:
        member = "id" if provider.schemes[0] == "stripe" else "event_id"
        assert json.loads(newest.body)[member] == newest.event_id
        assert newest.body.startswith(b'{\n  "' if member == "id" else b'{"merchant_id":"M1","')


# What needs no process.


def listing(*answers):
    """A `send` that gives these answers, the last one for ever."""
    left = list(answers)

    def give(ask: Ask) -> Answered:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return give


def start(give, scheme="stripe"):
    asker = Asker(give, lambda s: None, "Acme")
    provider = provider_of(scheme)
    return list(reconcile(provider, Memory(set()).shelf, asker, url="u", token="t", since=0))


@pytest.mark.parametrize("scheme", sorted(PLACES))
@pytest.mark.parametrize(
    "body", [b"", b"nothing", b"7", b'{"data": 1, "events": 1}', b'[{"id": 1}]', b"[" * 9999]
)
def test_an_answer_that_is_not_as_documented_ends_the_run_and_says_where(scheme, body):
    with pytest.raises(NotUnderstood, match=r"is not as documented: "):
        start(listing(Answered(200, {}, body)), scheme)


def test_who_does_not_answer_is_unreachable_after_some_tries():
    with pytest.raises(Unreachable, match=r"did not answer in 6 tries; the last: OSError: gone"):
        start(listing(OSError("gone")))
    with pytest.raises(Unreachable, match="status 503"):
        start(listing(Answered(503, {"retry-after": "x"}, b"")))
    empty = Answered(200, {}, b'{"data": [], "has_more": false}')
    assert start(listing(OSError("gone"), Answered(500, {}, b""), empty))[-1].listed == 0


def test_another_refusal_is_told():
    with pytest.raises(NotUnderstood, match="Acme answered 418 to GET u"):
        start(listing(Answered(418, {}, b"")))


def test_a_list_that_goes_round_ends():
    row = {"id": "evt_1", "type": "a", "created": NEWEST}
    page = Answered(200, {}, json.dumps({"data": [row], "has_more": True}).encode())
    assert start(listing(page))[-1].stored == 1


def test_only_the_cursor_of_githubs_link_is_followed():
    provider = provider_of("github")
    link = '<https://elsewhere.example/x?cursor=v1_9&a=b>; rel="next"'
    cursor = provider.read(Answered(200, {"link": link}, b"[]")).cursor
    assert provider.ask("https://api.example/d", "t", 0, cursor).url == (
        "https://api.example/d?per_page=100&cursor=v1_9"
    )


@pytest.mark.parametrize(
    "odd", [Answered(404, {}, b""), Answered(422, {}, b""), Answered(200, {}, b"[]")]
)
def test_an_event_that_is_not_given_keeps_no_other_out(odd):
    def give(ask: Ask) -> Answered:
        if ask.url.endswith("/1"):
            return odd
        if ask.url.endswith("/2"):
            return Answered(200, {}, b'{"request": {"headers": {}, "payload": {}}}')
        row = {"delivered_at": "2023-11-14T22:00:00Z", "event": "push"}
        rows = [{**row, "id": number, "guid": f"guid-{number}"} for number in (2, 1)]
        return Answered(200, {}, json.dumps(rows).encode())

    memory = Memory(set())
    asker = Asker(give, lambda s: None, "Acme")
    *_, last = reconcile(provider_of("github"), memory.shelf, asker, url="u", token="t", since=0)
    assert [found.event_id for found in memory.taken] == ["guid-2"]
    assert (last.missing, last.stored, last.withheld) == (2, 1, 1) and last.trouble


def test_a_403_that_says_when_to_come_again_is_a_limit():
    empty = Answered(200, {}, b'{"data": [], "has_more": false}')
    assert start(listing(Answered(403, {"retry-after": "1"}, b""), empty))[-1].listed == 0


def test_a_delivery_of_another_id_is_refused():
    found = Found("one", "push", 0.0, number="1")
    body = b'{"request": {"headers": {"X-GitHub-Delivery": "two"}, "payload": {}}}'
    with pytest.raises(NotUnderstood, match="is 'two', and its list says 'one'"):
        provider_of("github").read_whole(Answered(200, {}, body), found)


def test_a_form_is_written_as_github_writes_it():
    found = Found("one", "push", 0.0, number="1")
    request = {
        "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        "payload": {"a": 1},
    }
    whole = provider_of("github").read_whole(
        Answered(200, {}, json.dumps({"request": request}).encode()), found
    )
    assert whole.body == b"payload=%7B%22a%22%3A1%7D"


def test_no_token_is_shown():
    for provider in PROVIDERS:
        assert "tokentoken" not in repr(provider.ask("u", "tokentoken", 0, None))


def test_providers_are_found_by_scheme():
    assert provider_of("stripe").schemes == ("stripe",)
    assert provider_of("slack") is None
