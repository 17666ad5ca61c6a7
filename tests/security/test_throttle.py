"""Guessing at passwords is slowed down, by account and by address, in all processes together."""

from __future__ import annotations

import base64
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hipflask import Flask
from hipflask.database import open_database
from hipflask.doors import DOORS
from hipflask.security import Basic, Identity, Refused, Throttle, authenticated
from hipflask.security import passwords as passwords_module
from hipflask.security.passwords import (
    PasswordsBusy,
    hash_password,
    hashed_passwords,
    stored_passwords,
    verify_password,
)
from hipflask.security.throttle import LoginClosed, TooManyAttempts, network_of


class Now:
    def __init__(self, seconds=1000.0):
        self.seconds = seconds

    def __call__(self):
        return self.seconds


def fail(throttle, times, account="ada", address="192.0.2.1"):
    for _ in range(times):
        throttle.begin(account, address)


def wait_of(throttle, account="ada", address="192.0.2.1"):
    with pytest.raises(TooManyAttempts) as caught:
        throttle.begin(account, address)
    return caught.value.retry_after


def test_an_account_waits_twice_as_long_after_each_failure(store):
    now = Now()
    throttle = Throttle(store, account_free=3, clock=now)
    fail(throttle, 3)
    waits = []
    for _ in range(14):
        throttle.begin("ada", "192.0.2.1")
        waits.append(wait_of(throttle))
        now.seconds += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]
    throttle.begin("bob", "192.0.2.9")


def test_the_wait_is_told_to_the_second_and_over_when_it_is(store):
    now = Now()
    throttle = Throttle(store, account_free=0, first_s=10, clock=now)
    throttle.begin("ada", None)
    now.seconds += 9.5
    assert wait_of(throttle, address=None) == 1
    now.seconds += 0.5
    throttle.begin("ada", None)


def test_attempts_that_were_refused_make_nobody_wait_longer():
    now = Now()
    throttle = Throttle(account_free=0, first_s=10, clock=now)
    throttle.begin("ada", None)
    for _ in range(50):
        assert wait_of(throttle, address=None) == 10
    now.seconds += 10
    throttle.begin("ada", None)


def test_an_address_waits_whatever_accounts_it_tries():
    now = Now()
    throttle = Throttle(address_free=5, clock=now)
    for number in range(6):
        throttle.begin(f"user{number}", "2001:db8:1:2::7")
    assert wait_of(throttle, "another", "2001:db8:1:2:ffff::9") == 1
    throttle.begin("another", "2001:db8:1:3::7")


def test_a_right_password_forgets_the_accounts_failures_and_not_the_addresss(store):
    now = Now()
    throttle = Throttle(store, account_free=2, address_free=4, clock=now)
    fail(throttle, 2)
    throttle.begin("ada", "192.0.2.1").succeeded()
    fail(throttle, 2)
    # Four from the address failed, and one was right: the fifth failure is the first to wait.
    throttle.begin("mine", "192.0.2.1").succeeded()
    throttle.begin("bob", "192.0.2.1")
    assert wait_of(throttle, "carol") == 1


def test_what_was_taken_back_counts_as_nothing():
    throttle = Throttle(account_free=1, clock=Now())
    for _ in range(20):
        throttle.begin("ada", "192.0.2.1").take_back()
    throttle.begin("ada", "192.0.2.1")


def test_failures_are_forgotten_after_an_hour():
    now = Now()
    throttle = Throttle(account_free=2, clock=now)
    fail(throttle, 2)
    now.seconds += 3601
    fail(throttle, 2)
    throttle.begin("ada", None)


def test_names_that_look_alike_to_a_login_are_one_account():
    throttle = Throttle(account_free=1, clock=Now())
    throttle.begin("Ada", None)
    throttle.begin(" ADA ", None)
    assert wait_of(throttle, "\uff41da", None) == 1


@pytest.mark.parametrize("jump", [-3600, -365 * 86400])
def test_a_clock_set_back_makes_nobody_wait_longer_than_was_meant(jump):
    now = Now(1e9)
    throttle = Throttle(account_free=0, clock=now)
    throttle.begin("ada", None)
    now.seconds += jump
    assert wait_of(throttle, address=None) == 1


def test_of_a_thousand_guesses_at_once_only_the_free_ones_are_looked_at():
    throttle = Throttle(account_free=10, clock=Now())
    looked_at = []
    ready = threading.Barrier(50)

    def guess():
        ready.wait(30)
        for _ in range(20):
            try:
                throttle.begin("ada", None)
            except TooManyAttempts:
                continue
            looked_at.append(1)

    threads = [threading.Thread(target=guess) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(looked_at) == 11  # ten that are free, and the one that made the next wait


def test_made_up_names_do_not_fill_the_store_nor_push_out_who_is_attacked():
    now = Now()
    throttle = Throttle(account_free=3, first_s=600, clock=now)
    fail(throttle, 4, address=None)
    for number in range(40_000):
        throttle.begin(f"made-up-{number}", None)
    records = throttle._records._records
    assert len(records) <= 256
    assert max(map(len, records.values())) <= 64
    assert wait_of(throttle, address=None) == 600


def test_two_processes_count_together(tmp_path):
    url = f"sqlite:///{tmp_path}/login.db"
    here, there = Throttle(url, account_free=4), Throttle(open_database(url), account_free=4)
    fail(here, 3)
    fail(there, 2)
    assert wait_of(here) == 1 and wait_of(there) == 1


class Away:
    def get(self, name):
        raise OSError("away")

    def update(self, name, change):
        raise OSError("away")


def test_a_store_that_is_away_closes_the_login():
    with pytest.raises(LoginClosed) as caught:
        Throttle(Away()).begin("ada", "192.0.2.1")
    assert (caught.value.code, caught.value.retry_after) == (503, 5)


def test_a_store_that_goes_away_meanwhile_fails_nobody_who_was_right():
    throttle = Throttle()
    attempt = throttle.begin("ada", "192.0.2.1")
    throttle._records = Away()
    attempt.succeeded()


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "20010db800000000"),
        ("fe80::1%eth0", "fe80000000000000"),
        (None, None),
        ("", None),
        ("unix:", None),
    ],
)
def test_what_counts_as_one_client(address, network):
    assert network_of(address) == network


@given(st.text(), st.one_of(st.none(), st.text()))
def test_any_text_is_an_account_and_an_address(account, address):
    Throttle().begin(account, address)


# --- Basic ----------------------------------------------------------------------------------------


def field(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("door", DOORS)
def test_basic_is_slowed_down_before_the_check_is_asked(door, shared, kind, tmp_path):
    asked = []

    def check(user, password):
        asked.append(user)
        if password == "raises":
            raise RuntimeError
        if password == "refused":
            raise Refused("no")
        return Identity(user) if password.endswith("right") else None

    async def check_async(user, password):
        return check(user, password)

    store = open_database(f"sqlite:///{tmp_path}/login.db") if shared else None
    throttle = Throttle(store, account_free=2, clock=Now())
    app = Flask(__name__)
    app.identities = [Basic(check if kind == "plain" else check_async, throttle=throttle)]
    app.access = authenticated

    @app.get("/")
    async def index():
        return "in"

    client = app.test_client(door=door)

    def status(user, password):
        return client.get("/", headers=field(user, password)).status_code

    for _ in range(5):
        assert status("ada", "right") == 200
        assert status("ada", "raises") == 500
    assert [status("ada", "wrong"), status("ada", "refused"), status("ada", "wrong")] == [401] * 3
    asked.clear()
    answer = client.get("/", headers=field("ada", "also right"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert asked == []
    # Whoever guesses locks out nobody whose client is known here.
    assert status("ada", "right") == 200
    assert status("bob", "right") == 200


def test_a_pair_that_is_remembered_is_not_counted():
    hashed = hash_password("right")
    app = Flask(__name__)
    throttle = Throttle(account_free=0, first_s=100, clock=Now())
    app.identities = [
        Basic(hashed_passwords({"ada": (hashed, Identity("ada"))}), throttle=throttle)
    ]
    app.access = authenticated
    app.add_url_rule("/", "index", lambda: "in")
    client = app.test_client()
    assert client.get("/", headers=field("ada", "right")).status_code == 200
    assert client.get("/", headers=field("ada", "wrong")).status_code == 401
    assert client.get("/", headers=field("ada", "wrong")).status_code == 429
    assert client.get("/", headers=field("ada", "right")).status_code == 200


# --- passwords ------------------------------------------------------------------------------------


def test_as_many_passwords_wait_as_there_is_room_for(monkeypatch):
    turns = passwords_module._Turns(2, 3, 30.0)
    monkeypatch.setattr(passwords_module, "_turn", turns)
    hashed = hash_password("right")
    held = [turns._free.acquire(), turns._free.acquire()]
    answers = []
    threads = [
        threading.Thread(target=lambda: answers.append(verify_password(hashed, "right")))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    deadline = threading.Event()
    for _ in range(1000):
        if turns._waiting == 3:
            break
        deadline.wait(0.01)
    with pytest.raises(PasswordsBusy) as caught:
        verify_password(hashed, "right")
    assert (caught.value.code, caught.value.retry_after) == (503, 1)
    for _ in held:
        turns._free.release()
    for thread in threads:
        thread.join(30)
    assert answers == [True] * 3 and turns._waiting == 0


def test_who_waits_too_long_is_sent_away(monkeypatch):
    turns = passwords_module._Turns(1, 3, 0.0)
    with turns, pytest.raises(PasswordsBusy):
        turns.__enter__()
    with turns:
        pass


WEAK = "$argon2id$v=19$m=64,t=1,p=1$"


def weak_hash(password):
    import argon2

    return argon2.PasswordHasher(memory_cost=64, time_cost=1, parallelism=1).hash(password)


@pytest.mark.parametrize("kind", ["plain", "async", "mixed"])
def test_a_hash_of_weaker_parameters_is_made_anew_at_login(kind):
    import asyncio

    users = {"ada": weak_hash("right"), "bob": hash_password("right")}
    saved = []

    def find(name):
        return (users[name], Identity(name)) if name in users else None

    def save(name, hashed):
        saved.append(name)
        users[name] = hashed

    async def find_async(name):
        return find(name)

    async def save_async(name, hashed):
        save(name, hashed)

    if kind == "plain":
        check = stored_passwords(find, save)
    else:
        awaited = stored_passwords(find_async, save_async if kind == "async" else save)

        def check(name, password):
            return asyncio.run(awaited(name, password))

    assert check("ada", "wrong") is None and saved == []
    assert check("ada", "right").name == "ada" and saved == ["ada"]
    assert not users["ada"].startswith(WEAK)
    assert check("ada", "right").name == check("bob", "right").name == "bob" or saved == ["ada"]
    assert check("carol", "right") is None
    # A changed password counts at once, whatever was remembered.
    users["ada"] = hash_password("another")
    assert check("ada", "right") is None and check("ada", "another").name == "ada"


def test_an_unknown_name_takes_the_same_work(monkeypatch):
    asked = []
    hasher = passwords_module._hasher()

    class Counting:
        def verify(self, hashed, password):
            asked.append(hashed)
            return hasher.verify(hashed, password)

    hashed = hash_password("right")
    nobodys = passwords_module._nobodys()
    monkeypatch.setattr(passwords_module, "_hasher", Counting)
    check = stored_passwords(lambda name: (hashed, Identity(name)) if name == "ada" else None)
    assert check("ada", "wrong") is None and check("carol", "wrong") is None
    assert asked == [hashed, nobodys]
