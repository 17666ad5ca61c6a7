"""The strangler route, through each door, with both sides on real sockets."""

from __future__ import annotations

import contextlib
import gc
import gzip
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hipflask import Blueprint, Flask, Response, abort, request
from hipflask.forward import (
    Client,
    Compare,
    Destination,
    MemoryShared,
    Strangler,
    strangle,
    stranglers_of,
)
from hipflask.scaffold import SetupError

from .servers import Arrived, RawServer, answer_bytes, answer_with, closed_port, raw_server

DOORS = ("wsgi", "asgi", "rsgi")
JSON = ("Content-Type", "application/json")


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def old() -> Iterator[RawServer]:
    with raw_server(answer_with("200 OK", b'{"side":"old"}', JSON)) as server:
        yield server


@pytest.fixture
def new() -> Iterator[RawServer]:
    with raw_server(answer_with("200 OK", b'{"side":"old"}', JSON)) as server:
        yield server


def to(server: RawServer | str, name: str = "old") -> Destination:
    url = server if isinstance(server, str) else server.url
    return Destination(name, url=url, timeout_s=20)


def app_of(old: Any, new: Any, **options: Any) -> tuple[Flask, Strangler]:
    app = Flask(__name__)
    options = {"by": "x-account", "client": Client(), "shared": MemoryShared(), **options}
    made = strangle(app, "/orders/<path:rest>", old=old, new=new, refresh_s=None, **options)
    made.rollout.refresh()
    return app, made


def get(app: Flask, door: str, account: str | None = "a", **fields: str) -> Any:
    headers = {**({"X-Account": account} if account else {}), **fields}
    return call(app, door, "/orders/1?x=2", headers=headers)


def call(app: Flask, door: str, path: str, **options: Any) -> Any:
    """A request whose answer is read to its end, as every server does."""
    response = app.test_client(door=door, use_cookies=False).open(path, **options)
    response.get_data()
    return response


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def finish(made: Strangler) -> Any:
    """Wait for the shadows in work; returns the last stage."""
    wait_for(lambda: made.shadow.in_work == 0)
    stages = made.rollout.stages()
    return stages[-1] if stages else None


def test_each_client_has_its_side_and_keeps_it(door: str, old: RawServer, new: RawServer) -> None:
    app, made = app_of(to(old), to(new, "new"), canary=50)
    sides = {}
    for account in map(str, range(12)):
        for _ in range(2):
            before = len(new.arrived)
            assert get(app, door, account).status_code == 200
            side = "new" if len(new.arrived) > before else "old"
            assert sides.setdefault(account, side) == side
            assert side == made.rollout.side_of(made.rollout.refresh(), account)
    assert set(sides.values()) == {"old", "new"}
    assert new.arrived[0].line == "GET /orders/1?x=2 HTTP/1.1"


def test_set_moves_all_and_back(door: str, old: RawServer, new: RawServer) -> None:
    app, made = app_of(to(old), to(new, "new"))
    get(app, door)
    made.rollout.set(canary=100)
    get(app, door)
    get(app, door, None)
    made.rollout.set(canary=0)
    get(app, door)
    assert (len(old.arrived), len(new.arrived)) == (2, 2)
    assert [stage.canary for stage in made.rollout.stages()] == [0, 100, 0]


def test_a_tester_with_the_secret_chooses(door: str, old: RawServer, new: RawServer) -> None:
    app, _ = app_of(to(old), to(new, "new"), override="TESTERS")
    for value in ("new s3cret", "new ", "new", "both s3cret"):
        assert "Hipflask-Side" not in get(app, door, **{"Hipflask-Side": value}).headers
    app.config["TESTERS"] = "s3cret"
    for value in ("new wrong", "new", "both s3cret", "new s3cret2", "new sécret"):
        assert "Hipflask-Side" not in get(app, door, **{"Hipflask-Side": value}).headers
    assert new.arrived == []
    response = get(app, door, **{"Hipflask-Side": "new s3cret"})
    assert response.headers["Hipflask-Side"] == "new"
    assert len(new.arrived) == 1
    # The secret goes nowhere.
    assert all(each.get("hipflask-side") is None for each in old.arrived + new.arrived)


def test_a_shadow_asks_the_new_side_once_and_the_old_one_again(
    door: str, old: RawServer, new: RawServer
) -> None:
    app, made = app_of(to(old), to(new, "new"), shadow=100)
    response = get(app, door)
    assert response.json == {"side": "old"}
    stage = finish(made)
    assert stage.compared == 1 and stage.places == {}
    assert [each.get("hipflask-shadow") for each in new.arrived] == ["new"]
    assert sorted(str(each.get("hipflask-shadow")) for each in old.arrived) == ["None", "old"]
    assert all(each.line == "GET /orders/1?x=2 HTTP/1.1" for each in old.arrived + new.arrived)
    assert all(each.get("x-account") == "a" for each in old.arrived + new.arrived)
    assert stage.sides["shadow"].requests == 1


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        (answer_with("500 Oh"), "status"),
        (answer_with("200 OK", b'{"side":"new"}', JSON), "side"),
        (answer_with("200 OK", b'{"side":"old"}', ("Content-Type", "text/json")), None),
        (lambda request, peer: None, "status"),
        (lambda request, peer: b"nonsense", "status"),
    ],
)
def test_what_the_new_side_does_wrong_is_counted_and_nobody_sees_it(
    old: RawServer, answer: Any, place: str | None
) -> None:
    with raw_server(answer) as new:
        app, made = app_of(to(old), to(new, "new"), shadow=100)
        for _ in range(3):
            response = get(app, "asgi")
            assert (response.status_code, response.json) == (200, {"side": "old"})
            stage = finish(made)
    assert stage.compared == 3
    found = stage.places[place or "header:content-type"]
    assert (found.new_only, found.noise_only) == (3, 0)
    assert found.samples[0]["request"] == "GET /orders/1"


def test_what_differs_by_itself_is_noise(old: RawServer) -> None:
    count = iter(range(10**6))

    def changing(request: Arrived, peer: Any) -> bytes:
        return answer_bytes("200 OK", json.dumps({"n": next(count)}).encode(), JSON)

    with raw_server(changing) as server:
        app, made = app_of(to(server), to(server, "new"), shadow=100)
        for _ in range(20):
            get(app, "asgi")
            stage = finish(made)
    assert stage.compared == 20
    assert (stage.places["n"].both, stage.places["n"].new_only) == (20, 0)
    assert list(stage.beyond_noise()) == []


def test_a_seeded_change_is_found_and_timestamp_noise_is_not() -> None:
    """The short form of check 10; `python -m tests.forward.shadowing` seeds 1 %."""
    asked = iter(range(10**6))

    def answer(seed: int) -> Callable[[Arrived, Any], bytes]:
        def make(request: Arrived, peer: Any) -> bytes:
            number = int(request.line.split()[1].rpartition("/")[2])
            price = 11 if seed and number % seed == 0 else 10
            body = {"id": number, "price": price, "now": time.time_ns(), "n": next(asked)}
            return answer_bytes("200 OK", json.dumps(body).encode(), JSON)

        return make

    with raw_server(answer(0)) as old, raw_server(answer(10)) as new:
        app, made = app_of(to(old), to(new, "new"), shadow=100)
        for number in range(240):
            response = call(app, "asgi", f"/orders/{number}", headers={"X-Account": "a"})
            assert response.json["price"] == 10
            wait_for(lambda: made.shadow.in_work < 4)
        stage = finish(made)
    ((place, found, share),) = stage.beyond_noise()
    assert place == "price"
    assert share == pytest.approx(0.1, abs=0.02)
    assert found.samples[0]["old"] == "10" and found.samples[0]["new"] == "11"


def test_what_changes_something_is_not_asked_again(
    door: str, old: RawServer, new: RawServer
) -> None:
    app, made = app_of(to(old), to(new, "new"), shadow=100)
    posted = call(app, door, "/orders/1", method="POST", data=b"x", headers={"X-Account": "a"})
    assert posted.status_code == 200
    stage = finish(made)
    assert (len(old.arrived), len(new.arrived)) == (1, 0)
    assert stage.skipped == {"unsafe": 1}


def test_it_is_asked_of_a_dry_run(door: str, old: RawServer, new: RawServer) -> None:
    with raw_server(answer_with("200 OK", b'{"side":"dry"}', JSON)) as dry:
        app, made = app_of(to(old), to(new, "new"), shadow=100, dry_run=to(dry, "dry"))
        body = b"x" * 100_000
        call(app, door, "/orders/1", method="PUT", data=body, headers={"X-Account": "a"})
        stage = finish(made)
        assert (len(old.arrived), len(new.arrived)) == (1, 0)
        assert [each.body for each in dry.arrived] == [body]
        assert dry.arrived[0].line.startswith("PUT /orders/1")
        assert stage.places["side"].new_only == 1


def test_long_bodies_are_not_compared(door: str) -> None:
    with raw_server(answer_with("200 OK", b"x" * (1024 * 1024 + 1))) as old:
        app, made = app_of(to(old), to(old, "new"), shadow=100)
        assert len(get(app, door).data) == 1024 * 1024 + 1
        stage = finish(made)
    assert stage.skipped == {"long or cut": 1}
    assert len(old.arrived) == 1


def test_more_than_fit_are_skipped(old: RawServer) -> None:
    is_over = threading.Event()
    with raw_server(lambda request, peer: is_over.wait(60) and None) as new:
        app, made = app_of(to(old), to(new, "new"), shadow=100, most=2)
        for _ in range(5):
            assert get(app, "asgi").status_code == 200
        wait_for(lambda: len(new.arrived) == 2)
        assert made.shadow.in_work == 2
        is_over.set()
        stage = finish(made)
    assert stage.skipped == {"busy": 3}
    assert stage.compared == 2


@pytest.mark.parametrize("kind", ["dead", "slow"])
def test_a_candidate_in_trouble_adds_nothing_to_the_answers(kind: str, old: RawServer) -> None:
    """Two routes to one service, asked in turn; the program `shadowing` gives the figures."""
    is_over = threading.Event()
    with raw_server(lambda request, peer: is_over.wait(10) and None) as slow:
        candidate = to(slow, "new")
        if kind == "dead":
            candidate = to(f"http://127.0.0.1:{closed_port()}", "new")
        plain, _ = app_of(to(old), candidate)
        shadowed, made = app_of(to(old), candidate, shadow=100)
        times: dict[str, list[float]] = {"plain": [], "shadowed": []}
        for _ in range(60):
            for name, app in (("plain", plain), ("shadowed", shadowed)):
                begun = time.perf_counter()
                assert get(app, "asgi").status_code == 200
                times[name].append(time.perf_counter() - begun)
        is_over.set()
        finish(made)
    ratio = statistics.median(times["shadowed"]) / statistics.median(times["plain"])
    # What is asked beside it takes some of this process's time; waiting for it would be 1000.
    assert ratio < 5, ratio


def test_views_are_sides_too(door: str) -> None:
    def before(rest: str) -> Any:
        return {"rest": rest, "now": 1}, 200, {"X-Side": "old"}

    async def after(rest: str) -> Any:
        return {"rest": rest, "now": request.args["x"]}

    app, made = app_of(before, after, shadow=100)
    response = get(app, door)
    assert (response.json, response.headers["X-Side"]) == ({"rest": "1", "now": 1}, "old")
    stage = finish(made)
    assert stage.compared == 1
    assert {name: place.new_only for name, place in stage.places.items()} == {"now": 1}
    made.rollout.set(canary=100)
    assert get(app, door).json == {"rest": "1", "now": "2"}


@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_view_gets_the_body_and_so_does_its_dry_run(door: str, kind: str) -> None:
    def plain(rest: str) -> Any:
        return {"got": len(request.get_data()), "form": request.form.get("a")}

    async def awaited(rest: str) -> Any:
        return {"got": len(request.get_data()), "form": request.form.get("a")}

    view = plain if kind == "plain" else awaited
    app, made = app_of(view, view, shadow=100, dry_run=view)
    for data, size in ((b"x" * 1000, 1000), (b"x" * 2_000_000, 2_000_000)):
        response = call(app, door, "/orders/1", method="POST", data=data)
        assert response.json == {"got": size, "form": None}
    assert call(app, door, "/orders/1", method="POST", data={"a": "b"}).json["form"] == "b"
    stage = finish(made)
    assert (stage.compared, stage.places) == (2, {})
    assert stage.skipped == {"long or cut": 1}


def test_a_client_cannot_say_that_it_is_a_shadow(door: str, old: RawServer, new: RawServer) -> None:
    app, _ = app_of(to(old), to(new, "new"))
    get(app, door, **{"Hipflask-Shadow": "new"})
    assert old.arrived[0].get("hipflask-shadow") is None


def test_a_view_that_fails_in_the_shadow_disturbs_nobody(door: str) -> None:
    def before(rest: str) -> Any:
        return {"rest": rest}

    def after(rest: str) -> Any:
        raise ZeroDivisionError

    app, made = app_of(before, after, shadow=100)
    assert get(app, door).status_code == 200
    stage = finish(made)
    assert stage.places["status"].new_only == 1
    assert stage.sides["shadow"].errors == 1


def test_a_view_and_a_destination_change_places(door: str, new: RawServer) -> None:
    def before(rest: str) -> Any:
        return {"side": "old"}

    app, made = app_of(before, to(new, "new"), shadow=100)
    assert get(app, door).json == {"side": "old"}
    assert finish(made).places == {}
    made.rollout.set(canary=100)
    get(app, door)
    assert len(new.arrived) == 2


def test_errors_of_either_side_are_counted(door: str, old: RawServer) -> None:
    app, made = app_of(to(old), to(f"http://127.0.0.1:{closed_port()}", "new"), canary=100)
    assert get(app, door).status_code == 502
    made.rollout.set(canary=0)
    assert get(app, door).status_code == 200
    first, second = made.rollout.stages()
    assert (first.sides["new"].requests, first.sides["new"].errors) == (1, 1)
    assert (second.sides["old"].requests, second.sides["old"].errors) == (1, 0)


def test_a_refused_websocket_speaks_against_nobody(
    door: str, old: RawServer, new: RawServer
) -> None:
    app, made = app_of(to(old), to(new, "new"), canary=100)
    assert get(app, door, Upgrade="websocket").status_code == 501
    (stage,) = made.rollout.stages()
    assert stage.sides["new"].errors == 0


def test_the_new_side_that_fails_is_taken_back(old: RawServer) -> None:
    with raw_server(answer_with("500 Oh")) as new:
        app, made = app_of(to(old), to(new, "new"), canary=50)
        statuses = []
        for account in range(400):
            statuses.append(get(app, "asgi", str(account)).status_code)
            if account % 20 == 0:
                made.rollout.flush()
                made.rollout.refresh()
    assert made.rollout.refresh().canary == 0
    assert "errors" in (made.rollout.refresh().halted or "")
    assert 100 <= statuses.count(500) <= 120
    assert 500 not in statuses[300:]


def test_what_an_error_handler_makes_of_it_is_what_counts(door: str, old: RawServer) -> None:
    class Missing(Exception):
        pass

    def after(rest: str) -> Any:
        if rest == "gone":
            abort(Response("gone", 410))
        raise Missing if rest == "missing" else ZeroDivisionError

    app, made = app_of(to(old), after, canary=100)
    app.register_error_handler(Missing, lambda error: ("no such order", 404))
    app.register_error_handler(ZeroDivisionError, lambda error: ("sorry", 500))
    for rest, status in (("missing", 404), ("gone", 410), ("other", 500)):
        assert call(app, door, f"/orders/{rest}").status_code == status
    (stage,) = made.rollout.stages()
    assert (stage.sides["new"].requests, stage.sides["new"].errors) == (3, 1)


def test_an_answer_that_breaks_off_is_an_error_of_its_side(door: str, old: RawServer) -> None:
    made = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"
    with raw_server(lambda request, peer: made) as new:
        app, strangler = app_of(to(old), to(new, "new"), canary=100)
        with contextlib.suppress(Exception):  # as the door has it
            get(app, door)
    (stage,) = strangler.rollout.stages()
    assert (stage.sides["new"].requests, stage.sides["new"].errors) == (1, 1)


@pytest.mark.parametrize("packed_side", ["old", "new", "both"])
def test_compressed_answers_are_compared_as_what_they_say(packed_side: str) -> None:
    body = b'{"side":"old"}'

    def side(name: str, level: int) -> Any:
        if packed_side not in (name, "both"):
            return answer_with("200 OK", body, JSON)
        packed = gzip.compress(body, level)
        return answer_with("200 OK", packed, JSON, ("Content-Encoding", "gzip"))

    with raw_server(side("old", 1)) as old, raw_server(side("new", 0)) as new:
        app, made = app_of(to(old), to(new, "new"), shadow=100)
        get(app, "wsgi")
        stage = finish(made)
    assert (stage.compared, stage.places, stage.skipped) == (1, {}, {})


def test_what_cannot_be_unpacked_is_not_compared(old: RawServer) -> None:
    with raw_server(answer_with("200 OK", b"?", JSON, ("Content-Encoding", "br"))) as new:
        app, made = app_of(to(old), to(new, "new"), shadow=100)
        get(app, "wsgi")
        stage = finish(made)
    assert (stage.compared, stage.skipped) == (0, {"encoded": 1})


def test_an_answer_that_a_hook_throws_away_gives_the_shadows_place_back(
    door: str, old: RawServer, new: RawServer
) -> None:
    app, made = app_of(to(old), to(new, "new"), shadow=100, most=1)
    app.after_request(lambda response: Response("other"))
    for _ in range(2):
        assert get(app, door).data == b"other"
    gc.collect()
    assert made.shadow.in_work == 0


def test_by_cookie_function_and_address(old: RawServer, new: RawServer) -> None:
    for by, headers in (
        ("cookie:account", {"Cookie": "account=a"}),
        (lambda current: current.headers["X-Org"], {"X-Org": "a"}),
        (None, {}),
    ):
        app, made = app_of(to(old), to(new, "new"), by=by, canary=99.999)
        before = len(new.arrived)
        call(app, "asgi", "/orders/1", headers=headers)
        assert len(new.arrived) == before + 1, by


def test_a_blueprint_has_stranglers_as_well(old: RawServer, new: RawServer) -> None:
    app, blueprint = Flask(__name__), Blueprint("shop", __name__, url_prefix="/shop")
    made = strangle(blueprint, "/orders", old=to(old), new=to(new, "new"), shared=MemoryShared())
    app.register_blueprint(blueprint)
    assert stranglers_of(app) == {"orders": made}
    assert call(app, "asgi", "/shop/orders").status_code == 200
    assert old.arrived[0].line == "GET /shop/orders HTTP/1.1"


def test_two_rollouts_have_two_names() -> None:
    app = Flask(__name__)
    side = Destination("a", url="http://a.example")
    strangle(app, "/orders/<int:id>", old=side, new=side)
    with pytest.raises(SetupError, match="Two rollouts are named 'orders'"):
        strangle(app, "/orders/<int:id>/lines", old=side, new=side, name="orders", endpoint="b")


@pytest.mark.parametrize(
    "options",
    [{"by": "header:x"}, {"most": 0}, {"canary": 200}, {"old": "http://a"}, {"refresh_s": 0}],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    side = Destination("a", url="http://a.example")
    with pytest.raises(SetupError):
        strangle(Flask(__name__), "/a", **{"old": side, "new": side, **options})


def test_compare_is_asked(old: RawServer) -> None:
    with raw_server(answer_with("200 OK", b'{"side":"new"}', JSON)) as new:
        app, made = app_of(to(old), to(new, "new"), shadow=100, compare=Compare(ignore=("side",)))
        get(app, "asgi")
        assert finish(made).places == {}
