"""A small body that comes in one piece: awaited no longer than its limits allow."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.exceptions import ClientDisconnected, RequestTimeout

from hipflask.webhooks import heads

LIMITS = {"REQUEST_BODY_TIMEOUT": 5, "REQUEST_BODY_MIN_RATE": 1e9, "MAX_BODY_CHUNKS": 10}
PATIENCE_S = 60


async def read(begin: Any, length: int = 2) -> Any:
    loop = asyncio.get_running_loop()
    exchange = SimpleNamespace(
        loop=loop, task=asyncio.current_task(), begin_whole=begin, takes_whole=lambda length: True
    )
    ctx = SimpleNamespace(_exchange=exchange)
    body = await heads.body_of(ctx, length, 1000, LIMITS)
    assert exchange.body is body
    return body


async def forever() -> bytes:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


def run(main: Any) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.create_task(main)

    try:
        return asyncio.run(within())
    finally:
        assert not heads._late
        assert not any(heads._waiting.values())


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "GRACE_S", 0.0)
    monkeypatch.setattr(heads, "TICK_S", 0.01)


def test_a_body_is_taken_as_it_comes() -> None:
    async def whole() -> bytes:
        await asyncio.sleep(0)
        return b"ab"

    assert run(read(whole)) == b"ab"


def test_a_short_one_and_one_that_fails_were_cut() -> None:
    async def short() -> bytes:
        return b"a"

    async def fails() -> bytes:
        raise OSError("gone")

    for begin in (short, fails):
        with pytest.raises(ClientDisconnected):
            run(read(begin))


def test_one_that_does_not_come_is_late(quick: None) -> None:
    async def main() -> str:
        with pytest.raises(RequestTimeout):
            await read(forever)
        # The task goes on as if nobody had cancelled it.
        task = asyncio.current_task()
        assert task is not None and not task.cancelling()
        await asyncio.sleep(0)
        return "went on"

    assert run(main()) == "went on"


def test_who_is_cancelled_by_others_is_not_late(quick: None) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        await read(forever)

    with pytest.raises(asyncio.CancelledError):
        run(main())


def test_who_is_cancelled_by_others_as_well_is_not_late(quick: None) -> None:
    async def swallows() -> bytes:
        try:
            await forever()
        except asyncio.CancelledError:
            # Cancelled for being late; now by somebody else too.
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            await forever()
        raise AssertionError

    with pytest.raises(asyncio.CancelledError):
        run(read(swallows))


def test_one_that_comes_all_the_same_is_taken(quick: None) -> None:
    async def comes() -> bytes:
        try:
            await forever()
        except asyncio.CancelledError:
            return b"ab"
        raise AssertionError

    async def main() -> Any:
        body = await read(comes)
        task = asyncio.current_task()
        assert task is not None and not task.cancelling()
        return body

    assert run(main()) == b"ab"
