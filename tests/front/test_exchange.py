"""Reading a body within its limits, over an exchange made by hand."""

from __future__ import annotations

import asyncio

import pytest
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    LengthRequired,
    RequestEntityTooLarge,
    RequestTimeout,
)

from hipflask import Flask
from hipflask.front import exchange as module
from hipflask.front.exchange import Exchange, Guard

LIMITS = {
    "MAX_CONTENT_LENGTH": None,
    "MAX_BODY_CHUNKS": 1000,
    "REQUEST_BODY_TIMEOUT": 30,
    "REQUEST_BODY_MIN_RATE": 240,
}
NO_LIMITS = dict.fromkeys(LIMITS)


class Given(Exchange):
    """A body of given chunks; an exception among them is raised, "stop" never ends."""

    method = "POST"
    has_body = True

    def __init__(self, *chunks, length=None, http_version="1.1"):
        self.given = chunks
        self.length = length
        self.http_version = http_version

    def header(self, name):
        return self.length if name == "content-length" else None

    async def chunks(self):
        for chunk in self.given:
            if chunk == "stop":
                await asyncio.Event().wait()
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk


def read(exchange, limit=None, config=LIMITS):
    return asyncio.run(exchange.read(limit, config))


def test_a_whole_body_is_kept_as_bytes():
    exchange = Given(b"abc", b"def", length="6")
    assert read(exchange) is None
    assert exchange.body == b"abcdef"
    assert exchange.stream(None).read() == b"abcdef"


@pytest.mark.parametrize("length", ["5", "7"])
def test_another_length_than_declared_is_a_cut_body(length):
    exchange = Given(b"abc", b"def", length=length)
    assert isinstance(read(exchange, config=NO_LIMITS), ClientDisconnected)
    with pytest.raises(ClientDisconnected):
        exchange.stream(None)


@pytest.mark.parametrize("length", ["x", "-1", "1e3", "+1", "", "٣", "9" * 5000])
def test_a_length_that_is_no_number_is_400(length):
    assert isinstance(read(Given(b"abc", length=length)), BadRequest)


def test_a_declared_length_over_the_limit_is_left_unread():
    exchange = Given(AssertionError("read"), length="10")
    assert read(exchange, limit=5, config={**LIMITS, "MAX_CONTENT_LENGTH": 5}) is None
    with pytest.raises(RequestEntityTooLarge):
        exchange.stream(None)


def test_chunks_over_the_limit_are_413_when_touched():
    exchange = Given(b"abc", b"def")
    assert read(exchange, limit=5) is None
    with pytest.raises(RequestEntityTooLarge):
        exchange.stream(None)


def test_http_2_needs_a_length():
    assert isinstance(read(Given(b"abc", http_version="2")), LengthRequired)
    assert read(Given(b"abc", http_version="2", length="3")) is None


def test_too_many_small_chunks_are_refused():
    assert isinstance(read(Given(*[b"x"] * 1200)), BadRequest)
    assert read(Given(*[b"x"] * 900)) is None
    assert read(Given(*[b"x" * 64] * 5000)) is None
    assert read(Given(*[b"x"] * 1200), config=NO_LIMITS) is None


def test_a_large_body_is_a_file(monkeypatch):
    monkeypatch.setattr(module, "SPOOL_BYTES", 10)
    exchange = Given(b"12345678", b"abcdefgh")
    read(exchange)
    assert not isinstance(exchange.body, bytes)
    with exchange.stream(None) as file:
        assert file.read() == b"12345678abcdefgh"
    exchange.close(Flask(__name__))
    assert exchange.spool.closed


@pytest.mark.parametrize(
    "limits", [{"REQUEST_BODY_TIMEOUT": 0.01}, {"REQUEST_BODY_MIN_RATE": 240}], ids=str
)
def test_a_body_that_stops_is_408(limits, monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0)
    monkeypatch.setattr(module, "TICK_S", 0.001)
    exchange = Given(b"a", "stop", length="1000")
    assert isinstance(read(exchange, config={**NO_LIMITS, **limits}), RequestTimeout)


def test_a_body_in_one_piece_is_given_the_time_its_length_needs(monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0)
    monkeypatch.setattr(module, "TICK_S", 0.001)
    exchange = Given("stop", length="1")
    exchange.takes_whole = lambda length: True
    assert isinstance(read(exchange), RequestTimeout)


def test_a_client_that_leaves_ends_a_reader_that_would_wait_for_ever():
    calls = []
    exchange = Given(b"abc", "stop")
    exchange.when_gone = calls.append

    async def leave():
        reading = asyncio.ensure_future(exchange.read(None, NO_LIMITS))
        while not calls:
            await asyncio.sleep(0)
        calls[0]()
        return await reading

    assert isinstance(asyncio.run(leave()), ClientDisconnected)


def test_chunks_of_a_body_left_unread():
    async def take():
        exchange = Given(b"abc", b"def", length="6")
        exchange.leave_unread(LIMITS)
        return [await exchange.next_chunk(None) for _ in range(3)]

    assert asyncio.run(take()) == [b"abc", b"def", b""]


def test_chunks_of_a_body_that_is_cut_end_with_an_error():
    async def take():
        exchange = Given(b"abc", length="6")
        exchange.leave_unread(NO_LIMITS)
        assert await exchange.next_chunk(None) == b"abc"
        await exchange.next_chunk(None)

    with pytest.raises(ClientDisconnected):
        asyncio.run(take())


def test_a_slow_view_does_not_count_against_the_client(monkeypatch):
    monkeypatch.setattr(module, "GRACE_S", 0)

    async def take():
        exchange = Given(b"abc", b"def", length="6")
        exchange.leave_unread({**NO_LIMITS, "REQUEST_BODY_MIN_RATE": 240})
        first = await exchange.next_chunk(None)
        intake = exchange._intake
        intake._last = intake._since + 0.001
        with intake._guard():
            return first, intake._too_slow(intake._since + 0.0001)

    assert asyncio.run(take()) == (b"abc", None)


def test_waiting_for_an_unread_body_on_the_loop_is_refused():
    async def touch():
        exchange = Given(b"abc", length="3")
        exchange.loop = asyncio.get_running_loop()
        exchange.leave_unread(LIMITS)
        exchange.stream(None)

    with pytest.raises(RuntimeError, match="async for chunk in request.body_stream"):
        asyncio.run(touch())


# --- Guard ----------------------------------------------------------------------------------


def test_guard_lets_a_cancellation_by_others_pass():
    async def guarded():
        with Guard(lambda now: None):
            await asyncio.Event().wait()

    async def cancel():
        task = asyncio.ensure_future(guarded())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())


def test_guard_leaves_the_task_uncancelled():
    async def guarded():
        with pytest.raises(KeyError), Guard(lambda now: None) as guard:
            guard._loop.call_soon(guard.interrupt, KeyError("reason"))
            guard._loop.call_soon(guard.interrupt, ValueError("too late"))
            await asyncio.Event().wait()
        guard.interrupt(ValueError("over"))
        await asyncio.sleep(0)
        return asyncio.current_task().cancelling()

    assert asyncio.run(guarded()) == 0
