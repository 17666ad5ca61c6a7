"""Attempts over real sockets; time is told, not waited for. Check 7's parts of this package."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

import pytest

from hipflask.forward import (
    Attempt,
    Breaker,
    Client,
    Destination,
    Kind,
    MemoryShared,
    Request,
    Schedule,
    attempt,
    idempotency_key,
)

from .clocks import ToldClock
from .servers import answer_bytes, answer_with, closed_port, raw_server


@pytest.fixture
def client() -> Iterator[Client]:
    made = Client()
    yield made
    made.close()


def destination(url: str, **options: object) -> Destination:
    return Destination("ledger", url=url, **options)  # type: ignore[arg-type]


def test_what_is_delivered_is_over(client: Client) -> None:
    with raw_server(answer_with("202 Accepted")) as server:
        ledger = destination(server.url)
        made = attempt(ledger, ledger.post("/a", json=1), 1, client=client)
    assert (made.outcome.kind, made.wait_s, made.is_held) == (Kind.DELIVERED, None, False)


def test_retry_after_is_kept_in_both_forms(client: Client) -> None:
    clock = ToldClock(1_700_000_000.0)
    for text in ("600", "Tue, 14 Nov 2023 22:23:20 GMT"):
        with raw_server(answer_with("429 Slow", b"", ("Retry-After", text))) as server:
            ledger = destination(server.url)
            made = attempt(ledger, ledger.post("/a"), 1, client=client, clock=clock)
        assert made.wait_s is not None
        assert 600 <= made.wait_s <= 601


def test_the_last_attempt_gives_up(client: Client) -> None:
    ledger = destination(f"http://127.0.0.1:{closed_port()}", retries="1s")
    first = attempt(ledger, ledger.post("/a"), 1, client=client)
    last = attempt(ledger, ledger.post("/a"), 2, client=client)
    assert first.wait_s is not None and not first.is_given_up
    assert last.wait_s is None and last.is_given_up


@pytest.mark.parametrize("status", ["400 Bad", "410 Gone", "302 Found"])
def test_a_refusal_is_no_illness(client: Client, status: str) -> None:
    with raw_server(answer_with(status)) as server:
        ledger = destination(server.url)
        breaker = ledger.make_breaker()
        assert breaker is not None
        for _ in range(12):
            made = attempt(ledger, ledger.post("/a"), 1, client=client, breaker=breaker)
            assert made.wait_s is None
        assert breaker.state().state == "closed"


def test_the_callers_time_bounds_the_call(client: Client) -> None:
    with raw_server(answer_with()) as server:
        ledger = destination(server.url, budget_header="X-Left-Ms")
        attempt(ledger, ledger.post("/a"), 1, client=client, left_s=1.5)
        assert server.arrived[0].get("x-left-ms") == "1500"


def test_each_attempt_is_signed_anew_with_one_id(client: Client) -> None:
    standardwebhooks = pytest.importorskip("standardwebhooks")
    from hipflask.webhooks import sign

    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with raw_server(answer_with("500 Oh")) as server:
        ledger = destination(
            server.url,
            sign=lambda id, now, body: sign("standard", body, secret, id=id, now=now),
        )
        made = ledger.post("/a", json={"a": 1}, key="evt_1")
        attempt(ledger, made, 1, client=client)
        attempt(ledger, made, 2, client=client)
    for arrived in server.arrived:
        verifier = standardwebhooks.Webhook(secret)
        assert verifier.verify(arrived.body, dict(arrived.fields)) == {"a": 1}
        assert arrived.get("webhook-id") == arrived.get("idempotency-key") == "evt_1"


class Delivering:
    """Many events to one destination through one breaker, by a told clock."""

    def __init__(self, client: Client, ledger: Destination, clock: ToldClock) -> None:
        self.clock = clock
        self.client = client
        self.ledger = ledger
        self.breaker = Breaker("ledger", rate=0.5, shared=MemoryShared(), clock=clock)
        self.due: list[tuple[float, int, int]] = []
        #: By event: when each attempt that was made took place.
        self.attempts: dict[int, list[float]] = {}
        self.delivered: dict[int, float] = {}
        self.held = 0
        self.open_attempts = 0

    def add(self, event: int) -> None:
        heapq.heappush(self.due, (self.clock.time, event, 1))
        self.attempts[event] = []

    def call(self, event: int) -> Request:
        key = idempotency_key("stripe", f"evt_{event}", "paid", "ledger")
        return self.ledger.post("/entries", json={"event": event}, key=key)

    def step(self) -> None:
        at, event, number = heapq.heappop(self.due)
        self.clock.time = max(self.clock.time, at)
        was_open = self.breaker.state().state == "open"
        made = attempt(
            self.ledger,
            self.call(event),
            number,
            client=self.client,
            breaker=self.breaker,
            clock=self.clock,
        )
        self.note(made, event, number, was_open)

    def note(self, made: Attempt, event: int, number: int, was_open: bool) -> None:
        if made.is_held:
            assert made.wait_s is not None
            self.held += 1
            again = number
        else:
            self.open_attempts += was_open
            self.attempts[event].append(self.clock.time)
            again = number + 1
        if made.outcome.kind is Kind.DELIVERED:
            self.delivered[event] = self.clock.time
        else:
            assert made.wait_s is not None, "given up"
            heapq.heappush(self.due, (self.clock.time + made.wait_s, event, again))


def test_down_for_an_hour_burns_nothing_while_the_breaker_is_open(client: Client) -> None:
    """Check 7: attempts in schedule, none burnt while open, all delivered soon after, one key."""
    clock = ToldClock()
    is_up = False

    def answer(request: object, peer: object) -> bytes:
        return answer_bytes("200 OK" if is_up else "503 Down", b"")

    with raw_server(answer) as server:
        run = Delivering(client, destination(server.url), clock)
        for event in range(25):
            run.add(event)
        begun = clock.time
        while run.due and run.due[0][0] < begun + 3600:
            run.step()
        assert run.delivered == {} and run.held > 100
        # While it was open one probe an interval was sent, and nothing else.
        assert run.open_attempts <= 3600 / 30 + 1
        is_up, recovered = True, clock.time
        while run.due:
            run.step()
    assert sorted(run.delivered) == list(range(25))
    made = sum(map(len, run.attempts.values()))
    assert made <= 10 + run.open_attempts + 25
    steps = Schedule().steps_s
    for times in run.attempts.values():
        for number, (before, after) in enumerate(zip(times, times[1:], strict=False)):
            # Not sooner than the schedule; later where the breaker held it back.
            assert after - before >= 0.8 * steps[number] - 1e-6
    for event, at in run.delivered.items():
        # Within two steps of where it stood when the destination came back.
        number = len(run.attempts[event])
        assert at - recovered <= 1.2 * sum(steps[max(0, number - 2) : number]) + 30
    by_body: dict[bytes, set[str | None]] = {}
    for arrived in server.arrived:
        by_body.setdefault(arrived.body, set()).add(arrived.get("idempotency-key"))
    assert all(len(keys) == 1 for keys in by_body.values())
    assert len({key for keys in by_body.values() for key in keys}) == 25


def test_without_a_breaker_the_attempts_follow_the_schedule(client: Client) -> None:
    clock = ToldClock()
    ledger = destination(f"http://127.0.0.1:{closed_port()}", breaker=None)
    assert ledger.make_breaker() is None
    times, number, wait_s = [clock.time], 1, 0.0
    while True:
        made = attempt(ledger, ledger.post("/a"), number, client=client, clock=clock)
        if made.wait_s is None:
            break
        wait_s = made.wait_s
        clock.pass_s(wait_s)
        times.append(clock.time)
        number += 1
    assert number == 9
    for step, (before, after) in zip(
        Schedule().steps_s, zip(times, times[1:], strict=False), strict=True
    ):
        assert 0.8 * step - 1e-6 <= after - before <= 1.2 * step + 1e-6
