"""Values by key: kept for their time, made once for all who ask, bounded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from hipflask import Flask
from hipflask.cache import Cache, MemoryEntries
from hipflask.cache.memory import OVERHEAD_BYTES
from hipflask.database import StoreUnavailable
from tests.database.stores import KINDS, Stores


class Rate(msgspec.Struct):
    name: str
    value: float


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["memory", *KINDS])
def cache_and_time(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[Cache, Callable[[float], None]]]:
    """A cache of each kind, and what lets time pass for it."""
    if request.param == "memory":
        time = Time()

        def advance(seconds: float) -> None:
            time.now += seconds

        yield Cache(entries=MemoryEntries(clock=time)), advance
        return
    if request.param == "sqlite":
        folder = request.getfixturevalue("tmp_path")
        (folder / "store.db").write_bytes(request.getfixturevalue("prepared_file").read_bytes())
        url = f"sqlite:///{folder}/store.db"
    else:
        from tests.database.stores import new_database

        url = new_database(request.getfixturevalue("postgres"), "prepared")
    clock = request.getfixturevalue("clock")
    stores = Stores(request.param, url, clock)
    yield Cache(Flask("cache"), database=stores.open()), clock.advance
    stores.close()


Kind = tuple[Cache, Callable[[float], None]]


def test_values_are_kept_for_their_time(cache_and_time: Kind) -> None:
    cache, advance = cache_and_time
    assert cache.get("a") is None
    assert cache.get("a", 7) == 7
    cache.set("a", {"list": [1, "é", b"\x00"], "none": None}, ttl_s=10)
    assert cache.get("a") == {"list": [1, "é", b"\x00"], "none": None}
    cache.set("a", 2, ttl_s=10, stale_s=5)
    advance(12)
    assert cache.get("a") == 2
    advance(4)
    assert cache.get("a") is None
    cache.set("a", 3, ttl_s=10)
    cache.delete("a")
    cache.delete("never")
    assert cache.get("a") is None
    cache.set("b", 1, ttl_s=10)
    cache.clear()
    assert cache.get("b") is None


def test_values_have_their_types(cache_and_time: Kind) -> None:
    cache, _ = cache_and_time
    made = cache.get_or_make("r", lambda: Rate("EUR", 1.1), 10, type=Rate)
    assert made == cache.get("r", type=Rate) == Rate("EUR", 1.1)
    assert made is not cache.get("r", type=Rate)
    # Code of tomorrow asks for another type: as if there were none.
    assert cache.get("r", type=int) is None
    assert cache.get_or_make("r", lambda: 5, 10, type=int) == 5


@pytest.mark.parametrize("key", ["a" * 4096, "é\u2028 %_'", "a\0b", "\ud800"])
def test_keys_are_any_text(cache_and_time: Kind, key: str) -> None:
    cache, _ = cache_and_time
    cache.set(key, 1, 10)
    assert cache.get(key) == 1
    for wrong in ("", "a" * 4097, 5):
        with pytest.raises(ValueError, match="A key is a text"):
            cache.get(wrong)  # type: ignore[arg-type]


def test_one_makes_and_all_get_it(cache_and_time: Kind) -> None:
    cache, _ = cache_and_time
    calls: list[int] = []
    go, inside = threading.Event(), threading.Event()
    got: list[Any] = []

    def make() -> Any:
        calls.append(1)
        inside.set()
        assert go.wait(30)
        return {"n": len(calls)}

    threads = [
        threading.Thread(target=lambda: got.append(cache.get_or_make("k", make, 60)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert inside.wait(30)
    go.set()
    for thread in threads:
        thread.join(30)
    assert got == [{"n": 1}] * 8
    got[0]["n"] = 99  # nobody else's
    assert got[1] == {"n": 1}
    assert len(calls) == 1


def test_stale_value_is_given_while_one_makes_it_anew(cache_and_time: Kind) -> None:
    cache, advance = cache_and_time
    cache.get_or_make("k", lambda: "old", 10, stale_s=100)
    advance(20)
    go, inside = threading.Event(), threading.Event()
    got: list[Any] = []

    def make() -> str:
        inside.set()
        assert go.wait(30)
        return "new"

    def never() -> str:
        raise AssertionError("one is at it")

    thread = threading.Thread(
        target=lambda: got.append(cache.get_or_make("k", make, 10, stale_s=100))
    )
    thread.start()
    assert inside.wait(30)
    assert cache.get_or_make("k", never, 10, stale_s=100) == "old"
    go.set()
    thread.join(30)
    assert got == ["new"]
    assert cache.get_or_make("k", never, 10) == "new"


def test_errors_reach_all_and_are_not_kept(cache_and_time: Kind) -> None:
    cache, advance = cache_and_time

    def fail() -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("k", fail, 10)
    assert cache.get_or_make("k", lambda: 1, 10, stale_s=60) == 1
    advance(20)
    assert cache.get_or_make("k", fail, 10, stale_s=60) == 1  # stale is better than nothing
    advance(100)
    with pytest.raises(ZeroDivisionError):
        cache.get_or_make("k", fail, 10)


def test_coroutines_make_once_and_a_cancelled_one_is_taken_over(cache_and_time: Kind) -> None:
    cache, _ = cache_and_time
    calls: list[int] = []

    async def run() -> list[Any]:
        inside, go = asyncio.Event(), asyncio.Event()

        async def make() -> int:
            calls.append(1)
            inside.set()
            await go.wait()
            return len(calls)

        first = asyncio.create_task(cache.get_or_make_async("k", make, 60))
        await inside.wait()
        others = [asyncio.create_task(cache.get_or_make_async("k", make, 60)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        go.set()
        return await asyncio.gather(*others)

    assert asyncio.run(run()) == [2, 2, 2]
    assert cache.get("k") == 2


def test_functions_are_cached_by_their_arguments() -> None:
    cache = Cache()
    calls: list[Any] = []

    @cache.cached(ttl_s=60)
    def rate(name: str, *, value: float = 1) -> Rate:
        """How much."""
        calls.append(name)
        return Rate(name, value)

    @cache.cached(ttl_s=60)
    async def rate_async(name: str) -> Rate:
        calls.append(name)
        return Rate(name, 2)

    assert rate("EUR") == rate("EUR") == Rate("EUR", 1)
    assert rate("EUR", value=3) == Rate("EUR", 3)
    assert calls == ["EUR", "EUR"]
    rate.forget("EUR")  # type: ignore[attr-defined]
    rate("EUR")
    assert len(calls) == 3
    assert rate.__doc__ == "How much."

    async def twice() -> list[Rate]:
        return [await rate_async("USD"), await rate_async("USD")]

    assert asyncio.run(twice()) == [Rate("USD", 2)] * 2
    assert len(calls) == 4


def test_memory_is_bounded_and_the_unused_goes_first() -> None:
    entries = MemoryEntries(10 * (OVERHEAD_BYTES + 101))
    for n in range(10):
        entries.set(str(n), b"x" * 100, 60, 0)
    assert entries.get("0") is not None
    entries.set("a", b"x" * 100, 60, 0)
    assert entries.get("1") is None
    assert entries.get("0") is not None
    assert entries.bytes <= entries.max_bytes
    assert len(entries) == 10
    entries.set("0", b"x" * 10_000, 60, 0)  # larger than all: not kept, nor what was there
    assert entries.get("0") is None
    assert len(entries) == 9
    for key in [*map(str, range(10)), "a"]:
        entries.delete(key)
    assert entries.bytes == 0
    with pytest.raises(ValueError, match="more than 0"):
        MemoryEntries(0)


def test_a_store_that_is_away_is_an_empty_cache(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = stores.open()
    cache = Cache(Flask("cache"), database=database)
    cache.set("k", 1, 60)

    def away(*args: Any, **kwargs: Any) -> Any:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(database, "_connect", away)
        assert cache.get("k") is None
        assert cache.get_or_make("k", lambda: 2, 60) == 2
        with pytest.raises(StoreUnavailable):
            cache.delete("k")
    assert cache.get("k") == 1


def test_caches_in_one_store_are_apart_and_processes_share_them(stores: Stores) -> None:
    database = stores.open()
    app = Flask("cache")
    prices = Cache(app, name="prices", database=database)
    other = Cache(app, name="other", database=database)
    prices.set("k", 1, 60)
    assert other.get("k") is None
    other.set("k", 2, 60)
    other.clear()
    assert Cache(Flask("again"), name="prices", database=stores.open()).get("k") == 1
    prices.set("large", b"x" * (2 << 20), 60)
    assert prices.get("large") is None


def test_times_that_cannot_be_meant_are_refused() -> None:
    cache = Cache()
    with pytest.raises(ValueError, match="more than 0"):
        cache.set("k", 1, 0)
    with pytest.raises(ValueError, match="no less"):
        cache.get_or_make("k", int, 1, stale_s=-1)
    with pytest.raises(ValueError, match="takes the app"):
        Cache(database="sqlite:///x.db")
