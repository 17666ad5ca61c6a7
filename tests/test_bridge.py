import asyncio
import contextvars
import functools
import gc
import subprocess
import sys
import threading
import warnings
import weakref

import pytest

from hipflask import Flask, bridge, g, request
from hipflask.bridge import Pool, async_to_sync, in_pool, is_async

variable = contextvars.ContextVar("variable", default="default")


async def give(value):
    await asyncio.sleep(0)
    return value


def in_thread(function):
    outcome = []
    thread = threading.Thread(target=lambda: outcome.append(function()))
    thread.start()
    thread.join()
    return outcome[0]


# --- is_async -------------------------------------------------------------------------------


class Callable:
    async def __call__(self):
        return "called"

    async def method(self):
        return "method"


def marked():
    return give("marked")


marked._is_coroutine = object()


async def numbers():
    yield 1


@pytest.mark.parametrize(
    "function, expected",
    [
        (give, True),
        (functools.partial(give, 1), True),
        (Callable().method, True),
        (marked, True),
        (lambda: 1, False),
        (numbers, False),
        (Callable(), False),
        (len, False),
        (functools.partial(len, "x"), False),
    ],
)
def test_coroutine_functions_are_told_apart(function, expected):
    assert is_async(function) is expected


# --- results and errors ---------------------------------------------------------------------


def test_wrapped_function_gives_the_result_and_keeps_its_name():
    plain = async_to_sync(give)
    assert plain(5) == 5
    assert plain(value=6) == 6
    assert plain.__name__ == "give"
    assert plain.__wrapped__ is give


@pytest.mark.parametrize("error", [ZeroDivisionError, asyncio.CancelledError])
@pytest.mark.parametrize("inside_loop", [False, True])
def test_error_of_the_coroutine_is_raised(error, inside_loop):
    @async_to_sync
    async def fail():
        raise error

    async def main():
        with pytest.raises(error):
            fail()

    if inside_loop:
        asyncio.run(main())
    else:
        with pytest.raises(error):
            fail()
    assert async_to_sync(give)(1) == 1


# --- context variables ----------------------------------------------------------------------


@pytest.mark.parametrize("inside_loop", [False, True])
def test_context_variables_are_carried_in_and_back(inside_loop):
    @async_to_sync
    async def change():
        before = variable.get()
        variable.set("changed")
        await asyncio.sleep(0)
        return before

    def check():
        variable.set("mine")
        assert change() == "mine"
        assert variable.get() == "changed"

    async def main():
        check()

    if inside_loop:
        asyncio.run(main())
    else:
        contextvars.copy_context().run(check)


def test_context_variable_that_only_the_coroutine_set_is_carried_back():
    fresh = contextvars.ContextVar("fresh")

    @async_to_sync
    async def set_it():
        fresh.set("set")

    def check():
        with pytest.raises(LookupError):
            fresh.get()
        set_it()
        assert fresh.get() == "set"

    contextvars.copy_context().run(check)


def test_request_and_g_are_current_in_a_coroutine():
    app = Flask(__name__)

    async def view():
        await asyncio.sleep(0)
        g.name = "set inside"
        return request.path

    with app.test_request_context("/x"):
        assert app.ensure_sync(view)() == "/x"
        assert g.name == "set inside"


def test_coroutine_that_fails_carries_nothing_back():
    @async_to_sync
    async def fail():
        variable.set("changed")
        raise ZeroDivisionError

    def check():
        with pytest.raises(ZeroDivisionError):
            fail()
        assert variable.get() == "default"

    contextvars.copy_context().run(check)


# --- loops ----------------------------------------------------------------------------------


async def running_loop():
    return asyncio.get_running_loop()


def test_thread_keeps_its_loop():
    plain = async_to_sync(running_loop)
    first = plain()
    assert plain() is first
    assert in_thread(lambda: (plain(), plain()))[0] is not first
    assert not first.is_closed()


def test_task_begun_in_one_call_goes_on_in_the_next():
    done = []

    async def later():
        await asyncio.sleep(0)
        done.append(True)

    kept = []

    @async_to_sync
    async def begin():
        kept.append(asyncio.ensure_future(later()))

    @async_to_sync
    async def finish():
        await kept[0]

    begin()
    finish()
    assert done == [True]


def test_closed_loop_is_replaced():
    plain = async_to_sync(running_loop)

    def check():
        first = plain()
        first.close()
        second = plain()
        return first is not second and not second.is_closed()

    assert in_thread(check)


def test_loop_is_closed_with_its_thread():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loop = in_thread(async_to_sync(running_loop))
        gc.collect()
    assert loop.is_closed()


def test_loop_nobody_refers_to_is_freed_with_its_thread():
    reference = in_thread(lambda: weakref.ref(async_to_sync(running_loop)()))
    gc.collect()
    assert reference() is None


def test_loop_inside_a_loop_runs_on_a_thread_of_its_own():
    @async_to_sync
    async def where():
        return threading.current_thread().name, asyncio.get_running_loop()

    async def main():
        name, loop = where()
        assert name == "hipflask-async"
        assert loop is not asyncio.get_running_loop()
        return loop

    assert asyncio.run(main()).is_closed()


def test_call_inside_a_coroutine_called_from_plain_code():
    @async_to_sync
    async def inner():
        return "inner"

    @async_to_sync
    async def outer():
        return f"{inner()} outer"

    assert outer() == "inner outer"


LEAVE_A_LOOP_OPEN = """
from hipflask.bridge import async_to_sync

async def give():
    return "given"

print(async_to_sync(give)())
"""


def test_main_threads_loop_is_no_reason_for_a_warning_at_exit():
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", LEAVE_A_LOOP_OPEN],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "given\n", "")


def test_no_event_loop_is_current_after_a_call():
    async_to_sync(give)(1)
    assert asyncio._get_running_loop() is None


# --- applications ---------------------------------------------------------------------------


def test_application_may_replace_how_coroutines_are_run():
    class Own(Flask):
        def async_to_sync(self, func):
            return lambda *args, **kwargs: "replaced"

    app = Own(__name__)
    assert app.ensure_sync(give)() == "replaced"
    assert app.ensure_sync(len) is len
    app.add_url_rule("/", "view", give)
    assert app.test_client().get("/").text == "replaced"


def test_async_client_made_in_one_request_works_in_the_next():
    app = Flask(__name__)
    clients = []

    @app.get("/")
    async def view():
        if not clients:
            clients.append(asyncio.Event())
            asyncio.get_running_loop().call_later(0.001, clients[0].set)
            return "made"
        await clients[0].wait()
        return "used"

    client = app.test_client()
    assert [client.get("/").text, client.get("/").text] == ["made", "used"]


def test_each_loop_of_a_thread_has_the_pool_to_itself():
    async def hop():
        return await in_pool(threading.current_thread), await in_pool(str, 1)

    def both():
        # The thread keeps the first loop; the others come and go.
        return async_to_sync(hop)(), asyncio.run(hop()), asyncio.run(hop()), async_to_sync(hop)()

    for thread, text in in_thread(both):
        assert thread.name == "hipflask-pool"
        assert text == "1"


def test_one_thread_takes_quick_calls_and_more_come_where_one_waits(monkeypatch):
    monkeypatch.setattr(bridge, "PATIENCE_S", 600)

    async def run():
        pool = Pool()
        calls = [pool.hop(contextvars.copy_context(), threading.get_ident) for _ in range(50)]
        assert pool._is_parallel or len(set(await asyncio.gather(*calls))) == 1
        opened = threading.Event()
        first = pool.hop(contextvars.copy_context(), opened.wait)
        second = pool.hop(contextvars.copy_context(), opened.set)
        while not pool._is_parallel and pool._taken < 51:
            await asyncio.sleep(0)
        pool._look()  # the first call of this kind has just been taken
        pool._look()
        await asyncio.gather(first, second)
        assert pool._threads == 2
        pool.close()

    asyncio.run(run())


def test_a_result_does_not_wait_for_a_call_that_takes_long():
    async def run():
        pool = Pool()
        opened = threading.Event()
        calls = [pool.hop(contextvars.copy_context(), f) for f in (int, opened.wait, int)]
        assert await calls[0] == await calls[2] == 0
        opened.set()
        assert await calls[1]
        pool.close()

    asyncio.run(run())


def test_a_closed_pool_ends_its_threads():
    async def run():
        pool = Pool()
        thread = await pool.hop(contextvars.copy_context(), threading.current_thread)
        pool.close()
        return thread

    thread = asyncio.run(run())
    thread.join(10)
    assert not thread.is_alive()
