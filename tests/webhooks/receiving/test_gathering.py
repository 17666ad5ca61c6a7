"""Deliveries that come together are judged together: on each loop its own, and all of them."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

from hipflask.webhooks.gathering import Gathering
from hipflask.webhooks.inbox.rows import Kind, Receipt
from hipflask.webhooks.inbox.writer import Writer

from .test_writer import arrival

WAIT_S = 20


def make_writer() -> Writer:
    return Writer(
        lambda arrivals: [Receipt(int(one.event_id), Kind.STORED) for one in arrivals],
        committed=lambda committed: None,
        failed=lambda error: None,
        look=lambda: False,
    )


def test_each_gets_its_own_and_one_that_raises_takes_no_other_along() -> None:
    def judge(given: Any) -> Any:
        if given == "broken":
            raise LookupError(given)
        return arrival(given) if isinstance(given, int) else f"no: {given}"

    async def main() -> list[Any]:
        gathering: Gathering[Any] = Gathering(asyncio.get_running_loop())
        joined = [gathering.join(writer, judge, one, WAIT_S) for one in (1, "x", "broken", 2)]
        return await asyncio.gather(*joined, return_exceptions=True)

    writer = make_writer()
    found = asyncio.run(main())
    assert writer.close()
    assert [found[0].seq, found[1], found[3].seq] == [1, "no: x", 2]
    assert isinstance(found[2], LookupError)


def test_who_left_before_he_was_judged_is_stored_and_not_answered() -> None:
    stored = []

    async def main() -> None:
        gathering: Gathering[Any] = Gathering(asyncio.get_running_loop())
        leaving = gathering.join(writer, arrival, 1, WAIT_S)
        leaving.cancel()
        assert (await gathering.join(writer, arrival, 2, WAIT_S)).seq == 2

    writer = Writer(
        lambda arrivals: [
            stored.append(one.event_id) or Receipt(1 + place, Kind.STORED)
            for place, one in enumerate(arrivals)
        ],
        committed=lambda committed: None,
        failed=lambda error: None,
        look=lambda: False,
    )
    asyncio.run(main())
    assert writer.close()
    assert stored == ["1", "2"]


def test_judging_does_not_see_the_request_of_who_came_first() -> None:
    request: ContextVar[str] = ContextVar("request")

    async def main() -> Any:
        request.set("the first one's")
        gathering: Gathering[Any] = Gathering(asyncio.get_running_loop())
        return await gathering.join(writer, lambda given: request.get(None), 1, WAIT_S)

    writer = make_writer()
    assert asyncio.run(main()) is None
    assert writer.close()


def test_threads_with_loops_of_their_own_judge_at_the_same_time() -> None:
    """As under WSGI, where a judge may let go of the interpreter: a hash of some kB does."""
    both = threading.Barrier(2)
    found: dict[int, Any] = {}

    def judge(number: int) -> Any:
        both.wait(WAIT_S)
        return arrival(number)

    async def join(number: int) -> Any:
        gathering: Gathering[int] = Gathering(asyncio.get_running_loop())
        async with asyncio.timeout(WAIT_S):
            return await gathering.join(writer, judge, number, WAIT_S)

    def serve(number: int) -> None:
        found[number] = asyncio.run(join(number)).seq

    writer = make_writer()
    threads = [threading.Thread(target=serve, args=(number,)) for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * WAIT_S)
    assert writer.close()
    assert found == {1: 1, 2: 2}
