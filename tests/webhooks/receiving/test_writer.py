"""Group commit: nobody is answered before the store has answered, and everybody is."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hipflask.database.errors import StoreUnavailable
from hipflask.webhooks.inbox.rows import Arrival, Kind, Receipt
from hipflask.webhooks.inbox.writer import MOST_ROWS, Failed, Handed, Writer


def arrival(number, body=b"x"):
    return Arrival(
        source="s", event_id=str(number), key=None, event_type=None, scheme="github",
        secret_no=1, is_id_signed=True, method="POST", query="", headers=b"", body=body,
        digest=b"", received_at=0.0,
    )  # fmt: skip


class Store:
    """Keeps what is appended; held back, it lets a transaction end only when told."""

    def __init__(self, *, is_held=False):
        self.batches = []
        self.errors = []
        self.entered = threading.Event()
        self.go = threading.Event()
        if not is_held:
            self.go.set()

    def append(self, arrivals):
        self.entered.set()
        assert self.go.wait(20)
        if self.errors and (error := self.errors.pop(0)):
            raise error
        for one in arrivals:
            if one.event_id == "poison":
                raise ValueError("s3cret")
        self.batches.append([one.event_id for one in arrivals])
        return [Receipt(int(one.event_id), Kind.STORED) for one in arrivals]


@pytest.fixture
def made():
    writers = []

    def make(store, **options):
        told = {"committed": [], "failed": [], "looked": 0}

        def look():
            told["looked"] += 1
            return False

        writer = Writer(
            store.append,
            committed=told["committed"].append,
            failed=told["failed"].append,
            look=options.pop("look", look),
            **options,
        )
        writers.append(writer)
        return writer, told

    yield make
    for writer in writers:
        assert writer.close()


async def put_all(writer, arrivals, patience_s=20):
    return await asyncio.gather(*(writer.put(one, patience_s) for one in arrivals))


def test_each_gets_its_own_receipt_and_many_share_a_transaction(made):
    store = Store(is_held=True)
    writer, told = made(store)

    async def main():
        waiting = [asyncio.ensure_future(writer.put(arrival(n), 20)) for n in range(1000)]
        await asyncio.to_thread(store.entered.wait, 20)
        assert not any(one.done() for one in waiting)  # nothing before the disk has it
        assert writer.waiting == 1000 and writer.waiting_bytes == 1000
        store.go.set()
        return await asyncio.gather(*waiting)

    found = asyncio.run(main())
    assert [receipt.seq for receipt in found] == list(range(1000))
    assert writer.close()
    assert [n for batch in store.batches for n in batch] == [str(n) for n in range(1000)]
    assert len(store.batches) <= 1000 / MOST_ROWS + 2
    assert max(map(len, store.batches)) <= MOST_ROWS
    assert writer.waiting == writer.waiting_bytes == 0
    assert sum(len(one.arrivals) for one in told["committed"]) == 1000


def test_large_bodies_end_a_batch(made):
    store = Store(is_held=True)
    writer, _ = made(store)

    async def main():
        body = b"x" * (6 * 1024 * 1024)
        waiting = asyncio.gather(*(writer.put(arrival(n, body), 20) for n in range(6)))
        store.go.set()
        await waiting

    asyncio.run(main())
    assert max(map(len, store.batches)) <= 3


def test_a_store_that_is_away_fails_all_and_heals(made):
    store = Store()
    store.errors = [StoreUnavailable("disk full")]
    writer, told = made(store)

    async def main():
        first = await writer.put(arrival(1), 20)
        return first, await writer.put(arrival(2), 20)

    first, second = asyncio.run(main())
    assert isinstance(first, Failed) and first.reason == "store" and second.seq == 2
    assert len(told["failed"]) == 1 and store.batches == [["2"]]


def test_one_that_cannot_be_stored_does_not_take_others_along(made):
    store = Store(is_held=True)
    writer, told = made(store)

    async def main():
        names = ["1", "2", "poison", "3"]
        waiting = asyncio.gather(*(writer.put(arrival(name), 20) for name in names))
        await asyncio.sleep(0)
        store.go.set()
        return await waiting

    found = asyncio.run(main())
    assert [getattr(one, "seq", None) for one in found] == [1, 2, None, 3]
    assert found[2].reason == "failed" and "s3cret" not in found[2].detail
    assert [type(error) for error in told["failed"]] == [ValueError]


def test_who_waits_too_long_is_told_so(made):
    store = Store(is_held=True)
    writer, _ = made(store)

    async def main():
        found = await writer.put(arrival(1), 0.0)
        store.go.set()
        return found, await writer.put(arrival(2), 20)

    late, second = asyncio.run(main())
    assert late.reason == "late" and second.seq == 2
    assert writer.close()
    assert [n for batch in store.batches for n in batch] == ["1", "2"]  # stored all the same


def test_who_left_is_stored_and_not_answered(made):
    store = Store(is_held=True)
    writer, _ = made(store)

    async def main():
        task = asyncio.ensure_future(writer.put(arrival(1), 20))
        await asyncio.to_thread(store.entered.wait, 20)
        task.cancel()
        store.go.set()
        return await writer.put(arrival(2), 20)

    assert asyncio.run(main()).seq == 2
    assert [n for batch in store.batches for n in batch] == ["1", "2"]


def test_a_loop_that_is_closed_is_no_matter(made):
    store = Store(is_held=True)
    writer, _ = made(store)

    async def leave():
        writer.put(arrival(1), 20)

    asyncio.run(leave())
    store.go.set()
    assert asyncio.run(put_all(writer, [arrival(2)]))[0].seq == 2


def test_several_loops_at_once(made):
    store = Store()
    writer, _ = made(store)
    found = {}

    def serve(number):
        found[number] = [
            receipt.seq
            for receipt in asyncio.run(
                put_all(writer, [arrival(number * 100 + n) for n in range(50)])
            )
        ]

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == {n: list(range(n * 100, n * 100 + 50)) for n in range(8)}


def test_the_end_answers_what_waits_and_refuses_what_comes(made):
    store = Store(is_held=True)
    writer, _ = made(store)

    async def main():
        waiting = asyncio.gather(*(writer.put(arrival(n), 20) for n in range(10)))
        closing = asyncio.get_running_loop().run_in_executor(None, writer.close)
        store.go.set()
        found = await waiting
        assert await closing
        return found, await writer.put(arrival(99), 20)

    found, refused = asyncio.run(main())
    assert [receipt.seq for receipt in found] == list(range(10))
    assert refused.reason == "store"
    assert writer.close()  # again


def test_it_looks_until_told_otherwise(made):
    answers = [True, True, False]
    looked = threading.Event()

    def look():
        if len(answers) == 1:
            looked.set()
        return answers.pop(0) if len(answers) > 1 else answers[0]

    store = Store()
    writer, _ = made(store, look=look, look_s=0.001)
    asyncio.run(put_all(writer, [arrival(1)]))
    assert looked.wait(20)


def test_a_listener_that_fails_does_not_end_the_writer(caplog):
    def fail(what):
        raise LookupError("mine")

    store = Store()
    store.errors = [None, StoreUnavailable("disk full")]
    writer = Writer(store.append, committed=fail, failed=fail, look=lambda: False)

    async def main():
        return [await writer.put(arrival(n), 20) for n in range(3)]

    found = asyncio.run(main())
    assert writer.close()
    assert [getattr(one, "reason", None) for one in found] == [None, "store", None]
    assert "LookupError: mine" in caplog.text


def test_a_system_without_a_thread_to_give_is_asked_again(made, monkeypatch):
    store = Store()
    writer, _ = made(store)
    start = threading.Thread.start
    refusals = [RuntimeError("can't start new thread")]

    def give(thread):
        if thread.name == "hipflask-writer" and refusals:
            raise refusals.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", give)

    async def main():
        first = writer.put(arrival(1), 20)
        return await writer.put(arrival(2), 20), await first

    assert [receipt.seq for receipt in asyncio.run(main())] == [2, 1]
    assert refusals == []


MIB = 1024 * 1024
CUTS = {
    "rows": ([1] * 600, [256, 256, 88]),
    "bytes": ([6 * MIB] * 5, [3, 2]),
    "one that is too large": ([20 * MIB, 1, 1], [1, 2]),
}


@pytest.mark.parametrize(("sizes", "cuts"), CUTS.values(), ids=list(CUTS))
def test_what_comes_together_is_cut_where_a_transaction_ends(made, sizes, cuts):
    class Sized(bytes):
        def __len__(self):
            return self.size

    def sized(number, size):
        one = Handed(arrival(number, Sized()), loop.create_future(), loop.time() + 20)
        one.arrival.body.size = size
        return one

    async def main():
        writer.put_all([sized(number, size) for number, size in enumerate(sizes)])
        assert (writer.waiting, writer.waiting_bytes) == (len(sizes), sum(sizes))
        return await writer.put(arrival(len(sizes)), 20)

    loop = asyncio.new_event_loop()
    store = Store()
    writer, _ = made(store)
    receipt = loop.run_until_complete(main())
    loop.close()
    assert receipt.seq == len(sizes)
    assert [len(batch) for batch in store.batches] in (cuts, [*cuts[:-1], cuts[-1] + 1], [*cuts, 1])
    assert [one for batch in store.batches for one in batch] == list(
        map(str, range(len(sizes) + 1))
    )
    assert (writer.waiting, writer.waiting_bytes) == (0, 0)
